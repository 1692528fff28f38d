"""What a scripted agent reports, step by step: each a generator that yields what it waits for.

A number is a pause in seconds, a question waits for its answer (which is sent into the
generator), None waits for ever.  `TurnOver` ends the turn, `AgentExited` the agent.
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
from sxhost.process.contracts import Exit

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
    """The turn ends here."""

    def __init__(self, status: TurnStatus, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class AgentExited(Exception):
    """The agent ends here."""

    def __init__(self, how: Exit) -> None:
        super().__init__(how.sentence)
        self.how = how


class EchoConversation(Struct, kw_only=True):
    """What of a conversation outlives the agent that had it."""

    native_id: str
    model: str
    turns: int = 0
    items: int = 0
    tokens: tuple[int, int, int] = (0, 0, 0)
    """Input, cached and output tokens so far."""
    approved: set[str] = set()
    """Commands that may be run without asking again."""


class ScriptRun:
    """Reports items, and knows which of them are open."""

    def __init__(
        self, reports: Reports, conversation: EchoConversation, cwd: str, pause: float
    ) -> None:
        self.conversation = conversation
        self.cwd = cwd
        self.pause = pause
        self.report = reports.event
        self._open: dict[str, tuple[str, BoundedText]] = {}

    def new_id(self, kind: str) -> str:
        """Return a name that nothing in the conversation has had."""
        self.conversation.items += 1
        return f"{kind}-{self.conversation.items}"

    def open_text(self, kind: str) -> str:
        """Open a message or a thought; return its name."""
        item = self.new_id(kind)
        self._open[item] = kind, BoundedText()
        return item

    def open_tool(self, tool: str, title: str, **given: Any) -> str:
        """Open the use of a tool; return its name."""
        item = self.new_id("tool")
        self._open[item] = "tool", BoundedText()
        told = {"item": item, "tool": tool, "title": title, "input": given}
        self.report("tool-start", told)
        return item

    def report_piece(self, item: str, text: str) -> None:
        """Report a piece of what is open."""
        kind, pieces = self._open[item]
        pieces.add(text)
        self.report("tool-output" if kind == "tool" else f"{kind}-delta", _text(item, text))

    def close_item(self, item: str, status: str = "completed") -> None:
        """Report the end of what is open: whole, or cut."""
        kind, pieces = self._open.pop(item)
        told = _text(item, str(pieces))
        if kind == "tool":
            self.report("tool-done", _ended(item, status, str(pieces)))
        else:
            self.report(kind, {**told, "cut": True} if status == "cut" else told)

    def cut_open_items(self) -> None:
        """Report all that is open as cut."""
        for item in tuple(self._open):
            self.close_item(item, "cut")


def _text(item: str, text: str) -> dict[str, Any]:
    return {"item": item, "text": text}


def _ended(item: str, status: str, output: str) -> dict[str, Any]:
    code = 0 if status == "completed" else None
    shell = {"item": item, "tool": "shell", "status": status}
    return {**shell, "output": output, "exit_code": code}


# Words.


def _say(stage: ScriptRun, step: Step) -> StepGenerator:
    return _words(stage, "message", step.text)


def _think(stage: ScriptRun, step: Step) -> StepGenerator:
    return _words(stage, "thinking", step.text)


def _words(stage: ScriptRun, kind: str, text: str) -> StepGenerator:
    item = stage.open_text(kind)
    for word in re.findall(r"\s++(?:\S++\s*+)?|\S++\s*+", text):
        stage.report_piece(item, word)
        yield stage.pause
    stage.close_item(item)


def _slow(stage: ScriptRun, step: Step) -> StepGenerator:
    count, ms, *_ = chain(step.numbers, repeat(SLOW_MS, 2))
    item = stage.open_text("message")
    for number in range(count):
        stage.report_piece(item, f"piece-{number + 1} ")
        yield ms / 1000
    stage.close_item(item)


def _flood(stage: ScriptRun, step: Step) -> StepGenerator:
    item = stage.open_text("message")
    for number in range(step.numbers[0]):
        stage.report_piece(item, f"piece-{number + 1} ")
    yield 0
    stage.close_item(item)


# Tools.


def _run(stage: ScriptRun, step: Step) -> StepGenerator:
    item = stage.open_tool("shell", step.text, command=step.text)
    yield from _pretend(stage, item, step.text)


def _pretend(stage: ScriptRun, item: str, command: str) -> StepGenerator:
    yield stage.pause
    stage.report_piece(item, f"pretended: {command}\n")
    yield stage.pause
    stage.close_item(item)


def _big(stage: ScriptRun, step: Step) -> StepGenerator:
    size = step.numbers[0]
    item = stage.open_tool("shell", f"print {size} bytes", command=f"print {size} bytes")
    yield stage.pause
    stage.report_piece(item, "x" * size)
    stage.close_item(item)


def _ask(stage: ScriptRun, step: Step) -> StepGenerator:
    item = stage.open_tool("shell", step.text, command=step.text)
    decision = "approve"
    if step.text not in stage.conversation.approved:
        answer = yield _command(stage, step.text)
        decision = answer.decision if answer else "cancel"
    if decision == "approve_session":
        stage.conversation.approved.add(step.text)
    if decision in ("approve", "approve_session"):
        yield from _pretend(stage, item, step.text)
        return
    stage.close_item(item, "declined")
    _stop_if_cancelled(decision)


def _command(stage: ScriptRun, command: str) -> Question:
    return Question(
        key=stage.new_id("ask"),
        kind="command",
        title=command,
        detail={"command": command, "cwd": stage.cwd},
        choices=list(CHOICES),
        native={"ASK": command},
    )


def _stop_if_cancelled(decision: str) -> None:
    if decision == "cancel":
        raise TurnOver("interrupted", "the question was cancelled")


def _question(stage: ScriptRun, step: Step) -> StepGenerator:
    text, *labels = (part.strip() for part in step.text.split("|"))
    answer = yield Question(
        key=stage.new_id("ask"),
        kind="question",
        title=text,
        choices=["approve", "deny", "cancel"],
        inquiries=[Inquiry(id="answer", text=text, options=[Option(one) for one in labels])],
        native={"QUESTION": step.text},
    )
    _stop_if_cancelled(answer.decision if answer else "cancel")
    given = (answer.answers or {}).get("answer", "") if answer else ""
    said = given if isinstance(given, str) else ", ".join(given)
    yield from _words(stage, "message", f"answer: {said or 'none'}")


# The rest.


def _plan(stage: ScriptRun, step: Step) -> StepGenerator:
    parts = filter(None, map(str.strip, step.text.split(";")))
    entries = [{"content": part, "status": "pending"} for part in parts]
    stage.report("plan", {"entries": entries, "text": ""})
    yield 0


def _usage(stage: ScriptRun, step: Step) -> StepGenerator:
    given, out, cached = (*step.numbers, 0, 0)[:3]
    before = stage.conversation.tokens
    so_far = (before[0] + given, before[1] + cached, before[2] + out)
    stage.conversation.tokens = so_far
    names = ("input_tokens", "cached_tokens", "output_tokens")
    told = dict(zip(names, so_far, strict=True))
    stage.report("usage", {**told, "total_tokens": so_far[0] + so_far[2]})
    yield 0


def _compact(stage: ScriptRun, _step: Step) -> StepGenerator:
    yield stage.pause
    stage.report("compact", {"text": "There was nothing to forget."})


def _hang(_stage: ScriptRun, _step: Step) -> StepGenerator:
    yield None


def _fail(_stage: ScriptRun, step: Step) -> StepGenerator:
    yield 0
    raise TurnOver("failed", step.text or "told to fail")


def _crash(_stage: ScriptRun, _step: Step) -> StepGenerator:
    yield 0
    raise AgentExited(Exit(signal="SIGKILL"))


def _exit(_stage: ScriptRun, step: Step) -> StepGenerator:
    yield 0
    raise AgentExited(Exit(code=step.numbers[0]))


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
"""What each step does.  ``COMPACT`` stands in no script; it is the verb's."""
