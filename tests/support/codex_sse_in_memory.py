"""A host in memory whose codex does what a test says, and clients of ``/messages``."""

from __future__ import annotations

import json
from typing import Any

from sxhost.agents.dependencies import Agents
from sxhost.model.event_types import CustomEvent, raw_json
from sxhost.testing import FakeAgent, FakeDriver, FakeDrivers, question
from tests.host.faces.test_native_events import content
from tests.host.http.test_site import Connection, Wire

Fields = dict[str, Any]


class Stage(Wire):
    """A host whose codex does what a test says, and clients."""

    def __init__(self, *, bypass: bool = False, **limits: Any) -> None:
        super().__init__(**{"body": 100_000, **limits})
        self.lab.bypass = bypass
        self.codex = FakeDriver()
        self.lab.drivers = FakeDrivers(codex=self.codex)
        self.live()

    def live(self) -> None:
        """Begin a life of the host."""
        self.lab.agents = Agents(self.lab.drivers)
        self.lab.restart()
        self.site = self.lab.site()

    def reborn(self) -> None:
        """Kill the host, and begin its next life on the same store."""
        self.live()
        self.lab.service.startService()
        self.settle()

    def settle(self) -> None:
        """Let what is due now be done."""
        for _ in range(10):
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
        self.agent.reports.report_event(CustomEvent(name, raw_json(data)))
        self.settle()

    def end(self, status: Any = "completed", reason: str = "") -> None:
        self.agent.reports.turn_ended(status, reason)
        self.settle()

    def ask(self, key: str = "q1", **fields: Any) -> None:
        self.agent.reports.approval_requested(question(key, **fields))
        self.settle()

    def did(self) -> list[Any]:
        self.settle()
        return self.agent.did


class Client:
    """One of the clients."""

    def __init__(self, connection: Connection, stage: Stage) -> None:
        self.it = connection
        self._stage = stage

    def pause(self) -> None:
        """Read no more."""
        assert self.it.transport.producer is not None
        self.it.transport.producer.pauseProducing()

    def resume(self) -> None:
        """Read on."""
        assert self.it.transport.producer is not None
        self.it.transport.producer.resumeProducing()

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
