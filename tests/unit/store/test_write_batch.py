"""What a transaction writes, as rows."""

from __future__ import annotations

from operator import methodcaller

import pytest
from msgspec import Raw

from sxhost.model.limits import Limits
from sxhost.model.message import MessageDraft
from sxhost.model.session import Registration
from sxhost.store.contracts import Draft
from sxhost.store.journal import WriteBatch
from sxhost.store.runs import ROW_SIZE
from sxhost.store.state import StoreState
from sxhost.store.transaction import Transaction
from sxhost.store.write_batch import write_batch


@pytest.fixture
def state() -> StoreState:
    return StoreState(Limits(closed_messages=1), lambda: 0.0, only_copy=False)


def draft(size: int = 0, key: str | None = None) -> Draft:
    return Draft("x", Raw(b'"%s"' % (b"x" * size)), 0, key)


def written(transaction: Transaction) -> WriteBatch:
    """Return what a transaction writes, and commit it."""
    batch = write_batch(transaction)
    transaction.commit()
    return batch


def log_rows(batch: WriteBatch) -> list[tuple[int, str, int, int, int]]:
    """Return the log's rows without their bodies: id, session, seq, count, time."""
    return [row[:5] for row in batch.rows["log"]]


def test_nothing_writes_nothing(state: StoreState) -> None:
    assert not Transaction(state).writes


def test_what_was_appended_together_is_one_row(state: StoreState) -> None:
    transaction = Transaction(state)
    transaction.append_events("a", [draft(), draft(key="k")], 7, {})
    transaction.append_events("a", [draft()], 7, {})
    batch = written(transaction)
    assert log_rows(batch) == [(1, "a", 1, 3, 7)]
    assert batch.rows["key"] == [("a", "k", 2, 2)]
    assert [row[0] for row in batch.rows["session"]] == ["a"]


def test_ids_of_others_between_them_part_events(state: StoreState) -> None:
    transaction = Transaction(state)
    for session_id in "aba":
        transaction.append_events(session_id, [draft()], 7, {})
    rows = [(1, "a", 1, 1, 7), (3, "a", 2, 1, 7), (2, "b", 1, 1, 7)]
    assert log_rows(written(transaction)) == rows


def test_a_row_is_not_too_large(state: StoreState) -> None:
    transaction = Transaction(state)
    transaction.append_events("a", [draft(ROW_SIZE // 4)] * 9, 7, {})
    assert [row[3] for row in log_rows(written(transaction))] == [4, 4, 1]


def test_a_lease_writes_nothing(state: StoreState) -> None:
    transaction = Transaction(state)
    transaction.register("a", Registration(), 0)
    transaction.put_message("a", MessageDraft(content="words"), 0)
    written(transaction)
    transaction = Transaction(state)
    transaction.take_messages("a", 60)
    assert not transaction.writes


def test_what_goes_leaves_its_numbers(state: StoreState) -> None:
    transaction = Transaction(state)
    transaction.append_events("a", [draft()] * 3, 7, {})
    transaction.put_message("a", MessageDraft(content="words"), 0)
    transaction.delete("a")
    batch = written(transaction)
    assert batch.deleted_sessions == ["a"]
    assert batch.rows == {
        "meta": [("last_event", "3"), ("last_message", "1"), ("last_approval", "0")]
    }


def test_a_message_that_is_forgotten_goes(state: StoreState) -> None:
    transaction = Transaction(state)
    transaction.register("a", Registration(), 0)
    for words in "abc":
        transaction.put_message("a", MessageDraft(content=words), 0)
    assert written(transaction).deleted_messages == []
    for number, deleted in ((3, []), (1, [3]), (2, [1])):
        transaction = Transaction(state)
        transaction.change_message("a", methodcaller("withdraw", number))
        batch = written(transaction)
        assert batch.deleted_messages == deleted
        assert ("meta" in batch.rows) == bool(deleted)
