"""What was committed to SQLite's write-ahead log is there, or is known to be missing."""

from __future__ import annotations

import random
import shutil
import sqlite3
import struct
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from sxhost.store.contracts import StoreUnusable
from sxhost.store.journal import WriteBatch
from sxhost.store.sqlite.connection import SQLiteConnection
from sxhost.store.sqlite.integrity import check

HEADER, FRAME = 32, 24 + 4096
SEED = 20261121


def log_of(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


def index_of(path: Path) -> Path:
    return path.with_name(f"{path.name}-shm")


def connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    return connection


def insert(connection: sqlite3.Connection, *numbers: int) -> None:
    connection.execute("BEGIN")
    for number in numbers:
        connection.execute("INSERT INTO t VALUES (?, ?)", (number, bytes(3000)))
    connection.execute("COMMIT")


def kept(path: Path) -> list[int]:
    with closing(connect(path)) as connection:
        return [number for (number,) in connection.execute("SELECT number FROM t")]


@pytest.fixture
def live(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """A database that is in use."""
    with closing(connect(tmp_path / "live.db")) as connection:
        connection.execute("CREATE TABLE t (number, filler)")
        insert(connection, 0)
        yield connection


Leave = Callable[[], Path]


@pytest.fixture
def leave(live: sqlite3.Connection, tmp_path: Path) -> Leave:
    """Copy the database as a process that is killed would leave it."""

    def leave() -> Path:
        for end in ("", "-wal", "-shm"):
            shutil.copy(tmp_path / f"live.db{end}", tmp_path / f"left.db{end}")
        return tmp_path / "left.db"

    return leave


def frames(path: Path) -> int:
    return (log_of(path).stat().st_size - HEADER) // FRAME


def flip(path: Path, place: int, bit: int = 0) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 1 << bit
    path.write_bytes(content)


def test_a_whole_log_is_passed(live: sqlite3.Connection, leave: Leave) -> None:
    insert(live, 1, 2, 3)
    path = leave()
    assert check(path)
    assert kept(path) == [0, 1, 2, 3]


def test_a_flipped_bit_anywhere_is_noticed(live: sqlite3.Connection, leave: Leave) -> None:
    for number in range(1, 5):
        insert(live, number)
    dice = random.Random(SEED)
    path = leave()
    size = log_of(path).stat().st_size
    for place in (*range(HEADER + 24), size - 1, *(dice.randrange(size) for _ in range(300))):
        bit = dice.randrange(8)
        flip(log_of(path), place, bit)
        before = log_of(path).read_bytes(), index_of(path).read_bytes()
        with pytest.raises(StoreUnusable, match="-wal is damaged: of its"):
            check(path)
        assert before == (log_of(path).read_bytes(), index_of(path).read_bytes())
        flip(log_of(path), place, bit)
    assert check(path), "each flip was taken back"


def test_a_log_that_ends_early_is_noticed(live: sqlite3.Connection, leave: Leave) -> None:
    insert(live, 1, 2)
    whole = log_of(leave()).read_bytes()
    count = frames(leave())
    for number in range(count):
        for more in (0, 1, 24, 100):
            path = leave()
            log_of(path).write_bytes(whole[: HEADER + number * FRAME + more])
            with pytest.raises(StoreUnusable, match=f"{count} pages the first {number} can"):
                check(path)


def test_what_was_never_committed_may_be_torn(live: sqlite3.Connection, leave: Leave) -> None:
    insert(live, 1)
    path = leave()
    with log_of(path).open("ab") as file:
        file.write(log_of(path).read_bytes()[HEADER : HEADER + FRAME + 100])
    check(path)
    assert kept(path) == [0, 1]


def test_what_was_rolled_back_lies_behind_what_was_committed(
    live: sqlite3.Connection, leave: Leave
) -> None:
    """Frames with the salts of the log, and sums that go on from others: no damage."""
    live.execute("PRAGMA cache_size = 1")
    live.execute("BEGIN")
    for number in range(100):
        live.execute("INSERT INTO t VALUES (?, ?)", (-number, bytes(3000)))
    live.execute("ROLLBACK")
    insert(live, 1)
    path = leave()
    assert frames(path) > 50
    check(path)
    assert kept(path) == [0, 1]


def test_a_log_that_began_anew_is_passed(live: sqlite3.Connection, leave: Leave) -> None:
    insert(live, *range(1, 50))
    earlier = index_of(leave()).read_bytes()
    live.execute("PRAGMA wal_checkpoint(RESTART)")
    check(leave())
    insert(live, 50)
    path = leave()
    check(path)
    index_of(path).write_bytes(earlier)  # as the power's end may leave it
    check(path)
    assert kept(path) == list(range(51))
    live.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    check(leave())


@pytest.mark.parametrize("content", [b"", b"abc", bytes(32768)])
def test_without_an_index_nothing_is_known(
    content: bytes, live: sqlite3.Connection, leave: Leave
) -> None:
    insert(live, 1)
    path = leave()
    flip(log_of(path), HEADER + 24)
    index_of(path).write_bytes(content)
    assert check(path), "so may the power's end leave it, which takes nothing that was synced"
    index_of(path).unlink()
    assert not check(path), "somebody has removed it"
    log_of(path).write_bytes(b"")
    assert check(path), "there is nothing to know"
    log_of(path).unlink()
    assert check(path)


def test_half_an_index_will_do(live: sqlite3.Connection, leave: Leave) -> None:
    insert(live, 1)
    path = leave()
    flip(log_of(path), HEADER + 24)
    flip(index_of(path), 16)
    with pytest.raises(StoreUnusable):
        check(path)


def sum_big(start: tuple[int, int], data: bytes) -> tuple[int, int]:
    one, two = start
    for place in range(0, len(data), 8):
        first, second = struct.unpack_from(">2I", data, place)
        one = (one + first + two) % 2**32
        two = (two + second + one) % 2**32
    return one, two


def as_big_endian(log: bytes) -> bytes:
    """Write a log as a machine would whose words are of the other order."""
    head = struct.pack(">I", 0x377F0683) + log[4:24]
    total = sum_big((0, 0), head)
    parts = [head, struct.pack(">2I", *total)]
    for place in range(HEADER, len(log), FRAME):
        frame = log[place : place + FRAME]
        total = sum_big(total, frame[:8] + frame[24:])
        parts += [frame[:16], struct.pack(">2I", *total), frame[24:]]
    return b"".join(parts)


def test_logs_of_the_other_order_are_read(live: sqlite3.Connection, leave: Leave) -> None:
    insert(live, 1, 2)
    path = leave()
    log_of(path).write_bytes(as_big_endian(log_of(path).read_bytes()))
    check(path)
    flip(log_of(path), HEADER + FRAME + 1000)
    with pytest.raises(StoreUnusable, match="the first 1 can be read"):
        check(path)
    flip(log_of(path), HEADER + FRAME + 1000)
    assert kept(path) == [0, 1, 2]


class TestJournal:
    """The journal looks before SQLite does, where an acknowledged write survives power."""

    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        """Leave a database of ours as a process that is killed would, and damaged."""
        journal = SQLiteConnection(tmp_path / "live.db")
        journal.open()
        journal.write(WriteBatch({"meta": [("a", "b")]}))
        for end in ("", "-wal", "-shm"):
            shutil.copy(tmp_path / f"live.db{end}", tmp_path / f"left.db{end}")
        journal.close()
        flip(log_of(tmp_path / "left.db"), HEADER + 100)
        return tmp_path / "left.db"

    def test_damage_is_refused_until_it_is_accepted(self, path: Path) -> None:
        journal = SQLiteConnection(path)
        for _ in range(2):
            with pytest.raises(StoreUnusable, match="-shm to go on without"):
                journal.open()
        index_of(path).unlink()
        journal.open()
        journal.close()

    def test_without_power_a_log_may_end_early(self, path: Path) -> None:
        journal = SQLiteConnection(path, "process")
        journal.open()
        journal.close()

    def test_a_refusal_leaves_the_log_where_it_is(self, path: Path) -> None:
        flip(log_of(path), HEADER + 100)
        with closing(sqlite3.connect(f"file:{path}?immutable=1", uri=True)) as connection:
            query = "SELECT rootpage FROM sqlite_master WHERE name = 'message'"
            (page,) = connection.execute(query).fetchone()
        flip(path, 4096 * (page - 1))
        before = path.read_bytes(), log_of(path).read_bytes()
        with pytest.raises(StoreUnusable):
            SQLiteConnection(path).open()
        assert before == (path.read_bytes(), log_of(path).read_bytes())

    def test_a_log_without_its_database_is_not_taken_over(self, path: Path) -> None:
        path.rename(path.with_name("elsewhere"))
        with pytest.raises(StoreUnusable, match="belongs to a database that is not there"):
            SQLiteConnection(path).open()
        assert not path.exists()
