"""The journal: what it has written is there, what it has refused is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from sxhost.errors import StoreUnavailable
from sxhost.store.contracts import StoreUnusable
from sxhost.store.sqlite.connection import Journal
from sxhost.store.sqlite.rows import Enough, Page

GOOD, BAD = ("a", "b"), ("c", None)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    journal = Journal(tmp_path / "sxhost.db")
    journal.open()
    return journal


def names(journal: Journal) -> set[str]:
    """Return what is in `meta` after the next opening."""
    journal.close()
    journal.open()
    assert journal._writer is not None
    found = {name for (name,) in journal._writer.execute("SELECT name FROM meta")}
    journal.close()
    return found


def test_a_page_is_kept(journal: Journal) -> None:
    journal.write(Page({"meta": [GOOD]}))
    assert "a" in names(journal)


def test_a_page_is_kept_whole_or_not_at_all(journal: Journal) -> None:
    with pytest.raises(StoreUnavailable, match=r"answer: NOT NULL .* failed: meta.value\."):
        journal.write(Page({"meta": [GOOD, BAD]}))
    journal.write(Page({"meta": [("d", "e")]}))
    assert {"a", "c", "d"} & names(journal) == {"d"}


def test_a_defect_leaves_no_transaction_open(journal: Journal) -> None:
    with pytest.raises(KeyError):
        journal.write(Page({"meta": [GOOD], "nonsense": [GOOD]}))
    journal.write(Page({"meta": [("d", "e")]}))
    assert {"a", "d"} & names(journal) == {"d"}


def test_closed_is_closed(journal: Journal) -> None:
    journal.close()
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match="it is closed"):
            journal.write(Page({"meta": [GOOD]}))
        with pytest.raises(StoreUnavailable, match="it is closed"):
            journal.read(None, 0, 0, Enough(1, 1))
        journal.close()


def test_reading_can_stop_first(journal: Journal) -> None:
    journal.stop_reading()
    with pytest.raises(StoreUnavailable, match="it is closed"):
        journal.lookup("a", ["k"])
    journal.write(Page({"meta": [GOOD]}))
    assert "a" in names(journal)


def test_a_journal_that_is_open_is_nobody_elses(journal: Journal) -> None:
    with pytest.raises(StoreUnusable, match="in use"):
        Journal(journal.path).open()
    journal.write(Page({"meta": [GOOD]}))
    assert "a" in names(journal)


def test_an_orderly_end_leaves_one_file(journal: Journal) -> None:
    journal.write(Page({"meta": [GOOD]}))
    journal.close()
    left = {entry.name for entry in journal.path.parent.iterdir()}
    assert left == {"sxhost.db", "sxhost.db.lock", "sxhost.db.mark"}
