"""Messages to agents, and the inboxes in which they wait."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from sxhost.model.delivery import Delivery
from sxhost.model.names import Key, Line

__all__ = ["Message", "MessageDraft", "MessageState", "Mode", "PullQuery", "Sent", "Steered"]

Mode = Literal["auto", "interrupt", "queue"]
MessageState = Literal["queued", "leased", "delivered", "expired", "withdrawn"]


class MessageDraft(Struct, frozen=True, kw_only=True):
    """A message to an agent; `mode` is for when it is busy, `key` is an idempotency key."""

    content: Annotated[str, Meta(min_length=1)]
    mode: Mode = "auto"
    key: Key | None = None
    sender: Line | None = field(default=None, name="from")
    ttl_s: Annotated[float, Meta(gt=0, le=30 * 86400)] | None = None
    """Seconds after which it expires if it was not taken."""


class PullQuery(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How to take messages: wait for one, lease them (both in seconds), or only look."""

    wait: Annotated[float, Meta(ge=0)] = 0.0
    lease: Annotated[float, Meta(ge=0)] = 0.0
    peek: bool = False


class Message(Struct, frozen=True):
    """A message in an inbox; `ts` is in Unix seconds."""

    content: str
    id: int
    mode: Mode
    ts: int
    sender: str | None = field(name="from")
    state: MessageState
    ttl_s: float | None = None


class Sent(Struct, frozen=True, kw_only=True):
    """The message waits; `queued` counts it and those before it.

    `delivery` says when it reaches its agent, `note` the same in a sentence.
    """

    ok: bool = True
    id: int
    queued: int
    delivery: Delivery = "now"
    note: str = ""


class Steered(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The input was added to the running turn, or is the `message` that waits to be."""

    ok: bool
    delivery: Delivery | None = None
    note: str = ""
    message: int | None = None
