"""What a journal's tables hold, read back.

The engine's errors pass as they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any

import msgspec

from sxhost.model.approval import Approval
from sxhost.model.auth import AuditEntry
from sxhost.model.event import NULL, Event
from sxhost.model.message import Message
from sxhost.model.pieces import Superseded
from sxhost.model.search import EventSearch
from sxhost.model.session import Session
from sxhost.model.usage import UsageEntry
from sxhost.store.contracts import FoundEvents
from sxhost.store.journal import EventCounts, Numbers, ReadLimit, Restored
from sxhost.store.metering import UsageReading
from sxhost.store.recent_events import Floor
from sxhost.store.runs import unpack
from sxhost.store.sql.contracts import SQLConnection
from sxhost.store.sql.rows import COLUMNS, PRUNED, check_row
from sxhost.store.state import StoredSession
from sxhost.store.usage_ledger import StoredReading
from sxhost.store.write_batch import ARCHIVED

__all__ = [
    "count_events",
    "empty_archives",
    "floors",
    "last_numbers",
    "lookup",
    "read",
    "read_session",
    "restore",
    "search",
    "seq_before",
]

BODY = COLUMNS["log"].index("body")

SOME_ARCHIVES = 256
"""Archived sessions that are looked up at once."""

SEARCHED_ROWS = 128
SEARCHED_SIZE = 512 * 1024
"""Rows of the log, or bytes of their events, that one step of a search reads."""

LAST_NUMBERS = (
    "SELECT (SELECT id + count - 1 FROM log ORDER BY id DESC LIMIT 1)",
    "SELECT max(id) FROM message",
    "SELECT max(id) FROM approval",
    "SELECT max(id) FROM audit",
)

_events = msgspec.json.Decoder(Event)
_session = msgspec.json.Decoder(Session)
_message = msgspec.json.Decoder(Message)
_approval = msgspec.json.Decoder(Approval)
_entry = msgspec.json.Decoder(AuditEntry)
_usage = msgspec.json.Decoder(UsageEntry)
_reading = msgspec.json.Decoder(UsageReading)


_COLUMNS = f"SELECT {', '.join(COLUMNS['log'])}, crc FROM log"
_READ = {
    True: f"{_COLUMNS} WHERE session = ? AND seq >= coalesce((SELECT seq FROM log"
    " WHERE session = ? AND seq <= ? ORDER BY seq DESC LIMIT 1), 0) ORDER BY seq LIMIT ?",
    False: f"{_COLUMNS} WHERE id >= coalesce((SELECT id FROM log"
    " WHERE id <= ? ORDER BY id DESC LIMIT 1), 0) ORDER BY id LIMIT ?",
}
"""Reads rows of one session, or of all, from the one on that has an event: by an index."""

_LAST_SEQ = "SELECT max(seq) FROM log WHERE session = ?"
_ROW_WITH = "SELECT id, seq FROM log WHERE session = ? AND seq <= ? ORDER BY seq DESC LIMIT 1"


def read(
    connection: SQLConnection,
    session_id: str | None,
    seq: int,
    position: int,
    limit: ReadLimit,
) -> tuple[list[Event], bool]:
    """Return events after `seq` and after the id `position`, whole rows up to a limit.

    The second value tells whether this was all.  What is read is checked once more.
    """
    given: tuple[Any, ...] = (position + 1,)
    if session_id is not None:
        near = _seq_near(connection, session_id, position + 1)
        given = (session_id, session_id, max(seq + 1, near))
    most = limit.events + 1  # of rows: the first may end before the place
    events: list[Event] = []
    count = size = 0
    with closing(connection.execute(_READ[session_id is not None], (*given, most))) as rows:
        for count, row in enumerate(rows, 1):  # noqa: B007
            *columns, crc = row
            check_row("log", columns, crc)
            lines = unpack(row[BODY])
            found = _events.decode_lines(lines)
            events += (e for e in found if e.seq > seq and e.id > position)
            size += len(lines)
            if len(events) >= limit.events or size >= limit.size:
                return events, False
    return events, count < most


def _seq_near(connection: SQLConnection, session_id: str, event_id: int) -> int:
    """Return the `seq` of a session's event that has an id, or of one shortly before.

    They rise with ids: found by halving, since no index has both.
    """
    low = 0
    (high,) = connection.execute(_LAST_SEQ, (session_id,)).fetchone() if event_id > 1 else (0,)
    while low < (high or 0):
        middle = (low + high + 1) // 2
        row = connection.execute(_ROW_WITH, (session_id, middle)).fetchone()
        if row is None or row[0] <= event_id:
            low = middle
        else:
            high = row[1] - 1
    return low


def lookup(connection: SQLConnection, session_id: str, keys: Sequence[str]) -> dict[str, Event]:
    """Return the retained events that were appended under `keys`.

    Of a piece that has left, since something has it whole, only the numbers are known.
    """
    query = "SELECT seq, id FROM key WHERE session = ? AND key = ?"
    found: dict[str, Event] = {}
    for key in keys:
        row = connection.execute(query, (session_id, key)).fetchone()
        if row is not None:
            seq, number = row
            events = read(connection, session_id, seq - 1, 0, ReadLimit(1, 0))[0]
            is_there = events and events[0].seq == seq
            left = Event("", NULL, 0, seq, number, 0, session_id)
            found[key] = events[0] if is_there else left
    return found


def seq_before(
    connection: SQLConnection, session_id: str, count: int, *, pieces: bool = False
) -> int:
    """Return the number after which a session's last `count` facts come; 0 for all.

    :param pieces: count pieces instead.
    """
    nature = "IS NOT NULL" if pieces else "IS NULL"
    query = (
        f"SELECT seq, count FROM log WHERE session = ? AND stream {nature} ORDER BY seq DESC"
    )
    with closing(connection.execute(query, (session_id,))) as found:
        for seq, events in found:
            if events >= count:
                return int(seq + events - count - 1)
            count -= events
    return 0


def count_events(connection: SQLConnection, session_id: str) -> EventCounts:
    """Count the events of a session's log."""
    of = "SELECT coalesce(sum(count), 0) FROM log WHERE session = ? AND stream IS"
    numbers = (f"{of} NULL", f"{of} NOT NULL")
    return EventCounts(*(connection.execute(q, (session_id,)).fetchone()[0] for q in numbers))


