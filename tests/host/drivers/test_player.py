"""Recordings of real agents, played to drivers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import Raw
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import Clock

from sxhost.codec.jsonrpc import Id
from sxhost.drivers.contracts import Agent, Driver, DriverEntryPoint, Reports, Started
from sxhost.drivers.echo import make
from sxhost.drivers.echo.player import Difference, PlayedChild, Player, installed
from sxhost.drivers.echo.recording import (
    BadRecording,
    Message,
    RecordedLine,
    answered_id_path,
    driver_of,
    name_of,
    read,
    request_id_path,
    value_at,
    with_value,
)
from sxhost.drivers.kit.jsonrpc_peer import Peer
from sxhost.errors import AgentFailed, BadField
from sxhost.model.turn import Launch, TurnDraft, input_text
from sxhost.process.contracts import ChildExit, Command, Spawn
from sxhost.testing import result_of, started
from tests.support.fake_children import FakeReports, FakeSpawn
from tests.support.places import RECORDINGS

FILES = sorted(path for path in RECORDINGS.glob("*/*.jsonl") if path.stem != "serve_http")
HELLO = RECORDINGS / "codex-0.169.0" / "hello.jsonl"
COMMAND = Command(argv=["agent"], cwd="/")


class Ear:
    """Hears what a child says."""

    def __init__(self) -> None:
        self.heard: list[Message] = []
        self.ends: list[ChildExit] = []

    def line_received(self, line: bytes) -> None:
        self.heard.append(json.loads(line))

    def child_exited(self, how: ChildExit) -> None:
        self.ends.append(how)


class Scene:
    """A child of a player, whom we talk to."""

    def __init__(self, player: Player, clock: Clock) -> None:
        self.ear = Ear()
        self.clock = clock
        self.child: PlayedChild = player(COMMAND, self.ear)
        clock.advance(0)

    def say(self, *messages: Message) -> list[Message]:
        """Say something; return what was answered."""
        before = len(self.ear.heard)
        for message in messages:
            self.child.send(json.dumps(message).encode())
        self.clock.advance(0)
        return self.ear.heard[before:]


def written(place: Path, *lines: tuple[str, Message], agent: str = "codex-1") -> Path:
    """Write a recording: (dir, msg), a second between them."""
    path = place / agent / "made.jsonl"
    path.parent.mkdir(exist_ok=True)
    rows = [{"dir": way, "t": number, "msg": msg} for number, (way, msg) in enumerate(lines)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def scene(path: Path, *, strict: bool = False) -> tuple[Scene, Player]:
    clock = Clock()
    player = Player(path, clock, strict=strict)
    return Scene(player, clock), player


# Recordings.


@pytest.mark.parametrize(
    ("name", "driver"),
    [
        ("codex-0.169.0", "codex"),
        ("codex-acp-2.6.0", "acp"),
        ("pi-earendil-1.5.2", "pi"),
        ("pi-mariozechner-0.73.1", "pi"),
        ("pi-acp-0.0.34", "acp"),
        ("claude-2.1.329", "claude"),
        ("claude-agent-acp-0.100.0", "acp"),
        ("claude-code-acp-0.16.2", "acp"),
        ("gemini-0.61.0", "acp"),
        ("opencode-1.18.33", "acp"),
    ],
)
def test_a_directory_tells_the_language(name: str, driver: str) -> None:
    assert driver_of(name) == driver
    assert (RECORDINGS / name).is_dir()


MESSAGE_NAMES = [
    ({"id": 7, "method": "turn/start"}, "turn/start", 7, None),
    ({"method": "initialized"}, "initialized", None, None),
    ({"id": 7, "result": {}}, "answer 7", None, 7),
    ({"id": 7, "error": {}}, "answer 7", None, 7),
    ({"id": "r1", "type": "prompt"}, "prompt", "r1", None),
    ({"id": "r1", "type": "response", "command": "prompt"}, "answer r1", None, "r1"),
    ({"id": "u", "type": "extension_ui_response"}, "answer u", None, "u"),
    ({"type": "user", "message": {}}, "user", None, None),
    (
        {"type": "control_request", "request_id": "q", "request": {"subtype": "interrupt"}},
        "control_request interrupt",
        "q",
        None,
    ),
    (
        {"type": "control_response", "response": {"request_id": "q"}},
        "answer q",
        None,
        "q",
    ),
    ({}, "", None, None),
]


@pytest.mark.parametrize(("message", "name", "asked", "answered"), MESSAGE_NAMES)
def test_messages_of_all_languages_have_names(
    message: Message, name: str, asked: Any, answered: Any
) -> None:
    assert name_of(message) == name
    assert value_at(message, request_id_path(message)) == asked
    assert value_at(message, answered_id_path(message)) == answered


def test_what_is_no_recording_is_said_to_be_so(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    with pytest.raises(BadRecording, match="there is no such file"):
        read(path)
    with pytest.raises(BadRecording, match="there is no such file"):
        read(tmp_path)
    path.write_bytes(b'{"dir": "in", "msg": {}}\n\n{"dir": "up", "msg": {}}\n')
    with pytest.raises(BadRecording, match="its line 3 is no line of a recording"):
        read(path)


def test_a_note_begins_another_act() -> None:
    acts = read(RECORDINGS / "codex-0.169.0" / "resume.jsonl").processes
    assert [act.end for act in acts] == [ChildExit(signal="SIGKILL"), None]
    assert all(name_of(act.lines[0].msg) == "initialize" for act in acts)
    closed = read(RECORDINGS / "gemini-0.61.0" / "load_after_close.jsonl")
    assert closed.processes[0].end == ChildExit(code=0)


# Playing to a host that says what was recorded, under other names.


class Mirror:
    """Says what the recorded host said, with ids of its own, when it has heard what it had."""

    def __init__(self, lines: list[RecordedLine]) -> None:
        self._lines = lines
        self.said: list[Message] = []
        self.expected = list(self._expect())

    def _expect(self) -> Iterator[Message]:
        """Tell what the agent must say, with our ids in its answers."""
        ours: dict[Any, Any] = {}
        for number, line in enumerate(self._lines):
            message = line.msg
            if line.dir == "out":
                if place := request_id_path(message):
                    ours[value_at(message, place)] = f"ours-{number}"
                    message = with_value(message, place, f"ours-{number}")
                self.said.append(message)
            else:
                place = answered_id_path(message)
                name = ours.get(value_at(message, place)) if place else None
                yield with_value(message, place, name) if name else message


@pytest.mark.parametrize(
    "path", FILES, ids=lambda path: str(path.relative_to(RECORDINGS).with_suffix(""))
)
def test_a_recording_is_played_to_its_end(path: Path) -> None:
    clock = Clock()
    player = Player(path, clock, strict=True)
    for act in player.recording.processes:
        mirror = Mirror(list(act.lines))
        played = Scene(player, clock)
        for message in mirror.said:
            played.say(message)
        assert played.child.over
        assert played.ear.heard == mirror.expected
        assert played.ear.ends == ([act.end] if act.end else [])
    assert player.differences == []


# Playing to others.


def test_the_agent_waits_for_what_it_is_told(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        ("in", {"method": "hello"}),
        ("out", {"id": 1, "method": "a"}),
        ("in", {"id": 1, "result": "A"}),
        ("in", {"method": "news"}),
        ("out", {"method": "b"}),
        ("in", {"method": "bye"}),
    )
    played, _ = scene(path)
    assert played.ear.heard == [{"method": "hello"}]
    assert played.say({"id": 9, "method": "a"}) == [
        {"id": 9, "result": "A"},
        {"method": "news"},
    ]
    assert played.say() == []
    assert played.say({"method": "b"}) == [{"method": "bye"}]
    assert played.child.over
    assert played.child.command == COMMAND


def test_what_is_said_early_counts_when_it_is_due(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        ("out", {"id": 1, "method": "a"}),
        ("in", {"id": 1, "result": "A"}),
        ("out", {"id": 2, "method": "b"}),
        ("in", {"id": 2, "result": "B"}),
    )
    played, _ = scene(path)
    said = played.say({"id": 7, "method": "a"}, {"id": 8, "method": "b"})
    assert said == [{"id": 7, "result": "A"}, {"id": 8, "result": "B"}]


def test_ids_that_are_exchanged_are_not_confused(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        ("out", {"id": 1, "method": "a"}),
        ("out", {"id": 2, "method": "b"}),
        ("in", {"id": 1, "result": "A"}),
        ("in", {"id": 2, "result": "B"}),
        ("in", {"id": 2, "method": "question"}),
        ("out", {"id": 2, "result": "yes"}),
        ("in", {"method": "bye"}),
    )
    played, _ = scene(path)
    said = played.say({"id": 2, "method": "a"}, {"id": 1, "method": "b"})
    assert said[:2] == [{"id": 2, "result": "A"}, {"id": 1, "result": "B"}]
    assert said[2:] == [{"id": 2, "method": "question"}], "the agent's own id stays"
    assert played.say({"id": 2, "result": "yes"}) == [{"method": "bye"}]
    assert played.say({"id": 1, "method": "a"}) == [{"id": 1, "result": "A"}], "once more"


def test_what_ours_does_not_say_is_passed_over(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        ("out", {"id": 1, "method": "get_state"}),
        ("in", {"id": 1, "result": "S"}),
        ("in", {"method": "news"}),
        ("out", {"id": 2, "method": "go"}),
        ("in", {"id": 2, "result": "G"}),
    )
    played, player = scene(path, strict=True)
    said = played.say({"id": 1, "method": "go"})
    assert said == [{"method": "news"}, {"id": 1, "result": "G"}]
    skipped = {"id": 1, "method": "get_state"}
    assert player.differences == [Difference("get_state", "", skipped, "(nothing)")]


MESSAGES_OUT_OF_TURN = [
    (
        {"id": 9, "method": "x"},
        {"id": 9, "error": {"code": -32601, "message": "This is not in the recording."}},
    ),
    (
        {"jsonrpc": "2.0", "id": 9, "method": "x"},
        {
            "jsonrpc": "2.0",
            "id": 9,
            "error": {"code": -32601, "message": "This is not in the recording."},
        },
    ),
    (
        {"id": "s1", "type": "x"},
        {
            "id": "s1",
            "type": "response",
            "command": "x",
            "success": False,
            "error": "This is not in the recording.",
        },
    ),
    (
        {"type": "control_request", "request_id": "q", "request": {"subtype": "x"}},
        {
            "type": "control_response",
            "response": {
                "request_id": "q",
                "subtype": "error",
                "error": "This is not in the recording.",
            },
        },
    ),
    (
        {
            "type": "control_request",
            "request_id": "q",
            "request": {"subtype": "initialize"},
        },
        {
            "type": "control_response",
            "response": {"request_id": "q", "subtype": "success", "response": {}},
        },
    ),
]


@pytest.mark.parametrize(("message", "answer"), MESSAGES_OUT_OF_TURN)
def test_what_is_not_in_the_recording_is_refused(
    tmp_path: Path, message: Message, answer: Message
) -> None:
    played, player = scene(written(tmp_path, ("out", {"method": "later"})), strict=True)
    assert played.say(message) == [answer]
    assert player.differences == [Difference(name_of(message), "", "(nothing)", message)]
    assert played.say({"method": "unknown"}) == []


def test_what_is_elsewhere_in_the_recording_is_answered_so(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        ("out", {"id": "r1", "type": "get_state"}),
        ("in", {"id": "r1", "type": "response", "data": 1}),
        ("out", {"id": "r2", "type": "prompt"}),
        ("in", {"id": "r2", "type": "response", "data": 2}),
        agent="pi-1",
    )
    played, _ = scene(path)
    played.say({"id": "a", "type": "get_state"}, {"id": "b", "type": "prompt"})
    again = played.say({"id": "c", "type": "get_state"}, {"id": "d", "type": "prompt"})
    assert again[0] == {"id": "c", "type": "response", "data": 1}
    assert not again[1]["success"], "work would never end"


def test_what_is_only_in_the_first_recording_is_answered_so(tmp_path: Path) -> None:
    path = written(tmp_path, ("out", {"id": "r1", "type": "prompt"}), agent="pi-1")
    state = {"dir": "out", "msg": {"id": 1, "type": "get_state"}}
    answer = {"dir": "in", "msg": {"id": 1, "type": "response", "data": "S"}}
    hello = f"{json.dumps(state)}\n{json.dumps(answer)}\n"
    path.with_name("hello.jsonl").write_text(hello)
    played, _ = scene(path)
    said = played.say({"id": 5, "type": "get_state"})
    assert said == [{"id": 5, "type": "response", "data": "S"}]


@pytest.mark.parametrize("needed", [{"id": 1, "method": "turn/start"}, {"id": 1, "result": 0}])
def test_turns_and_answers_are_not_passed_over(tmp_path: Path, needed: Message) -> None:
    path = written(
        tmp_path,
        ("out", needed),
        ("in", {"method": "news"}),
        ("out", {"id": 2, "method": "read"}),
        ("in", {"id": 2, "result": "R"}),
    )
    played, _ = scene(path)
    assert played.say({"id": 7, "method": "read"}) == [{"id": 7, "result": "R"}]
    assert played.say(needed) == [{"method": "news"}]
    assert played.say({"id": 8, "method": "read"}) == [{"id": 8, "result": "R"}]


def test_beyond_its_recording_claude_ends(tmp_path: Path) -> None:
    played, _ = scene(written(tmp_path, ("out", {"type": "user"}), agent="claude-2"))
    played.say({"type": "user"})
    assert played.ear.ends == []
    played.say({"type": "user"})
    assert played.ear.ends == [ChildExit(code=0, stderr="This is not in the recording.")]


def test_differences_are_collected_where_they_are(tmp_path: Path) -> None:
    params = {"cwd": "/a", "same": [1, {"x": 2}], "gone": None}
    played, player = scene(
        written(tmp_path, ("out", {"id": 1, "method": "a", "params": params})), strict=True
    )
    said = {"cwd": "/b", "same": [1, {"x": 2}], "new": True}
    played.say({"id": 5, "method": "a", "params": said})
    assert player.differences == [
        Difference("a", "params.cwd", "/a", "/b"),
        Difference("a", "params.gone", None, "(nothing)"),
        Difference("a", "params.new", "(nothing)", True),
    ]


def test_without_strictness_nothing_is_collected() -> None:
    played, player = scene(HELLO)
    played.say({"id": 1, "method": "initialize", "params": {"other": 1}}, {"method": "x"})
    assert player.differences == []


def test_pauses_are_as_recorded_if_told(tmp_path: Path) -> None:
    path = written(tmp_path, *[("in", {"n": number}) for number in range(3)])
    clock, ear = Clock(), Ear()
    Player(path, clock, pace=0.5)(COMMAND, ear)
    clock.advance(0)
    assert len(ear.heard) == 1
    clock.advance(0.4)
    assert len(ear.heard) == 1
    clock.advance(0.1)
    assert len(ear.heard) == 2


def test_a_child_ends_when_asked() -> None:
    played, _ = scene(HELLO)
    result_of(played.child.end_family())
    result_of(played.child.end_family())
    assert played.ear.ends == [ChildExit(code=0, asked=True)]
    assert played.say({"id": 1, "method": "initialize"}) == []
    assert not played.clock.getDelayedCalls()


def test_an_act_is_played_for_each_child_and_the_last_again() -> None:
    clock = Clock()
    player = Player(RECORDINGS / "codex-0.169.0" / "resume.jsonl", clock)
    scenes = [Scene(player, clock) for _ in range(3)]
    for played in scenes:
        played.say({"id": 1, "method": "initialize"}, {"method": "initialized"})
    told = [len(played.say({"id": 2, "method": "thread/resume"})) for played in scenes]
    assert told == [1, told[1], told[1]]
    assert told[1] > 1
    assert player.children == [played.child for played in scenes]


# With a driver.


class StubAgent:
    """The least that speaks to a recorded codex."""

    can = None

    def __init__(self, launch: Launch, reports: Reports, spawn: Spawn) -> None:
        self.launch = launch
        self._reports = reports
        self._spawn = spawn
        self._peer = Peer(self, Clock())
        self._thread = ""

    async def start(self) -> Started:
        self._peer.run(self._spawn, COMMAND)
        await self._peer.call("initialize", {"clientInfo": {"name": "stub"}})
        self._peer.notify("initialized")
        told = await self._peer.call("thread/start", {"cwd": "/"})
        self._thread = told["thread"]["id"]
        return Started(native_id=self._thread)

    async def submit(self, draft: TurnDraft) -> str | None:
        given = [{"type": "text", "text": input_text(draft.input)}]
        params = {"threadId": self._thread, "input": given}
        turn: str = (await self._peer.call("turn/start", params))["turn"]["id"]
        return turn

    async def stop(self) -> None:
        await self._peer.end()

    def notification_received(self, method: str, params: Raw) -> None:
        if method == "turn/completed":
            self._reports.turn_ended("completed")

    def request_received(self, number: Id, method: str, params: Raw) -> bool:
        return False

    def process_exited(self, how: ChildExit) -> None:
        self._reports.exited(how)


class StubDriver:
    def __init__(self, spawn: Spawn) -> None:
        self.agents: list[Any] = []
        self.closed = False
        self._spawn = spawn

    def agent(self, launch: Launch, reports: Reports) -> Agent:
        made: Any = StubAgent(launch, reports, self._spawn)
        self.agents.append(made)
        return made  # type: ignore[no-any-return]

    async def close(self) -> None:
        self.closed = True


class Rig:
    """The echo driver, which finds stubs for all languages."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.names: list[str] = []
        self.stubs: list[StubDriver] = []
        self.driver = make(FakeSpawn(), self.clock, self.find)
        self.reports = FakeReports()

    def find(self, name: str) -> DriverEntryPoint:
        self.names.append(name)
        return self.make

    def make(self, spawn: Spawn, clock: IReactorTime) -> Driver:
        self.stubs.append(StubDriver(spawn))
        return self.stubs[-1]

    def agent(self, **native: Any) -> Agent:
        return self.driver.agent(Launch(agent="echo", native=native), self.reports)


