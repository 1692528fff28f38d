"""An agent over ACP that is made up: it answers what it is asked, and says what a test says."""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock

from sxhost.drivers.acp import make
from sxhost.drivers.acp.agent import LAST_WORDS_S, ACPAgent
from sxhost.drivers.contracts import Started
from sxhost.model.approval import Question
from sxhost.model.turn import Launch, TurnDraft
from sxhost.testing import result_of
from tests.support.agents.recorded_acp import CWD
from tests.support.fake_children import FakeChild, FakeReports, FakeSpawn

HELLO: dict[str, Any] = {
    "protocolVersion": 1,
    "agentCapabilities": {"loadSession": True, "promptCapabilities": {"image": True}},
    "agentInfo": {"name": "fake", "title": "Fake"},
}
SESSION: dict[str, Any] = {
    "sessionId": "s1",
    "models": {"availableModels": [{"modelId": "big"}], "currentModelId": "small"},
    "modes": {"availableModes": [{"id": "ask"}, {"id": "yolo"}], "currentModeId": "ask"},
}


class FakeAcp:
    """An agent over ACP; `answers` are its results by method, an error where it has a code."""

    def __init__(self, answers: dict[str, Any] | None = None, **launch: Any) -> None:
        self.answers = {"initialize": HELLO, "session/new": SESSION, **(answers or {})}
        self.clock = Clock()
        self.spawn = FakeSpawn(self._heard)
        self.reports = FakeReports()
        given = {"agent": "acp", "command": ["fake", "--acp"], "cwd": CWD, **launch}
        self.agent: ACPAgent = make(self.spawn, self.clock).agent(Launch(**given), self.reports)
        self._prompt: Any = None

    def _heard(self, child: FakeChild, message: Any) -> None:
        method = message.get("method")
        if method == "session/prompt":
            self._prompt = message["id"]
        if method not in self.answers:
            return
        answer = self.answers[method]
        failed = isinstance(answer, dict) and "code" in answer
        child.say(rpc(message["id"], **{"error" if failed else "result": answer}))

    @property
    def child(self) -> FakeChild:
        return self.spawn.child

    def start(self) -> Started:
        return result_of(self.agent.start())

    def submit(self, text: str = "go", **draft: Any) -> None:
        result_of(self.agent.submit(TurnDraft(input=text, **draft)))

    def update(self, kind: str, **fields: Any) -> None:
        self.child.say(update(kind, **fields))

    def ask(self, number: int = 0, *kinds: str, call: str = "c1") -> Question:
        """Ask for leave; return the question."""
        self.request(number, *kinds, call=call)
        return self.reports.questions[-1]

    def request(self, number: int, *kinds: str, call: str = "c1") -> None:
        """Ask for leave; an option's id is its kind, backwards."""
        options = [{"optionId": kind[::-1], "kind": kind, "name": kind} for kind in kinds]
        params = {"sessionId": "s1", "toolCall": {"toolCallId": call}, "options": options}
        self.child.say(rpc(number, method="session/request_permission", params=params))

    def end(self, reason: str = "end_turn", **more: Any) -> None:
        self.child.say(rpc(self._prompt, result={"stopReason": reason, **more}))
        self.clock.advance(LAST_WORDS_S)

    def said(self, method: str) -> list[Any]:
        """The params that a method was called with."""
        return [m["params"] for m in self.child.said if m.get("method") == method]

    @property
    def turns(self) -> list[tuple[str, str]]:
        return [(t[1], t[2]) for t in self.reports.told if t[0] == "turn_ended"]


def rpc(number: Any = None, **fields: Any) -> dict[str, Any]:
    named = {} if number is None else {"id": number}
    return {"jsonrpc": "2.0", **named, **fields}


def update(kind: str, **fields: Any) -> dict[str, Any]:
    params = {"sessionId": "s1", "update": {"sessionUpdate": kind, **fields}}
    return rpc(method="session/update", params=params)


def words(text: str) -> dict[str, str]:
    return {"type": "text", "text": text}
