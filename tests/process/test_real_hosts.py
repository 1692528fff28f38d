"""Real agents, driven through a real host, offline: everything that it promises of them."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.support.agents.real_agents import RealAgents, fake_model, real_agents
from tests.support.driving import Driven, ask, last, texts
from tests.support.hosts import FOREGROUND, Host, run
from tests.support.leftovers import end_leftovers, no_leftovers, processes_of

__all__ = ["fake_model", "real_agents"]

AGENTS = ("codex", "pi", "pi-earendil", "claude", "pi-acp")
ASKING = ("codex", "pi", "pi-earendil", "claude")
"""Those that ask before they run a command (pi-acp never does)."""
STEERED = ("codex", "pi", "pi-earendil")
TOUCH = "RUN: touch made.txt && echo made it"


class Stage:
    """A host with one session of an agent; both can be killed."""

    def __init__(self, name: str, agents: RealAgents, home: Path, stack: ExitStack) -> None:
        self.name = name
        asks = {"asks": True} if name in ("pi", "pi-earendil") else {}
        maker = getattr(agents, name.replace("-", "_"))
        self.agent = maker(home, **asks)
        self._stack = stack
        self.host = self._start_host()
        self.driven = self._start_session()

    def _start_host(self) -> Host:
        state = str(self.agent.home / "state")
        line = (*FOREGROUND, "--port", "0", "--state-dir", state)
        host = self._stack.enter_context(run(line, self.agent.home.parent, {}))
        assert host.port
        return host

    def _start_session(self) -> Driven:
        more: dict[str, Any] = {}
        if self.name == "codex":
            more["approval_policy"] = "untrusted"
        return Driven.start(self.host, self.agent.launch(id=self.name), **more)

    def prepare(self) -> None:
        """Leave nothing of the last test that the next one could take for its own."""
        status, session = ask(self.host, "GET", f"/sessions/{self.name}")
        if status == 200 and session["detail_state"] == "idle":
            self.driven.seen = session["event_count"]
        else:
            self.renew()
        self._made.unlink(missing_ok=True)

    def renew(self) -> None:
        """Put a session in the place of this one to which nobody has spoken."""
        ask(self.host, "DELETE", f"/sessions/{self.name}")
        self.driven = self._start_session()

    def kill_host(self) -> None:
        """Kill the host as the machine would; a new one takes its place."""
        self.host.process.kill()
        self.host.wait()
        self.host = self.driven.host = self._start_host()

    def kill_agent(self) -> None:
        """Kill the agent's own process."""
        for pid in self.programs():
            os.kill(pid, signal.SIGKILL)

    def programs(self) -> dict[int, str]:
        """Return the processes of the agent itself."""
        return processes_of(self.agent.home)

    @property
    def made(self) -> bool:
        return self._made.exists()

    @property
    def _made(self) -> Path:
        return Path(self.agent.cwd) / "made.txt"


@pytest.fixture(scope="module")
def kept_stage(
    request: pytest.FixtureRequest,
    real_agents: RealAgents,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Stage]:
    """Set the stage for one agent; nothing of it may be left when its host has stopped.

    An agent takes about a second of a processor to start: the tests share it.
    """
    home = tmp_path_factory.mktemp(request.param) / "home"
    try:
        with ExitStack() as stack:
            stage = Stage(request.param, real_agents, home, stack)
            yield stage
            stage.host.stop()
            no_leftovers(home)
    finally:
        end_leftovers(home)


@pytest.fixture
def stage(kept_stage: Stage) -> Iterator[Stage]:
    """Give the test the stage as it is between turns."""
    kept_stage.prepare()
    yield kept_stage
    assert "Traceback" not in kept_stage.host.output()


def on(*names: str) -> Any:
    return pytest.mark.parametrize("kept_stage", names, indirect=True)


@on(*AGENTS)
@pytest.mark.parametrize("used", [False, True])
def test_ended_agent_has_no_process_and_goes_on_when_asked(stage: Stage, used: bool) -> None:
    if not used and stage.driven.seen:
        stage.renew()
    if used:
        stage.driven.turn("remember the word kohlrabi")
    stage.driven.ask("end")
    assert stage.driven.detail()["rest"] == "ended"
    assert not stage.programs()
    events = stage.driven.turn("hello again")
    assert last(events)["status"] == "completed"
    assert stage.programs()
    assert stage.driven.detail()["rest"] == ""


