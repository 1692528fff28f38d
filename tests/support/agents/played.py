"""Any recording, played through its driver: the host does again what it did then."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from sxhost.drivers.echo import make
from sxhost.drivers.echo.recording import Message, RecordedLine, name_of, read
from sxhost.errors import HostError
from sxhost.model.approval import Answer
from sxhost.model.turn import Launch, Text, TurnDraft
from sxhost.testing import started
from tests.support.fake_children import FakeReports, FakeSpawn

__all__ = ["Played"]

TURNS = frozenset({"turn/start", "session/prompt", "prompt", "user"})
STEERS = frozenset({"turn/steer", "steer"})
INTERRUPTIONS = frozenset(
    {"turn/interrupt", "session/cancel", "abort", "control_request interrupt"}
)


class Played:
    """An agent whose program is a recording, and what it reports."""

    def __init__(self, path: Path) -> None:
        self.clock = Clock()
        self.reports = FakeReports()
        self.recording = read(path)
        launch = Launch(agent="echo", cwd="/", native={"play": str(path)})
        self.agent = make(FakeSpawn(), self.clock).agent(launch, self.reports)
        self._answered = 0

    def play(self) -> None:
        """Start the agent, do what was recorded of its first process, and stop it."""
        self._do(self.agent.start())
        for line in self.recording.processes[0].lines:
            if line.dir == "out":
                self._repeat(line)
        self._do(self.agent.stop())

    def _repeat(self, line: RecordedLine) -> None:
        name = name_of(line.msg)
        running = self._running
        if name in TURNS and not running:
            self._do(self.agent.submit(TurnDraft(input=_text(line.msg) or "hello")))
        elif name in STEERS or name in TURNS:
            self._do(self.agent.steer([Text(text=_text(line.msg) or "hello")]))
        elif name in INTERRUPTIONS:
            self._do(self.agent.interrupt())
        elif name.startswith("answer") and len(self.reports.questions) > self._answered:
            question = self.reports.questions[self._answered]
            self._answered += 1
            self._do(self.agent.answer(question, Answer(decision=question.choices[0])))

    @property
    def _running(self) -> bool:
        told = [t[0] for t in self.reports.told if t[0] in ("turn_began", "turn_ended")]
        return bool(told) and told[-1] == "turn_began"

    def _do(self, work: Any) -> None:
        """Do a verb, as far as it goes within some seconds; the agent may refuse it."""
        doing: Deferred[Any] = started(self._suppressed(work))
        for _ in range(30):
            self.clock.advance(0.1)
        if not doing.called:
            self.clock.advance(300)

    @staticmethod
    async def _suppressed(work: Any) -> None:
        with suppress(HostError):
            await work


def _text(message: Message) -> str:
    """Return the text that a recorded message gives to the agent."""
    params = message.get("params", message)
    found = params.get("message") or params.get("prompt") or params.get("input") or ""
    if isinstance(found, dict):
        found = found.get("content", "")
    if isinstance(found, list):
        found = next((part.get("text", "") for part in found if isinstance(part, dict)), "")
    return str(found)