def last_numbers(connection: SQLConnection) -> Numbers:
    """Return the last numbers that a file knows of: of rows, or noted as these were deleted."""
    last = [connection.execute(query).fetchone()[0] or 0 for query in LAST_NUMBERS]
    names = [f"last_{kind}" for kind in Numbers._fields]
    query = "SELECT name, value FROM meta WHERE name IN (?, ?, ?, ?)"
    noted = dict(connection.execute(query, names))
    return Numbers(*map(max, last, [int(noted.get(name, 0)) for name in names]))


def restore(connection: SQLConnection) -> Restored:
    """Read back what a file holds, but for the events themselves."""
    meta = dict(connection.execute("SELECT name, value FROM meta"))
    sessions = {
        session_id: StoredSession(_session.decode(body), [], [])
        for session_id, body in connection.execute("SELECT id, body FROM session ORDER BY id")
        if ARCHIVED + session_id not in meta
    }
    messages = "SELECT session, body, key FROM message ORDER BY id"
    for session_id, body, key in connection.execute(messages):
        if session_id in sessions:
            sessions[session_id].messages.append((_message.decode(body), key))
    approvals = "SELECT session, body FROM approval ORDER BY id"
    for session_id, body in connection.execute(approvals):
        if session_id in sessions:
            sessions[session_id].approvals.append(_approval.decode(body))
    streams = "SELECT DISTINCT session, stream FROM log WHERE stream IS NOT NULL"
    for session_id, stream in connection.execute(streams):
        if session_id in sessions:
            sessions[session_id].streams.append(stream)
    superseded = connection.execute("SELECT session, stream, seq FROM superseded")
    audit = connection.execute("SELECT body FROM audit ORDER BY id")
    usage = connection.execute("SELECT body FROM usage ORDER BY session, number")
    readings = connection.execute("SELECT session, body FROM reading")
    return Restored(
        epoch=meta["epoch"],
        numbers=last_numbers(connection),
        sessions=list(sessions.values()),
        archived=[n.removeprefix(ARCHIVED) for n in meta if n.startswith(ARCHIVED)],
        floors=_floors(meta),
        superseded=[Superseded(*row) for row in superseded],
        audit=[_entry.decode(body) for (body,) in audit],
        usage=[_usage.decode(body) for (body,) in usage],
        readings=[
            StoredReading(session=session_id, reading=_reading.decode(body))
            for session_id, body in readings
        ],
    )


