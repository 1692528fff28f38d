"""Events of an agent that is not pi, as the events of pi's protocol that come closest.

Each text of the agent becomes a message of its own, and so does the call of each of its tools.
pi repeats a message with each of its pieces, a tool's output likewise, and the whole run at its
end: the transcript has what is repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from msgspec import Raw

from sxhost.codec.json import encode
from sxhost.faces.pi.dialogs import extension_ui_request
from sxhost.faces.pi.messages import (
    encode_growing,
    encode_message,
    encode_output,
    text_content,
)
from sxhost.model.session import Event
from sxhost.streams.growing_message import GrowingMessage
from sxhost.streams.messages import EventFields, Message, message_of
from sxhost.streams.transcript import Transcript

__all__ = [
    "LoggedEvent",
    "PiEvents",
    "completed_messages",
    "run_end",
    "tool_result",
    "translate",
    "turn_end",
]

PiEvents = Iterator[bytes]
"""Events of pi's protocol, as JSON."""


class LoggedEvent(NamedTuple):
    """An event to be translated, with the transcript of its run, in which it is already.

    `snapshots`: whether a growing message is repeated with each of its pieces.
    """

    transcript: Transcript
    event: Event
    fields: EventFields
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
    yield from _TRANSLATORS.get(at.event.event, _other)(at)


def _other(at: LoggedEvent) -> PiEvents:
    """Yield an event for which pi has none as an event of type ``sxhost``."""
    yield encode({"type": "sxhost", "name": at.event.event, "data": at.event.data})


def _turn_started(_at: LoggedEvent) -> PiEvents:
    yield from (b'{"type":"agent_start"}', b'{"type":"turn_start"}')


def _piece(at: LoggedEvent) -> PiEvents:
    kind, growing = _KINDS[at.event.event], _growing(at)
    if growing is not None and growing.first == at.seq:
        begun = Message(seq=at.seq, first=at.seq, ts_ms=at.event.ts_ms, role="assistant")
        message = Raw(encode_message(begun, at.transcript.agent))
        yield encode({"type": "message_start", "message": message})
        yield _message_update(at, {"type": f"{kind}_start"}, growing)
    yield _message_update(at, {"type": f"{kind}_delta", "delta": at.fields.text}, growing)


def _growing(at: LoggedEvent) -> GrowingMessage | None:
    return at.transcript.growing_message(at.seq, at.fields.item)


def _message_update(
    at: LoggedEvent, step: Mapping[str, str], growing: GrowingMessage | None
) -> bytes:
    """Return pi's ``message_update`` for one step, with the message so far if it is kept."""
    fields = encode({**step, "contentIndex": 0, "item": at.fields.item})
    head = b'{"type":"message_update","assistantMessageEvent":' + fields[:-1]
    message = at.snapshot(growing)
    if message is None:
        return head + b"}}"
    return b"".join((head, b',"partial":', message, b'},"message":', message, b"}"))


def _whole_text(at: LoggedEvent) -> PiEvents:
    growing = at.transcript.completed_by(at.event, at.fields)
    if growing is not None:
        step = {"type": f"{_KINDS[at.event.event]}_end", "content": at.fields.text}
        yield _message_update(at, step, growing)
    yield from completed_messages(at)


def completed_messages(at: LoggedEvent) -> PiEvents:
    """Yield pi's events for the messages that an event has made complete."""
    for message in at.transcript.completed_at(at.seq):
        encoded = encode_message(message, at.transcript.agent)
        if message.first == message.seq:  # none of it has come before
            yield b'{"type":"message_start","message":%s}' % encoded
        yield b'{"type":"message_end","message":%s}' % encoded


def _tool_start(at: LoggedEvent) -> PiEvents:
    yield from completed_messages(at)
    tool = at.transcript.tools.get(at.fields.item)
    args = at.fields.input if tool is None else tool.input
    call = {"toolCallId": at.fields.item, "toolName": at.fields.tool, "args": args}
    yield encode({"type": "tool_execution_start", **call})


def _tool_output(at: LoggedEvent) -> PiEvents:
    tool = at.transcript.tools.get(at.fields.item)
    if tool is not None:
        yield encode_output(at.fields.item, tool, at.seq)


def _tool_done(at: LoggedEvent) -> PiEvents:
    tool = at.transcript.tools.get(at.fields.item)
    name = at.fields.tool or (tool.tool if tool is not None else "")
    call = {"toolCallId": at.fields.item, "toolName": name}
    result, failed = tool_result(at.event, at.fields), at.fields.status != "completed"
    yield encode({"type": "tool_execution_end", **call, "result": result, "isError": failed})
    yield from completed_messages(at)


def tool_result(event: Event, fields: EventFields) -> dict[str, Raw]:
    """Return the output of a tool that is done as pi's result."""
    result = message_of(event, fields)
    return {"content": Raw(encode(text_content(result.text if result is not None else "")))}


def _run_end(at: LoggedEvent) -> PiEvents:
    yield from completed_messages(at)
    yield turn_end(at)
    yield run_end(at, b"")


def turn_end(at: LoggedEvent) -> bytes:
    """Return pi's ``turn_end``: the last message of the answer, and what its tools returned."""
    messages, agent = at.transcript.answer_at(at.seq), at.transcript.agent
    last = next((each for each in reversed(messages) if each.role == "assistant"), None)
    answer = b"" if last is None else b',"message":' + encode_message(last, agent)
    results = [encode_message(each, agent) for each in messages if each.role == "tool"]
    return b'{"type":"turn_end"%s,"toolResults":[%s]}' % (answer, b",".join(results))


def run_end(at: LoggedEvent, more: bytes) -> bytes:
    """Return pi's ``agent_end``: the run's messages, as far as they are kept.

    :param more: fields that follow, each with a comma before it.
    """
    messages = at.transcript.page(before=at.seq + 1)
    encoded = b",".join(encode_message(each, at.transcript.agent) for each in messages)
    return b'{"type":"agent_end","messages":[%s]%s}' % (encoded, more)


def _approval(at: LoggedEvent) -> PiEvents:
    request = extension_ui_request(at.event.data)
    if request is None:
        yield from _other(at)
    else:
        yield encode(request)


def _compaction(_at: LoggedEvent) -> PiEvents:
    yield encode({"type": "compaction_end", "reason": "manual", "aborted": False})


_KINDS: Mapping[str, str] = {
    "message-delta": "text",
    "thinking-delta": "thinking",
    "message": "text",
    "thinking": "thinking",
}
_TRANSLATORS: Mapping[str, Callable[[LoggedEvent], PiEvents]] = {
    "turn-started": _turn_started,
    "user-message": completed_messages,
    "message-delta": _piece,
    "thinking-delta": _piece,
    "message": _whole_text,
    "thinking": _whole_text,
    "tool-start": _tool_start,
    "tool-output": _tool_output,
    "tool-done": _tool_done,
    "complete": _run_end,
    "error": _run_end,
    "approval-requested": _approval,
    "compact": _compaction,
}