@on(*AGENTS)
def test_hosted_turn_streams_deltas_and_the_whole_message(stage: Stage) -> None:
    events = stage.driven.turn("hello there")
    assert last(events)["status"] == "completed"
    assert "".join(texts(events, "message-delta")) == "echo: hello there"
    assert texts(events, "message") == ["echo: hello there"]
    assert "usage" in [event["event"] for event in events]
    assert stage.driven.detail()["detail_state"] == "idle"


@on(*ASKING)
def test_command_of_a_real_agent_is_approved(stage: Stage) -> None:
    stage.driven.ask("turns", input=TOUCH)
    answer = stage.driven.decide("approve")
    assert answer["resolution"]["by"] == "own"
    events = stage.driven.until("complete", "error")
    assert last(events)["status"] == "completed"
    done = [event["data"] for event in events if event["event"] == "tool-done"]
    assert [one["status"] for one in done] == ["completed"]
    assert "made it" in done[0]["output"]
    assert stage.made


@on(*ASKING)
def test_command_of_a_real_agent_is_denied(stage: Stage) -> None:
    stage.driven.ask("turns", input=TOUCH)
    stage.driven.decide("deny", reason="not today")
    assert stage.driven.until("complete", "error")
    assert not stage.made
    assert stage.driven.turn("hello again")


@on(*STEERED)
def test_real_agent_is_steered(stage: Stage) -> None:
    stage.driven.begin("SLOW 30 20")
    stage.driven.until("message-delta")
    assert stage.driven.refused("turns", input="another") == "turn_in_progress"
    stage.driven.ask("steer", input="SAY: turned left")
    events = stage.driven.until("complete", "error")
    assert last(events)["status"] == "completed"
    assert "turned left" in texts(events, "message")[-1]


@on(*AGENTS)
def test_real_agent_is_interrupted(stage: Stage) -> None:
    stage.driven.begin("SLOW 1000 50")
    stage.driven.until("message-delta")
    stage.driven.ask("interrupt")
    assert last(stage.driven.until("complete", "error"))["status"] == "interrupted"
    assert last(stage.driven.turn("hello again"))["status"] == "completed"


@on(*AGENTS)
def test_message_waits_for_the_next_turn(stage: Stage) -> None:
    stage.driven.ask("turns", input="SLOW 10 20")
    stage.driven.ask("messages", content="SAY: second", mode="queue")
    first = stage.driven.until("complete", "error")
    events = stage.driven.until("complete", "error")
    assert "second" not in "".join(texts(first, "message"))
    assert "second" in texts(events, "message")[-1]


@on(*AGENTS)
def test_conversation_continues_after_the_agent_was_killed(stage: Stage) -> None:
    stage.driven.turn("my name is Ada")
    stage.driven.begin("SLOW 1000 50")
    stage.driven.until("message-delta")
    stage.kill_agent()
    failed = last(stage.driven.until("error"))
    assert failed["reason"] == "transport_closed_before_turn_completed"
    stage.driven.until("started")
    native = stage.driven.detail()["native_id"]
    assert last(stage.driven.turn("hello again"))["status"] == "completed"
    assert stage.driven.detail()["native_id"] == native


@on(*AGENTS)
def test_conversation_continues_after_the_host_was_killed(stage: Stage) -> None:
    stage.driven.turn("my name is Ada")
    native = stage.driven.detail()["native_id"]
    stage.driven.begin("SLOW 1000 50")
    stage.driven.until("message-delta")
    before = stage.programs()
    stage.kill_host()
    assert last(stage.driven.until("error"))["reason"] == "host_ended_before_turn_completed"
    stage.driven.until("ended")
    assert not before.keys() & stage.programs().keys(), "what was left is ended"
    assert last(stage.driven.turn("hello again"))["status"] == "completed"
    assert stage.driven.detail()["native_id"] == native


@on(*AGENTS)
def test_forgotten_session_leaves_no_process(stage: Stage) -> None:
    assert stage.programs()
    assert ask(stage.host, "DELETE", f"/sessions/{stage.name}")[0] == 200
    assert not stage.programs()
