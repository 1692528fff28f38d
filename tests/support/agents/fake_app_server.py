"""An app server of codex that is made up: it answers what it is asked, and no more."""

from __future__ import annotations

from itertools import count
from typing import Any

from twisted.internet.task import Clock

from sxhost.drivers.codex import make
from sxhost.drivers.codex.agent import CodexAgent
from sxhost.model.turn import Launch
from tests.support.fake_children import FakeChild, FakeReports, FakeSpawn

COMMAND = ["codex", "app-server"]


class AppServer:
    """Answers by `answers`, methods to results; to one that is None it says nothing.

    A list is answered piece by piece; a result with ``code`` is a refusal.
    """

    def __init__(self) -> None:
        self.clock = Clock()
        self.spawn = FakeSpawn(self._hear)
        self.driver = make(self.spawn, self.clock)
        self._threads = count(1)
        self.answers: dict[str, Any] = {"initialize": {"userAgent": "codex"}}

    @property
    def child(self) -> FakeChild:
        return self.spawn.child

    def said(self, method: str) -> list[Any]:
        """Return the parameters of the calls of a method."""
        all_said = [message for child in self.spawn.children for message in child.said]
        return [
            message.get("params") for message in all_said if message.get("method") == method
        ]

    def agent(self, reports: FakeReports | None = None, **launch: Any) -> CodexAgent:
        wanted = {"agent": "codex", "cwd": "/w", "command": COMMAND, **launch}
        agent = self.driver.agent(Launch(**wanted), reports or FakeReports())
        assert isinstance(agent, CodexAgent)
        return agent

    def tell(self, method: str, **params: Any) -> None:
        """Tell the driver something."""
        self.child.say({"method": method, "params": params})

    def ask(self, number: int, method: str, **params: Any) -> None:
        """Ask the driver something."""
        self.child.say({"id": number, "method": method, "params": params})

    def _hear(self, child: FakeChild, message: Any) -> None:
        if "method" not in message or "id" not in message:
            return
        answer = self._answer(message)
        if answer is None:
            return
        kind = "error" if "code" in answer else "result"
        child.say({"id": message["id"], kind: answer})

    def _answer(self, message: Any) -> Any:
        method, params = message["method"], message["params"]
        known = self.answers.get(method, {})
        if isinstance(known, list):
            return known.pop(0)
        if known or known is None:
            return known
        if method == "thread/start":
            return _opened(f"t{next(self._threads)}")
        if method == "thread/resume":
            return _opened(params["threadId"])
        return {"turn": {"id": "u1"}} if method == "turn/start" else {}


def _opened(thread: str) -> Any:
    return {"thread": {"id": thread, "name": None}, "model": "m", "modelProvider": "p"}