def floors(connection: SQLConnection) -> dict[str, Floor]:
    """Return where the logs of sessions begin of which something was dropped."""
    return _floors(dict(connection.execute("SELECT name, value FROM meta")))


def _floors(meta: Mapping[str, str]) -> dict[str, Floor]:
    return {
        name.removeprefix(PRUNED): Floor(*map(int, value.split(":")))
        for name, value in meta.items()
        if name.startswith(PRUNED)
    }


def search(
    connection: SQLConnection, search: EventSearch, before: int, limit: int
) -> FoundEvents:
    """Search a step's worth of facts that are older than the id `before`, without an index."""
    names = sorted(search.sessions)
    chosen = f"AND session IN ({', '.join('?' * len(names))})" if names else ""
    query = f"{_COLUMNS} WHERE id < ? AND stream IS NULL {chosen} ORDER BY id DESC LIMIT ?"
    found: list[Event] = []
    count = size = 0
    with closing(connection.execute(query, (before, *names, SEARCHED_ROWS))) as rows:
        for count, (*columns, crc) in enumerate(rows, 1):
            check_row("log", columns, crc)
            lines = unpack(columns[BODY])
            for event in reversed(_events.decode_lines(lines)):
                if event.id < before and search.finds(event):
                    found.append(event)
                    if len(found) >= limit:
                        return FoundEvents(found, event.id)
            size += len(lines)
            if count >= SEARCHED_ROWS or size >= SEARCHED_SIZE:
                return FoundEvents(found, columns[0])
    return FoundEvents(found, None)


def read_session(connection: SQLConnection, session_id: str) -> StoredSession | None:
    """Read back what a file holds of one session, if it does, but for its events."""
    of = "WHERE session = ? ORDER BY id"
    row = connection.execute("SELECT body FROM session WHERE id = ?", (session_id,)).fetchone()
    if row is None:
        return None
    messages = connection.execute(f"SELECT body, key FROM message {of}", (session_id,))
    approvals = connection.execute(f"SELECT body FROM approval {of}", (session_id,))
    streams = "SELECT DISTINCT stream FROM log WHERE session = ? AND stream IS NOT NULL"
    return StoredSession(
        _session.decode(row[0]),
        [(_message.decode(body), key) for body, key in messages],
        [_approval.decode(body) for (body,) in approvals],
        [stream for (stream,) in connection.execute(streams, (session_id,))],
    )


def empty_archives(connection: SQLConnection) -> list[str]:
    """Return archived sessions of whose logs retention has left nothing: some of them."""
    query = (
        f"SELECT a.session FROM (SELECT substr(name, {len(ARCHIVED) + 1}) AS session FROM meta"
        " WHERE name >= ? AND name < ?) AS a JOIN meta ON meta.name = ? || a.session"
        " WHERE NOT EXISTS (SELECT 1 FROM log WHERE log.session = a.session) LIMIT ?"
    )
    end = ARCHIVED[:-1] + chr(ord(ARCHIVED[-1]) + 1)
    given = (ARCHIVED, end, PRUNED, SOME_ARCHIVES)
    return [session_id for (session_id,) in connection.execute(query, given)]