def test_a_recorded_agent_is_driven_by_its_own_driver() -> None:
    rig = Rig()
    agent = rig.agent(play=str(HELLO), more=1)
    starting = started(agent.start())
    rig.clock.advance(0)
    thread = result_of(starting).native_id
    submitting = started(agent.submit(TurnDraft(input="hello")))
    rig.clock.advance(0)
    assert thread in HELLO.read_text()
    assert str(result_of(submitting)) in HELLO.read_text()
    assert rig.reports.told == [("turn_ended", "completed", "")]
    assert rig.names == ["codex"]
    assert rig.stubs[0].agents[0].launch == Launch(agent="codex", native={"more": 1})
    result_of(agent.stop())
    assert rig.reports.told[-1] == ("gone", ChildExit(code=0, asked=True))
    result_of(rig.driver.close())
    assert rig.stubs[0].closed


def test_a_recording_is_looked_for_where_the_agent_would_work() -> None:
    rig = Rig()
    launch = Launch(agent="echo", cwd=str(HELLO.parent), native={"play": "hello.jsonl"})
    rig.driver.agent(launch, rig.reports)
    assert rig.names == ["codex"]


def test_a_driver_of_many_programs_is_told_which_it_is() -> None:
    rig = Rig()
    rig.agent(play=str(RECORDINGS / "pi-acp-0.0.34" / "hello.jsonl"))
    assert rig.stubs[0].agents[0].launch.command == ["pi-acp"]
    assert rig.names == ["acp"]


@pytest.mark.parametrize(
    ("native", "said"),
    [
        ({"play": "/nowhere/x.jsonl"}, "is wrong: there is no such file."),
        ({"play": str(RECORDINGS)}, "there is no such file"),
        ({"play": str(Path(__file__))}, "its line 1 is no line of a recording"),
        ({"play": 7}, "Expected `str`"),
        ({"play": ""}, "length >= 1"),
        ({"play": str(HELLO), "pace": -1}, ">= 0"),
        ({"play": "a\0b"}, "there is no such file"),
    ],
)
def test_what_cannot_be_played_is_refused(native: Any, said: str) -> None:
    with pytest.raises(BadField, match="The field `native` is wrong") as refused:
        Rig().agent(**native)
    assert said in refused.value.message


def test_drivers_are_found_among_those_that_are_installed() -> None:
    with pytest.raises(AgentFailed, match="No driver 'nobody' is installed"):
        installed("nobody")
