"""What the host is told from outside: its settings, and where a client finds it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from msgspec import Struct

from sxhost import files
from sxhost.model.limits import Limits

__all__ = [
    "DEFAULT_HOST",
    "DEFAULT_PORT",
    "USAGE_ERROR",
    "Settings",
    "address_file",
    "host_url",
    "state_dir",
]

Durability = Literal["power", "process"]
EmitContent = Literal["full", "redacted", "none"]
"""How much telemetry tells of what was said."""

LogFormat = Literal["text", "json", "combined"]
LogLevelName = Literal["debug", "info", "warn", "error", "critical"]
"""`sxhost.logs.LEVELS`, for commands that are too quick to import Twisted."""

TokensFor = Literal["others", "all", "none"]
"""Who needs a token: all but the host's own user, everyone, or nobody."""

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 7432

USAGE_ERROR = 2
"""Exit status of a command line that cannot be understood."""


class Settings(Struct, frozen=True, kw_only=True):
    """Everything that `makeService` needs; `listen` holds Twisted endpoint strings."""

    listen: tuple[str, ...]
    state_dir: Path
    limits: Limits = Limits()
    log_level: str = "info"
    store: str = "sqlite"
    """``sqlite`` (in the state directory), ``sqlite:PATH`` or ``memory:``."""
    durability: Durability = "power"
    hosts: tuple[str, ...] = ()
    """Names that the host has besides its own."""
    origins: tuple[str, ...] = ()
    """Pages from elsewhere that may ask."""
    tokens: TokensFor = "others"
    tls: tuple[Path, Path] | None = None
    """The files of the certificate (with its chain) and of its key."""
    log_format: LogFormat = "text"
    agent_roots: tuple[Path, ...] = ()
    """Where agents may work; none means everywhere."""
    agent_env: tuple[str, ...] = ()
    """What of the host's environment agents get (`sxhost.process.environ`)."""
    resume_at_boot: bool = False
    """Whether hosted agents are started again with the host."""
    bypass: bool = False
    """Whether Codex, started by ``POST /messages``, asks nobody and is shut in nowhere."""
    policy: Path | None = None
    """The file of the rules that answer for a person."""
    emit_content: EmitContent = "full"
    pid_file: Path | None = None
    uid: int | None = None
    """The user that the host will be once it listens, if that is another one than now."""

    @property
    def user(self) -> int:
        """The user that the host is while it serves."""
        return os.getuid() if self.uid is None else self.uid

    @property
    def database(self) -> Path | None:
        """The file that the store keeps, if it keeps one."""
        kind, _, path = self.store.partition(":")
        return None if kind == "memory" else Path(path or self.state_dir / "sxhost.db")


def state_dir(environ: Mapping[str, str]) -> Path:
    """Return where the host keeps what it must not forget.

    systemd's directory, else the one of the XDG base directory specification.
    """
    if environ.get("STATE_DIRECTORY"):
        return Path(environ["STATE_DIRECTORY"].partition(":")[0])
    if environ.get("XDG_STATE_HOME"):
        return Path(environ["XDG_STATE_HOME"], "sxhost")
    return Path(environ.get("HOME") or "/", ".local", "state", "sxhost")


def address_file(place: Path) -> Path:
    """Return where a host with this state directory says, while it runs, where it listens."""
    return place / "url"


def host_url(environ: Mapping[str, str]) -> str:
    """Return where a client looks for the host: as told, as the host says, or as usual."""
    usual = f"http://{DEFAULT_HOST}:{DEFAULT_PORT}"
    return environ.get("SXHOST_URL") or _announced(state_dir(environ)) or usual


def _announced(place: Path) -> str:
    try:
        url = files.read(address_file(place)).decode().strip()
    except (OSError, ValueError):
        return ""
    return url if url.startswith(("http:", "https:", "unix:")) else ""
