"""The store that forgets with its process; the reference for what every store does."""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice

from msgspec.structs import asdict, replace

from sxhost.errors import SessionLimit, UnknownSession
from sxhost.limits import Limits
from sxhost.model import Event, Message, MessageDraft, Registration, Session, State
from sxhost.state import after
from sxhost.store import Census, Draft
from sxhost.store.inbox import Inbox

__all__ = ["MemoryStore"]


class Log:
    """The buffered end of one session's log, and the keys of what is in it."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._events: deque[Event] = deque()
        self._keys: dict[str, Event] = {}
        self._key_of: dict[int, str] = {}

    def known(self, key: str | None) -> Event | None:
        """Return the buffered event that was appended under `key`."""
        return None if key is None else self._keys.get(key)

    def append(self, event: Event, key: str | None) -> None:
        """Keep an event; the oldest leaves when there are too many."""
        self._events.append(event)
        if key is not None:
            self._keys[key] = event
            self._key_of[event.seq] = key
        if len(self._events) > self._limit:
            gone = self._events.popleft()
            self._keys.pop(self._key_of.pop(gone.seq, ""), None)

    def after(self, seq: int) -> Sequence[Event]:
        """Return the buffered events whose number is greater than `seq`."""
        if not self._events:
            return ()
        return tuple(islice(self._events, max(0, seq - self._events[0].seq + 1), None))


class Row:
    """All that is kept of one session."""

    def __init__(self, session: Session, limits: Limits, seconds: Callable[[], float]) -> None:
        self.session = session
        self.log = Log(limits.events)
        self.inbox = Inbox(session.id, limits, seconds)


class MemoryStore:
    """Sessions, logs and inboxes in memory; `seconds` is a monotonic clock."""

    name = "memory"

    def __init__(self, limits: Limits, seconds: Callable[[], float]) -> None:
        self.epoch = secrets.token_hex(4)
        self._limits = limits
        self._seconds = seconds
        self._rows: dict[str, Row] = {}
        self._events = 0
        self._messages = 0

    async def register(
        self, session_id: str, registration: Registration, at: int
    ) -> tuple[Session, bool]:
        """Create or update a session; tell whether it is new."""
        created = session_id not in self._rows
        row = self._row_or_new(session_id, at)
        given = {k: v for k, v in asdict(registration).items() if v is not None}
        row.session = replace(row.session, last_seen_ms=at, **given)
        return row.session, created

    async def session(self, session_id: str) -> Session:
        """Return one session."""
        return self._row(session_id).session

    async def sessions(self) -> Sequence[Session]:
        """Return all sessions in the order of their ids."""
        return [self._rows[session_id].session for session_id in sorted(self._rows)]

    async def delete(self, session_id: str) -> None:
        """Forget a session with its log and inbox."""
        del self._rows[self._row(session_id).session.id]

    async def append(self, session_id: str, drafts: Sequence[Draft], at: int) -> list[Event]:
        """Number and keep events, all or none; an unknown session is created."""
        row = self._row_or_new(session_id, at)
        seq, events, new = row.session.event_count, [], []
        for draft in drafts:
            event = row.log.known(draft.key)
            if event is None:
                seq += 1
                event = self._number(session_id, seq, draft)
                row.log.append(event, draft.key)
                new.append(event)
            events.append(event)
        if new:
            row.session = after(row.session, new, at)
        return events

    async def read(
        self,
        session_id: str,
        *,
        seq: int = 0,
        position: int = 0,
        limit: int | None = None,
        names: frozenset[str] = frozenset(),
    ) -> list[Event]:
        """Return retained events in order, after `seq` and after the id `position`."""
        found = (
            event
            for event in self._row(session_id).log.after(seq)
            if event.id > position and (not names or event.event in names)
        )
        return list(islice(found, limit))

    async def put(self, session_id: str, draft: MessageDraft, at: int) -> tuple[Message, int]:
        """Queue a message; return it and how many now wait."""
        inbox = self._row(session_id).inbox
        message = inbox.known(draft.key)
        if message is None:
            message = inbox.put(self._messages + 1, draft, at)
            self._messages += 1
        return message, len(inbox)

    async def take(self, session_id: str, lease: float) -> list[Message]:
        """Take all queued messages: for good, or for `lease` seconds if that is not 0."""
        return self._row(session_id).inbox.take(lease)

    async def peek(self, session_id: str) -> list[Message]:
        """Return all messages that are remembered, in order, with their states."""
        return list(self._row(session_id).inbox.peek())

    async def waiting(self, session_id: str) -> int:
        """Return how many messages are queued or on lease."""
        return len(self._row(session_id).inbox)

    async def ack(self, session_id: str, message_id: int) -> Message:
        """Mark a message as delivered."""
        return self._row(session_id).inbox.ack(message_id)

    async def nack(self, session_id: str, message_id: int) -> Message:
        """Return a leased message to its place."""
        return self._row(session_id).inbox.nack(message_id)

    async def withdraw(self, session_id: str, message_id: int) -> Message:
        """Take a queued message back."""
        return self._row(session_id).inbox.withdraw(message_id)

    async def census(self) -> Census:
        """Count what the store holds."""
        return Census(self._events, sum(len(row.inbox) for row in self._rows.values()))

    async def close(self) -> None:
        """Forget everything."""
        self._rows.clear()

    def _row(self, session_id: str) -> Row:
        row = self._rows.get(session_id)
        if row is None:
            raise UnknownSession(session_id)
        return row

    def _row_or_new(self, session_id: str, at: int) -> Row:
        row = self._rows.get(session_id)
        if row is not None:
            return row
        if len(self._rows) >= self._limits.sessions:
            raise SessionLimit(self._limits.sessions)
        state = State("idle", "registered", at)
        session = Session(id=session_id, start_ms=at, last_seen_ms=at, state=state)
        row = self._rows[session_id] = Row(session, self._limits, self._seconds)
        return row

    def _number(self, session_id: str, seq: int, draft: Draft) -> Event:
        self._events += 1
        return Event(
            event=draft.event,
            data=draft.data,
            ts=draft.ts_ms // 1000,
            seq=seq,
            id=self._events,
            ts_ms=draft.ts_ms,
            session=session_id,
        )
