"""The face of the Codex SSE server over a host in memory, byte by byte."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sxhost.agents import Agents
from sxhost.driver import Exit
from sxhost.errors import AgentFailed
from sxhost.model import EventQuery

from .crew import Crew, FakeAgent, FakeDriver, question
from .lab import Lab, result_of
from .test_site import Connection, Wire
from .test_stream import content, header

Fields = dict[str, Any]


class Stage(Wire):
    """A host whose codex does what a test says, and clients."""

    def __init__(self, **limits: Any) -> None:
        super().__init__(**{"body": 100_000, **limits})
        self.codex = FakeDriver()
        self.lab.crew = Crew(codex=self.codex)
        self.live()

    def live(self) -> None:
        """Begin a life of the host."""
        self.lab.agents = Agents(self.lab.crew)
        self.lab.live()
        self.site = self.lab.site()

    def reborn(self) -> None:
        """Kill the host, and begin its next life on the same store."""
        self.live()
        self.lab.service.startService()
        self.settle()

    def settle(self) -> None:
        """Let what is due now be done."""
        for _ in range(20):
            self.lab.clock.advance(0.005)

    def say(self, query: str = "", /, **message: Any) -> Client:
        body = json.dumps(message).encode()
        head = f"POST /messages{query} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
        return self.client(head.encode() + b"Content-Type: application/json\r\n\r\n" + body)

    def begin(self, query: str = "", /, **message: Any) -> Client:
        """Begin a conversation `r`."""
        first = {"type": "user_message", "message": "go", "id": "r"}
        return self.say(query, **{**first, **message})

    def again(self, name: str = "r", query: str = "", last: str = "") -> Client:
        place = f"Last-Event-ID: {last}\r\n" if last else ""
        return self.client(
            f"GET /messages/{name}{query} HTTP/1.1\r\nHost: x\r\n{place}\r\n".encode()
        )

    def client(self, data: bytes) -> Client:
        client = Client(self.connect(data), self)
        self.settle()
        return client

    @property
    def agent(self) -> FakeAgent:
        return self.codex.agents[-1]

    def tell(self, name: str, **data: Any) -> None:
        self.agent.reports.event(name, data)
        self.settle()

    def end(self, status: Any = "completed", reason: str = "") -> None:
        self.agent.reports.turn_ended(status, reason)
        self.settle()

    def ask(self, key: str = "q1", **fields: Any) -> None:
        self.agent.reports.asked(question(key, **fields))
        self.settle()

    def did(self) -> list[Any]:
        self.settle()
        return self.agent.did


class Client:
    """One of the clients."""

    def __init__(self, connection: Connection, stage: Stage) -> None:
        self.it = connection
        self._stage = stage

    @property
    def status(self) -> int:
        return self.it.status

    @property
    def text(self) -> str:
        self._stage.settle()
        return content(self.it).decode()

    @property
    def blocks(self) -> list[dict[str, str]]:
        """The frames' fields."""
        blocks = [block.split("\n") for block in self.text.split("\n\n")[:-1]]
        return [dict(line.split(": ", 1) for line in block) for block in blocks if block]

    @property
    def frames(self) -> list[Fields]:
        """The frames that have no event's name."""
        told = [block for block in self.blocks if "event" not in block]
        return [json.loads(block["data"]) for block in told if "data" in block]

    @property
    def types(self) -> list[str]:
        return [frame["type"] for frame in self.frames]

    @property
    def ids(self) -> list[str]:
        return [block["id"] for block in self.blocks if "id" in block]

    @property
    def over(self) -> bool:
        """Whether the answer has ended."""
        self._stage.settle()
        return self.it.got.endswith(b"0\r\n\r\n")

    @property
    def body(self) -> Any:
        return self.it.body


@pytest.fixture
def stage() -> Stage:
    return Stage()


BEGINNING = ["session_configured", "task_started", "user_message"]


def test_a_conversation(stage: Stage) -> None:
    client = stage.begin(work_dir="/tmp")
    assert (client.status, header(client.it, "Content-Type")) == (200, "text/event-stream")
    stage.tell("message-delta", item="m", text="hel")
    stage.tell("message", item="m", text="hello")
    assert not client.over
    stage.end()
    assert client.over
    assert client.types == [*BEGINNING, "agent_message_delta", "agent_message", "task_complete"]
    assert {frame["id"] for frame in client.frames} == {"r"}
    assert client.frames[0]["session_id"] == "native-1"
    assert client.frames[0]["cwd"] == "/tmp"
    assert client.frames[2]["message"] == "go"
    assert client.frames[-1] == {
        "id": "r",
        "type": "task_complete",
        "last_agent_message": "hello",
    }


def test_it_is_a_session_on_every_face(stage: Stage) -> None:
    client = stage.begin()
    session = stage.lab.request("GET", "/sessions/messages-r").json()
    assert (session["agent"], session["kind"], session["metadata"]) == (
        "codex", "hosted", {"request_id": "r"},
    )  # fmt: skip
    assert client.frames[0]["session"] == "messages-r"
