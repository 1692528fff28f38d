"""Commands take effect in the order in which they were sent, however long the agent takes."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sxhost.testing import HostInMemory
from tests.host.faces.test_mux_stdio import Pipes
from tests.host.http.test_site import Wire
from tests.support.slow_agents import SlowDriver
from tests.support.websocket_clients import TEXT, Socket, masked

Object = dict[str, Any]

WORK_S = 20.0
"""How long a turn takes; longer than all delays together."""

DELAYED = (
    *("start", "submit", "steer", "interrupt", "set_model", "get_state", "set_session_name"),
    *("bash", "abort_bash", "compact", "abort_compaction", "follow_up", "get_messages"),
)

LIMITS: Object = {"mux_rate": 1000, "mux_read": 3600.0, "mux_work": 3600.0}


class Stage:
    """A host whose agents take their time, and a client of one transport."""

    def __init__(self, transport: str, delays: dict[str, float]) -> None:
        if transport == "websocket":
            wire = Wire(**LIMITS)
            self.lab, socket = wire.lab, Socket(wire, path="/")
            self._say: Callable[[bytes], None] = socket.say
            self._frame: Callable[[bytes], bytes] = lambda text: masked(TEXT, text)
            self._read = lambda: socket.messages
        else:
            self.lab = HostInMemory(**LIMITS)
            pipes = Pipes(self.lab)
            self._say = pipes.pipe.dataReceived
            self._frame = lambda text: text + b"\n"
            self._read = lambda: pipes.frames
        self.driver = SlowDriver(self.lab.clock, delays, WORK_S)
        self.lab.drivers.by_agent = {"pi": self.driver}

    def send(self, commands: Sequence[Object]) -> None:
        """Send commands in one piece."""
        texts = (json.dumps({"sessionId": "s", **each}).encode() for each in commands)
        self._say(b"".join(map(self._frame, texts)))

    def pass_time(self, seconds: float) -> None:
        for _ in range(6):
            self.lab.clock.advance(0)
        self.lab.clock.pump([0.25] * int(seconds / 0.25))

    @property
    def answers(self) -> list[Object]:
        return [each for each in self._read() if each["type"] == "response"]

    @property
    def did(self) -> list[tuple[Any, ...]]:
        """What the agents did, in order."""
        return [each for agent in self.driver.agents for each in agent.did]


BEGIN: list[Object] = [{"type": "create_session"}, {"type": "switch_session"}]


def prompt(text: str, **more: str) -> Object:
    return {"type": "prompt", "message": text, **more}


def model(name: str) -> Object:
    return {"type": "set_model", "provider": "p", "modelId": name}


SLOW = dict.fromkeys(DELAYED, 0.5)
ABORT: Object = {"type": "abort"}
STATE: Object = {"type": "get_state"}
STEER: Object = {"type": "steer", "message": "left"}
BASH: Object = {"type": "bash", "command": "sleep 20"}
STOPPED = ("over", "interrupted")
TRANSPORTS = pytest.mark.parametrize("transport", ["websocket", "stdio"])


def played(transport: str, commands: Sequence[Object], seconds: float = 10) -> Stage:
    """Send commands in one go to an agent that takes half a second for everything."""
    stage = Stage(transport, SLOW)
    stage.send(commands)
    stage.pass_time(seconds)
    return stage


@TRANSPORTS
@pytest.mark.parametrize("between", [[], [STATE], [STEER], [STATE, STEER, STATE]])
@pytest.mark.parametrize("before", [[], [STATE], [model("m1")], [STATE, model("m1"), STATE]])
def test_abort_stops_the_prompt_that_was_sent_before_it(
    transport: str, before: list[Object], between: list[Object]
) -> None:
    stage = played(transport, [*BEGIN, *before, prompt("one"), *between, ABORT])
    kinds = [each[0] for each in stage.did]
    steered = ["steer"] * between.count(STEER)
    assert kinds[kinds.index("submit") :] == ["submit", *steered, "interrupt", "over"]
    assert stage.did[-1] == STOPPED
    assert all(each["success"] for each in stage.answers)


@TRANSPORTS
def test_abort_stops_a_prompt_behind_a_read_of_a_living_session(transport: str) -> None:
    stage = played(transport, BEGIN)
    stage.send([STATE, prompt("one"), ABORT])
    stage.pass_time(10)
    assert [each[0] for each in stage.did] == ["start", "submit", "interrupt", "over"]


@TRANSPORTS
def test_prompt_that_follows_another_is_queued(transport: str) -> None:
    two = prompt("two", streamingBehavior="followUp")
    stage = played(transport, [*BEGIN, prompt("one"), two], WORK_S + 20)
    assert [each[:2] for each in stage.did] == [
        ("start", None), ("submit", "one"), ("native_command", "follow_up"),
        ("over", "completed"),
    ]  # fmt: skip
    assert all(each["success"] for each in stage.answers)


@TRANSPORTS
@pytest.mark.parametrize(
    ("work", "stop"),
    [(BASH, {"type": "abort_bash"}), ({"type": "compact"}, {"type": "abort_compaction"})],
)
def test_work_is_stopped_by_what_stops_it(transport: str, work: Object, stop: Object) -> None:
    stage = played(transport, [*BEGIN, STATE, work, stop])
    assert stage.did[-1] == STOPPED


@TRANSPORTS
def test_abort_waits_for_a_prompt_behind_other_work(transport: str) -> None:
    stage = played(transport, [*BEGIN, BASH, prompt("one"), ABORT], WORK_S + 20)
    assert [each[0] for each in stage.did[-3:]] == ["submit", "interrupt", "over"]


@TRANSPORTS
def test_read_shows_what_was_set_before_it(transport: str) -> None:
    stage = played(transport, [*BEGIN, model("m1"), STATE, model("m2"), STATE])
    states = [each["data"] for each in stage.answers if each["command"] == "get_state"]
    assert [state["model"]["id"] for state in states] == ["m1", "m2"]


@TRANSPORTS
def test_list_shows_what_was_created_and_deleted_before_it(transport: str) -> None:
    sessions: Object = {"type": "list_sessions"}
    delete: Object = {"type": "delete_session"}
    stage = played(transport, [*BEGIN, sessions, delete, sessions])
    lists = [one["data"] for one in stage.answers if one["command"] == "list_sessions"]
    assert [len(each["sessions"]) for each in lists] == [1, 0]


@TRANSPORTS
def test_deletion_comes_after_what_was_sent_before_it(transport: str) -> None:
    delete: Object = {"type": "delete_session"}
    stage = played(transport, [*BEGIN, STATE, model("m1"), STATE, prompt("one"), delete])
    assert [each[0] for each in stage.did] == ["start", "set_model", "submit", "stop"]
    failed = [each["command"] for each in stage.answers if not each["success"]]
    assert failed == ["prompt"]


COMMANDS = st.one_of(
    st.sampled_from([ABORT, STATE, BASH, {"type": "abort_bash"}, {"type": "compact"}]),
    st.sampled_from("abc").map(prompt),
    st.sampled_from("abc").map(lambda text: prompt(text, streamingBehavior="steer")),
    st.sampled_from("def").map(lambda text: {"type": "steer", "message": text}),
    st.sampled_from("gh").map(model),
    st.sampled_from("ij").map(lambda name: {"type": "set_session_name", "name": name}),
)
DELAYS = st.dictionaries(st.sampled_from(DELAYED), st.sampled_from([0.0, 0.25, 0.5, 1.0]))


@given(
    transport=st.sampled_from(["websocket", "stdio"]),
    commands=st.lists(COMMANDS, max_size=6),
    delays=DELAYS,
)
@settings(max_examples=40, deadline=None)
def test_slow_agent_does_the_same_as_a_fast_one(
    transport: str, commands: list[Object], delays: dict[str, float]
) -> None:
    """Commands in one go have the effects that they have one by one, each after the other."""
    slow, fast = Stage(transport, delays), Stage(transport, {})
    fast.send(BEGIN)
    fast.pass_time(0)
    for command in commands:
        fast.send([command])
        fast.pass_time(0)
    slow.send([*BEGIN, *commands])
    for stage in (slow, fast):
        stage.pass_time((len(commands) + 1) * (WORK_S + 5))
    assert slow.did == fast.did
    assert _shown(slow) == _shown(fast)


def _shown(stage: Stage) -> list[tuple[str, Any, Any]]:
    """Return each command's outcome, in any order: answers to long ones come at their end."""
    shown = []
    for each in stage.answers:
        data = each.get("data") if each["command"] == "get_state" else None
        facts = data and (data["model"], data["isStreaming"])
        shown.append((each["command"], each.get("error"), str(facts)))
    return sorted(shown, key=str)
