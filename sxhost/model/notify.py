"""Notifications as the host shows them: its channels and rules, and what became of notices."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from sxhost.model.names import Line

__all__ = ["ChannelTest", "ChannelView", "Delivery", "NotifyView", "RuleView", "Sending"]

Sending = Literal["waits", "sent", "failed", "suppressed"]
"""What became of a notice: it is still to be sent, was sent, cannot be, or was not to be."""


class Delivery(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A notice, and what became of it."""

    id: str
    """Its name: a channel that hears it twice can tell."""
    rule: str
    channel: str
    kind: str
    session: str
    title: str
    at_ms: int
    state: Sending
    tries: int = 0
    why: str = ""
    """Why it has failed, or was suppressed."""


class ChannelView(Struct, frozen=True, kw_only=True):
    """A channel, without its secrets."""

    name: str
    kind: str
    place: str
    """Where it leads, for a person."""


class RuleView(Struct, frozen=True, kw_only=True):
    """A rule, as a line for a person."""

    name: str
    when: list[str]
    to: list[str]
    about: str
    """Which sessions, when, when not."""


class NotifyView(Struct, frozen=True, kw_only=True):
    """Notifications of a host: where its rules are from, and the newest deliveries."""

    file: str
    channels: list[ChannelView]
    rules: list[RuleView]
    deliveries: list[Delivery]


class ChannelTest(Struct, frozen=True, kw_only=True):
    """A channel that is to be tried with a notice."""

    channel: Line
