"""The steps of a scripted agent: each a generator that reports, and yields what it waits for.

A number is a pause in seconds, a question waits for its answer (which is sent into the
generator), None waits for ever.  Raising `TurnOver` ends the turn, `AgentExited` the agent.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Mapping
from itertools import chain, repeat
from typing import Final

from msgspec import Struct

from sxhost.drivers.contracts import Reports
from sxhost.drivers.echo.script import Step
from sxhost.drivers.kit.open_items import OpenItems
from sxhost.model.approval import Answer, Inquiry, Option, Question
from sxhost.model.event_types import (
    CompactEvent,
    MessageDeltaEvent,
    PlanEntry,
    PlanEvent,
    ThinkingDeltaEvent,
    ToolDoneEvent,
    ToolOutputEvent,
    ToolStartEvent,
    ToolStatus,
    UsageEvent,
    raw_json,
)
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
TOOL: Final = "shell"

_WORDS = re.compile(r"\s++(?:\S++\s*+)?|\S++\s*+")


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
        self.open_items = OpenItems(reports)
        self.report = self.open_items.report

    def new_id(self, kind: str) -> str:
        """Return an id that is new in the conversation."""
        self.conversation.items += 1
        return f"{kind}-{self.conversation.items}"

    def open_tool(self, title: str, command: str) -> str:
        """Report that a tool's call begins; return its item."""
        item, tool_input = self.new_id("tool"), raw_json({"command": command})
        self.report(ToolStartEvent(item=item, tool=TOOL, title=title, input=tool_input))
        return item

    def close_tool(self, item: str, status: ToolStatus = "completed") -> None:
        """Report the end of a tool's call."""
        code, opened = 0 if status == "completed" else None, self.open_items.get(item)
        output = str(opened.text) if opened else ""
        self.report(
            ToolDoneEvent(item=item, tool=TOOL, status=status, output=output, exit_code=code)
        )


# Texts.


def _say(run: ScriptRun, step: Step) -> StepGenerator:
    item = run.new_id("message")
    for word in _WORDS.findall(step.text):
        run.report(MessageDeltaEvent(item=item, text=word))
        yield run.pause
    run.open_items.complete(item)


def _think(run: ScriptRun, step: Step) -> StepGenerator:
    item = run.new_id("thinking")
    for word in _WORDS.findall(step.text):
        run.report(ThinkingDeltaEvent(item=item, text=word))
        yield run.pause
    run.open_items.complete(item)


def _slow(run: ScriptRun, step: Step) -> StepGenerator:
    count, ms, *_ = chain(step.numbers, repeat(SLOW_MS, 2))
    item = run.new_id("message")
    for number in range(count):
        run.report(MessageDeltaEvent(item=item, text=f"piece-{number + 1} "))
        yield ms / 1000
    run.open_items.complete(item)


def _flood(run: ScriptRun, step: Step) -> StepGenerator:
    item = run.new_id("message")
    for number in range(step.numbers[0]):
        run.report(MessageDeltaEvent(item=item, text=f"piece-{number + 1} "))
    yield 0
    run.open_items.complete(item)


# Tools.


def _run(run: ScriptRun, step: Step) -> StepGenerator:
    return _pretend(run, run.open_tool(step.text, step.text), step.text)


def _pretend(run: ScriptRun, item: str, command: str) -> StepGenerator:
    yield run.pause
    run.report(ToolOutputEvent(item=item, text=f"pretended: {command}\n"))
    yield run.pause
    run.close_tool(item)


def _big(run: ScriptRun, step: Step) -> StepGenerator:
    size = step.numbers[0]
    item = run.open_tool(f"print {size} bytes", f"print {size} bytes")
    yield run.pause
    run.report(ToolOutputEvent(item=item, text="x" * size))
    run.close_tool(item)


def _ask(run: ScriptRun, step: Step) -> StepGenerator:
    item = run.open_tool(step.text, step.text)
    decision = "approve"
    if step.text not in run.conversation.approved:
        answer = yield Question(
            key=run.new_id("ask"),
            kind="command",
            title=step.text,
            detail={"command": step.text, "cwd": run.cwd},
            choices=list(CHOICES),
            native={"ASK": step.text},
        )
        decision = answer.decision if answer else "cancel"
    if decision == "approve_session":
        run.conversation.approved.add(step.text)
    if decision in ("approve", "approve_session"):
        yield from _pretend(run, item, step.text)
        return
    run.close_tool(item, "declined")
    _stop_if_cancelled(decision)


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
    yield from _say(run, Step("SAY", f"answer: {text or 'none'}"))


# Plans, usage, ends.


def _plan(run: ScriptRun, step: Step) -> StepGenerator:
    parts = filter(None, map(str.strip, step.text.split(";")))
    entries = [PlanEntry(content=part, status="pending") for part in parts]
    run.report(PlanEvent(entries=entries, text=""))
    yield 0


def _usage(run: ScriptRun, step: Step) -> StepGenerator:
    tokens_in, tokens_out, cached = (*step.numbers, 0, 0)[:3]
    previous = run.conversation.tokens
    totals = (previous[0] + tokens_in, previous[1] + cached, previous[2] + tokens_out)
    run.conversation.tokens = totals
    run.report(
        UsageEvent(
            input_tokens=totals[0],
            cached_tokens=totals[1],
            output_tokens=totals[2],
            total_tokens=totals[0] + totals[2],
        )
    )
    yield 0


def _compact(run: ScriptRun, _step: Step) -> StepGenerator:
    yield run.pause
    run.report(CompactEvent(text="There was nothing to forget."))


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
