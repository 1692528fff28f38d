"""What SQL cannot do to bring a database up to date; each runs in its version's transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from typing import Final

import msgspec

from sxhost.model.event import Event
from sxhost.model.pieces import stream_of, superseded_by
from sxhost.store.journal import Row
from sxhost.store.runs import pack, runs_of, stored
from sxhost.store.sql import rows

__all__ = ["UPGRADES", "Report", "unreported"]

AT_ONCE = 512
"""Rows that are inserted together."""

REPORTED = 100_000
"""Rows after which it is said how far it is: a few seconds."""

Report = Callable[[str], None]
"""Is told what a host does that does not serve yet."""


def unreported(_text: str) -> None:
    """Tell nobody (`Report`)."""


_events = msgspec.json.Decoder(Event)


def split_pieces(connection: sqlite3.Connection, report: Report) -> None:
    """Move version 3's log and keys: pieces apart, and none that is there whole."""
    (count,) = connection.execute("SELECT count(*) FROM log_3").fetchone()
    ends = _ends_of_streams(connection)
    new: list[Row] = []
    for number, row in enumerate(_moved_rows(connection, ends), 1):
        if number % REPORTED == 0:
            report(f"Moving the log: {number:,} of {count:,} rows")
        new.append(row)
        if len(new) >= AT_ONCE:
            rows.insert(connection, "log", new)
            new = []
    rows.insert(connection, "log", new)
    keys = (
        "SELECT session, key, seq, (SELECT id + k.seq - seq FROM log_3"
        " WHERE session = k.session AND seq <= k.seq ORDER BY seq DESC LIMIT 1) FROM key_3 AS k"
    )
    rows.insert(connection, "key", [row for row in connection.execute(keys) if row[3]])
    connection.execute("DROP TABLE log_3")
    connection.execute("DROP TABLE key_3")


def _ends_of_streams(connection: sqlite3.Connection) -> dict[tuple[str, str], int]:
    """Return for each session and stream the last event that has the stream whole."""
    streams: dict[str, dict[str, None]] = {}
    ends: dict[tuple[str, str], int] = {}
    for _, session, _, _, body in _old_rows(connection):
        known = streams.setdefault(session, {})
        for event in _events.decode_lines(body):
            stream = stream_of(event)
            if stream is not None:
                known[stream] = None
            for whole in superseded_by(event, known):
                del known[whole]
                ends[session, whole] = event.seq
    return ends


def _moved_rows(
    connection: sqlite3.Connection, ends: Mapping[tuple[str, str], int]
) -> Iterator[Row]:
    for _, session, at, _, body in _old_rows(connection):
        events = [
            event
            for event in _events.decode_lines(body)
            if event.seq >= ends.get((session, stream_of(event) or ""), 0)
        ]
        for stream, run in runs_of(events):
            packed = pack([stored(event, stream, "facts") for event in run])
            yield (run[0].id, session, run[0].seq, len(run), at, stream, packed)


def _old_rows(connection: sqlite3.Connection) -> Iterator[tuple[int, str, int, int, bytes]]:
    """Go through version 3's rows of the log, with each one's checksum checked."""
    query = "SELECT id, session, seq, count, at, body, crc FROM log_3 ORDER BY id"
    for number, session, seq, count, at, body, crc in connection.execute(query):
        rows.check_row("log", (number, session, seq, count, at, body), crc)
        yield number, session, at, seq, body


UPGRADES: Final[Mapping[int, Callable[[sqlite3.Connection, Report], None]]] = {4: split_pieces}
"""By version: what is done after its script."""
