"""A database of version 3, in which facts and pieces lay together, goes on as this version."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from msgspec import Raw

from sxhost.store.contracts import Draft
from sxhost.store.journalled import JournalledStore
from sxhost.testing import result_of
from tests.support.durable_stores import Open

WRITTEN = Path(__file__).parent / "databases" / "version-3.db"
"""By the code before this version: a turn of Codex that is over and one that is not, a script's
answer with idempotency keys, an archived session, a message, a question, an audit entry."""

pytestmark = pytest.mark.parametrize("reopen", ["sqlite"], indirect=True)


@pytest.fixture
def store(path: Path, reopen: Open) -> JournalledStore:
    shutil.copy(WRITTEN, path)
    return reopen()


def log(store: JournalledStore, session: str) -> list[tuple[int, str]]:
    events = result_of(store.read_events(session))
    return [(e.seq, e.event) for e in events]


def test_pieces_that_are_there_whole_have_left(store: JournalledStore) -> None:
    (turn, question, message, start, done, end, *second) = log(store, "codex")
    assert [turn, question] == [(1, "turn-started"), (2, "user-message")]
    assert (message, start) == ((21, "message"), (22, "tool-start"))
    assert (done, end) == ((25, "tool-done"), (26, "complete"))
    assert second[:2] == [(27, "turn-started"), (28, "user-message")]
    assert [seq for seq, _ in second] == list(range(27, 48)), "this answer is not whole yet"
    assert log(store, "script") == [(3, "message"), (4, "note")]


def test_facts_keep_what_the_agent_said(store: JournalledStore) -> None:
    events = result_of(store.read_events("codex"))
    natives = {e.event: b'"native"' in bytes(e.data) for e in events}
    assert {name for name in ("message", "native", "message-delta") if natives[name]} == {
        *("message", "native")
    }


def test_the_rest_is_as_it_was(store: JournalledStore) -> None:
    assert result_of(store.session("codex")).event_count == 47
    assert result_of(store.session("old")).id == "old"
    assert [m.content for m in result_of(store.peek_messages("script"))] == ["hi"]
    assert [a.state for a in result_of(store.approvals("codex"))] == ["pending"]
    assert store.missing == ""
    assert store.recent.pruned(None) == 0


def test_keys_still_stand_for_their_events(store: JournalledStore) -> None:
    drafts = [Draft("any", Raw(b"1"), 0, key) for key in ("p1", "p2", "w", "n", "new")]
    events = result_of(store.append_events("script", drafts, 0))
    assert [(e.seq, e.id) for e in events] == [(1, 47), (2, 48), (3, 49), (4, 50), (5, 53)]


def test_a_copy_stays_beside_it(store: JournalledStore, path: Path) -> None:
    with closing(sqlite3.connect(f"{path}.version-3")) as backup:
        assert backup.execute("PRAGMA user_version").fetchone() == (3,)
        assert backup.execute("SELECT sum(count) FROM log").fetchone() == (52,)


def test_what_is_open_goes_on(store: JournalledStore, reopen: Open, path: Path) -> None:
    whole = Draft("message", Raw(b'{"item":"msg-2","text":"all"}'), 0)
    result_of(store.append_events("codex", [whole], 0))
    again = reopen()
    result_of(again.sweep(0))
    rest = [name for seq, name in log(again, "codex") if seq > 28]
    assert rest == ["native"] * 4 + ["approval-requested", "message"]


def test_a_row_that_is_damaged_is_refused(path: Path, reopen: Open) -> None:
    shutil.copy(WRITTEN, path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE log SET at = at + 1 WHERE id = 13")
        connection.commit()
    with pytest.raises(Exception, match="a row of log is not as it was written"):
        reopen()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (3,)
