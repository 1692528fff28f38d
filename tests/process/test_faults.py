"""What a host keeps of its word when the machine does not."""

from __future__ import annotations

import random
import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.support.faults import (
    Agent,
    Answer,
    Connection,
    Stream,
    WallClock,
    kill,
    measured,
    small_disk,
    tampered,
)
from tests.support.hosts import until
from tests.support.load_generator import MAIL, SESSIONS, WORKING, Load, Mail, Truth

if TYPE_CHECKING:
    from tests.support.hosts import Host, StartHost

SEED = 20261122
ROUNDS = 50
ROOMY = ("--port=0", "--max-messages=100000", "--retain=1000000")
MIB = 1 << 20
HOUR, DAY = 3600, 86_400

MOST_RISE = 50.0
"""MB that readers may cost a host."""


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """The state directory of the test's hosts."""
    return tmp_path / "state"


@pytest.fixture
def database(state: Path) -> Path:
    return state / "sxhost.db"


@pytest.fixture
def log(state: Path) -> Path:
    return state / "sxhost.db-wal"


# The end of a process.


class Moment(NamedTuple):
    """A system call of a host on one of its files, or no such call: an acknowledgement."""

    file: str
    call: str
    number: int


MOMENTS = [
    Moment("", "", 250),
    Moment("sxhost.db-wal", "pwrite64", 1500),
    Moment("sxhost.db-wal", "fdatasync", 60),
    Moment("sxhost.db", "pwrite64", 300),  # in a checkpoint: it is written at no other time
    Moment("sxhost.db", "fdatasync", 2),
]
"""When a host is killed, at the latest."""


def kill_at(moment: Moment, load: Load, state: Path) -> None:
    """Let a host work until a moment comes, which is its last."""
    if not moment.file:
        load.run_until(moment.number)
        load.host.process.kill()
    else:
        how = f"signal=KILL:when={moment.number}"
        with tampered(load.host, moment.call, how, state / moment.file):
            load.run_until(10**9)
            load.host.wait()
    assert load.host.wait() == -signal.SIGKILL
    load.join()


def test_kill_9_loses_nothing_acknowledged(
    start_host: StartHost, state: Path, database: Path
) -> None:
    host = start_host(*ROOMY)
    assert host.port
    host.stop()
    make_small_pages(database)
    truth, mail, dice = Truth(), Mail(), random.Random(SEED)
    for number in range(ROUNDS):
        moment = dice.choice(MOMENTS)
        moment = moment._replace(number=dice.randrange(moment.number) + 1)
        syncs = moment.call == "fdatasync"
        durability = "power" if syncs else dice.choice(["power", "process"])
        host = start_host(*ROOMY, f"--durability={durability}")
        check_restarted(host, truth, mail)
        kill_at(moment, Load(host, truth, mail, number), state)
    host = start_host(*ROOMY)
    check_restarted(host, truth, mail)
    with Connection(host) as line:
        truth.check_all(line)


def make_small_pages(database: Path) -> None:
    """Let a database have small pages: its log is full, and a checkpoint comes, sooner."""
    with closing(sqlite3.connect(database)) as connection:
        connection.executescript("PRAGMA journal_mode = DELETE; PRAGMA page_size = 512; VACUUM")


def check_restarted(host: Host, truth: Truth, mail: Mail) -> None:
    with Connection(host) as line:
        line.post(f"/sessions/{MAIL}/register")
        truth.check(line)
        mail.check(line)
        check_states(line, truth)


def check_states(line: Connection, truth: Truth) -> None:
    """Check that what was at work is stalled, with a reason, until it reports."""
    for session_id in SESSIONS:
        if truth.last.get(session_id) in WORKING:
            view = line.get(f"/sessions/{session_id}")
            shown = view["detail_state"], view["reason"]
            assert shown == ("stalled", "not heard from since the host restarted")
            line.get(f"/sessions/{session_id}/messages")
            assert line.get(f"/sessions/{session_id}")["detail_state"] == "working"


# A disk that is full, fails or hangs.


@pytest.fixture
def ballast(state: Path) -> Iterator[Path]:
    """Let the state directory be on a disk of 4 MB, three of which a file takes up."""
    with small_disk(state, 4 * MIB):
        file = state / "ballast"
        file.write_bytes(bytes(3 * MIB))
        yield file


def refused(*attempts: Callable[[], Answer]) -> set[tuple[int, str]]:
    """Try each until it is refused, as it must be in the end; return how."""
    refusals = set()
    for attempt in attempts:
        answers = (attempt() for _ in range(1000))
        refusal = next((answer for answer in answers if answer.status != 200), None)
        assert refusal, "it is never refused"
        refusals.add((refusal.status, refusal.body["error"]))
    return refusals


