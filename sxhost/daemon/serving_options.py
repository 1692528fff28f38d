"""The options of serving: one table for ``twistd sxhost``, ``sxhost`` and docs/operations.md.

`daemon.options` parses with it, `cli.serve` offers it and passes on what was given, and a
test compares the table of the documents.  Every command of ``sxhost`` loads this module, so
it imports next to nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from operator import attrgetter
from pathlib import Path
from typing import Any, Final, NamedTuple, get_args

from sxhost.config import (
    DEFAULT_HOST,
    DEFAULT_PORT,
    ClusterMode,
    Durability,
    EmitContent,
    LogFormat,
    LogLevelName,
    Promise,
    Settings,
    state_dir,
)
from sxhost.model.names import KeptNative

__all__ = ["BYPASS", "SERVING_OPTIONS", "TCP_PORTS", "ServingOption", "ValueType"]

BYPASS: Final = "dangerously-bypass-approvals-and-sandbox"
"""The Codex SSE server's option; there it is on unless it is switched off, here it is off."""

DEFAULTS: Final = Settings(listen=(), state_dir=Path())


class ValueType(NamedTuple):
    """The type of an option's value: parser, error text, placeholder in ``--help``."""

    parse: Callable[[str], Any]
    """Returns the value, or raises ValueError if the text is none."""
    expected: str = ""
    """The middle of the error: "--NAME <expected>, not 'TEXT'."; empty: nothing is refused."""
    metavar: str = "TEXT"


def number(low: int, high: int) -> ValueType:
    """Return the type of whole numbers between two bounds, in ASCII digits."""

    def parse(text: str) -> int:
        digits = text.isascii() and text.isdigit()
        # The length before int(), which refuses thousands of digits in words of its own.
        if digits and len(text) < 20 and low <= int(text) <= high:  # noqa: PLR2004
            return int(text)
        raise ValueError(text)

    return ValueType(parse, f"must be a number from {low} to {high}", "NUMBER")


def choice(literal: Any, expected: str = "") -> ValueType:
    """Return the type of the words of a `Literal`."""
    words: tuple[str, ...] = get_args(literal)

    def parse(text: str) -> str:
        return words[words.index(text)]

    listed = f"{', '.join(words[:-1])} or {words[-1]}"
    return ValueType(parse, expected or f"must be {listed}", "|".join(words))


def pattern(regex: str, expected: str, metavar: str) -> ValueType:
    """Return the type of the texts that match a regular expression as a whole."""

    def parse(text: str) -> str:
        if not re.fullmatch(regex, text):
            raise ValueError(text)
        return text

    return ValueType(parse, expected, metavar)


def log_level() -> ValueType:
    """Return the type of levels of the log, in any case."""
    levels: tuple[str, ...] = get_args(LogLevelName)
    exact = choice(LogLevelName, f"must be one of {', '.join(levels)}")
    return exact._replace(parse=lambda text: exact.parse(text.lower()))


FLAG: Final = ValueType(bool, metavar="")
"""The type of options that are given without a value."""

TRUTH: Final = ValueType(
    lambda text: {"true": True, "false": False}[text], "must be true or false", "true|false"
)
FILE: Final = ValueType(lambda text: Path(text).absolute() if text else None, metavar="FILE")
DIRECTORY: Final = ValueType(lambda text: Path(text).absolute(), metavar="DIR")
TCP_PORTS: Final = number(0, 65_535)
STORE: Final = pattern(
    r"sqlite(:.+)?|memory:|postgres(ql)?://.*",
    "must be sqlite, sqlite:PATH, memory: or postgresql://HOST/DATABASE",
    "STORE",
)
ORIGIN: Final = pattern(r"https?://[^/\s]+", "is written https://NAME:PORT", "URL")


def text(metavar: str, parse: Callable[[str], Any] = str) -> ValueType:
    """Return the type of texts that are checked elsewhere, if at all."""
    return ValueType(parse, metavar=metavar)


class ServingOption(NamedTuple):
    """One option: its name without dashes, its help, its type, and the setting that it sets."""

    name: str
    help: str
    type: ValueType
    sets: str = ""
    """The field of `Settings` with its value; empty: `daemon.options` makes one of several."""
    usual: str = ""
    """The default, where it is not that of the field in `sets`."""
    short: str = ""
    repeatable: bool = False
    environment: tuple[str, ...] = ()
    """Variables that count where the option is not given."""
    from_environment: Callable[[Mapping[str, str]], Any] | None = None
    """Makes the default of them, where it is not simply the text of the first."""

    @property
    def is_flag(self) -> bool:
        """Whether the option has no value."""
        return self.type is FLAG

    @property
    def default(self) -> str:
        """The default as one would write it; empty if there is none."""
        if self.usual or not self.sets or self.is_flag or self.repeatable:
            return self.usual
        value = attrgetter(self.sets)(DEFAULTS)
        if value is None or isinstance(value, Path):
            return ""
        return f"{value:g}" if isinstance(value, float) else str(value).lower()

    @property
    def description(self) -> str:
        """The line about the option in ``--help``."""
        usual = [self.default] if self.default else []
        usual += [f"${name}" for name in self.environment[:1]]
        again = "; repeatable" if self.repeatable else ""
        shown = f"  [{', or '.join(usual)}]" if usual else ""
        return f"{self.help}{again}{shown}"


