"""Children that are none: what drivers say to them is kept, what they say is made up."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from sxhost.agents.event_turns import EventTurns
from sxhost.codec.lines import LongLine
from sxhost.model.approval import Question
from sxhost.model.event_types import AgentEvent, encode_data
from sxhost.model.turn import Process, TurnStatus
from sxhost.process.contracts import ChildExit, ChildListener, Command, LongLineListener


class FakeChild:
    """A child of a driver: `said` is what it was sent; `say` lets it speak.

    `script`, if given, is called with each message that is sent and may answer with `say`.
    """

    def __init__(self, command: Command, talk: ChildListener, pid: int) -> None:
        self.command = command
        self.process = Process(pid, 1)
        self.said: list[Any] = []
        self.script: Callable[[FakeChild, Any], None] | None = None
        self.ended = False
        self.paused = False
        self.swollen = b""
        """A text after which its lines have so much more that their middle is lost."""
        self._talk = talk

    def send(self, line: bytes) -> None:
        if not self.ended:
            self.said.append(json.loads(line))
            if self.script is not None:
                self.script(self, self.said[-1])

    def pause(self) -> None:
        self.paused = True

    def resume(self) -> None:
        self.paused = False

    def say(self, *messages: Any) -> None:
        """Print messages, or lines as they are."""
        for message in messages:
            raw = message if isinstance(message, bytes) else json.dumps(message).encode()
            head, swollen, tail = raw.rpartition(self.swollen or b"\0")
            if swollen:
                head, tail = head + swollen + b"x" * 2000, b"x" * 1000 + tail
                assert isinstance(self._talk, LongLineListener)
                assert self._talk.long_line_received(LongLine(head, tail, 20_000_000))
            else:
                self._talk.line_received(raw)

    def die(self, how: ChildExit | None = None) -> None:
        if not self.ended:
            self.ended = True
            self._talk.child_exited(how or ChildExit(signal="SIGKILL"))

    async def end_family(self) -> None:
        self.die(ChildExit(code=0, asked=True))


class FakeSpawn:
    """Runs nothing: `children` are what it was asked to run."""

    def __init__(self, script: Callable[[FakeChild, Any], None] | None = None) -> None:
        self.children: list[FakeChild] = []
        self.script = script

    def __call__(self, command: Command, talk: ChildListener) -> FakeChild:
        child = FakeChild(command, talk, 1000 + len(self.children))
        child.script = self.script
        self.children.append(child)
        return child

    @property
    def child(self) -> FakeChild:
        return self.children[-1]


class FakeReports:
    """Keeps what an agent reports, in order: (what, …); late events with their turn."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []
        self.questions: list[Question] = []
        self._turns = EventTurns()
        self._begun = 0

    def report_event(self, event: AgentEvent, turn: str | None = None) -> None:
        late = self._turns.late_turn_of(event, turn)
        event = event if late is None else replace(event, turn=late)
        self.told.append(("event", event.name, json.loads(bytes(encode_data(event)))))

    def spawned(self, process: Process) -> None:
        self.told.append(("spawned", process))

    def approval_requested(self, question: Question) -> None:
        self.questions.append(question)
        self.told.append(("asked", question))

    def approval_withdrawn(self, key: str, why: str) -> None:
        self.told.append(("settled", key, why))

    def turn_started(self, native_id: str | None) -> None:
        self._begun += 1
        self._turns.turn_began(self._begun, native_id)
        self.told.append(("turn_began", native_id))

    def turn_ended(self, status: TurnStatus, reason: str = "", native: object = None) -> None:
        self._turns.turn_ended()
        self.told.append(("turn_ended", status, reason))

    def exited(self, how: ChildExit) -> None:
        self.told.append(("gone", how))

    def events(self, *names: str) -> list[tuple[str, Any]]:
        """Return the events, or those of some names."""
        pairs = [(told[1], told[2]) for told in self.told if told[0] == "event"]
        return [pair for pair in pairs if not names or pair[0] in names]

    def texts(self, name: str) -> list[str]:
        """Return the texts of the events of a name."""
        return [data["text"] for _, data in self.events(name)]
