"""A database that is older than what was acknowledged says so."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sxhost.store.high_water import HighWaterMark, missing_numbers
from sxhost.store.journal import Numbers, WriteBatch
from tests.support.faults import Agent, Connection, kill

if TYPE_CHECKING:
    from tests.support.hosts import StartHost


def page(**last: int) -> WriteBatch:
    """A page that gives out these numbers, and some before."""
    rows: dict[str, list[tuple[Any, ...]]] = {}
    for name, number in last.items():
        rows[name] = [(number - 1, b""), (number, b"")]
    if "event" in last:
        rows["log"] = [(last["event"] - 2, "a", 1, 3, 0, b"")]
    return WriteBatch(rows)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sxhost.db"


def test_high_water_mark_rises_with_commits(path: Path) -> None:
    mark = HighWaterMark(path)
    assert mark.open() == Numbers()
    mark.begin(Numbers(7, 3))
    mark.acknowledge(page(event=9, audit=2))
    mark.acknowledge(page(message=2, approval=5))
    mark.close()
    size = path.with_name("sxhost.db.mark").stat().st_size
    again = HighWaterMark(path)
    assert again.open() == Numbers(event=9, message=3, approval=5, audit=2)
    again.begin(Numbers())
    again.close()
    assert path.with_name("sxhost.db.mark").stat().st_size == size
    assert HighWaterMark(path).open() == Numbers()


@pytest.mark.parametrize("content", [b"", b"1 2", b"a b c d", b"1 2 3 4 5 6", b"\xff" * 200])
def test_malformed_high_water_mark_is_ignored(path: Path, content: bytes) -> None:
    file = path.with_name("sxhost.db.mark")
    file.write_bytes(content)
    file.chmod(0o600)
    mark = HighWaterMark(path)
    assert max(mark.open()) <= 2
    mark.close()


def test_missing_events_below_the_mark_are_named() -> None:
    assert missing_numbers(Numbers(9, 9, 9, 9), Numbers(9, 9, 9, 9)) == ""
    assert missing_numbers(Numbers(9, 9, 9, 9), Numbers()) == ""
    words = "event 9 (it ends at 3), audit 2 (it ends at 1)"
    assert missing_numbers(Numbers(3, 9, 9, 1), Numbers(9, 9, 9, 2)) == words


# Hosts on copies.

Copy = Callable[[Path, Path], None]


def whole(state: Path, to: Path) -> None:
    shutil.copytree(state, to)


def by_sqlite(state: Path, to: Path) -> None:
    to.mkdir(mode=0o700)
    with (
        closing(sqlite3.connect(state / "sxhost.db")) as source,
        closing(sqlite3.connect(to / "sxhost.db")) as copy,
    ):
        source.backup(copy)


def without_its_log(state: Path, to: Path) -> None:
    to.mkdir(mode=0o700)
    shutil.copy(state / "sxhost.db", to)


def with_all_but_its_log(state: Path, to: Path) -> None:
    shutil.copytree(state, to)
    for end in ("-wal", "-shm"):
        (to / f"sxhost.db{end}").unlink()


def of_an_earlier_day(state: Path, to: Path) -> None:
    """Copied as it should be, and put in the place of all but the mark."""
    shutil.copytree(state, to)
    for end in ("", "-wal", "-shm"):
        (to / f"sxhost.db{end}").unlink()
    shutil.copy(state.parent / "early" / "sxhost.db", to)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A home with the state of a host that was killed, and of its earlier stop; its epoch."""
    from tests.support.hosts import FOREGROUND, run

    home = tmp_path_factory.mktemp("copied")
    command = (*FOREGROUND, "--port=0", "--state-dir", str(home / "state"))
    with run(command, home, {}) as host, Connection(host) as line:
        Agent(line).fire("early")
    shutil.copytree(home / "state", home / "early")
    with run(command, home, {}) as host, Connection(host) as line:
        for number in range(5):
            line.fire("a", number)
        assert line.get("/status")["missing"] == ""
        epoch: str = line.get("/status")["epoch"]
        kill(host)
    return home, epoch


COPIED = "sxhost.db was copied while a host ran, and without sxhost.db-wal"


@pytest.mark.parametrize(
    ("copy", "events", "sentence"),
    [
        (whole, 6, ""),
        (by_sqlite, 6, COPIED),
        (without_its_log, 1, COPIED),
        (with_all_but_its_log, 1, "was acknowledged, up to event 6 (it ends at 1)"),
        (of_an_earlier_day, 1, "was acknowledged, up to event 6 (it ends at 1)"),
    ],
)
def test_older_copy_of_the_store_is_reported_and_begins_a_new_epoch(
    running: tuple[Path, str],
    start_host: StartHost,
    tmp_path: Path,
    *,
    copy: Copy,
    events: int,
    sentence: str,
) -> None:
    """Once, in the log and in the status, and what comes then is in another epoch."""
    home, epoch = running
    shutil.copytree(home, tmp_path / "home")
    copy(tmp_path / "home" / "state", tmp_path / "state")
    for is_first in (True, False):
        host = start_host("--port=0")
        with Connection(host) as line:
            status = line.get("/status")
            assert status["total_events"] == events
            assert (sentence in status["missing"]) is (is_first or not sentence)
            assert bool(status["missing"]) is bool(sentence and is_first)
            assert (status["epoch"] == epoch) is not bool(sentence)
            assert bool("older than what was acknowledged" in host.output()) is bool(
                sentence and is_first
            )
        host.stop()
