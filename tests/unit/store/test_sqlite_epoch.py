"""When a log begins a new life: when its end may be lost, and never else."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from sxhost.store.journal import WriteBatch
from sxhost.store.sqlite.connection import Durability, SQLiteConnection
from sxhost.store.sqlite.epoch import new, this_boot

ENDS = ("", "-wal", "-shm")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sxhost.db"


def opened(
    path: Path, durability: Durability, boot: str, end: Callable[[SQLiteConnection], object]
) -> tuple[str, bool | None]:
    """Open a file, write, and end in some way; return its epoch and whether that is new."""
    journal = SQLiteConnection(path, durability, boot)
    kept = journal.open()
    renewed = journal.renewed
    journal.write(WriteBatch({"session": []}))
    end(journal)
    return kept.epoch, renewed


def killed(journal: SQLiteConnection) -> None:
    """Leave the files as the end of a process does."""
    place = journal.path.with_name("left")
    for end in ENDS:
        shutil.copy(f"{journal.path}{end}", f"{place}{end}")
    journal.close()
    for end in ENDS:
        Path(f"{place}{end}").rename(f"{journal.path}{end}")


def write_then_kill(journal: SQLiteConnection) -> None:
    journal.write(WriteBatch({"meta": [("a", "b")]}))
    killed(journal)


@pytest.mark.parametrize(
    ("durability", "end", "boot", "same"),
    [
        ("power", SQLiteConnection.close, "first", True),
        ("power", SQLiteConnection.close, "second", True),
        ("power", write_then_kill, "first", True),
        ("power", write_then_kill, "second", True),
        ("process", SQLiteConnection.close, "first", True),
        ("process", SQLiteConnection.close, "second", True),
        ("process", write_then_kill, "first", True),
        ("process", write_then_kill, "second", False),
    ],
)
@pytest.mark.parametrize("then", ["power", "process"])
def test_an_epoch_ends_where_the_power_may_have_taken_something(
    path: Path,
    durability: Durability,
    end: Callable[[SQLiteConnection], object],
    *,
    boot: str,
    same: bool,
    then: Durability,
) -> None:
    first, renewed = opened(path, durability, "first", end)
    assert not renewed
    second, renewed = opened(path, then, boot, SQLiteConnection.close)
    assert (second == first, renewed) == (same, not same)
    assert opened(path, then, "third", SQLiteConnection.close) == (second, False)


def test_an_epoch_goes_on_as_long_as_the_machine_does(path: Path) -> None:
    epochs = {opened(path, "process", "boot", write_then_kill) for _ in range(3)}
    assert len(epochs) == 1


def test_a_log_that_was_not_synced_may_end_early(path: Path) -> None:
    first, _ = opened(path, "process", "boot", write_then_kill)
    log = path.with_name(f"{path.name}-wal")
    log.write_bytes(log.read_bytes()[:1000])  # behind what counts there may be older frames
    second, renewed = opened(path, "process", "boot", SQLiteConnection.close)
    assert second != first
    assert renewed


@pytest.mark.parametrize("durability", ["power", "process"])
def test_without_an_index_nobody_knows(path: Path, durability: Durability) -> None:
    first, _ = opened(path, durability, "boot", write_then_kill)
    path.with_name(f"{path.name}-shm").unlink()
    second, renewed = opened(path, durability, "boot", SQLiteConnection.close)
    assert second != first
    assert renewed


def test_a_start_that_fails_forgets_nothing(path: Path) -> None:
    first, _ = opened(path, "process", "first", write_then_kill)
    with closing(sqlite3.connect(path)) as blocker:
        blocker.execute("BEGIN IMMEDIATE")
        journal = SQLiteConnection(path, "process", "second", lock_timeout_s=0)
        with pytest.raises(Exception, match="locked"):
            journal.open()
    second, renewed = opened(path, "process", "second", SQLiteConnection.close)
    assert second != first
    assert renewed


def test_a_boot_has_a_name(tmp_path: Path) -> None:
    assert this_boot() == this_boot()
    nowhere = tmp_path / "boot_id"
    assert this_boot(nowhere) != this_boot(nowhere)
    nowhere.write_text("b\n")
    assert this_boot(nowhere) == "b"


def test_epochs_differ() -> None:
    assert len({new() for _ in range(100)}) == 100
