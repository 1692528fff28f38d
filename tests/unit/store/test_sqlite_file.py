"""The file of a durable store: which one is opened, which refused and left as it was."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from sxhost.store.contracts import StoreUnusable
from sxhost.store.journal import WriteBatch
from sxhost.store.sqlite import file
from sxhost.store.sqlite.connection import SQLiteConnection


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sxhost.db"


@pytest.fixture
def made(path: Path) -> Path:
    """A file of ours that nobody has open."""
    file.create(path)
    return path


@pytest.fixture
def connection(made: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(made)) as connection:
        yield connection


def refused(path: Path) -> str:
    """Return the sentence that refuses a file, which stays as it is."""
    before = path.read_bytes()
    with pytest.raises(StoreUnusable) as caught:
        SQLiteConnection(path).open()
    assert path.read_bytes() == before
    return str(caught.value)


def test_a_new_file_is_private_and_whole(made: Path) -> None:
    assert made.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in made.parent.iterdir()] == [made.name]
    file.inspect(made)


def test_what_was_left_of_a_new_file_is_in_nobodys_way(path: Path) -> None:
    for end in ("", "-wal", "-shm", "-journal"):
        Path(f"{path}.new{end}").write_bytes(b"half")
    file.create(path)
    file.inspect(path)


@pytest.mark.parametrize("content", [b"", b"x", b"not a database" * 1000])
def test_a_foreign_file_is_refused_and_left_alone(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    assert str(path) in refused(path)


def test_another_programs_database_is_refused(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE t (x)")
    assert "is not a database of sxhost" in refused(path)


def test_a_later_version_is_refused(made: Path, connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    assert f"has version 99; this sxhost knows {NOW}. Use a newer one" in refused(made)


def test_a_file_without_a_version_is_damaged(
    made: Path, connection: sqlite3.Connection
) -> None:
    connection.execute("PRAGMA user_version = 0")
    connection.close()
    assert "is damaged: it has no version" in refused(made)


def test_a_disk_without_room_is_named(path: Path) -> None:
    with (
        pytest.raises(StoreUnusable, match="its disk has no room"),
        file.errors_as_sentences(path),
    ):
        raise OSError(28, "No space left on device")


NOW = len(file.schema_scripts())
"""The version that this sxhost writes."""


class TestMigration:
    @pytest.mark.parametrize("version", range(1, NOW))
    def test_every_older_version_is_brought_up_to_date(
        self, path: Path, version: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        steps = file.schema_scripts()
        with monkeypatch.context() as then:
            then.setattr(file, "schema_scripts", lambda: steps[:version])
            file.create(path)
        journal = SQLiteConnection(path)
        assert journal.open().audit == []
        journal.close()
        assert Path(f"{path}.version-{version}").exists()

    def test_a_backup_stays(self, made: Path, connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO meta VALUES ('a', 'b', 0)")
        connection.execute("DELETE FROM meta WHERE name = 'a'")
        connection.commit()
        file.migrate(connection, made, [*file.schema_scripts(), "CREATE TABLE more (x);"])
        assert connection.execute("PRAGMA user_version").fetchone() == (NOW + 1,)
        assert connection.execute("SELECT * FROM more").fetchall() == []
        with closing(sqlite3.connect(f"{made}.version-{NOW}")) as backup:
            assert backup.execute("PRAGMA user_version").fetchone() == (NOW,)
            assert backup.execute("SELECT count(*) FROM meta").fetchone() == (3,)

    def test_it_is_reported(self, made: Path, connection: sqlite3.Connection) -> None:
        told: list[str] = []
        steps = [*file.schema_scripts(), "CREATE TABLE more (x);"]
        file.migrate(connection, made, steps, told.append)
        assert told[0].startswith(f"Copying {made.name} (0.")
        assert told[1:] == [
            f"Bringing {made.name} up to date, from version {NOW} to {NOW + 1}",
            f"Checking {made.name}",
        ]
        file.migrate(connection, made, steps, told.append)
        assert len(told) == 3, "nothing is done, and nothing said"

    def test_one_that_fails_changes_nothing(
        self, made: Path, connection: sqlite3.Connection
    ) -> None:
        steps = [*file.schema_scripts(), "CREATE TABLE more (x); nonsense;"]
        with pytest.raises(sqlite3.OperationalError):
            file.migrate(connection, made, steps)
        connection.close()
        with closing(sqlite3.connect(made)) as again:
            assert again.execute("PRAGMA user_version").fetchone() == (NOW,)
            tables = again.execute("SELECT name FROM sqlite_master").fetchall()
        assert ("more",) not in tables

    def test_of_what_is_up_to_date_there_is_no_backup(
        self, made: Path, connection: sqlite3.Connection
    ) -> None:
        file.migrate(connection, made, file.schema_scripts())
        assert not Path(f"{made}.version-{NOW}").exists()


def test_a_row_that_was_changed_is_damage(made: Path) -> None:
    journal = SQLiteConnection(made)
    journal.open()
    journal.write(WriteBatch({"meta": [("a", "b")]}))
    journal.close()
    with closing(sqlite3.connect(made)) as connection:
        connection.execute("UPDATE meta SET value = 'c' WHERE name = 'a'")
        connection.commit()
    assert "a row of meta is not as it was written" in refused(made)


def test_a_second_host_is_told_who_is_there(path: Path) -> None:
    lock = file.lock_database(path)
    try:
        with pytest.raises(
            StoreUnusable, match=f"in use by the host with pid {os.getpid()}\\."
        ):
            file.lock_database(path)
    finally:
        os.close(lock)
    os.close(file.lock_database(path))
