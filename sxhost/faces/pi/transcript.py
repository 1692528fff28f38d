"""What is known of a run from its beginning on: what its later events must repeat.

An event's place is its number in the session (`seq`): what is learned of later events changes
nothing in what was so before.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from operator import attrgetter
from typing import Any, NamedTuple

from msgspec import Raw, Struct

from sxhost.codec.json import encode
from sxhost.faces.pi.partial_message import PartialMessage, Text
from sxhost.model.limits import Limits
from sxhost.model.session import Event

__all__ = ["Data", "Tool", "Transcript", "WholeMessage", "list_of"]

OUTPUT = 50_000
"""Bytes of what a tool has printed that are repeated: the end of it, as pi does."""


class Data(Struct, frozen=True):
    """What of an event's data is translated."""

    native: Raw = Raw(b"null")
    item: str | int | float | bool | None = ""  # a key; lists and objects could be none
    text: str = ""
    tool: str = ""
    input: Raw = Raw(b"null")
    output: Any = ""
    status: str = ""
    reason: str = ""
    cut: bool = False


class WholeMessage(NamedTuple):
    """A message that is whole since an event; `alone` if nothing was told of it before."""

    seq: int
    role: str
    message: bytes
    alone: bool


class Tool:
    """A tool that runs: its call, what it has printed, and what came of it."""

    def __init__(self, name: str, args: bytes) -> None:
        self.name = name
        self.args = args if args != b"null" else b"{}"
        self.printed = Text()
        self.result: dict[str, Raw] = {}

    def update(self, item: Any, seq: int) -> bytes:
        """Return what is told of what it has printed up to an event."""
        head = encode({"type": "tool_execution_update", "toolCallId": item})[:-1]
        name, text = encode(self.name), self.printed.at(seq, OUTPUT)
        result = b'{"content":[{"type":"text","text":"%s"}],"details":{}}' % text
        said = (head, b',"toolName":', name, b',"args":', self.args)
        return b"".join((*said, b',"partialResult":', result, b"}"))


class Transcript:
    """A run of an agent, and what followed it up to the next one."""

    def __init__(self, event: Event, agent: str, limits: Limits) -> None:
        self.session = event.session
        self.agent = agent
        """Which agent it is; nothing if the host does not run it."""
        self.first = event.seq
        self.last = event.seq - 1
        self.last_id = event.id
        self.over = False
        self.size = 0
        self.tools: dict[Any, Tool] = {}
        self._limits = limits
        self._said: list[WholeMessage] = []
        self._turns: list[int] = []
        self._growing: list[PartialMessage] = []

    def covers(self, event: Event) -> bool:
        """Tell whether it knows what an event follows."""
        if event.seq <= self.last:
            return self.first <= event.seq and event.id <= self.last_id
        return event.seq == self.last + 1

    # What is learned.

    def turn(self, seq: int) -> None:
        """One of the model's answers, with its tools, begins."""
        self._turns.append(seq)

    def begin(self, seq: int, message: Any, item: Any = "") -> PartialMessage:
        """A message begins."""
        growing = PartialMessage(seq, message, self._limits.mux_snapshot, item)
        self._growing.append(growing)
        return growing

    def grew(self, size: int) -> None:
        """Something was kept; what is oldest goes, if it is too much."""
        self.size += size
        while self.size > self._limits.mux_run and len(self._said) > 1:
            gone = self._said.pop(0)
            self.size -= len(gone.message)
            while self._growing and (self._growing[0].over or gone.seq + 1) <= gone.seq:
                self.size -= self._growing.pop(0).size

    def say(self, seq: int, role: str, message: bytes, *, alone: bool = True) -> None:
        """A message is whole."""
        self._said.append(WholeMessage(seq, role, message, alone))
        self.grew(len(message))

    def tool(self, item: Any, name: str, args: bytes) -> None:
        """A tool begins."""
        self.tools[item] = Tool(name, args)
        self.grew(len(args))

    def printed(self, seq: int, item: Any, text: str) -> None:
        """A tool has printed something."""
        if item not in self.tools:
            self.tool(item, "", b"null")
        self.tools[item].printed.add(seq, text)
        self.grew(len(text))

    # What is known at an event.

    def growing(self, seq: int, item: Any = None) -> PartialMessage | None:
        """Return the message that grows at an event; the one that is named, if one is."""
        last = bisect_right(self._growing, seq, key=attrgetter("began"))
        for one in reversed(self._growing[:last]):
            if item in (None, one.item) and (one.over is None or one.over >= seq):
                return one
        return None

    def unfinished(self) -> Sequence[PartialMessage]:
        """Return the messages that still grow."""
        return [one for one in self._growing if one.over is None]

    def ended(self, seq: int) -> Sequence[WholeMessage]:
        """Return the messages that an event made whole."""
        first = bisect_left(self._said, seq, key=attrgetter("seq"))
        last = bisect_right(self._said, seq, key=attrgetter("seq"))
        return self._said[first:last]

    def turn_end(self, seq: int) -> bytes:
        """Return what is told of a turn's end: the last answer, and what its tools returned."""
        turn = bisect_right(self._turns, seq) - 1
        since = self._turns[turn] if turn >= 0 else 0
        said = [one for one in self._until(seq) if one.seq >= since]
        answers = [one.message for one in said if one.role == "assistant"]
        results = [one.message for one in said if one.role == "toolResult"]
        message = b',"message":' + answers[-1] if answers else b""
        return b'{"type":"turn_end"%s,"toolResults":%s}' % (message, list_of(results))

    def messages(self, seq: int) -> bytes:
        """Return the messages of the run, as far as they are kept."""
        return list_of([one.message for one in self._until(seq)])

    def _until(self, seq: int) -> Sequence[WholeMessage]:
        return self._said[: bisect_right(self._said, seq, key=attrgetter("seq"))]


def list_of(said: Sequence[bytes]) -> bytes:
    """Return objects as an array."""
    return b"[%s]" % b",".join(said)
