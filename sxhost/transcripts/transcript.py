"""The transcript of a conversation, folded from the events of its log.

A `Transcript` takes the events of one turn in order and can say of each of them what was so
then: which messages were complete, how far others had been written, what tools had printed.
That place is an event's number in its session (`seq`), so readers at different places share one
transcript, and what is added later changes nothing for those who are behind.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from operator import attrgetter

from msgspec import UNSET, Raw
from msgspec.structs import replace

from sxhost.model.event import Event
from sxhost.model.event_types import (
    NULL,
    AgentEvent,
    CompleteEvent,
    ErrorEvent,
    MessageDeltaEvent,
    MessageEvent,
    ThinkingDeltaEvent,
    ThinkingEvent,
    ToolDoneEvent,
    ToolOutputEvent,
    ToolStartEvent,
    TurnStartedEvent,
    UsageEvent,
    decode_event,
)
from sxhost.transcripts.growing_message import GrowingMessage, ToolExecution
from sxhost.transcripts.messages import Block, Message, TextBlock, ThinkingBlock, message_of

__all__ = ["Transcript", "begins_turn", "ends_turn"]

_END_TURN = frozenset({"complete", "error"})
_BEGIN_TURN_UNASKED = frozenset(
    {"user-message", "message-delta", "thinking-delta", "message", "thinking", "tool-start"}
)
"""Events that begin a turn of an attached agent, after the end of the last one."""


def begins_turn(event: Event, before: Transcript | None) -> bool:
    """Tell whether a turn begins with an event, after the transcript of the one before.

    Attached agents need not report that a turn starts: for them, any words begin one.
    """
    if event.event == "turn-started":
        return True
    after = before.ended and not before.agent if before is not None else event.seq == 1
    return after and event.event in _BEGIN_TURN_UNASKED


def ends_turn(event: Event) -> bool:
    """Tell whether a turn ends with an event."""
    return event.event in _END_TURN


class Transcript:
    """The messages and tools of a turn, and of what follows it up to the next.

    :param first: the session's event with which it begins.
    :param agent: the name of the session's agent; empty if the host does not run it.
    :param limit: bytes of messages that are kept, the last ones; at least one message is.
    :param growing_limit: bytes of a growing message above which its content is not kept.
    """

    def __init__(self, first: Event, agent: str, limit: int, growing_limit: int) -> None:
        self.session = first.session
        self.agent = agent
        self.first = first.seq
        self.last = first.seq - 1
        self.turn: int | None = None
        """Its turn's number, where the host counts them."""
        self.ended = False
        self.ended_at = 0
        """The event that has ended the turn, where an event of the host's own did."""
        self.awaits_lines = False
        """Whether its turn has begun, and no line of the agent beside facts has come (pi)."""
        self.lacks_lines_from = 0
        """The event from which on such lines have left the log (pi); 0 if they have not."""
        self.size = 0
        """About how many bytes are kept."""
        self.tools: dict[str, ToolExecution] = {}
        self.usage: UsageEvent | None = None
        """What the agent has last reported of its tokens."""
        self._last_id = first.id
        self._limit = limit
        self._growing_limit = growing_limit
        self._messages: list[Message] = []
        self._growing: list[GrowingMessage] = []
        self._answers: list[int] = []
        """The events with which the model's answers, each with its tools, have begun."""

    def covers(self, event: Event, missing: int = 0) -> bool:
        """Tell whether all that precedes an event in its turn is in this transcript.

        :param missing: the id up to which events of the session may be missing; what else is
            not in the log are pieces that it has whole.
        """
        if event.seq <= self.last:
            # The id tells apart two sessions that had the same name one after the other.
            return self.first <= event.seq and event.id <= self._last_id
        return event.seq == self.last + 1 or missing <= self._last_id < event.id

    @property
    def lacks_answers(self) -> bool:
        """Whether there are messages, but not where the model began to answer."""
        return bool(self._messages) and not self._answers

    # Events are added.

    def append(self, event: Event, data: AgentEvent | None = None) -> None:
        """Add the next event.

        :param data: of the event, if it is decoded already.
        """
        data = data or decode_event(event)
        if not self.is_late(data):
            self.fold(event, data)
        self.advance(event)

    def advance(self, event: Event) -> None:
        """Note that an event is in the transcript, whatever it has added."""
        self.last, self._last_id = event.seq, event.id

    def fold(self, event: Event, data: AgentEvent) -> None:
        """Add what an event says to the messages and tools."""
        match data:
            case TurnStartedEvent(turn=number):
                self.turn = number
                self.begin_answer(event.seq)
            case MessageDeltaEvent(item=item, text=text):
                self._append_piece(event, item, TextBlock, text)
            case ThinkingDeltaEvent(item=item, text=text):
                self._append_piece(event, item, ThinkingBlock, text)
            case MessageEvent(item=item) | ThinkingEvent(item=item):
                self._complete_text(event, data, item)
            case ToolStartEvent() | ToolOutputEvent() | ToolDoneEvent():
                self._fold_tool(event, data)
            case UsageEvent():
                self.usage = data
            case CompleteEvent() | ErrorEvent():
                self._end_turn(event, data)
            case _:
                self._add_fact(event, data)

    def is_late(self, data: AgentEvent) -> bool:
        """Tell whether what an event says is of an earlier turn, which has ended."""
        turn = getattr(data, "turn", UNSET)
        is_end = isinstance(data, TurnStartedEvent | CompleteEvent | ErrorEvent)
        return not is_end and isinstance(turn, int) and turn < (self.turn or 0)

    def _fold_tool(
        self, event: Event, data: ToolStartEvent | ToolOutputEvent | ToolDoneEvent
    ) -> None:
        match data:
            case ToolStartEvent(item=item, tool=tool, input=given):
                self.begin_tool(item, tool, given)
                self._add_fact(event, data)
            case ToolOutputEvent(item=item, text=text):
                execution = self.tools.get(item) or self.begin_tool(item, "")
                before = execution.output.size
                execution.output.append(event.seq, text)
                self.add_size(execution.output.size - before)
            case ToolDoneEvent(item=item, tool=tool):
                execution = self.tools.setdefault(item, ToolExecution(tool))
                execution.tool = execution.tool or tool
                self._add_fact(event, replace(data, tool=execution.tool))

    def begin_answer(self, seq: int) -> None:
        """Note that an answer of the model begins: its words and calls from here on."""
        self._answers.append(seq)

    def begin_message(
        self, seq: int, ts_ms: int, item: str = "", native: dict[str, Raw] | None = None
    ) -> GrowingMessage:
        """Note that a message of the assistant begins; return it, to append to it."""
        growing = GrowingMessage(seq, ts_ms, self._growing_limit, item, native)
        self._growing.append(growing)
        return growing

    def add_message(self, message: Message) -> None:
        """Add a message that is complete."""
        self._messages.append(message)
        self.add_size(message.size)

    def begin_tool(self, item: str, tool: str, given: Raw = NULL) -> ToolExecution:
        """Note that a tool begins; return its execution."""
        execution = self.tools[item] = ToolExecution(tool, given)
        self.add_size(len(bytes(given)))
        return execution

    def add_size(self, size: int) -> None:
        """Count bytes that are kept; above the limit the oldest messages are dropped."""
        self.size += size
        while self.size > self._limit and len(self._messages) > 1:
            dropped = self._messages.pop(0)
            self.size -= dropped.size
            if dropped.role == "tool":
                self.tools.pop(dropped.item, None)
            while self._growing and (self._growing[0].last or dropped.seq + 1) <= dropped.seq:
                self.size -= self._growing.pop(0).size

    def _add_fact(self, event: Event, data: AgentEvent) -> None:
        message = message_of(event, data)
        if message is not None:
            self.add_message(message)

    def _append_piece(self, event: Event, item: str, kind: type[Block], text: str) -> None:
        growing = self.growing_message(event.seq, item)
        if growing is None:
            growing = self.begin_message(event.seq, event.ts_ms, item)
        growing.append(event.seq, kind, text)
        self.add_size(len(text))

    def _complete_text(self, event: Event, data: AgentEvent, item: str) -> None:
        message, growing = message_of(event, data), self.completed_by(event, item)
        if message is not None and growing is not None:
            growing.last = event.seq
            ts_ms = growing.ts_ms or event.ts_ms
            message = replace(message, first=growing.first, ts_ms=ts_ms)
        if message is not None:
            self.add_message(message)

    def _end_turn(self, event: Event, data: CompleteEvent | ErrorEvent) -> None:
        """End the turn: what is being written is cut; a failure is a message at least."""
        self.ended, self.ended_at = True, event.seq
        status = "failed" if data.status == "failed" else "interrupted"
        unfinished = [growing for growing in self._growing if growing.last is None]
        for growing in unfinished:
            growing.last = event.seq
            self.add_message(growing.cut(event.seq, status, data.reason or ""))
        if not unfinished:
            self._add_fact(event, data)

    # What was so at an event.

    def growing_message(self, seq: int, item: str | None = None) -> GrowingMessage | None:
        """Return the newest message that was growing at an event; with `item`, that one."""
        count = bisect_right(self._growing, seq, key=attrgetter("first"))
        for growing in reversed(self._growing[:count]):
            if item in (None, growing.item) and (growing.last is None or growing.last >= seq):
                return growing
        return None

    def completed_by(self, event: Event, item: str) -> GrowingMessage | None:
        """Return the message that a whole text completes; its pieces may have had no item."""
        return self.growing_message(event.seq, item) or self.growing_message(event.seq, "")

    def completed_at(self, seq: int) -> Sequence[Message]:
        """Return the messages that an event has made complete."""
        return self.page(after=seq - 1, before=seq + 1)

    def page(
        self, *, after: int = 0, before: int | None = None, limit: int | None = None
    ) -> Sequence[Message]:
        """Return the complete messages of the events between two, oldest first.

        :param after: an event; its own messages are left out.
        :param before: likewise; None for no end.
        :param limit: how many at most: those next to `before` if that is given, else to
            `after`.
        """
        by_seq = attrgetter("seq")
        first = bisect_right(self._messages, after, key=by_seq)
        end = len(self._messages)
        if before is not None:
            end = max(first, bisect_left(self._messages, before, key=by_seq))
        if limit is not None and end - first > limit:
            first, end = (end - limit, end) if before is not None else (first, first + limit)
        return self._messages[first:end]

    def begins_answer(self, seq: int) -> bool:
        """Tell whether an answer of the model begins with an event."""
        return seq in self._answers

    def answer_at(self, seq: int) -> Sequence[Message]:
        """Return the messages of the model's answer that was going on at an event."""
        count = bisect_right(self._answers, seq)
        begun = self._answers[count - 1] if count else 0
        return self.page(after=begun - 1, before=seq + 1)

    def last_answer(self, seq: int) -> str | None:
        """Return the last words of the assistant at an event, None if it has said none."""
        newest_first = reversed(self.answer_at(seq))
        texts = (
            m
            for m in newest_first
            if m.role == "assistant" and TextBlock in map(type, m.blocks)
        )
        last = next(texts, None)
        return last.text if last is not None else None
