"""What a scripted agent reports, step by step: each a generator that yields what it waits for.

A number is a pause in seconds, a question waits for its answer (which is sent into the
generator), None waits for ever.  `Over` ends the turn, `Left` the agent.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Mapping
from itertools import chain, repeat
from typing import Any, Final

from msgspec import Struct

from sxhost.drivers.contracts import Reports
from sxhost.drivers.echo.script import Step
from sxhost.drivers.pieces import Pieces
from sxhost.model.approval import Answer, Inquiry, Option, Question
from sxhost.model.turn import TurnStatus
from sxhost.process.contracts import Exit

__all__ = ["SCENES", "Conversation", "Left", "Over", "Scene", "Stage", "Wait"]

Wait = float | Question | None
Scene = Generator[Wait, Answer | None, None]

CHOICES: Final = ("approve", "approve_session", "deny", "cancel")
SLOW_MS: Final = 50


class Over(Exception):
    """The turn ends here."""

    def __init__(self, status: TurnStatus, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class Left(Exception):
    """The agent ends here."""

    def __init__(self, how: Exit) -> None:
        super().__init__(how.sentence)
        self.how = how


class Conversation(Struct, kw_only=True):
    """What of a conversation outlives the agent that had it."""

    native_id: str
    model: str
    turns: int = 0
    items: int = 0
    tokens: tuple[int, int, int] = (0, 0, 0)
    """Input, cached and output tokens so far."""
    approved: set[str] = set()
    """Commands that may be run without asking again."""


class Stage:
    """Reports items, and knows which of them are open."""

    def __init__(
        self, reports: Reports, conversation: Conversation, cwd: str, pause: float
    ) -> None:
        self.conversation = conversation
        self.cwd = cwd
        self.pause = pause
        self.report = reports.event
        self._open: dict[str, tuple[str, Pieces]] = {}

    def name(self, kind: str) -> str:
        """Return a name that nothing in the conversation has had."""
        self.conversation.items += 1
        return f"{kind}-{self.conversation.items}"

    def words(self, kind: str) -> str:
        """Open a message or a thought; return its name."""
        item = self.name(kind)
        self._open[item] = kind, Pieces()
        return item

    def tool(self, tool: str, title: str, **given: Any) -> str:
        """Open the use of a tool; return its name."""
        item = self.name("tool")
        self._open[item] = "tool", Pieces()
        told = {"item": item, "tool": tool, "title": title, "input": given}
        self.report("tool-start", told)
        return item

    def more(self, item: str, text: str) -> None:
        """Report a piece of what is open."""
        kind, pieces = self._open[item]
        pieces.add(text)
        self.report("tool-output" if kind == "tool" else f"{kind}-delta", _text(item, text))

    def close(self, item: str, status: str = "completed") -> None:
        """Report the end of what is open: whole, or cut."""
        kind, pieces = self._open.pop(item)
        told = _text(item, str(pieces))
        if kind == "tool":
            self.report("tool-done", _ended(item, status, str(pieces)))
        else:
            self.report(kind, {**told, "cut": True} if status == "cut" else told)

    def cut(self) -> None:
        """Report all that is open as cut."""
        for item in tuple(self._open):
            self.close(item, "cut")


def _text(item: str, text: str) -> dict[str, Any]:
    return {"item": item, "text": text}


def _ended(item: str, status: str, output: str) -> dict[str, Any]:
    code = 0 if status == "completed" else None
    shell = {"item": item, "tool": "shell", "status": status}
    return {**shell, "output": output, "exit_code": code}


# Words.


def _say(stage: Stage, step: Step) -> Scene:
    return _words(stage, "message", step.text)


def _think(stage: Stage, step: Step) -> Scene:
    return _words(stage, "thinking", step.text)


def _words(stage: Stage, kind: str, text: str) -> Scene:
    item = stage.words(kind)
    for word in re.findall(r"\s++(?:\S++\s*+)?|\S++\s*+", text):
        stage.more(item, word)
        yield stage.pause
    stage.close(item)


def _slow(stage: Stage, step: Step) -> Scene:
    count, ms, *_ = chain(step.numbers, repeat(SLOW_MS, 2))
    item = stage.words("message")
    for number in range(count):
        stage.more(item, f"piece-{number + 1} ")
        yield ms / 1000
    stage.close(item)


def _flood(stage: Stage, step: Step) -> Scene:
    item = stage.words("message")
    for number in range(step.numbers[0]):
        stage.more(item, f"piece-{number + 1} ")
    yield 0
    stage.close(item)


# Tools.


def _run(stage: Stage, step: Step) -> Scene:
    item = stage.tool("shell", step.text, command=step.text)
    yield from _pretend(stage, item, step.text)


def _pretend(stage: Stage, item: str, command: str) -> Scene:
    yield stage.pause
    stage.more(item, f"pretended: {command}\n")
    yield stage.pause
    stage.close(item)


def _big(stage: Stage, step: Step) -> Scene:
    size = step.numbers[0]
    item = stage.tool("shell", f"print {size} bytes", command=f"print {size} bytes")
    yield stage.pause
    stage.more(item, "x" * size)
    stage.close(item)


def _ask(stage: Stage, step: Step) -> Scene:
    item = stage.tool("shell", step.text, command=step.text)
    decision = "approve"
    if step.text not in stage.conversation.approved:
        answer = yield _command(stage, step.text)
        decision = answer.decision if answer else "cancel"
    if decision == "approve_session":
        stage.conversation.approved.add(step.text)
    if decision in ("approve", "approve_session"):
        yield from _pretend(stage, item, step.text)
        return
    stage.close(item, "declined")
    _stop_if_cancelled(decision)


def _command(stage: Stage, command: str) -> Question:
    return Question(
        key=stage.name("ask"),
        kind="command",
        title=command,
        detail={"command": command, "cwd": stage.cwd},
        choices=list(CHOICES),
        native={"ASK": command},
    )


def _stop_if_cancelled(decision: str) -> None:
    if decision == "cancel":
        raise Over("interrupted", "the question was cancelled")


def _question(stage: Stage, step: Step) -> Scene:
    text, *labels = (part.strip() for part in step.text.split("|"))
    answer = yield Question(
        key=stage.name("ask"),
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


def _plan(stage: Stage, step: Step) -> Scene:
    parts = filter(None, map(str.strip, step.text.split(";")))
    entries = [{"content": part, "status": "pending"} for part in parts]
    stage.report("plan", {"entries": entries, "text": ""})
    yield 0


def _usage(stage: Stage, step: Step) -> Scene:
    given, out, cached = (*step.numbers, 0, 0)[:3]
    before = stage.conversation.tokens
    so_far = (before[0] + given, before[1] + cached, before[2] + out)
    stage.conversation.tokens = so_far
    names = ("input_tokens", "cached_tokens", "output_tokens")
    told = dict(zip(names, so_far, strict=True))
    stage.report("usage", {**told, "total_tokens": so_far[0] + so_far[2]})
    yield 0


def _compact(stage: Stage, _step: Step) -> Scene:
    yield stage.pause
    stage.report("compact", {"text": "There was nothing to forget."})


def _hang(_stage: Stage, _step: Step) -> Scene:
    yield None


def _fail(_stage: Stage, step: Step) -> Scene:
    yield 0
    raise Over("failed", step.text or "told to fail")


def _crash(_stage: Stage, _step: Step) -> Scene:
    yield 0
    raise Left(Exit(signal="SIGKILL"))


def _exit(_stage: Stage, step: Step) -> Scene:
    yield 0
    raise Left(Exit(code=step.numbers[0]))


SCENES: Mapping[str, Callable[[Stage, Step], Scene]] = {
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
