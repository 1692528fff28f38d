"""The command line of ``twistd sxhost``, and what of it becomes settings."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn, cast, get_args

from twisted.internet.endpoints import quoteStringArgument
from twisted.python import usage

from sxhost.config import (
    DEFAULT_HOST,
    DEFAULT_PORT,
    USAGE_ERROR,
    Durability,
    EmitContent,
    LogFormat,
    Settings,
    TokensFor,
    state_dir,
)
from sxhost.daemon.listening import stays_here
from sxhost.logs import LEVELS
from sxhost.model.limits import Limits
from sxhost.visible import refuse

__all__ = ["BYPASS", "Options"]

BYPASS = "dangerously-bypass-approvals-and-sandbox"


LAST_PORT = 65_535


class Options(usage.Options):
    """The command line of ``twistd sxhost``; each error is one sentence and exit 2."""

    synopsis = "[options]"
    longdesc = "The host through which you see, steer and answer every coding agent."
    optParameters = (
        ["port", "p", None, f"TCP port to listen on; 0 takes a free one  [{DEFAULT_PORT}]"],
        ["host", None, None, f"Address to listen on  [{DEFAULT_HOST}]"],
        ["state-dir", None, None, "Directory for what must not be forgotten"],
        ["max-sessions", None, str(Limits().sessions), "Sessions held at once"],
        ["store", None, "sqlite", "sqlite (in the state directory), sqlite:PATH or memory:"],
        ["durability", None, "power", "What an acknowledged write survives: power or process"],
        ["retain", None, str(Limits().retain), "Events kept on disk for each session"],
        ["retain-days", None, str(Limits().retain_days), "Days they are kept"],
        ["max-events", None, str(Limits().events), "Events buffered for each session"],
        ["max-messages", None, str(Limits().messages), "Messages waiting for one agent"],
        ["max-message-size", None, str(Limits().message_size), "Bytes of one message"],
        ["log-level", None, None, f"One of {', '.join(LEVELS)}  [info, or $SXHOST_LOG]"],
        ["log-format", None, "text", "text, json, or combined: Apache's, for requests"],
        ["tls-cert", None, None, "File of the certificate and its chain; TCP then speaks TLS"],
        ["tls-key", None, None, "File of the certificate's key"],
        ["emit-content", None, "full", "Of telemetry: full, redacted (lengths) or none"],
        ["policy", None, None, "File of rules that answer agents' questions"],
        [
            "stall-after",
            None,
            str(Limits().stall_after),
            "Seconds of silence: stalled",
        ],
        [BYPASS, None, "false", "true: Codex asks nobody for POST /messages"],
        ["pid-file", None, None, "Where the process id is written"],
    )
    optFlags = (
        ["require-token", None, "Everyone needs a token, the host's own user too"],
        ["resume-at-boot", None, "Start hosted agents again with the host"],
        ["no-token", None, "Nobody needs a token; only where no other machine can connect"],
    )
    compData = usage.Completions(optActions={"state-dir": usage.CompleteDirs()})

    def __init__(self) -> None:
        super().__init__()
        self["listen"] = []
        self["allow-host"] = []
        self["allow-origin"] = []
        self["limit"] = {}
        self["agent-root"] = []
        self["agent-env"] = []

    def opt_listen(self, endpoint: str) -> None:
        """A Twisted endpoint to listen on, in place of --host and --port; repeatable."""
        self["listen"].append(endpoint)

    def opt_allow_host(self, name: str) -> None:
        """A name (NAME or NAME:PORT) that the host has besides its own; repeatable."""
        self["allow-host"].append(name.lower())

    def opt_allow_origin(self, origin: str) -> None:
        """A page from elsewhere that may ask: https://NAME:PORT; repeatable."""
        self["allow-origin"].append(origin)

    def opt_agent_root(self, directory: str) -> None:
        """A directory below which agents may work; repeatable; without it: anywhere."""
        self["agent-root"].append(Path(directory).absolute())

    def opt_agent_env(self, word: str) -> None:
        """What agents get of the environment: NAME=VALUE, PATTERN, !PATTERN; repeatable."""
        self["agent-env"].append(word)

    def opt_limit(self, setting: str) -> None:
        """Any limit, as NAME=VALUE; /status has their names; repeatable."""
        name, _, value = setting.partition("=")
        self["limit"][name.replace("-", "_")] = value

    def opt_version(self) -> NoReturn:
        """Display the version and exit."""
        from sxhost import __version__

        sys.stdout.write(f"sxhost {__version__}\n")
        sys.exit(0)

    def parseOptions(self, options: Sequence[str] | None = None) -> None:
        """Read the command line, or end the process with a sentence about it."""
        try:
            super().parseOptions(options)
        except usage.UsageError as error:
            refuse(USAGE_ERROR, f"sxhost: {error}")

    def postOptions(self) -> None:
        """Turn the strings into `Settings`, under the key ``settings``."""
        self["settings"] = Settings(
            listen=self._listen(),
            state_dir=Path(self["state-dir"] or state_dir(os.environ)),
            limits=self._limits(),
            log_level=self._level(),
            store=self._store(),
            durability=self._durability(),
            hosts=tuple(self["allow-host"]),
            origins=tuple(map(self._origin, self["allow-origin"])),
            tokens=self._tokens(),
            tls=self._tls(),
            log_format=self._log_format(),
            emit_content=self._emit_content(),
            agent_roots=tuple(self["agent-root"]),
            agent_env=tuple(self["agent-env"]),
            resume_at_boot=bool(self["resume-at-boot"]),
            bypass=self._truth(BYPASS),
            policy=Path(self["policy"]).absolute() if self["policy"] else None,
            pid_file=Path(self["pid-file"]).absolute() if self["pid-file"] else None,
        )

    def _limits(self) -> Limits:
        limits = Limits(
            sessions=self._number("max-sessions", 1, 1_000_000),
            events=self._number("max-events", 1, 1_000_000),
            retain=self._number("retain", 1, 1_000_000_000),
            retain_days=self._number("retain-days", 1, 36_500),
            messages=self._number("max-messages", 1, 1_000_000),
            message_size=self._number("max-message-size", 1, 1 << 20),
        )
        try:
            return limits.but({"stall_after": self["stall-after"], **self["limit"]})
        except ValueError as error:
            raise usage.UsageError(f"--limit {error}") from None

    def _tls(self) -> tuple[Path, Path] | None:
        files = self["tls-cert"], self["tls-key"]
        if not any(files):
            return None
        if not all(files):
            raise usage.UsageError("--tls-cert and --tls-key belong together: give both.")
        return Path(files[0]).absolute(), Path(files[1]).absolute()

    def _log_format(self) -> LogFormat:
        for known in get_args(LogFormat):
            if self["log-format"] == known:
                return cast("LogFormat", known)
        raise usage.UsageError(
            f"--log-format must be text, json or combined, not {self['log-format']!r}."
        )

    def _emit_content(self) -> EmitContent:
        for known in get_args(EmitContent):
            if self["emit-content"] == known:
                return cast("EmitContent", known)
        raise usage.UsageError(
            f"--emit-content must be full, redacted or none, not {self['emit-content']!r}."
        )

    def _store(self) -> str:
        if re.match(r"sqlite(:.+)?\Z|memory:\Z", self["store"]):
            return str(self["store"])
        raise usage.UsageError(
            f"--store must be sqlite, sqlite:PATH or memory:, not {self['store']!r}."
        )

    def _durability(self) -> Durability:
        for known in get_args(Durability):
            if self["durability"] == known:
                return cast("Durability", known)
        raise usage.UsageError(
            f"--durability must be power or process, not {self['durability']!r}."
        )

    def _tokens(self) -> TokensFor:
        if not self["no-token"]:
            return "all" if self["require-token"] else "others"
        if self["require-token"]:
            raise usage.UsageError("--no-token and --require-token exclude each other.")
        for endpoint in self._listen():
            if not stays_here(endpoint):
                raise usage.UsageError(
                    f"--no-token lets in whoever reaches {endpoint}, and thereby run what they"
                    " like as you; give tokens, or listen on 127.0.0.1 or a unix socket."
                )
        return "none"

    def _origin(self, text: str) -> str:
        if re.match(r"https?://[^/\s]+\Z", text):
            return text
        raise usage.UsageError(f"--allow-origin is written https://NAME:PORT, not {text!r}.")

    def _listen(self) -> tuple[str, ...]:
        return (*self._given(), *self._multiplexer())

    def _multiplexer(self) -> tuple[str, ...]:
        """Return where the multiplexer's clients look, if the environment says it."""
        port = os.environ.get("PI_SERVER_PORT")
        if not port:
            return ()
        if not (port.isascii() and port.isdigit() and 1 <= int(port) <= LAST_PORT):
            raise usage.UsageError(f"PI_SERVER_PORT must be 1-{LAST_PORT}, not {port!r}.")
        return (f"tcp:{port}:interface={DEFAULT_HOST}",)

    def _given(self) -> tuple[str, ...]:
        if not self["listen"]:
            self["port"] = DEFAULT_PORT if self["port"] is None else self["port"]
            port = self._number("port", 0, LAST_PORT)
            interface = quoteStringArgument(self["host"] or DEFAULT_HOST)
            return (f"tcp:{port}:interface={interface}",)
        if self["port"] is not None or self["host"] is not None:
            raise usage.UsageError("--listen stands in place of --port and --host.")
        return tuple(self["listen"])

    def _truth(self, name: str) -> bool:
        if self[name] in ("true", "false"):
            return bool(self[name] == "true")
        raise usage.UsageError(f"--{name} must be true or false, not {self[name]!r}.")

    def _number(self, name: str, low: int, high: int) -> int:
        text = str(self[name])
        if text.isascii() and text.isdigit() and len(text) < 20 and low <= int(text) <= high:  # noqa: PLR2004
            return int(text)
        raise usage.UsageError(f"--{name} must be a number from {low} to {high}, not {text!r}.")

    def _level(self) -> str:
        name = (self["log-level"] or os.environ.get("SXHOST_LOG") or "info").lower()
        if name in LEVELS:
            return name
        raise usage.UsageError(f"--log-level must be one of {', '.join(LEVELS)}, not {name!r}.")