def every_write(agent: Agent) -> tuple[Callable[[], Answer], ...]:
    return (
        lambda: agent.fire("refused"),
        lambda: agent.batch("refused", "too"),
        lambda: agent.send("refused"),
        lambda: agent.line.ask("POST", "/sessions/a/register"),
        lambda: agent.line.ask("DELETE", "/sessions/a"),
        lambda: agent.line.ask("GET", "/sessions/a/messages"),
    )


def rotate(agent: Agent) -> Answer:
    """Write a file beside the store."""
    return agent.line.ask("POST", "/tokens/admin/rotate")


def test_full_disk_refuses_writes_until_there_is_room(
    ballast: Path, start_host: StartHost
) -> None:
    host = start_host("--port=0", "--max-messages=10000")
    with Connection(host) as line, closing(Stream(host, "/events?after=0")) as stream:
        agent = Agent(line)
        agent.fire("first")
        agent.send("words")
        full = {(507, "storage_full")}
        assert refused(lambda: agent.fire("x" * 10_000)) == full
        fill(ballast.with_name("rest"))
        assert refused(*every_write(agent), lambda: rotate(agent)) == full
        agent.check()
        agent.check_lease()
        stream.read_until(f'"id":{agent.events[-1][1]},')
        ballast.unlink()
        assert agent.fire("there is room").status == 200
        stream.read_until("there is room")
    kill(host)
    with Connection(start_host("--port=0", "--max-messages=10000")) as agent.line:
        agent.check()
        assert agent.fire("more").status == 200
        agent.check()


def fill(file: Path) -> None:
    """Let a file take up what room there is."""
    with file.open("wb", buffering=0) as rest, suppress(OSError):
        while True:
            rest.write(bytes(512))


def test_host_starts_on_a_full_disk(ballast: Path, start_host: StartHost) -> None:
    host = start_host("--port=0")
    with Connection(host) as line:
        agent = Agent(line)
        agent.fire("first")
        agent.send("words")
        fill(ballast.with_name("rest"))
        assert refused(lambda: agent.fire("x" * 10_000)) == {(507, "storage_full")}
    kill(host)
    with Connection(start_host("--port=0")) as agent.line:
        agent.check()
        writes = (*every_write(agent), lambda: rotate(agent))
        assert refused(*writes) == {(507, "storage_full")}
        agent.check_lease()
        ballast.unlink()
        assert agent.fire("there is room").status == 200
        agent.check()


@pytest.mark.parametrize(
    ("calls", "error", "code"),
    [
        ("fsync,fdatasync", "EIO", (503, "store_unavailable")),
        ("pwrite64", "EIO", (503, "store_unavailable")),
        ("pwrite64", "ENOSPC", (507, "storage_full")),
    ],
)
def test_failing_disk_acknowledges_nothing(
    calls: str, error: str, code: tuple[int, str], start_host: StartHost, log: Path
) -> None:
    host = start_host("--port=0")
    with Connection(host) as line, closing(Stream(host, "/events?after=0")) as stream:
        agent = Agent(line)
        agent.fire("first")
        agent.send("words")
        with tampered(host, calls, f"error={error}", log):
            assert refused(*every_write(agent)) == {code}
            agent.check()
            agent.check_lease()
        assert agent.fire("again").status == 200
        assert "refused" not in stream.read_until("again")
        agent.check()
        with tampered(host, calls, f"error={error}", log):
            assert refused(lambda: agent.fire("last")) == {code}
        kill(host)
    with Connection(start_host("--port=0")) as agent.line:
        # What was refused last may be there all the same: nobody was given its number.
        found = agent.line.events("a")
        assert found[: len(agent.events)] == agent.events
        assert [data for _, _, data in found[len(agent.events) :]] in ([], ["last"])
        agent.events = found
        assert agent.fire("more").status == 200
        agent.check()


def test_unreadable_page_is_503(start_host: StartHost, database: Path, log: Path) -> None:
    host = start_host("--port=0")
    with Connection(host) as line:
        agent = Agent(line)
        agent.batch(*("x" * 1000 for _ in range(1000)))
    kill(host)
    host = start_host("--port=0")
    with Connection(host) as agent.line:
        with tampered(host, "pread64", "error=EIO", database, log):
            answer = agent.line.ask("GET", "/sessions/a/events?after=0")
            assert (answer.status, answer.body["error"]) == (503, "store_unavailable")
            assert agent.line.get("/health") == {"status": "ok"}
        agent.check()


