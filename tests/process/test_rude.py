"""Ten agents on one real host: one breaks in each way that is known, nine do not notice.

The ways that need patience (an agent that never answers its first call is given half a
minute) go on beside the others from the beginning, and beside other modules' tests.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from msgspec import to_builtins

from sxhost.model.turn import Launch
from tests.support.agents.rude_agents import FLOOD, SEPARATORS, command
from tests.support.driving import Driven, Object, ask, last, texts
from tests.support.hosts import FOREGROUND, Host, run
from tests.support.leftovers import end_leftovers, no_leftovers, processes_of

MIB = 1024 * 1024
CUT_SHORT = "transport_closed_before_turn_completed"
QUICK = {"agent_eof": 0.5, "agent_term": 0.5, "agent_kill": 5, "restart_after": 0.2}
"""Limits that the test does not want to wait for; the restarts come at once, nearly."""

PATIENT = 10
"""Ways that go on beside the others."""

WHOLES = "message,complete,error"
"""What is read of a flood."""

PIECES = ["message-delta", "message-delta", "message"]
EVENTS = {
    "codex": ["turn-started", "user-message", "native", *PIECES, "complete"],
    "pi": [
        *("turn-started", "user-message", "native", "native", "native"),
        *(*PIECES, "native", "native", "native", "complete"),
    ],
    "echo": ["turn-started", "user-message", "message-delta", "message", "complete"],
}
"""What a turn is, exactly, of each agent that behaves."""

both = pytest.mark.parametrize("dialect", ["codex", "pi"])


class Polite:
    """An agent that behaves, and whose every turn must be whole."""

    def __init__(self, host: Host, dialect: str, number: int, place: Path) -> None:
        self.dialect = dialect
        words = None if dialect == "echo" else command(dialect)
        launch = Launch(agent=dialect, id=f"{dialect}-{number}", cwd=str(place), command=words)
        self._driven = Driven.start(host, launch)
        self._driven.until("started")
        self._turns = 0
        self._first = 0
        """The number of the turn's first event."""

    def begin(self, text: str) -> None:
        self._turns += 1
        self._first = self._driven.seen + 1
        self._driven.begin(text)

    def end(self) -> list[Object]:
        """Return what the turn was."""
        return self._driven.until("complete", "error")

    def check(self, text: str, events: list[Object]) -> None:
        """See that the turn was as it should be, event by event, and nothing before it."""
        first = self._first
        said = text if self.dialect == "echo" else f"echo: {text}"
        assert [event["event"] for event in events] == EVENTS[self.dialect]
        assert [event["seq"] for event in events] == [*range(first, first + len(events))]
        assert texts(events, "user-message") == [text]
        assert "".join(texts(events, "message-delta")) == said
        assert texts(events, "message") == [said]
        assert (last(events)["turn"], last(events)["status"]) == (self._turns, "completed")


class Refusal(NamedTuple):
    """How a start was refused."""

    status: int
    code: str
    message: str


class Party:
    """A host with nine agents that behave, and room for one that does not."""

    def __init__(self, host: Host, place: Path) -> None:
        self.host = host
        self.place = place
        self.nine = [
            Polite(host, dialect, number, place)
            for dialect in ("codex", "pi", "echo")
            for number in range(3)
        ]
        self._rounds = count(1)

    def all_work(self) -> None:
        """Have the nine do a turn each, all at once."""
        number = next(self._rounds)
        texts = {agent: f"round-{number}-of-{n}" for n, agent in enumerate(self.nine)}
        for agent, text in texts.items():
            agent.begin(text)
        events = {agent: agent.end() for agent in self.nine}
        for agent, text in texts.items():
            agent.check(text, events[agent])

    def home(self, name: str) -> Path:
        """Return where the processes of a rude agent live, and nobody else's."""
        home = self.place / name
        home.mkdir(exist_ok=True)
        return home

    def launch(self, dialect: str, manner: str = "", **more: Any) -> Launch:
        name = more.pop("id", f"rude-{dialect}-{manner or 'turn'}")
        home = {"HOME": str(self.home(name))}
        given = {"cwd": str(self.place), "command": command(dialect, manner), "env": home}
        return Launch(agent=dialect, id=name, **{**given, **more})

    def start(self, dialect: str, manner: str = "", **more: Any) -> Driven:
        return Driven.start(self.host, self.launch(dialect, manner, **more))

    def refused(self, launch: Launch, **more: Any) -> Refusal:
        """Start what cannot be started; nothing may be left of it."""
        status, answer = ask(self.host, "POST", "/sessions", {**to_builtins(launch), **more})
        if launch.id not in [f"{a.dialect}-{n % 3}" for n, a in enumerate(self.nine)]:
            assert ask(self.host, "GET", f"/sessions/{launch.id}")[0] == 404
            no_leftovers(self.home(str(launch.id)))
        return Refusal(status, answer["error"], answer["message"])

    def forget(self, driven: Driven) -> None:
        """Forget an agent; no process of its family may be left when that is answered."""
        assert ask(self.host, "DELETE", f"/sessions/{driven.id}")[0] == 200
        no_leftovers(self.home(driven.id))

    @contextmanager
    def rude(self, dialect: str, manner: str, types: str = "") -> Iterator[Driven]:
        """Let an agent be rude in a turn, while the nine work.

        :param types: of the turn's events, which are read.
        """
        driven = self.start(dialect, id=f"rude-{dialect}-{manner}")
        driven.until("started")
        driven.begin(f"RUDE: {manner}", types)
        self.all_work()
        yield driven
        self.forget(driven)
        self.all_work()

    @contextmanager
    def bounded(self, most: int) -> Iterator[None]:
        """See that the host's memory does not grow by more than so many bytes meanwhile."""
        process = Path("/proc", str(self.host.process.pid))
        (process / "clear_refs").write_text("5")  # the peak begins anew
        before = memory(process, "VmRSS")
        yield
        assert memory(process, "VmHWM") - before < most


