"""An agent of each driver on a stage of one shape: its program says what a test wants.

The contract suite of drivers (``tests/contracts/test_drivers.py``) runs over `STAGES`.  A new
driver's stage says what its program prints when a text grows, a tool starts, and so on.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from itertools import count
from typing import Any, ClassVar

from twisted.internet.task import Clock

from sxhost.drivers.contracts import Agent, Started
from sxhost.drivers.echo import make as make_echo
from sxhost.model.approval import Answer, Question
from sxhost.model.turn import Launch, Text, TurnDraft
from sxhost.process.contracts import ChildExit
from sxhost.testing import result_of, started
from tests.support.agents.fake_acp import FakeAcp, rpc, words
from tests.support.agents.fake_app_server import AppServer
from tests.support.agents.recorded_claude import Stage as FakeClaude
from tests.support.agents.recorded_pi import Pi
from tests.support.fake_children import FakeChild, FakeReports, FakeSpawn

__all__ = ["STAGES", "DriverStage"]

LAUNCH: dict[str, Any] = {"cwd": "/w"}


class DriverStage(ABC):
    """One agent, not started yet, with what it reports."""

    clock: Clock
    reports: FakeReports
    agent: Agent

    @abstractmethod
    def __init__(self, **launch: Any) -> None:
        """Make an agent, with these fields of its launch."""

    def do(self, work: Any) -> Any:
        """Do one of the agent's verbs; return its result."""
        doing = started(work)
        self.clock.advance(0)
        return result_of(doing)

    def start(self) -> Started:
        """Start the agent."""
        begun: Started = self.do(self.agent.start())
        return begun

    def answer(self, question: Question, decision: str) -> None:
        """Decide about a question."""
        self.do(self.agent.answer(question, Answer(decision=decision)))

    @property
    def question(self) -> Question:
        """The last question that was reported."""
        return self.reports.questions[-1]

    @abstractmethod
    def begin(self, text: str = "go") -> None:
        """Begin a turn, which the program takes up."""

    @abstractmethod
    def say(self, text: str) -> None:
        """Let the program print a piece of a text."""

    @abstractmethod
    def finish_text(self, text: str) -> None:
        """Let the program end that text, which is whole."""

    @abstractmethod
    def call_tool(self) -> None:
        """Let the program start a tool."""

    @abstractmethod
    def ask(self) -> None:
        """Let the program ask whether it may do something."""

    @abstractmethod
    def take_back(self) -> None:
        """Let the program wait for that no more."""

    @abstractmethod
    def end(self, status: str = "completed") -> None:
        """Let the program end the turn, with whatever is open."""

    @abstractmethod
    def die(self, how: ChildExit) -> None:
        """Let the program end."""

    @property
    @abstractmethod
    def responses(self) -> list[Any]:
        """What the program was told about what it asked."""

    @property
    @abstractmethod
    def interruptions(self) -> int:
        """How often the program was told to stop."""


class ProgramStage(DriverStage):
    """An agent with a program of its own, which a test plays."""

    @property
    def child(self) -> FakeChild:
        """The program."""
        raise NotImplementedError

    def die(self, how: ChildExit) -> None:
        self.child.die(how)

    def sent(self, name: str) -> list[Any]:
        """Return the messages of a method or a type that the program was sent."""
        return [m for m in self.child.said if name in (m.get("method"), m.get("type"))]


