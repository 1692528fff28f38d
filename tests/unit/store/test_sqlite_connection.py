"""The journal: what it has written is there, what it has refused is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from sxhost.errors import StoreUnavailable
from sxhost.store.contracts import StoreUnusable
from sxhost.store.journal import ReadLimit, WriteBatch
from sxhost.store.sqlite.connection import SQLiteConnection

GOOD, BAD = ("a", "b"), ("c", None)


@pytest.fixture
def journal(tmp_path: Path) -> SQLiteConnection:
    journal = SQLiteConnection(tmp_path / "sxhost.db")
    journal.open()
    return journal


def names(journal: SQLiteConnection) -> set[str]:
    """Return what is in `meta` after the next opening."""
    journal.close()
    journal.open()
    assert journal._writer is not None
    found = {name for (name,) in journal._writer.execute("SELECT name FROM meta")}
    journal.close()
    return found


def test_a_page_is_kept(journal: SQLiteConnection) -> None:
    journal.write(WriteBatch({"meta": [GOOD]}))
    assert "a" in names(journal)


def test_a_page_is_kept_whole_or_not_at_all(journal: SQLiteConnection) -> None:
    with pytest.raises(StoreUnavailable, match=r"answer: NOT NULL .* failed: meta.value\."):
        journal.write(WriteBatch({"meta": [GOOD, BAD]}))
    journal.write(WriteBatch({"meta": [("d", "e")]}))
    assert {"a", "c", "d"} & names(journal) == {"d"}


def test_a_defect_leaves_no_transaction_open(journal: SQLiteConnection) -> None:
    with pytest.raises(KeyError):
        journal.write(WriteBatch({"meta": [GOOD], "nonsense": [GOOD]}))
    journal.write(WriteBatch({"meta": [("d", "e")]}))
    assert {"a", "d"} & names(journal) == {"d"}


def test_closed_is_closed(journal: SQLiteConnection) -> None:
    journal.close()
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match="it is closed"):
            journal.write(WriteBatch({"meta": [GOOD]}))
        with pytest.raises(StoreUnavailable, match="it is closed"):
            journal.read(None, 0, 0, ReadLimit(1, 1))
        journal.close()


def test_reading_can_stop_first(journal: SQLiteConnection) -> None:
    journal.stop_reading()
    with pytest.raises(StoreUnavailable, match="it is closed"):
        journal.lookup("a", ["k"])
    journal.write(WriteBatch({"meta": [GOOD]}))
    assert "a" in names(journal)


def test_a_journal_that_is_open_is_nobody_elses(journal: SQLiteConnection) -> None:
    with pytest.raises(StoreUnusable, match="in use"):
        SQLiteConnection(journal.path).open()
    journal.write(WriteBatch({"meta": [GOOD]}))
    assert "a" in names(journal)


def test_an_orderly_end_leaves_one_file(journal: SQLiteConnection) -> None:
    journal.write(WriteBatch({"meta": [GOOD]}))
    journal.close()
    left = {entry.name for entry in journal.path.parent.iterdir()}
    assert left == {"sxhost.db", "sxhost.db.lock", "sxhost.db.mark"}
