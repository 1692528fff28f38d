"""The file of notifications: channels, and rules of what is told where.

``docs/notify.md`` describes it.  What is wrong in it is named by its table and field.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import time
from pathlib import Path
from typing import Annotated, Final, Literal, cast
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Meta, Struct

from sxhost.rule_file import RuleFile, RuleFileError, rule_place

__all__ = [
    "BadRules",
    "Channel",
    "CommandChannel",
    "DesktopChannel",
    "Kind",
    "NotifyRule",
    "NotifyRules",
    "NtfyChannel",
    "QuietHours",
    "WebhookChannel",
]

Kind = Literal["asks", "failed", "done", "stalled", "lost", "ended"]
"""What can be so of a session that somebody may want to know."""

Words = Annotated[str, Meta(min_length=1, max_length=4096)]
Name = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_-]{0,31}\Z")]
URL = Annotated[str, Meta(pattern=r"^https?://[^\s]+\Z", max_length=2048)]
Duration = Annotated[str, Meta(pattern=r"^([1-9][0-9]{0,5}[smhd])?\Z")]
Span = Annotated[str, Meta(pattern=r"^[0-2][0-9]:[0-5][0-9]-[0-2][0-9]:[0-5][0-9]\Z")]

SECONDS: Final[Mapping[str, int]] = {"s": 1, "m": 60, "h": 3600, "d": 86_400}

MOST: Final = 100
"""Rules, and channels, at the most."""


class BadRules(RuleFileError):
    """The file of notifications is wrong."""


def seconds(duration: str) -> float:
    """Return a duration (``30s``, ``5m``) in seconds; 0 for an empty one."""
    return float(int(duration[:-1]) * SECONDS[duration[-1]]) if duration else 0.0


# Channels.


class NtfyChannel(
    Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="ntfy"
):
    """A topic of an ntfy server: `url` is the topic's."""

    url: URL
    token_file: Words = ""


class WebhookChannel(
    Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="webhook"
):
    """A program that takes notices as JSON, signed with a secret if there is one."""

    url: URL
    secret_file: Words = ""


class CommandChannel(
    Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="command"
):
    """A program that is run for each notice, which it finds in its environment."""

    argv: Annotated[list[Words], Meta(min_length=1, max_length=64)]


class DesktopChannel(
    Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="desktop"
):
    """The desktop of the host's user."""


Channel = NtfyChannel | WebhookChannel | CommandChannel | DesktopChannel


# Rules.


class NotifyRule(Struct, frozen=True, forbid_unknown_fields=True):
    """What is told, of which sessions, where, and when not."""

    when: Annotated[list[Kind], Meta(min_length=1, max_length=6)]
    to: Annotated[list[Name], Meta(min_length=1, max_length=MOST)]
    name: str = ""
    agent: str = ""
    project: str = ""
    session: str = ""
    label: Annotated[str, Meta(pattern=r"^([^:]+:.*)?\Z")] = ""
    """Written ``name:value``."""
    after: Duration = ""
    """Told only if it is still so then."""
    work: Duration = "1m"
    """``done`` is told of work that took at least as long."""
    again: Duration = ""
    """Told again, as long as it is so."""
    digest: Duration = ""
    """What the rule tells within that long is told in one notice, at its end."""
    quiet: Annotated[list[Span], Meta(max_length=8)] = []
    """Hours in which it is not told; what is still so is told after them."""
    zone: str = ""
    """The time zone of those hours; without one it is the machine's."""
    content: bool = False
    """Whether the words of agents are told, too."""

    @property
    def after_s(self) -> float:
        """Seconds until it is told."""
        return seconds(self.after)

    @property
    def work_s(self) -> float:
        """Seconds of work of which the end is told."""
        return seconds(self.work)

    @property
    def again_s(self) -> float:
        """Seconds until it is told again; 0 if never."""
        return seconds(self.again)

    @property
    def digest_s(self) -> float:
        """Seconds for which notices are gathered; 0 if each is sent at once."""
        return seconds(self.digest)

    @property
    def hours(self) -> QuietHours:
        """The hours in which it is not told."""
        return QuietHours(self.quiet, self.zone)


class QuietHours:
    """Spans of the day, of which one may go over midnight, in a time zone.

    :raises ValueError: there is no such zone, or time of day.
    """

    def __init__(self, spans: Sequence[str], zone: str = "") -> None:
        self.zone = _zone(zone)
        self._spans = [_span(span) for span in spans]

    def include(self, now: time) -> bool:
        """Tell whether a time of day is in one of them."""
        return any(
            begin <= now < end if begin <= end else now >= begin or now < end
            for begin, end in self._spans
        )


def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name) if name else None
    except (OSError, ValueError, KeyError):  # it raises any of these for what is none
        raise ValueError(f"there is no time zone {name!r}") from None


def _span(text: str) -> tuple[time, time]:
    begin, end = (time.fromisoformat(part) for part in re.split("-", text))
    return begin, end


class NotifyRules(Struct, frozen=True):
    """A file: its channels by name, its rules in order, and where the host is reached."""

    channels: Mapping[str, Channel] = {}
    rules: Sequence[NotifyRule] = ()
    link: str = ""
    """The address of the dashboard, for links in notices."""

    @classmethod
    def load(cls, path: Path) -> NotifyRules:
        """Read a file.

        :raises BadRules: it cannot be read, is wrong, or anyone could have written it.
        """
        name = str(path)
        return cls.read(RuleFile(name, BadRules).content(path), name)

    @classmethod
    def read(cls, text: bytes, file: str = "notify") -> NotifyRules:
        """Parse a file; `file` is its name in errors.

        :raises BadRules: it is wrong.
        """
        source = RuleFile(file, BadRules)
        tables = source.tables(text)
        link = tables.pop("link", "")
        given, written = tables.pop("channel", {}), tables.pop("rule", [])
        if tables:
            why = "There are only `link`, channels (`[channel.NAME]`) and rules (`[[rule]]`)."
            raise source.fault(f"`{min(tables)}`", why)
        if not isinstance(given, dict) or not isinstance(written, list):
            why = "A channel begins with `[channel.NAME]`, a rule with `[[rule]]`."
            raise source.fault("", why)
        if max(len(given), len(written)) > MOST:
            raise source.fault("", f"There are at most {MOST} channels, and as many rules.")
        channels: dict[str, Channel] = {}
        for name, table in given.items():
            place = f"[channel.{name}]"
            source.convert(name, Name, place)
            channels[name] = source.convert(table, cast("type[Channel]", Channel), place)
        rules = [_rule(one, number, channels, source) for number, one in enumerate(written, 1)]
        return cls(channels, rules, source.convert(link, Link, "`link`"))


Link = Annotated[str, Meta(pattern=r"^(https?://[^\s]+)?\Z", max_length=2048)]


def _rule(
    table: object, number: int, channels: Mapping[str, Channel], source: RuleFile
) -> NotifyRule:
    place = rule_place(number, table)
    rule = source.convert(table, NotifyRule, place)
    for channel in rule.to:
        if channel not in channels:
            raise source.fault(place, f"The field `to` names no channel: {channel!r}.")
    try:
        _ = rule.hours
    except ValueError as error:
        raise source.fault(place, f"The quiet hours are wrong: {error}.") from None
    return rule if rule.name else msgspec.structs.replace(rule, name=place)
