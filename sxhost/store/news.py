"""What other nodes have committed, as a node that follows them reads it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import msgspec
from msgspec import Struct

from sxhost.model.event import Event
from sxhost.model.pieces import Superseded
from sxhost.store.journal import Dropped, Journal, Numbers, Row, WriteBatch
from sxhost.store.recent_events import Floor
from sxhost.store.state import StoredSession

__all__ = ["Behind", "Change", "News", "SharedJournal", "change_of"]


class Change(Struct, omit_defaults=True):
    """What one commit has changed, but for the events, which the log has."""

    last_event: int
    at: float
    """When it was committed, in seconds: by the engine's clock, once read by the node's own."""
    rows: dict[str, list[Row]] = {}
    deleted_sessions: list[str] = []
    deleted_messages: list[int] = []
    deleted_approvals: list[int] = []
    deleted_usage: list[tuple[str, int]] = []
    deleted_readings: list[str] = []
    revived: bytes = b""
    """`StoredSession` of those that are archived no longer, as JSON."""
    floors: dict[str, Floor] = {}
    superseded: list[Superseded] = []

    def encode(self) -> bytes:
        """Return it as a journal keeps it."""
        return _encoder.encode(self)

    @staticmethod
    def decode(body: bytes) -> Change:
        """Return what a journal has kept."""
        return _decoder.decode(body)

    @property
    def revived_sessions(self) -> list[StoredSession]:
        """Sessions that are archived no longer."""
        return _sessions.decode(self.revived) if self.revived else []

    def table(self, name: str) -> list[Row]:
        """Return the rows that were written to a table."""
        return self.rows.get(name, [])


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Change)
_sessions = msgspec.json.Decoder(list[StoredSession])


class News(Struct):
    """What was committed after a node's last look, in order."""

    changes: Sequence[Change]
    events: Sequence[Event]
    """The events of all the changes, as far as they are retained."""


class Behind(Exception):
    """Another node was first: nothing was written, and here is what was committed meanwhile."""

    def __init__(self, news: News) -> None:
        super().__init__("another node was first")
        self.news = news


class SharedJournal(Journal, Protocol):
    """A journal that other nodes write to as well.

    `write` raises `Behind` where another was first.  All of these run where it writes.
    """

    def look(self) -> News | None:
        """Return what others have committed, if they have."""

    def hold(self) -> News | None:
        """Let nobody else commit until the next `write` or `look`; and look.

        Who waits for that is served in turn.  It is for a moment: the engine ends it soon.
        """


def change_of(batch: WriteBatch, dropped: Dropped, last: Numbers, at: float) -> Change:
    """Return what other nodes are to know of a commit.

    :param at: the engine's clock.
    :param last: the numbers as they are once it is made.
    """
    revived: list[Any] = batch.revived_sessions
    return Change(
        last_event=last.event,
        at=at,
        rows={table: rows for table, rows in batch.rows.items() if table != "log"},
        deleted_sessions=batch.deleted_sessions,
        deleted_messages=batch.deleted_messages,
        deleted_approvals=batch.deleted_approvals,
        deleted_usage=batch.deleted_usage,
        deleted_readings=batch.deleted_readings,
        revived=msgspec.json.encode(revived) if revived else b"",
        floors=dropped.floors,
        superseded=list(dropped.superseded),
    )
