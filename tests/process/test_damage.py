"""What becomes of a host whose files are not what it left: it refuses them, or is right."""

from __future__ import annotations

import random
import re
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from tests.support.faults import Agent, Connection, Stream, contents, kill

if TYPE_CHECKING:
    from tests.support.hosts import StartHost

SEED = 20261123


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """Where the test's hosts have their store."""
    return tmp_path / "state" / "sxhost.db"


@pytest.fixture
def log(database: Path) -> Path:
    return database.with_name("sxhost.db-wal")


def emptied(database: Path) -> None:
    database.write_bytes(b"")


def cut_off(database: Path) -> None:
    database.write_bytes(database.read_bytes()[:-5000])


def beheaded(database: Path) -> None:
    database.write_bytes(bytes(100) + database.read_bytes()[100:])


def of_another_application(database: Path) -> None:
    database.unlink()
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("CREATE TABLE t (x)")


def no_database(database: Path) -> None:
    database.write_text("Dear diary,\n" * 1000)


def of_a_later_version(database: Path) -> None:
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA user_version = 99")


def without_its_database(database: Path) -> None:
    database.rename(database.with_name("elsewhere"))
    database.with_name(f"{database.name}-wal").write_bytes(bytes(4152))


def a_directory(database: Path) -> None:
    database.unlink()
    database.mkdir()


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state directory with something in it that nobody has open."""
    from tests.support.hosts import FOREGROUND, run

    home = tmp_path_factory.mktemp("kept")
    command = (*FOREGROUND, "--port=0", "--state-dir", str(home / "state"))
    with run(command, home, {}) as host, Connection(host) as line:
        agent = Agent(line)
        for number in range(50):
            agent.fire(number)
    return home / "state"


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (emptied, "sxhost.db is empty"),
        (cut_off, "sxhost.db cannot be used: database disk image is malformed"),
        (beheaded, "sxhost.db cannot be used: file is not a database"),
        (of_another_application, "sxhost.db is not a database of sxhost"),
        (no_database, "sxhost.db cannot be used: file is not a database"),
        (of_a_later_version, "sxhost.db has version 99; this sxhost knows "),
        (without_its_database, "sxhost.db-wal belongs to a database that is not there"),
        (a_directory, "sxhost.db cannot be used: "),
    ],
)
def test_unusable_store_file_is_refused_and_left_alone(
    damage: Callable[[Path], None],
    sentence: str,
    kept: Path,
    start_host: StartHost,
    database: Path,
) -> None:
    shutil.copytree(kept, database.parent)
    damage(database)
    before = contents(database.parent)
    host = start_host("--port=0")
    assert host.wait() == 1
    assert contents(database.parent) == before
    reported = [line for line in host.output().splitlines() if line.startswith("sxhost: ")]
    assert len(reported) == 1, host.output()
    assert sentence in reported[0]
    assert "Traceback" not in host.output()


class Crashed(NamedTuple):
    """A state directory as kill -9 leaves it, and what was acknowledged there."""

    place: Path
    epoch: str
    events: list[tuple[int, int, Any]]


@pytest.fixture(scope="module")
def crashed(tmp_path_factory: pytest.TempPathFactory) -> Crashed:
    from tests.support.hosts import FOREGROUND, run

    home = tmp_path_factory.mktemp("crashed")
    command = (*FOREGROUND, "--port=0", "--state-dir", str(home / "state"))
    with run(command, home, {}) as host, Connection(host) as line:
        agent = Agent(line)
        for number in range(40):
            agent.fire(number)
        epoch = line.get("/status")["epoch"]
        kill(host)
    return Crashed(home / "state", epoch, agent.events)


def flip(file: Path, dice: random.Random) -> None:
    """Change one byte of SQLite's write-ahead log, in what of it counts."""
    content = bytearray(file.read_bytes())
    content[dice.randrange(len(content))] ^= 1 << dice.randrange(8)
    file.write_bytes(content)


@pytest.mark.parametrize("seed", range(4))
def test_flipped_bit_in_committed_data_is_refused(
    seed: int, crashed: Crashed, start_host: StartHost, log: Path
) -> None:
    shutil.copytree(crashed.place, log.parent)
    flip(log, random.Random(SEED + seed))
    before = contents(log.parent)
    host = start_host("--port=0")
    assert host.wait() == 1
    assert contents(log.parent) == before
    assert re.search(r"sxhost: \S+/sxhost.db-wal is damaged: of its \d+ pages", host.output())


@pytest.mark.parametrize("seed", range(4))
def test_flipped_bit_with_process_durability_begins_a_new_epoch(
    seed: int, crashed: Crashed, start_host: StartHost, log: Path
) -> None:
    """What is left is right, and what comes then is not taken for what is lost."""
    shutil.copytree(crashed.place, log.parent)
    flip(log, random.Random(SEED + seed))
    host = start_host("--port=0", "--durability=process")
    with Connection(host) as line:
        status = line.get("/status")
        assert status["epoch"] != crashed.epoch
        found = line.events("a") if status["total_events"] else []
        assert found == crashed.events[: len(found)]
        assert len(found) < len(crashed.events)
        assert line.fire("a", "more")["seq"] == len(found) + 1
        with closing(Stream(host, f"/events?after={crashed.epoch}:40")) as stream:
            assert '"reason":"another epoch"' in stream.read_until("more")


def test_a_second_host_is_refused_with_the_pid_of_the_first(start_host: StartHost) -> None:
    first = start_host("--port=0")
    with Connection(first) as line:
        agent = Agent(line)
        agent.fire("first")
        second = start_host("--port=0")
        assert second.wait() == 1
        sentence = f"sxhost.db is in use by the host with pid {first.process.pid}.\n"
        assert second.output().endswith(sentence)
        assert second.output().count("\n") == 1
        agent.check()
