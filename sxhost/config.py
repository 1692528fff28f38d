"""The host's settings, and the address at which clients find it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Literal

from msgspec import Struct

from sxhost import files
from sxhost.model.limits import Limits
from sxhost.model.names import KeptNative

__all__ = [
    "DEFAULT_HOST",
    "DEFAULT_PORT",
    "USAGE_ERROR",
    "Promise",
    "Settings",
    "address_file",
    "announced_url",
    "host_url",
    "state_dir",
]

Durability = Literal["power", "process"]
Promise = Literal["none", "process", "power", "replicas"]
"""What an acknowledged write survives, the least first."""
EmitContent = Literal["full", "redacted", "none"]
"""How much of a conversation's content telemetry contains."""

LogFormat = Literal["text", "json", "combined"]
LogLevelName = Literal["debug", "info", "warn", "error", "critical"]
"""`sxhost.logs.LEVELS`, for commands that are too quick to import Twisted."""

TokensFor = Literal["others", "all", "none"]
"""Who needs a token: everybody but the host's own user, everybody, or nobody."""

ClusterMode = Literal["standby", "active"]

DEFAULT_HOST = "127.0.0.1"
"""Nobody on the network can reach a host unless it is told to listen there."""

DEFAULT_PORT = 7432
"""scorpiox-host's port, where its clients look."""

USAGE_ERROR = 2
"""Exit status for a wrong command line."""


class Settings(Struct, frozen=True, kw_only=True):
    """The settings of a host, from `twistd sxhost`'s options; `listen` has endpoint strings."""

    listen: tuple[str, ...]
    state_dir: Path
    limits: Limits = Limits()
    log_level: str = "info"
    store: str = "sqlite"
    """``sqlite`` (in the state directory), ``sqlite:PATH``, ``memory:``, ``postgresql:…``."""
    durability: Durability = "power"
    require_durability: Promise = "none"
    """What the store has to promise, or the host does not start."""
    cluster: ClusterMode = "standby"
    """What hosts over one PostgreSQL do: one serves and others stand by, or all are active."""
    drain: float = 0
    """Seconds for which a host that is to stop still serves, and says that it is not ready."""
    native: KeptNative = "facts"
    """Which events on disk have the agent's own message."""
    hosts: tuple[str, ...] = ()
    """Further names that a Host header may have."""
    origins: tuple[str, ...] = ()
    """Origins of web pages that may send requests, beside the host's own."""
    tokens: TokensFor = "others"
    tls: tuple[Path, Path] | None = None
    """The files of the certificate (with its chain) and of its key."""
    log_format: LogFormat = "text"
    agent_roots: tuple[Path, ...] = ()
    """Directories in which agents may work; none means everywhere."""
    agent_env: tuple[str, ...] = ()
    """Which of the host's environment variables agents get (`sxhost.process.environ`)."""
    resume_at_boot: bool = False
    """Whether hosted agents are restarted with the host."""
    discover: bool = False
    """Whether agents that run without hooks are shown as sessions."""
    bypass: bool = False
    """Whether Codex, started by ``POST /messages``, runs without approvals and sandbox."""
    policy: Path | None = None
    """The policy's file (`sxhost.policy.rules`)."""
    notify: Path | None = None
    """The file of notifications (`sxhost.notify.rules`)."""
    prices: Path | None = None
    """A file of prices of models (`sxhost.prices`)."""
    emit_content: EmitContent = "full"
    pid_file: Path | None = None
    uid: int | None = None
    """The uid that twistd changes to once the host listens, if it is not the present one."""

    @property
    def user(self) -> int:
        """The uid of the host while it serves."""
        return os.getuid() if self.uid is None else self.uid

    @property
    def engine(self) -> str:
        """The URL of the PostgreSQL database that is the store; empty if none is."""
        return self.store if self.store.startswith(("postgresql:", "postgres:")) else ""

    @property
    def is_active_node(self) -> bool:
        """Whether this host writes to that database together with others."""
        return bool(self.engine) and self.cluster == "active"

    @property
    def store_id(self) -> str:
        """A short name of that database."""
        return sha256(self.engine.encode()).hexdigest()[:8]

    @property
    def required_durability(self) -> Promise:
        """What the store has to promise."""
        return self.durability if self.require_durability == "none" else self.require_durability

    @property
    def database(self) -> Path | None:
        """The store's file; None for one in memory, or in PostgreSQL."""
        kind, _, path = self.store.partition(":")
        return None if kind != "sqlite" else Path(path or self.state_dir / "sxhost.db")


def state_dir(environ: Mapping[str, str]) -> Path:
    """Return the directory of the host's database, tokens and address.

    systemd's directory, else the one of the XDG base directory specification.
    """
    if environ.get("STATE_DIRECTORY"):
        return Path(environ["STATE_DIRECTORY"].partition(":")[0])
    if environ.get("XDG_STATE_HOME"):
        return Path(environ["XDG_STATE_HOME"], "sxhost")
    return Path(environ.get("HOME") or "/", ".local", "state", "sxhost")


def address_file(place: Path) -> Path:
    """Return the file in a state directory that has the URL of the running host."""
    return place / "url"


def host_url(environ: Mapping[str, str]) -> str:
    """Return the host's URL for clients: ``SXHOST_URL``, its address file, or the default."""
    default = f"http://{DEFAULT_HOST}:{DEFAULT_PORT}"
    return environ.get("SXHOST_URL") or announced_url(state_dir(environ)) or default


def announced_url(place: Path) -> str:
    """Return the URL that the host of a state directory has left there; empty if it has not."""
    try:
        url = files.read_private(address_file(place)).decode().strip()
    except (OSError, ValueError):
        return ""
    return url if url.startswith(("http:", "https:", "unix:")) else ""
