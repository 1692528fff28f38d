"""What a change writes, as rows."""

from __future__ import annotations

import pytest
from msgspec import Raw

from sxhost.model.limits import Limits
from sxhost.model.session import MessageDraft, Registration
from sxhost.store.contracts import Draft
from sxhost.store.ledger import Ledger
from sxhost.store.sqlite.changes import ROW_SIZE, write_batch
from sxhost.store.sqlite.rows import WriteBatch
from sxhost.store.transaction import Change


@pytest.fixture
def ledger() -> Ledger:
    return Ledger(Limits(closed_messages=1), lambda: 0.0, forgetful=False)


def draft(size: int = 0, key: str | None = None) -> Draft:
    return Draft("x", Raw(b'"%s"' % (b"x" * size)), 0, key)


def written(change: Change) -> WriteBatch:
    """Return a change's page, and commit it."""
    page = write_batch(change, 7)
    change.commit()
    return page


def log_rows(page: WriteBatch) -> list[tuple[int, str, int, int, int]]:
    """Return the log's rows without their bodies: id, session, seq, count, time."""
    return [row[:5] for row in page.rows["log"]]


def test_nothing_is_no_page(ledger: Ledger) -> None:
    assert not write_batch(Change(ledger), 7)


def test_what_was_appended_together_is_one_row(ledger: Ledger) -> None:
    change = Change(ledger)
    change.append_events("a", [draft(), draft(key="k")], 0, {})
    change.append_events("a", [draft()], 0, {})
    page = written(change)
    assert log_rows(page) == [(1, "a", 1, 3, 7)]
    assert page.rows["key"] == [("a", "k", 2)]
    assert [row[0] for row in page.rows["session"]] == ["a"]


def test_ids_of_others_between_them_part_events(ledger: Ledger) -> None:
    change = Change(ledger)
    for session_id in "aba":
        change.append_events(session_id, [draft()], 0, {})
    rows = [(1, "a", 1, 1, 7), (3, "a", 2, 1, 7), (2, "b", 1, 1, 7)]
    assert log_rows(written(change)) == rows


def test_a_row_is_not_too_large(ledger: Ledger) -> None:
    change = Change(ledger)
    change.append_events("a", [draft(ROW_SIZE // 4)] * 9, 0, {})
    assert [row[3] for row in log_rows(written(change))] == [4, 4, 1]


def test_a_lease_is_no_page(ledger: Ledger) -> None:
    change = Change(ledger)
    change.register("a", Registration(), 0)
    change.put_message("a", MessageDraft(content="words"), 0)
    written(change)
    change = Change(ledger)
    change.take_messages("a", 60)
    assert not write_batch(change, 7)


def test_what_goes_leaves_its_numbers(ledger: Ledger) -> None:
    change = Change(ledger)
    change.append_events("a", [draft()] * 3, 0, {})
    change.put_message("a", MessageDraft(content="words"), 0)
    change.delete("a")
    page = written(change)
    assert page.sessions_gone == ["a"]
    assert page.rows == {
        "meta": [("last_event", "3"), ("last_message", "1"), ("last_approval", "0")]
    }


def test_a_message_that_is_forgotten_goes(ledger: Ledger) -> None:
    change = Change(ledger)
    change.register("a", Registration(), 0)
    for words in "abc":
        change.put_message("a", MessageDraft(content=words), 0)
    assert written(change).messages_gone == []
    for number, gone in ((3, []), (1, [3]), (2, [1])):
        change = Change(ledger)
        change.change_message("a", lambda inbox, number=number: inbox.withdraw(number))  # type: ignore[misc]
        page = written(change)
        assert page.messages_gone == gone
        assert ("meta" in page.rows) == bool(gone)