class CodexStage(ProgramStage):
    thread = ""
    ITEM: ClassVar[dict[str, Any]] = {"type": "agentMessage", "id": "m"}
    TOOL: ClassVar[dict[str, Any]] = {"type": "commandExecution", "id": "c", "command": "ls"}

    def __init__(self, **launch: Any) -> None:
        self.server = AppServer()
        self.clock, self.reports = self.server.clock, FakeReports()
        self.agent = self.server.agent(self.reports, **launch)
        self._turns = count(1)
        self._turn = ""

    @property
    def child(self) -> FakeChild:
        return self.server.child

    def start(self) -> Started:
        begun = super().start()
        self.thread = begun.native_id
        return begun

    def _tell(self, method: str, **params: Any) -> None:
        self.server.tell(method, threadId=self.thread, turnId=self._turn, **params)

    def begin(self, text: str = "go") -> None:
        self.server.answers["turn/start"] = {"turn": {"id": f"u{next(self._turns)}"}}
        self._turn = self.do(self.agent.submit(TurnDraft(input=text)))
        self._tell("turn/started", turn={"id": self._turn})

    def say(self, text: str) -> None:
        self._tell("item/agentMessage/delta", itemId="m", delta=text)

    def finish_text(self, text: str) -> None:
        self._tell("item/completed", item={**self.ITEM, "text": text})

    def call_tool(self) -> None:
        self._tell("item/started", item=self.TOOL)

    def ask(self) -> None:
        params = {"threadId": self.thread, "turnId": self._turn, "itemId": "c"}
        self.server.ask(70, "item/commandExecution/requestApproval", command="ls", **params)

    def take_back(self) -> None:
        self._tell("serverRequest/resolved", requestId=70)

    def end(self, status: str = "completed") -> None:
        self._tell("turn/completed", turn={"id": self._turn, "status": status})

    @property
    def responses(self) -> list[Any]:
        return [m for m in self.child.said if m.get("id") == 70 and "result" in m]

    @property
    def interruptions(self) -> int:
        return len(self.sent("turn/interrupt"))


class PiStage(ProgramStage):
    def __init__(self, **launch: Any) -> None:
        self.host = Pi(Launch(agent="pi", id="a", **{**LAUNCH, **launch}))
        self.host.mute -= {"steer", "abort"}
        self.host.state["sessionFile"] = launch.get("resume", "/s/1.jsonl")
        self.clock, self.reports = self.host.clock, self.host.reports
        self.agent = self.host.agent

    @property
    def child(self) -> FakeChild:
        return self.host.child

    def begin(self, text: str = "go") -> None:
        self.host.submit(text)
        self.host.say({"type": "message_start", "message": {"role": "assistant"}})

    def say(self, text: str) -> None:
        delta = {"type": "text_delta", "contentIndex": 0, "delta": text}
        self.host.say({"type": "message_update", "assistantMessageEvent": delta})

    def finish_text(self, text: str) -> None:
        message = {"role": "assistant", "content": [{"type": "text", "text": text}]}
        self.host.say({"type": "message_end", "message": message})

    def call_tool(self) -> None:
        tool = {"toolCallId": "c", "toolName": "bash", "args": {"command": "ls"}}
        self.host.say({"type": "tool_execution_start", **tool})

    def ask(self) -> None:
        dialog = {"id": "d", "method": "confirm", "title": "Sure?", "timeout": 5000}
        self.host.say({"type": "extension_ui_request", **dialog})

    def take_back(self) -> None:
        self.clock.advance(5)

    def end(self, status: str = "completed") -> None:
        self.host.end("stop" if status == "completed" else "aborted", willRetry=False)
        self.host.say({"type": "agent_settled"})

    @property
    def responses(self) -> list[Any]:
        return self.sent("extension_ui_response")

    @property
    def interruptions(self) -> int:
        return len(self.sent("abort"))


class ClaudeStage(ProgramStage):
    def __init__(self, **launch: Any) -> None:
        self.host = FakeClaude(**{**LAUNCH, **launch})
        self.clock, self.reports = self.host.clock, self.host.reports
        self.agent = self.host.agent

    @property
    def child(self) -> FakeChild:
        return self.host.child

    def _stream(self, kind: str, **fields: Any) -> None:
        self.child.say({"type": "stream_event", "event": {"type": kind, **fields}})

    def begin(self, text: str = "go") -> None:
        self.host.submit(text)
        self.child.say({"type": "system", "subtype": "init"})
        self._stream("message_start", message={"id": "m"})
        self._stream("content_block_start", index=0, content_block={"type": "text"})

    def say(self, text: str) -> None:
        delta = {"type": "text_delta", "text": text}
        self._stream("content_block_delta", index=0, delta=delta)

    def _assistant(self, **block: Any) -> None:
        self.child.say({"type": "assistant", "message": {"id": "m", "content": [block]}})

    def finish_text(self, text: str) -> None:
        self._assistant(type="text", text=text)

    def call_tool(self) -> None:
        self._assistant(type="tool_use", id="c", name="Bash", input={"command": "ls"})

    def ask(self) -> None:
        asked = {"subtype": "can_use_tool", "tool_name": "Bash", "input": {"command": "ls"}}
        self.child.say({"type": "control_request", "request_id": "q", "request": asked})

    def take_back(self) -> None:
        self.child.say({"type": "control_cancel_request", "request_id": "q"})

    def end(self, status: str = "completed") -> None:
        aborted = {"terminal_reason": "aborted_streaming"} if status != "completed" else {}
        self.child.say({"type": "result", "subtype": "success", **aborted})

    @property
    def responses(self) -> list[Any]:
        return self.sent("control_response")

    @property
    def interruptions(self) -> int:
        asked = [m["request"]["subtype"] for m in self.sent("control_request")]
        return asked.count("interrupt")


