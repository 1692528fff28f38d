"""Events of an agent that is not pi, as the events of pi's protocol that come closest.

Each text of the agent becomes a message of its own, and so does the call of each of its tools.
pi repeats a message with each of its pieces, a tool's output likewise, and the whole run at its
end: the transcript has what is repeated.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from msgspec import Raw

from sxhost.codec.json import encode
from sxhost.faces.pi.dialogs import extension_ui_request
from sxhost.faces.pi.messages import encode_growing, encode_message, encode_output, text_content
from sxhost.model import event_types as events
from sxhost.model.event import Event
from sxhost.transcripts.growing_message import GrowingMessage
from sxhost.transcripts.messages import Message, message_of
from sxhost.transcripts.transcript import Transcript

__all__ = ["LoggedEvent", "PiEvents", "completed_messages", "run_end", "translate", "turn_end"]

PiEvents = Iterator[bytes]
"""Events of pi's protocol, as JSON."""


class LoggedEvent(NamedTuple):
    """An event to be translated, with the transcript of its run, in which it is already.

    `snapshots`: whether a growing message is repeated with each of its pieces.
    """

    transcript: Transcript
    event: Event
    data: events.AgentEvent
    snapshots: bool

    @property
    def seq(self) -> int:
        """The event's number in its session."""
        return self.event.seq

    def snapshot(self, growing: GrowingMessage | None) -> bytes | None:
        """Return a growing message as it was after the event, if it is to be repeated."""
        shown = growing if self.snapshots else None
        return encode_growing(shown, self.transcript.agent, self.seq)


def translate(at: LoggedEvent) -> PiEvents:
    """Yield pi's events for an event."""
    if at.transcript.is_late(at.data):  # pi has no way to say of which run something is
        yield from _own_event(at)
        return
    match at.data:
        case events.MessageDeltaEvent() | events.ThinkingDeltaEvent():
            yield from _piece(at, at.data)
        case events.TurnStartedEvent():
            yield from (b'{"type":"agent_start"}', b'{"type":"turn_start"}')
        case events.ToolStartEvent() | events.ToolOutputEvent() | events.ToolDoneEvent():
            yield from _tool_events(at, at.data)
        case events.CompleteEvent() | events.ErrorEvent():
            yield from (*completed_messages(at), turn_end(at), run_end(at, b""))
        case events.CompactEvent():
            yield encode({"type": "compaction_end", "reason": "manual", "aborted": False})
        case events.ApprovalRequestedEvent() if request := extension_ui_request(at.event.data):
            yield encode(request)
        case _:
            yield from _text_events(at)


def _text_events(at: LoggedEvent) -> PiEvents:
    match at.data:
        case events.UserMessageEvent():
            yield from completed_messages(at)
        case events.MessageEvent(item=item, text=text):
            yield from _whole_text(at, "text", item, text)
        case events.ThinkingEvent(item=item, text=text):
            yield from _whole_text(at, "thinking", item, text)
        case _:  # pi has no event for it
            yield from _own_event(at)


def _own_event(at: LoggedEvent) -> PiEvents:
    yield encode({"type": "sxhost", "name": at.event.event, "data": at.event.data})


def _piece(
    at: LoggedEvent, data: events.MessageDeltaEvent | events.ThinkingDeltaEvent
) -> PiEvents:
    kind = "text" if isinstance(data, events.MessageDeltaEvent) else "thinking"
    growing = at.transcript.growing_message(at.seq, data.item)
    if growing is not None and growing.first == at.seq:
        begun = Message(seq=at.seq, first=at.seq, ts_ms=at.event.ts_ms, role="assistant")
        message = Raw(encode_message(begun, at.transcript.agent))
        yield encode({"type": "message_start", "message": message})
        yield _message_update(at, {"type": f"{kind}_start"}, data.item, growing)
    step = {"type": f"{kind}_delta", "delta": data.text}
    yield _message_update(at, step, data.item, growing)


def _message_update(
    at: LoggedEvent, step: Mapping[str, str], item: str, growing: GrowingMessage | None
) -> bytes:
    """Return pi's ``message_update`` for one step, with the message so far if it is kept."""
    fields = encode({**step, "contentIndex": 0, "item": item})
    head = b'{"type":"message_update","assistantMessageEvent":' + fields[:-1]
    message = at.snapshot(growing)
    if message is None:
        return head + b"}}"
    return b"".join((head, b',"partial":', message, b'},"message":', message, b"}"))


def _whole_text(at: LoggedEvent, kind: str, item: str, text: str) -> PiEvents:
    growing = at.transcript.completed_by(at.event, item)
    if growing is not None:
        step = {"type": f"{kind}_end", "content": text}
        yield _message_update(at, step, item, growing)
    yield from completed_messages(at)


def completed_messages(at: LoggedEvent) -> PiEvents:
    """Yield pi's events for the messages that an event has made complete."""
    for message in at.transcript.completed_at(at.seq):
        encoded = encode_message(message, at.transcript.agent)
        if message.first == message.seq:  # none of it has come before
            yield b'{"type":"message_start","message":%s}' % encoded
        yield b'{"type":"message_end","message":%s}' % encoded


def _tool_events(
    at: LoggedEvent, data: events.ToolStartEvent | events.ToolOutputEvent | events.ToolDoneEvent
) -> PiEvents:
    tool = at.transcript.tools.get(data.item)
    match data:
        case events.ToolStartEvent():
            yield from completed_messages(at)
            args = data.input if tool is None else tool.input
            call = {"toolCallId": data.item, "toolName": data.tool, "args": args}
            yield encode({"type": "tool_execution_start", **call})
        case events.ToolOutputEvent() if tool is not None:
            yield encode_output(data.item, tool, at.seq)
        case events.ToolDoneEvent():
            message = message_of(at.event, data)
            end = {
                "type": "tool_execution_end",
                "toolCallId": data.item,
                "toolName": data.tool or (tool.tool if tool is not None else ""),
                "result": {"content": text_content("" if message is None else message.text)},
                "isError": data.status != "completed",
            }
            yield encode(end)
            yield from completed_messages(at)


def turn_end(at: LoggedEvent, seq: int | None = None) -> bytes:
    """Return pi's ``turn_end``: the last message of the answer, and what its tools returned.

    :param seq: an event of the answer, if it is not the one that is translated.
    """
    messages = at.transcript.answer_at(at.seq if seq is None else seq)
    agent = at.transcript.agent
    last = next((each for each in reversed(messages) if each.role == "assistant"), None)
    answer = encode_message(last or _no_answer(at), agent)
    results = [encode_message(each, agent) for each in messages if each.role == "tool"]
    return b'{"type":"turn_end","message":%s,"toolResults":[%s]}' % (answer, b",".join(results))


def _no_answer(at: LoggedEvent) -> Message:
    """Return an empty message, for a turn of which there is none: pi always has one."""
    end = at.data if isinstance(at.data, events.CompleteEvent | events.ErrorEvent) else None
    return Message(
        seq=at.seq,
        first=at.seq,
        ts_ms=at.event.ts_ms,
        role="assistant",
        status=(end and end.status) or "completed",
        reason=(end and end.reason) or "",
    )


def run_end(at: LoggedEvent, more: bytes) -> bytes:
    """Return pi's ``agent_end``: the run's messages, as far as they are kept.

    :param more: fields that follow, each with a comma before it.
    """
    messages = at.transcript.page(before=at.seq + 1)
    encoded = b",".join(encode_message(each, at.transcript.agent) for each in messages)
    return b'{"type":"agent_end","messages":[%s]%s}' % (encoded, more)