def test_hanging_disk_stops_nothing_else(start_host: StartHost, log: Path) -> None:
    host = start_host("--port=0")
    with ExitStack() as stack:
        agent = Agent(stack.enter_context(Connection(host)))
        agent.fire("first")
        agent.send("words")
        streams = [Stream(host, "/events?after=0") for _ in range(60)]
        for stream in streams:
            stack.callback(stream.close)
            stream.read_until("first")
        writers = [stack.enter_context(Connection(host)) for _ in range(3)]
        with tampered(host, "fsync,fdatasync", "delay_enter=600000000", log):
            for writer in writers:
                writer.send("POST", "/sessions/a/events", {"event": "idle", "data": "late"})
            agent.check()
            until(lambda: any("event: heartbeat" in stream.come() for stream in streams))
            with closing(Stream(host, "/events?after=0")) as stream:
                stream.read_until("first")
            assert not any(writer.answered() for writer in writers)
        answers = [writer.receive() for writer in writers]
        agent.events += sorted((a.body["seq"], a.body["id"], "late") for a in answers)
        agent.check()


# A wall clock that jumps.


@pytest.mark.parametrize("jump", [HOUR, -HOUR, DAY, -DAY])
def test_wall_clock_jump_moves_only_labels(
    jump: int, start_host: StartHost, tmp_path: Path
) -> None:
    clock = WallClock(tmp_path / "time")
    host = start_host("--port=0", environ=clock.environ)
    with Connection(host) as line, closing(Stream(host, "/events?after=0")) as stream:
        agent = Agent(line)
        agent.fire("before")
        line.fire("b", "at work")
        then = seen_ms(line)
        for words, ttl in (("long", 3000), ("short", 0.3)):
            line.post("/sessions/a/messages", {"content": words, "ttl_s": ttl})
        line.get("/sessions/a/messages?lease=0.3")
        line.post("/sessions/b/messages", {"content": "far"})
        line.get("/sessions/b/messages?lease=3000")

        clock.ahead(jump)
        assert line.get("/sessions/b")["detail_state"] == "working"
        agent.fire("after")
        stream.read_until("after")
        assert abs(seen_ms(line) - then - jump * 1000) < HOUR * 500, "it did not jump"
        assert line.peek("b") == [(3, "far", "leased")]
        assert line.get("/sessions/b/messages?wait=0.1") == []
        states = [(1, "long", "queued"), (2, "short", "expired")]
        until(lambda: line.peek("a") == states)
    kill(host)
    with Connection(start_host("--port=0", environ=clock.environ)) as agent.line:
        agent.fire("restarted")
        assert agent.line.events("a") == agent.events
        assert [number for _, number, _ in agent.events] == [1, 3, 4]


def test_wall_clock_jump_of_days_deletes_nothing(start_host: StartHost, tmp_path: Path) -> None:
    """Also not where a host begins with it, which sweeps at once."""
    clock = WallClock(tmp_path / "time")
    host = start_host("--port=0", "--max-events=2", environ=clock.environ)
    with Connection(host) as line:
        agent = Agent(line)
        for number in range(20):
            agent.fire(number)
    kill(host)
    clock.ahead(10 * DAY)
    with Connection(
        start_host("--port=0", "--max-events=2", environ=clock.environ)
    ) as agent.line:
        agent.fire("written in the wrong time")
        clock.ahead(0)
        agent.fire("and in the right one")
        assert agent.line.events("a") == agent.events


def seen_ms(line: Connection) -> int:
    """Return when session a was heard, by the wall clock."""
    seen: int = line.get("/sessions/a")["last_seen_ms"]
    return seen


# Readers that do not read.


def fire_megabytes(line: Connection) -> None:
    """Fire 30 MB of events."""
    event = {"event": "tool-done", "data": "x" * 10_000}
    for _ in range(30):
        line.post("/sessions/a/events", [event] * 100)


def stuck(stack: ExitStack, host: Host, path: str) -> None:
    """Let 50 more readers begin, which never read; return when all are served."""
    with Connection(host) as line:
        before = line.get("/status")["subscribers"]
        for _ in range(50):
            stack.callback(Stream(host, path, room=4096).close)
        until(lambda: line.get("/status")["subscribers"] == before + 50)
        for _ in range(3):  # it takes its turn behind what they read
            line.get("/sessions/a/events?after=0&limit=1")


@pytest.mark.parametrize("path", ["/events", "/v1/stream"])
def test_stuck_readers_cost_little_memory(path: str, start_host: StartHost) -> None:
    """First beside what is fired, then over what memory has, then over what the disk has."""
    host = start_host("--port=0")
    with Connection(host) as line, ExitStack() as readers:
        for _ in range(2):
            fire_megabytes(line)  # what the host keeps for itself is full now
        with measured(host) as cost:
            stuck(readers, host, f"{path}?after=now")
            fire_megabytes(line)
            stuck(readers, host, f"{path}?after=0")
        assert cost.rise < MOST_RISE
    host.stop()
    host = start_host("--port=0")
    with Connection(host) as line, ExitStack() as readers:
        with measured(host) as cost:
            stuck(readers, host, f"{path}?after=0")
        assert cost.rise < MOST_RISE
