"""Real agents, started by hand: each answers offline, with what the fake model says."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any

import pytest
from msgspec import convert, to_builtins

from sxhost.model.turn import Launch
from tests.support.agents.real_agents import PROGRAMS, FakeModel, RealAgent, RealAgents
from tests.support.hosts import PATIENCE
from tests.support.leftovers import no_leftovers, processes_of

Object = dict[str, Any]


class Dialogue:
    """A conversation with an agent, a JSON object a line."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._lines: SimpleQueue[bytes] = SimpleQueue()
        self._reader = Thread(target=self._read)
        self._reader.start()

    def say(self, **message: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(message).encode() + b"\n")
        self._process.stdin.flush()

    def hear(self, wanted: Callable[[Object], Any]) -> list[Object]:
        """Return what it says, up to the first that is wanted."""
        received: list[Object] = []
        while not received or not wanted(received[-1]):
            line = self._lines.get(timeout=PATIENCE)
            assert line, f"it has ended: {received}"
            received.append(json.loads(line))
        return received

    def answer(self, number: int) -> Any:
        """Return the result of a call."""
        *_, answer = self.hear(lambda said: said.get("id") == number and "method" not in said)
        return answer["result"]

    def end(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(PATIENCE)
        finally:
            self._process.kill()
            self._reader.join()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put(b"")


@contextmanager
def talk(agent: RealAgent) -> Iterator[Dialogue]:
    """Run an agent, which ends when its input does."""
    with (
        (agent.home / "stderr").open("wb") as stderr,
        subprocess.Popen(
            agent.argv,
            cwd=agent.cwd,
            env=agent.environ(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
        ) as process,
    ):
        dialogue = Dialogue(process)
        try:
            yield dialogue
        finally:
            dialogue.end()
    no_leftovers(agent.home, PATIENCE)  # pi-acp does not wait for its pi


def joined(received: list[Object], kind: str, *path: str) -> str:
    """Return the pieces of text at a path in the messages that have a kind somewhere."""
    pieces: list[Any] = [message for message in received if kind in json.dumps(message)]
    for name in path:
        pieces = [piece.get(name, {}) for piece in pieces]
    return "".join(piece for piece in pieces if isinstance(piece, str))


def test_real_codex_answers(real_agents: RealAgents, agent_home: Path) -> None:
    agent = real_agents.codex(agent_home)
    with talk(agent) as codex:
        who = {"name": "sxhost", "title": "sxhost", "version": "0"}
        codex.say(id=1, method="initialize", params={"clientInfo": who})
        assert codex.answer(1)["codexHome"] == str(agent_home / ".codex")
        codex.say(method="initialized")
        codex.say(id=2, method="thread/start", params={"cwd": str(agent.cwd)})
        thread = codex.answer(2)["thread"]["id"]
        words = [{"type": "text", "text": "hello, codex"}]
        codex.say(id=3, method="turn/start", params={"threadId": thread, "input": words})
        received = codex.hear(lambda said: said.get("method") == "turn/completed")
    assert joined(received, "agentMessage/delta", "params", "delta") == "echo: hello, codex"
    assert received[-1]["params"]["turn"]["status"] == "completed"


@pytest.mark.parametrize(
    ("name", "end"), [("pi", "agent_end"), ("pi-earendil", "agent_settled")]
)
def test_real_pi_answers(
    real_agents: RealAgents, agent_home: Path, name: str, end: str
) -> None:
    with talk(real_agents.make(name, agent_home)) as pi:
        pi.say(id="1", type="get_state")
        *_, state = pi.hear(lambda text: text.get("id") == "1")
        assert state["data"]["model"]["provider"] == "fake"
        pi.say(id="2", type="prompt", message="hello, pi")
        received = pi.hear(lambda text: text["type"] == end)
    text = joined(received, '"text_delta"', "assistantMessageEvent", "delta")
    assert text == "echo: hello, pi"


def test_real_pi_asks_through_an_extension(real_agents: RealAgents, agent_home: Path) -> None:
    agent = real_agents.pi(agent_home, asks=True)
    with talk(agent) as pi:
        for decision in (True, False):
            pi.say(type="prompt", message=f"RUN: echo 1 >{decision}")
            *_, asked = pi.hear(lambda said: said["type"] == "extension_ui_request")
            assert (asked["method"], asked["title"]) == ("confirm", "May it use bash?")
            pi.say(type="extension_ui_response", id=asked["id"], confirmed=decision)
            pi.hear(lambda said: said["type"] == "agent_end")
    assert [made.name for made in agent.cwd.iterdir()] == ["True"]


def test_real_claude_answers(real_agents: RealAgents, agent_home: Path) -> None:
    with talk(real_agents.claude(agent_home)) as claude:
        words = [{"type": "text", "text": "hello, claude"}]
        claude.say(type="user", message={"role": "user", "content": words})
        received = claude.hear(lambda said: said["type"] == "result")
    assert joined(received, '"text_delta"', "event", "delta", "text") == "echo: hello, claude"
    assert received[-1]["result"] == "echo: hello, claude"


def test_real_pi_acp_answers(real_agents: RealAgents, agent_home: Path) -> None:
    agent = real_agents.pi_acp(agent_home)
    with talk(agent) as acp:

        def call(number: int, method: str, **params: Any) -> None:
            acp.say(jsonrpc="2.0", id=number, method=method, params=params)

        call(1, "initialize", protocolVersion=1, clientCapabilities={})
        assert acp.answer(1)["agentInfo"]["name"] == "pi-acp"
        call(2, "session/new", cwd=str(agent.cwd), mcpServers=[])
        session = acp.answer(2)["sessionId"]
        words = [{"type": "text", "text": "hello, acp"}]
        call(3, "session/prompt", sessionId=session, prompt=words)
        received = acp.hear(lambda text: text.get("id") == 3)
    text = joined(received, "agent_message_chunk", "params", "update", "content", "text")
    assert text == "echo: hello, acp"
    assert received[-1]["result"]["stopReason"] == "end_turn"


# What the tests themselves stand on.


@pytest.mark.parametrize("name", PROGRAMS)
def test_real_agent_command_is_accepted_by_a_host(name: str, tmp_path: Path) -> None:
    agents = RealAgents(Path("/agents"), FakeModel("http://127.0.0.1:1", tmp_path))
    launch = agents.make(name, tmp_path / "home").launch(prompt="hello")
    assert convert(to_builtins(launch), Launch) == launch
    assert launch.command
    assert launch.command[0] == f"/agents/bin/{name}"
    assert launch.env["HOME"] == str(tmp_path / "home")


def test_fake_model_records_requests(fake_model: FakeModel) -> None:
    assert fake_model.notes("request", "what nobody has said") == []


def test_leftover_processes_of_a_home_are_found(agent_home: Path) -> None:
    environ = {"HOME": str(agent_home)}
    with subprocess.Popen(["sleep", "1000"], env=environ, cwd="/") as process:
        try:
            assert processes_of(agent_home) == {process.pid: "sleep 1000 "}
            with pytest.raises(AssertionError, match="sleep 1000"):
                no_leftovers(agent_home)
        finally:
            process.kill()
        no_leftovers(agent_home, PATIENCE)