def memory(process: Path, name: str) -> int:
    lines = (process / "status").read_text(encoding="ascii").splitlines()
    (size,) = (line.split()[1] for line in lines if line.startswith(f"{name}:"))
    return int(size) * 1024


# The ways that need patience.


def never_ready(party: Party, dialect: str) -> None:
    """It reads all and never answers: its start fails."""
    refusal = party.refused(party.launch(dialect, "silent"))
    assert refusal.code == "agent_failed"
    assert "not answered" in refusal.message


def never_takes(party: Party, dialect: str) -> None:
    """It never answers the call of a turn: whoever waits is told when it is forgotten."""
    driven = party.start(dialect, "mute")
    path, body = f"/sessions/{driven.id}/turns", {"input": "hello"}
    with ThreadPoolExecutor() as pool:
        turns = [pool.submit(ask, party.host, "POST", path, body) for _ in range(2)]
        second = next(as_completed(turns))
        assert second.result()[0] == 409
        party.forget(driven)
        (first,) = set(turns) - {second}
        assert first.result()[0] == 502


def never_reads(party: Party, dialect: str, manner: str) -> None:
    """In the middle of a turn it closes its ears, also for TERM."""
    driven = party.start(dialect, manner)
    driven.begin("hello")
    driven.until("message-delta")
    party.forget(driven)


def patient_ways(party: Party, pool: ThreadPoolExecutor) -> list[Future[None]]:
    """Begin with all that takes long."""
    works: list[tuple[Any, ...]] = [
        (way, party, dialect, *more)
        for dialect in ("codex", "pi")
        for way, *more in (
            *((never_ready,), (never_takes,)),
            *((never_reads, manner) for manner in ("deaf", "stubborn")),
        )
    ]
    return [pool.submit(*work) for work in works]


@pytest.fixture(scope="session")
def party(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Party]:
    """Invite the nine; when all is over, the host has no complaint and nobody is left.

    It is over at the end of the session: by then the ways that need patience are done, so
    nobody waits for them.
    """
    home = tmp_path_factory.mktemp("rude")
    limits = [f"--limit={name}={value}" for name, value in QUICK.items()]
    state = ("--state-dir", str(home / "state"), "--agent-root", str(home))
    try:
        with run((*FOREGROUND, "--port", "0", *limits, *state), home, {}) as host:
            party = Party(host, home)
            with ThreadPoolExecutor(PATIENT) as pool:
                works = patient_ways(party, pool)
                yield party
                party.all_work()
            for work in works:
                work.result()
            party.all_work()
            host.stop()
            assert not processes_of(home)
            assert "Stopped" in host.output()
            assert "Traceback" not in host.output()
    finally:
        end_leftovers(home)


# What cannot be started.


def test_missing_agent_program_is_refused(party: Party) -> None:
    launch = party.launch("codex", id="absent", command=["no-such-agent", "--stdio"])
    refusal = party.refused(launch)
    assert (refusal.status, refusal.code) == (502, "agent_failed")
    assert "no-such-agent" in refusal.message
    party.all_work()


@both
def test_agent_that_exits_at_once_is_refused(party: Party, dialect: str) -> None:
    refusal = party.refused(party.launch(dialect, "exits"))
    assert (refusal.status, refusal.code) == (502, "agent_failed")
    assert "it does not start" in refusal.message
    party.all_work()


def test_taken_session_id_is_refused(party: Party) -> None:
    refusal = party.refused(party.launch("codex", id="codex-1"))
    assert (refusal.status, refusal.code) == (409, "session_exists")
    party.all_work()