SERVING_OPTIONS: Final = (
    ServingOption(
        "port",
        "TCP port; 0 takes a free one",
        TCP_PORTS,
        usual=str(DEFAULT_PORT),
        short="p",
    ),
    ServingOption("host", "Address to listen on", text("ADDRESS"), usual=DEFAULT_HOST),
    ServingOption(
        "listen",
        "A Twisted endpoint in place of --host and --port",
        text("ENDPOINT"),
        repeatable=True,
    ),
    ServingOption(
        "state-dir",
        "Directory of the store, the tokens and the address",
        text("DIR", Path),
        "state_dir",
        environment=("STATE_DIRECTORY", "XDG_STATE_HOME"),
        from_environment=state_dir,
    ),
    ServingOption(
        "store",
        "sqlite (sxhost.db in the state directory), sqlite:PATH, memory:, or postgresql://…",
        STORE,
        "store",
    ),
    ServingOption(
        "durability",
        "What an acknowledged write survives: power (each commit is synced) or process",
        choice(Durability),
        "durability",
    ),
    ServingOption(
        "require-durability",
        "What the store must promise, or nothing starts: none, process, power or replicas",
        choice(Promise),
        "require_durability",
    ),
    ServingOption(
        "cluster",
        "What hosts over one PostgreSQL do: one is active (standby), or all are (active)",
        choice(ClusterMode),
        "cluster",
    ),
    ServingOption(
        "drain",
        "Seconds for which a host that stops still serves, while /ready says that it does not",
        number(0, 3600),
        "drain",
    ),
    ServingOption(
        "native",
        "Events on disk that have the agent's own message: none, facts (not pieces) or all",
        choice(KeptNative),
        "native",
    ),
    ServingOption(
        "retain",
        "Facts kept on disk for each session",
        number(1, 1_000_000_000),
        "limits.retain",
    ),
    ServingOption(
        "retain-days", "Days for which they are kept", number(1, 36_500), "limits.retain_days"
    ),
    ServingOption(
        "max-sessions", "Sessions held at once", number(1, 1_000_000), "limits.sessions"
    ),
    ServingOption(
        "max-events",
        "Facts buffered in memory for each session",
        number(1, 1_000_000),
        "limits.events",
    ),
    ServingOption(
        "max-messages",
        "Messages waiting for one agent",
        number(1, 1_000_000),
        "limits.messages",
    ),
    ServingOption(
        "max-message-size",
        "Bytes of UTF-8 in one message",
        number(1, 1 << 20),
        "limits.message_size",
    ),
    ServingOption(
        "limit", "Sets any limit of /status, as NAME=VALUE", text("NAME=VALUE"), repeatable=True
    ),
    ServingOption(
        "allow-host",
        "Another name of this host, which clients may use: NAME or NAME:PORT",
        text("NAME", str.lower),
        "hosts",
        repeatable=True,
    ),
    ServingOption(
        "allow-origin",
        "Another site whose pages may use this host: https://NAME:PORT",
        ORIGIN,
        "origins",
        repeatable=True,
    ),
    ServingOption("require-token", "Ask everyone for a token, the host's own user too", FLAG),
    ServingOption(
        "no-token", "Ask nobody for a token; only if no other machine can connect", FLAG
    ),
    ServingOption("tls-cert", "File of the certificate and its chain (PEM): serve TLS", FILE),
    ServingOption("tls-key", "File of the certificate's key (PEM)", FILE),
    ServingOption(
        "agent-root",
        "A directory below which agents may work",
        DIRECTORY,
        "agent_roots",
        repeatable=True,
    ),
    ServingOption(
        "agent-env",
        "Environment of agents: NAME=VALUE, PATTERN to pass on, !PATTERN to leave out",
        text("WORD"),
        "agent_env",
        repeatable=True,
    ),
    ServingOption("policy", "File of the rules that answer agents' questions", FILE, "policy"),
    ServingOption("notify", "File of whom to tell of what, and where", FILE, "notify"),
    ServingOption(
        "prices", "File of prices of models, beside those that the host knows", FILE, "prices"
    ),
    ServingOption(
        "emit-content",
        "Content in telemetry: full, redacted (lengths only) or none",
        choice(EmitContent),
        "emit_content",
    ),
    ServingOption(
        "stall-after",
        "Seconds of silence after which work counts as stalled",
        text("SECONDS"),  # `Limits.but` knows what they may be
        "limits.stall_after",
    ),
    ServingOption(
        "resume-at-boot", "Start hosted agents again with the host", FLAG, "resume_at_boot"
    ),
    ServingOption(
        "discover", "Show agents that run here without hooks as sessions", FLAG, "discover"
    ),
    ServingOption(
        BYPASS,
        "true: Codex, started by POST /messages, runs without approvals and sandbox",
        TRUTH,
        "bypass",
    ),
    ServingOption(
        "log-level",
        "debug, info, warn, error or critical",
        log_level(),
        "log_level",
        environment=("SXHOST_LOG",),
    ),
    ServingOption(
        "log-format",
        "text, json, or combined (Apache's format, for requests)",
        choice(LogFormat),
        "log_format",
    ),
    ServingOption("pid-file", "Where the process id is written", FILE, "pid_file"),
)
"""All of them, in the order in which they are shown."""
