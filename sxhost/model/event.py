"""Events of a session's log: as they are sent, stored, asked for and streamed.

What the names mean, and what their data are, is `sxhost.model.event_types`.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Raw, Struct, field

from sxhost.model.names import CURSOR, LABEL, UNLIMITED, EventName, Key

__all__ = [
    "NULL",
    "Accepted",
    "Event",
    "EventDraft",
    "EventQuery",
    "Fired",
    "Gap",
    "LogQuery",
    "raw_json",
]

NULL: Final = Raw(b"null")


def raw_json(value: object) -> Raw:
    """Encode a value for a field that has JSON, such as `EventDraft.data`.

    Lone surrogates, as in names of files that are no UTF-8, become U+FFFD.
    """
    try:
        return Raw(msgspec.json.encode(value))
    except UnicodeEncodeError:
        return Raw(msgspec.json.encode(_encodable(msgspec.to_builtins(value))))


def _encodable(value: object) -> object:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {_encodable(name): _encodable(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_encodable(inner) for inner in value]
    return value


class EventDraft(Struct, frozen=True, kw_only=True):
    """An event to append; `ts` is in Unix seconds, `key` is an idempotency key.

    `data` stays JSON, as its sender wrote it, all the way to the log.
    """

    event: EventName
    data: Annotated[Raw, Meta(extra_json_schema={"default": None})] = field(
        default_factory=lambda: NULL
    )
    ts: Annotated[int, Meta(ge=0, le=2**40)] | None = None
    key: Key | None = None

    @classmethod
    def of(
        cls, event: str, value: object, *, ts: int | None = None, key: str | None = None
    ) -> EventDraft:
        """Return a draft with a Python value as its data."""
        return cls(event=event, data=raw_json(value), ts=ts, key=key)


class EventQuery(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Which events to read: those after a cursor or a number, of some `types` (``a,b``).

    A type with a ``!`` before it is not wanted.  With `native` false agents' own messages are
    left out; with `deltas` ``merged``, adjacent pieces of one text are one event.

    With `follow` the answer stays open and brings new events; with `state` also changes of
    state, with `summary` whole summaries.  Without `follow`, pieces that the log has whole are
    left out, unless `pieces` asks for those that are still there.
    """

    after: Annotated[str, Meta(pattern=CURSOR)] = ""
    limit: Annotated[int, Meta(ge=1, le=UNLIMITED)] = UNLIMITED
    types: str = ""
    follow: bool = False
    state: bool = False
    summary: bool = False
    pieces: bool = False
    native: bool = True
    deltas: Literal["all", "merged"] = "all"

    def names(self) -> frozenset[str]:
        """Return the event names asked for; none means all."""
        return frozenset(name for name in self._types() if not name.startswith("!"))

    def without(self) -> frozenset[str]:
        """Return the event names that are not wanted."""
        native = () if self.native else ("native",)
        return frozenset(n[1:] for n in self._types() if n.startswith("!")).union(native)

    def _types(self) -> list[str]:
        return list(filter(None, self.types.split(",")))


class LogQuery(EventQuery, frozen=True, kw_only=True, omit_defaults=True):
    """The same over all sessions, or those that are named (``a,b``) or have a label."""

    session: str = ""
    label: Annotated[str, Meta(pattern=LABEL)] = ""


class Event(Struct, frozen=True, gc=False):
    """A numbered fact from a session; `data` is kept as JSON, encoded once.

    `seq` counts in the session from 1; `id` is unique over the host and increases.
    """

    event: str
    data: Annotated[Raw, Meta(description="object JSON; see `KnownEvent` for what names mean.")]
    ts: int
    seq: int
    id: int
    ts_ms: int
    session: str

    def value(self) -> object:
        """Return `data` as Python values."""
        return msgspec.json.decode(self.data)

    def plain_text(self) -> str:
        """Return `data` that are a text alone, as attached agents may send them; else ""."""
        is_text = bytes(self.data).startswith(b'"')
        return msgspec.json.decode(self.data, type=str) if is_text else ""


class Fired(Struct, frozen=True, kw_only=True):
    """The event is in the log under these numbers."""

    ok: bool = True
    event_count: int
    seq: int
    id: int


class Accepted(Struct, frozen=True, kw_only=True):
    """All events of the batch are in the log; `event_count` is the last one's number."""

    ok: bool = True
    event_count: int
    accepted: int


class Gap(Struct, frozen=True, tag_field="frame", tag="gap"):
    """Events are missing between two cursors; `reason`: ``retention``, ``another epoch``."""

    start: str = field(name="from")
    end: str = field(name="to")
    reason: str