@pytest.mark.parametrize("cwd", ["/", "/tmp", "{home}/../..", "{home}/way-out", "."])
def test_forbidden_directory_is_refused(party: Party, cwd: str) -> None:
    way_out = party.place / "way-out"
    if not way_out.is_symlink():
        way_out.symlink_to("/")
    refusal = party.refused(party.launch("pi", id="astray"), cwd=cwd.format(home=party.place))
    assert (refusal.status, refusal.code) == (400, "bad_field")
    party.all_work()


@pytest.mark.parametrize("dialect", ["pi", "echo"])
def test_unknown_conversation_to_resume_is_refused(party: Party, dialect: str) -> None:
    launch = party.launch("pi", id="unknown", resume="nobody-knows-this")
    refusal = party.refused(launch, agent=dialect)
    assert (refusal.status, refusal.code) == (502, "agent_failed")
    assert "nobody-knows-this" in refusal.message
    party.all_work()


@both
def test_greeting_before_the_protocol_is_tolerated(party: Party, dialect: str) -> None:
    driven = party.start(dialect, "greets")
    assert last(driven.turn("hello"))["status"] == "completed"
    party.forget(driven)
    party.all_work()


# What its turn survives.


@both
@pytest.mark.parametrize("manner", ["rubbish", "pieces", "twice", "stranger", "asks"])
def test_lines_outside_the_protocol_are_tolerated(
    party: Party, dialect: str, manner: str
) -> None:
    with party.rude(dialect, manner) as driven:
        events = driven.until("complete", "error")
        assert (last(events)["event"], last(events)["status"]) == ("complete", "completed")
        assert texts(events, "message")[-1] == f"echo: RUDE: {manner}"
        assert last(driven.turn("again"))["turn"] == 2
        assert driven.detail()["pending_approvals"] == 0


@both
def test_only_lf_ends_a_line(party: Party, dialect: str) -> None:
    with party.rude(dialect, "separators") as driven:
        events = driven.until("complete")
        assert texts(events, "message")[-1] == f"echo: {SEPARATORS}RUDE: separators"


@both
def test_flood_of_output_is_held_back(party: Party, dialect: str) -> None:
    with party.bounded(96 * MIB), party.rude(dialect, "flood", WHOLES) as driven:
        events = driven.until("complete", "error")
        assert last(events)["status"] == "completed"
        (text,) = texts(events, "message")
        assert text == f"echo: {'x' * FLOOD}RUDE: flood"


@both
def test_flood_of_large_pieces_is_held_back(party: Party, dialect: str) -> None:
    """A tenth of what took 333 MB; `benchmarks.bounds` has the whole."""
    with party.bounded(32 * MIB), party.rude(dialect, "wide", WHOLES) as driven:
        events = driven.until("complete", "error")
        assert last(events)["status"] == "completed"


@both
def test_line_that_is_too_long_costs_its_middle_alone(party: Party, dialect: str) -> None:
    with party.bounded(96 * MIB), party.rude(dialect, "long") as driven:
        events = driven.until("complete", "error")
        assert last(events)["status"] == "completed"
        (long,) = [text for text in texts(events, "message-delta") if text.startswith("xxx")]
        assert long.endswith("characters more)")


@both
def test_endless_standard_error_is_bounded(party: Party, dialect: str) -> None:
    with party.bounded(32 * MIB), party.rude(dialect, "noise") as driven:
        assert last(driven.until("complete", "error"))["status"] == "completed"


@both
def test_orphans_that_ignore_signals_are_killed(party: Party, dialect: str) -> None:
    with party.rude(dialect, "orphans") as driven:
        assert last(driven.until("complete", "error"))["status"] == "completed"
        assert len(processes_of(party.home(driven.id))) > 1


# What ends its turn.


@both
@pytest.mark.parametrize("manner", ["half", "dies", "fails", "shuts"])
def test_agent_that_dies_midway_fails_its_turn(party: Party, dialect: str, manner: str) -> None:
    with party.bounded(96 * MIB), party.rude(dialect, manner) as driven:
        failed = last(driven.until("complete", "error"))
        assert (failed["event"], failed["reason"]) == ("error", CUT_SHORT)
        driven.until("ended")
        if dialect == "codex":  # the other has written nothing down to go on with
            driven.until("started")
            assert last(driven.turn("again"))["status"] == "completed"


@both
def test_unterminated_last_line_is_read(party: Party, dialect: str) -> None:
    with party.rude(dialect, "unended") as driven:
        assert last(driven.until("complete", "error"))["status"] == "completed"
        driven.until("ended")


@both
def test_endless_turn_can_be_interrupted(party: Party, dialect: str) -> None:
    with party.rude(dialect, "endless") as driven:
        assert driven.refused("turns", input="another") == "turn_in_progress"
        driven.ask("interrupt")
        assert last(driven.until("complete", "error"))["status"] == "interrupted"
        assert driven.refused("interrupt") == "no_turn"
        assert last(driven.turn("again"))["status"] == "completed"
