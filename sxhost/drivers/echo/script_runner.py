"""The steps of a scripted agent: each a generator that reports, and yields what it waits for.

A number is a pause in seconds, a question waits for its answer (which is sent into the
generator), None waits for ever.  Raising `TurnOver` ends the turn, `AgentExited` the agent.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Mapping
from itertools import chain, repeat
from typing import Any, Final

from msgspec import Struct

from sxhost.codec.shorten import BoundedText
from sxhost.drivers.contracts import Reports
from sxhost.drivers.echo.script import Step
from sxhost.model.approval import Answer, Inquiry, Option, Question
from sxhost.model.turn import TurnStatus
from sxhost.process.contracts import ChildExit

__all__ = [
    "STEPS",
    "AgentExited",
    "EchoConversation",
    "ScriptRun",
    "StepGenerator",
    "TurnOver",
    "Wait",
]

Wait = float | Question | None
StepGenerator = Generator[Wait, Answer | None, None]

CHOICES: Final = ("approve", "approve_session", "deny", "cancel")
SLOW_MS: Final = 50


class TurnOver(Exception):
    """Raised by a step that ends the turn."""

    def __init__(self, status: TurnStatus, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class AgentExited(Exception):
    """Raised by a step that ends the agent."""

    def __init__(self, how: ChildExit) -> None:
        super().__init__(how.sentence)
        self.how = how


class EchoConversation(Struct, kw_only=True):
    """The part of a conversation that outlives its agent, which may be resumed."""

    native_id: str
    model: str
    turns: int = 0
    items: int = 0
    tokens: tuple[int, int, int] = (0, 0, 0)
    """Input, cached and output tokens so far."""
    approved: set[str] = set()
    """Commands that were approved for the session."""


class ScriptRun:
    """Reports the items of a running script; keeps those that are open."""

    def __init__(
        self, reports: Reports, conversation: EchoConversation, cwd: str, pause: float
    ) -> None:
        self.conversation = conversation
        self.cwd = cwd
        self.pause = pause
        self.report = reports.report_event
        self._open: dict[str, tuple[str, BoundedText]] = {}

    def new_id(self, kind: str) -> str:
        """Return an id that is new in the conversation."""
        self.conversation.items += 1
        return f"{kind}-{self.conversation.items}"

    def open_text(self, kind: str) -> str:
        """Open a message or a reasoning; return its item."""
        item = self.new_id(kind)
        self._open[item] = kind, BoundedText()
        return item

    def open_tool(self, tool: str, title: str, **tool_input: Any) -> str:
        """Open a tool's call; return its item."""
        item = self.new_id("tool")
        self._open[item] = "tool", BoundedText()
        data = {"item": item, "tool": tool, "title": title, "input": tool_input}
        self.report("tool-start", data)
        return item

    def report_piece(self, item: str, text: str) -> None:
        """Report a piece of an open item."""
        kind, pieces = self._open[item]
        pieces.add(text)
        self.report("tool-output" if kind == "tool" else f"{kind}-delta", _text(item, text))

    def close_item(self, item: str, status: str = "completed") -> None:
        """Report the end of an open item: whole, or cut."""
        kind, pieces = self._open.pop(item)
        data = _text(item, str(pieces))
        if kind == "tool":
            self.report("tool-done", _tool_done(item, status, str(pieces)))
        else:
            self.report(kind, {**data, "cut": True} if status == "cut" else data)

    def cut_open_items(self) -> None:
        """Report all open items as cut."""
        for item in tuple(self._open):
            self.close_item(item, "cut")


def _text(item: str, text: str) -> dict[str, Any]:
    return {"item": item, "text": text}


def _tool_done(item: str, status: str, output: str) -> dict[str, Any]:
    code = 0 if status == "completed" else None
    shell = {"item": item, "tool": "shell", "status": status}
    return {**shell, "output": output, "exit_code": code}


# Texts.


def _say(run: ScriptRun, step: Step) -> StepGenerator:
    return _report_text(run, "message", step.text)


def _think(run: ScriptRun, step: Step) -> StepGenerator:
    return _report_text(run, "thinking", step.text)


def _report_text(run: ScriptRun, kind: str, text: str) -> StepGenerator:
    item = run.open_text(kind)
    for word in re.findall(r"\s++(?:\S++\s*+)?|\S++\s*+", text):
        run.report_piece(item, word)
        yield run.pause
    run.close_item(item)


def _slow(run: ScriptRun, step: Step) -> StepGenerator:
    count, ms, *_ = chain(step.numbers, repeat(SLOW_MS, 2))
    item = run.open_text("message")
    for number in range(count):
        run.report_piece(item, f"piece-{number + 1} ")
        yield ms / 1000
    run.close_item(item)