class AcpStage(ProgramStage):
    OPTIONS = ("allow_once", "reject_once")

    def __init__(self, **launch: Any) -> None:
        self.host = FakeAcp({"session/load": {}}, **launch)
        self.clock, self.reports = self.host.clock, self.host.reports
        self.agent = self.host.agent

    @property
    def child(self) -> FakeChild:
        return self.host.child

    def start(self) -> Started:
        starting = started(self.agent.start())
        self.clock.advance(1)  # a replay of the past is over when the agent is quiet
        return result_of(starting)

    def begin(self, text: str = "go") -> None:
        self.host.submit(text)

    def say(self, text: str) -> None:
        self.host.update("agent_message_chunk", content=words(text))

    def finish_text(self, text: str) -> None:
        """Do nothing: ACP has no such message."""

    def call_tool(self) -> None:
        self.host.update("tool_call", toolCallId="c", rawInput={"command": "ls"})

    def ask(self) -> None:
        self.host.request(70, *self.OPTIONS, call="q")

    def take_back(self) -> None:
        self.child.say(rpc(method="$/cancel_request", params={"requestId": 70}))

    def end(self, status: str = "completed") -> None:
        self.host.end("end_turn" if status == "completed" else "cancelled")

    @property
    def responses(self) -> list[Any]:
        return [m for m in self.child.said if m.get("id") == 70 and "result" in m]

    @property
    def interruptions(self) -> int:
        return len(self.host.said("session/cancel"))


class EchoStage(DriverStage):
    """The echo agent has no program: what it would do is a script that steers it."""

    def __init__(self, **launch: Any) -> None:
        self.clock, self.reports = Clock(), FakeReports()
        driver = make_echo(FakeSpawn(), self.clock)
        given = {"native": {"pause_ms": 1000}, **launch}
        self.agent = driver.agent(Launch(agent="echo", **given), self.reports)

    def begin(self, text: str = "go") -> None:
        self.do(self.agent.submit(TurnDraft(input="HANG")))
        assert text

    def _steer(self, script: str) -> None:
        self.do(self.agent.steer([Text(text=script)]))

    def say(self, text: str) -> None:
        if self.reports.events("message-delta"):
            self.clock.advance(1)
        else:
            self._steer(f"SAY: {text} on\nHANG")

    def finish_text(self, text: str) -> None:
        self.clock.advance(1)

    def call_tool(self) -> None:
        self._steer("RUN: ls\nHANG")

    def ask(self) -> None:
        self._steer("ASK: ls\nHANG")

    def take_back(self) -> None:
        self._steer("HANG")

    def end(self, status: str = "completed") -> None:
        if status != "completed":
            self.do(self.agent.interrupt())
        while self.reports.told[-1][0] != "turn_ended":
            self._steer("")  # what it does now is cut, then what is left of the scripts runs

    def die(self, how: ChildExit) -> None:
        self._steer("CRASH" if how.signal else f"EXIT {how.code}")

    @property
    def responses(self) -> list[Any]:
        self.clock.pump([1] * 5)
        done = self.reports.events("tool-done")
        return [data for _, data in done if data["status"] != "cut"]

    @property
    def interruptions(self) -> int:
        return sum(told[:2] == ("turn_ended", "interrupted") for told in self.reports.told)


STAGES: Mapping[str, type[DriverStage]] = {
    "codex": CodexStage,
    "pi": PiStage,
    "claude": ClaudeStage,
    "acp": AcpStage,
    "echo": EchoStage,
}
