"""The transcript of one run of an agent: what events of pi's protocol repeat of earlier ones.

pi repeats a message with each of its deltas, a tool's output with each piece, and the whole
conversation at the end; the host's log has each fact once.  An event's place is its number in
the session (`seq`): what later events add never changes what was so at an earlier one.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from operator import attrgetter
from typing import Any, NamedTuple

from msgspec import Raw, Struct

from sxhost.codec.json import encode
from sxhost.faces.pi.partial_message import GrowingText, PartialMessage
from sxhost.model.limits import Limits
from sxhost.model.session import Event

__all__ = ["CompletedMessage", "EventData", "ToolExecution", "Transcript", "json_array"]

OUTPUT_TAIL = 50_000
"""Bytes of a tool's output that are repeated with each piece: its end, as pi does."""


class EventData(Struct, frozen=True):
    """The fields of an event's data that are translated."""

    native: Raw = Raw(b"null")
    item: str | int | float | bool | None = ""  # a key of tables; lists and objects are not
    text: str = ""
    tool: str = ""
    input: Raw = Raw(b"null")
    output: Any = ""
    status: str = ""
    reason: str = ""
    cut: bool = False


class CompletedMessage(NamedTuple):
    """A message that the event `seq` made complete; `alone` if it had no deltas before."""

    seq: int
    role: str
    message: bytes
    alone: bool


class ToolExecution:
    """A tool's execution: its name, arguments, output so far, and result."""

    def __init__(self, name: str, args: bytes) -> None:
        self.name = name
        self.args = args if args != b"null" else b"{}"
        self.output = GrowingText()
        self.result: dict[str, Raw] = {}

    def update_event(self, item: Any, seq: int) -> bytes:
        """Return pi's ``tool_execution_update`` for the output up to an event."""
        head = encode({"type": "tool_execution_update", "toolCallId": item})[:-1]
        name, text = encode(self.name), self.output.at(seq, OUTPUT_TAIL)
        result = b'{"content":[{"type":"text","text":"%s"}],"details":{}}' % text
        call = (head, b',"toolName":', name, b',"args":', self.args)
        return b"".join((*call, b',"partialResult":', result, b"}"))


class Transcript:
    """The messages and tools of a run, and of what followed it up to the next run."""

    def __init__(self, event: Event, agent: str, limits: Limits) -> None:
        self.session = event.session
        self.agent = agent
        """The agent's name; empty if the host does not run it."""
        self.first = event.seq
        self.last = event.seq - 1
        self.last_id = event.id
        self.ended = False
        self.size = 0
        """Bytes that are kept."""
        self.tools: dict[Any, ToolExecution] = {}
        self._limits = limits
        self._completed: list[CompletedMessage] = []
        self._turns: list[int] = []
        self._partials: list[PartialMessage] = []

    def covers(self, event: Event) -> bool:
        """Tell whether all that precedes an event in its run is in this transcript."""
        if event.seq <= self.last:
            # The id tells apart two sessions that had the same name one after the other.
            return self.first <= event.seq and event.id <= self.last_id
        return event.seq == self.last + 1

    # Recording an event.

    def begin_turn(self, seq: int) -> None:
        """Record that one of the model's answers, with its tools, begins."""
        self._turns.append(seq)

    def begin_message(self, seq: int, message: Any, item: Any = "") -> PartialMessage:
        """Record that an assistant message begins; return it to append its deltas to."""
        partial = PartialMessage(seq, message, self._limits.mux_snapshot, item)
        self._partials.append(partial)
        return partial

    def add_size(self, size: int) -> None:
        """Count bytes that were kept; above the limit the oldest messages are dropped."""
        self.size += size
        while self.size > self._limits.mux_run and len(self._completed) > 1:
            dropped = self._completed.pop(0)
            self.size -= len(dropped.message)
            while self._partials and (self._partials[0].last or dropped.seq + 1) <= dropped.seq:
                self.size -= self._partials.pop(0).size

    def add_message(self, seq: int, role: str, message: bytes, *, alone: bool = True) -> None:
        """Record a message that is complete."""
        self._completed.append(CompletedMessage(seq, role, message, alone))
        self.add_size(len(message))

    def begin_tool(self, item: Any, name: str, args: bytes) -> None:
        """Record that a tool begins."""
        self.tools[item] = ToolExecution(name, args)
        self.add_size(len(args))

    def append_output(self, seq: int, item: Any, text: str) -> None:
        """Append to a tool's output."""
        if item not in self.tools:
            self.begin_tool(item, "", b"null")
        self.tools[item].output.append(seq, text)
        self.add_size(len(text))

    # What was so at an event.

    def partial_message(self, seq: int, item: Any = None) -> PartialMessage | None:
        """Return the newest message that was growing at an event; with `item`, that one."""
        count = bisect_right(self._partials, seq, key=attrgetter("first"))
        for partial in reversed(self._partials[:count]):
            if item in (None, partial.item) and (partial.last is None or partial.last >= seq):
                return partial
        return None

    def unfinished_messages(self) -> Sequence[PartialMessage]:
        """Return the messages that are still growing."""
        return [partial for partial in self._partials if partial.last is None]

    def completed_at(self, seq: int) -> Sequence[CompletedMessage]:
        """Return the messages that an event made complete."""
        first = bisect_left(self._completed, seq, key=attrgetter("seq"))
        last = bisect_right(self._completed, seq, key=attrgetter("seq"))
        return self._completed[first:last]

    def turn_end_event(self, seq: int) -> bytes:
        """Return pi's ``turn_end``: the turn's last answer and what its tools returned."""
        turn = bisect_right(self._turns, seq) - 1
        first = self._turns[turn] if turn >= 0 else 0
        in_turn = [message for message in self._completed_until(seq) if message.seq >= first]
        answers = [each.message for each in in_turn if each.role == "assistant"]
        results = [each.message for each in in_turn if each.role == "toolResult"]
        message = b',"message":' + answers[-1] if answers else b""
        return b'{"type":"turn_end"%s,"toolResults":%s}' % (message, json_array(results))

    def messages_until(self, seq: int) -> bytes:
        """Return the run's messages up to an event as a JSON array, as far as they are kept."""
        return json_array([each.message for each in self._completed_until(seq)])

    def _completed_until(self, seq: int) -> Sequence[CompletedMessage]:
        return self._completed[: bisect_right(self._completed, seq, key=attrgetter("seq"))]


def json_array(items: Sequence[bytes]) -> bytes:
    """Return encoded values as a JSON array."""
    return b"[%s]" % b",".join(items)