def _flood(run: ScriptRun, step: Step) -> StepGenerator:
    item = run.open_text("message")
    for number in range(step.numbers[0]):
        run.report_piece(item, f"piece-{number + 1} ")
    yield 0
    run.close_item(item)


# Tools.


def _run(run: ScriptRun, step: Step) -> StepGenerator:
    item = run.open_tool("shell", step.text, command=step.text)
    yield from _pretend(run, item, step.text)


def _pretend(run: ScriptRun, item: str, command: str) -> StepGenerator:
    yield run.pause
    run.report_piece(item, f"pretended: {command}\n")
    yield run.pause
    run.close_item(item)


def _big(run: ScriptRun, step: Step) -> StepGenerator:
    size = step.numbers[0]
    item = run.open_tool("shell", f"print {size} bytes", command=f"print {size} bytes")
    yield run.pause
    run.report_piece(item, "x" * size)
    run.close_item(item)


def _ask(run: ScriptRun, step: Step) -> StepGenerator:
    item = run.open_tool("shell", step.text, command=step.text)
    decision = "approve"
    if step.text not in run.conversation.approved:
        answer = yield _command(run, step.text)
        decision = answer.decision if answer else "cancel"
    if decision == "approve_session":
        run.conversation.approved.add(step.text)
    if decision in ("approve", "approve_session"):
        yield from _pretend(run, item, step.text)
        return
    run.close_item(item, "declined")
    _stop_if_cancelled(decision)


def _command(run: ScriptRun, command: str) -> Question:
    return Question(
        key=run.new_id("ask"),
        kind="command",
        title=command,
        detail={"command": command, "cwd": run.cwd},
        choices=list(CHOICES),
        native={"ASK": command},
    )


def _stop_if_cancelled(decision: str) -> None:
    if decision == "cancel":
        raise TurnOver("interrupted", "the question was cancelled")


def _question(run: ScriptRun, step: Step) -> StepGenerator:
    text, *labels = (part.strip() for part in step.text.split("|"))
    answer = yield Question(
        key=run.new_id("ask"),
        kind="question",
        title=text,
        choices=["approve", "deny", "cancel"],
        inquiries=[Inquiry(id="answer", text=text, options=list(map(Option, labels)))],
        native={"QUESTION": step.text},
    )
    _stop_if_cancelled(answer.decision if answer else "cancel")
    reply = (answer.answers or {}).get("answer", "") if answer else ""
    text = reply if isinstance(reply, str) else ", ".join(reply)
    yield from _report_text(run, "message", f"answer: {text or 'none'}")


# Plans, usage, ends.


def _plan(run: ScriptRun, step: Step) -> StepGenerator:
    parts = filter(None, map(str.strip, step.text.split(";")))
    entries = [{"content": part, "status": "pending"} for part in parts]
    run.report("plan", {"entries": entries, "text": ""})
    yield 0


def _usage(run: ScriptRun, step: Step) -> StepGenerator:
    tokens_in, tokens_out, cached = (*step.numbers, 0, 0)[:3]
    previous = run.conversation.tokens
    totals = (previous[0] + tokens_in, previous[1] + cached, previous[2] + tokens_out)
    run.conversation.tokens = totals
    names = ("input_tokens", "cached_tokens", "output_tokens")
    data = dict(zip(names, totals, strict=True))
    run.report("usage", {**data, "total_tokens": totals[0] + totals[2]})
    yield 0


def _compact(run: ScriptRun, _step: Step) -> StepGenerator:
    yield run.pause
    run.report("compact", {"text": "There was nothing to forget."})


def _hang(_script: ScriptRun, _step: Step) -> StepGenerator:
    yield None


def _fail(_script: ScriptRun, step: Step) -> StepGenerator:
    yield 0
    raise TurnOver("failed", step.text or "told to fail")


def _crash(_script: ScriptRun, _step: Step) -> StepGenerator:
    yield 0
    raise AgentExited(ChildExit(signal="SIGKILL"))


def _exit(_script: ScriptRun, step: Step) -> StepGenerator:
    yield 0
    raise AgentExited(ChildExit(code=step.numbers[0]))


STEPS: Mapping[str, Callable[[ScriptRun, Step], StepGenerator]] = {
    "SAY": _say,
    "THINK": _think,
    "RUN": _run,
    "ASK": _ask,
    "QUESTION": _question,
    "SLOW": _slow,
    "FLOOD": _flood,
    "BIG": _big,
    "PLAN": _plan,
    "USAGE": _usage,
    "FAIL": _fail,
    "HANG": _hang,
    "CRASH": _crash,
    "EXIT": _exit,
    "COMPACT": _compact,
}
"""The generator of each directive; ``COMPACT`` is in no script but `EchoAgent.compact`'s."""
