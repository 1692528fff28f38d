"""Events of an agent that is not pi, as the nearest events of pi's protocol.

Each text of the agent becomes a message of its own, and so does the call of each of its tools.
`record` keeps in the transcript what later events repeat; `translate` makes pi's events.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from msgspec import Raw, json

from sxhost.codec.json import encode
from sxhost.faces.pi.dialogs import extension_ui_request
from sxhost.faces.pi.partial_message import PartialMessage, assistant_message
from sxhost.faces.pi.transcript import (
    CompletedMessage,
    EventData,
    ToolExecution,
    Transcript,
)
from sxhost.model.session import Event
from sxhost.model.turn import CutReason

__all__ = [
    "AGENT_ENDED",
    "LOST_AGENT",
    "begins_run",
    "completed_messages",
    "ends_run",
    "message_events",
    "record",
    "text_message",
    "tool_result",
    "translate",
]

AGENT_ENDED = CutReason.AGENT_ENDED
"""Why a turn failed whose session is deleted."""

LOST_AGENT = frozenset({CutReason.PROCESS_ENDED, CutReason.HOST_ENDED, CutReason.AGENT_ENDED})
"""Reasons of failed turns whose agent could not report the end itself."""

_TEXT, _THINKING = "text", "thinking"
_ENDS = frozenset({"complete", "error"})
_SPEAKS = frozenset(
    {"user-message", "message-delta", "thinking-delta", "message", "thinking", "tool-start"}
)


def begins_run(event: Event, before: Transcript | None) -> bool:
    """Tell whether a run begins with an event, after the transcript of the one before.

    Attached agents need not report that a turn starts: for them, any words begin a run.
    """
    if event.event == "turn-started":
        return True
    after = before.ended and not before.agent if before is not None else event.seq == 1
    return after and event.event in _SPEAKS


def ends_run(event: Event) -> bool:
    """Tell whether a run ends with an event."""
    return event.event in _ENDS


# Recording an event in the transcript.


def record(transcript: Transcript, event: Event, data: EventData) -> None:
    """Record what later events of the run repeat of this one."""
    recorder = _RECORDERS.get(event.event)
    if recorder is not None:
        recorder(transcript, event, data)


def _record_turn(transcript: Transcript, event: Event, _data: EventData) -> None:
    transcript.begin_turn(event.seq)


def _record_user_message(transcript: Transcript, event: Event, data: EventData) -> None:
    message = encode(text_message("user", data.text, event.ts_ms))
    transcript.add_message(event.seq, "user", message)


def _record_delta(kind: str) -> Callable[[Transcript, Event, EventData], None]:
    def record_delta(transcript: Transcript, event: Event, data: EventData) -> None:
        partial = transcript.partial_message(event.seq, data.item)
        if partial is None:
            message = assistant_message(transcript.agent, [], event.ts_ms)
            partial = transcript.begin_message(event.seq, message, data.item)
        partial.append(event.seq, 0, kind, data.text)
        transcript.add_size(len(data.text))

    return record_delta


def _record_message(kind: str) -> Callable[[Transcript, Event, EventData], None]:
    def record_message(transcript: Transcript, event: Event, data: EventData) -> None:
        partial, at_ms = _partial_of(transcript, event, data), event.ts_ms
        if partial is not None:
            partial.last, at_ms = event.seq, partial.at_ms or at_ms
        content = [{"type": kind, kind: data.text}]
        message = encode(assistant_message(transcript.agent, content, at_ms))
        transcript.add_message(event.seq, "assistant", message, alone=partial is None)

    return record_message


def _partial_of(transcript: Transcript, event: Event, data: EventData) -> PartialMessage | None:
    """Return the message that a complete text ends; its deltas may have had no item."""
    by_item = transcript.partial_message(event.seq, data.item)
    return by_item or transcript.partial_message(event.seq, "")


def _record_tool_start(transcript: Transcript, event: Event, data: EventData) -> None:
    transcript.begin_tool(data.item, data.tool, bytes(data.input))
    args = Raw(transcript.tools[data.item].args)
    call = {"type": "toolCall", "id": data.item, "name": data.tool, "arguments": args}
    message = assistant_message(transcript.agent, [call], event.ts_ms, "toolUse")
    transcript.add_message(event.seq, "assistant", encode(message))


def _record_tool_output(transcript: Transcript, event: Event, data: EventData) -> None:
    transcript.append_output(event.seq, data.item, data.text)


def _record_tool_end(transcript: Transcript, event: Event, data: EventData) -> None:
    tool = transcript.tools.setdefault(data.item, ToolExecution(data.tool, b"null"))
    tool.name = tool.name or data.tool
    call = {"role": "toolResult", "toolCallId": data.item, "toolName": tool.name}
    rest = {"isError": data.status != "completed", "timestamp": event.ts_ms}
    message = encode({**call, **tool_result(data), **rest})
    transcript.add_message(event.seq, "toolResult", message)


def tool_result(data: EventData) -> dict[str, Raw]:
    """Return a tool's output as the content of pi's tool result."""
    text = data.output if isinstance(data.output, str) else encode(data.output).decode()
    return {"content": Raw(encode([{"type": "text", "text": text}]))}


def _record_run_end(transcript: Transcript, event: Event, data: EventData) -> None:
    """Complete the messages that are unfinished, with the reason why if the turn failed."""
    transcript.ended = True
    failed = {"stopReason": "error", "errorMessage": data.reason}
    stop = failed if data.status == "failed" else {"stopReason": "aborted"}
    unfinished = transcript.unfinished_messages()
    for partial in unfinished:
        partial.last = event.seq
        empty = assistant_message(transcript.agent, [], 0)
        message = json.decode(partial.at(event.seq) or encode(empty))
        transcript.add_message(event.seq, "assistant", encode({**message, **stop}), alone=False)
    if data.status == "failed" and not unfinished:
        content = [{"type": "text", "text": ""}]
        message = assistant_message(transcript.agent, content, event.ts_ms)
        transcript.add_message(event.seq, "assistant", encode({**message, **stop}))


_RECORDERS: Mapping[str, Callable[[Transcript, Event, EventData], None]] = {
    "turn-started": _record_turn,
    "user-message": _record_user_message,
    "message-delta": _record_delta(_TEXT),
    "thinking-delta": _record_delta(_THINKING),
    "message": _record_message(_TEXT),
    "thinking": _record_message(_THINKING),
    "tool-start": _record_tool_start,
    "tool-output": _record_tool_output,
    "tool-done": _record_tool_end,
    "complete": _record_run_end,
    "error": _record_run_end,
}


# Translating an event to pi's.

PiEvents = Iterator[bytes]


def translate(
    transcript: Transcript, event: Event, data: EventData, *, snapshots: bool
) -> PiEvents:
    """Yield pi's events for an event that is recorded.

    :param snapshots: repeat a growing message with each of its deltas.
    """
    translator = _TRANSLATORS.get(event.event, _translate_other)
    yield from translator(transcript, event, data, snapshots)


def _translate_other(_t: Transcript, event: Event, _data: EventData, _s: bool) -> PiEvents:
    """Yield an event for which pi has none as an event of type ``sxhost``."""
    yield encode({"type": "sxhost", "name": event.event, "data": event.data})


def _translate_turn(_t: Transcript, _event: Event, _data: EventData, _s: bool) -> PiEvents:
    yield from (b'{"type":"agent_start"}', b'{"type":"turn_start"}')


def _translate_delta(kind: str) -> Callable[[Transcript, Event, EventData, bool], PiEvents]:
    def translate_delta(
        transcript: Transcript, event: Event, data: EventData, snapshots: bool
    ) -> PiEvents:
        partial = transcript.partial_message(event.seq, data.item)
        shown = partial if snapshots else None
        if partial is not None and partial.first == event.seq:
            empty = assistant_message(transcript.agent, [], event.ts_ms)
            yield encode({"type": "message_start", "message": empty})
            yield _message_update({"type": f"{kind}_start"}, data.item, shown, event.seq)
        step = {"type": f"{kind}_delta", "delta": data.text}
        yield _message_update(step, data.item, shown, event.seq)

    return translate_delta


def _message_update(
    step: Mapping[str, Any], item: Any, partial: PartialMessage | None, seq: int
) -> bytes:
    """Return pi's ``message_update`` for one step, with the message so far if it is kept."""
    fields = encode({**step, "contentIndex": 0, "item": item})
    head = b'{"type":"message_update","assistantMessageEvent":' + fields[:-1]
    message = partial.at(seq) if partial is not None else None
    if message is None:
        return head + b"}}"
    return b"".join((head, b',"partial":', message, b'},"message":', message, b"}"))


def _translate_message(kind: str) -> Callable[[Transcript, Event, EventData, bool], PiEvents]:
    def translate_message(
        transcript: Transcript, event: Event, data: EventData, snapshots: bool
    ) -> PiEvents:
        partial = _partial_of(transcript, event, data)
        if partial is not None:
            step = {"type": f"{kind}_end", "content": data.text}
            yield _message_update(step, data.item, partial if snapshots else None, event.seq)
        yield from completed_messages(transcript, event)

    return translate_message


def message_events(completed: CompletedMessage) -> PiEvents:
    """Yield pi's events for a complete message."""
    if completed.alone:
        yield b'{"type":"message_start","message":%s}' % completed.message
    yield b'{"type":"message_end","message":%s}' % completed.message


def completed_messages(transcript: Transcript, event: Event) -> PiEvents:
    """Yield pi's events for the messages that an event made complete."""
    for completed in transcript.completed_at(event.seq):
        yield from message_events(completed)


def _translate_user_message(
    transcript: Transcript, event: Event, _data: EventData, _s: bool
) -> PiEvents:
    yield from completed_messages(transcript, event)


def _translate_tool_start(
    transcript: Transcript, event: Event, data: EventData, _s: bool
) -> PiEvents:
    yield from completed_messages(transcript, event)
    tool = transcript.tools.get(data.item)
    args = data.input if tool is None else Raw(tool.args)
    call = {"toolCallId": data.item, "toolName": data.tool, "args": args}
    yield encode({"type": "tool_execution_start", **call})


def _translate_tool_output(
    transcript: Transcript, event: Event, data: EventData, _s: bool
) -> PiEvents:
    tool = transcript.tools.get(data.item)
    if tool is not None:
        yield tool.update_event(data.item, event.seq)


def _translate_tool_end(
    transcript: Transcript, event: Event, data: EventData, _s: bool
) -> PiEvents:
    tool = transcript.tools.get(data.item)
    name = data.tool or (tool.name if tool is not None else "")
    call = {"toolCallId": data.item, "toolName": name}
    end = {"type": "tool_execution_end", **call, "result": tool_result(data)}
    yield encode({**end, "isError": data.status != "completed"})
    yield from completed_messages(transcript, event)


def _translate_run_end(
    transcript: Transcript, event: Event, _data: EventData, _s: bool
) -> PiEvents:
    yield from completed_messages(transcript, event)
    yield transcript.turn_end_event(event.seq)
    yield b'{"type":"agent_end","messages":%s}' % transcript.messages_until(event.seq)


def _translate_approval(
    transcript: Transcript, event: Event, data: EventData, snapshots: bool
) -> PiEvents:
    request = extension_ui_request(event.data)
    if request is None:
        yield from _translate_other(transcript, event, data, snapshots)
    else:
        yield encode(request)


def _translate_compaction(
    _t: Transcript, _event: Event, _data: EventData, _s: bool
) -> PiEvents:
    yield encode({"type": "compaction_end", "reason": "manual", "aborted": False})


def text_message(role: str, text: str, at_ms: int) -> dict[str, Any]:
    """Return a message in pi's form whose content is one text."""
    return {"role": role, "content": [{"type": "text", "text": text}], "timestamp": at_ms}


_TRANSLATORS: Mapping[str, Callable[[Transcript, Event, EventData, bool], PiEvents]] = {
    "turn-started": _translate_turn,
    "user-message": _translate_user_message,
    "message-delta": _translate_delta(_TEXT),
    "thinking-delta": _translate_delta(_THINKING),
    "message": _translate_message(_TEXT),
    "thinking": _translate_message(_THINKING),
    "tool-start": _translate_tool_start,
    "tool-output": _translate_tool_output,
    "tool-done": _translate_tool_end,
    "complete": _translate_run_end,
    "error": _translate_run_end,
    "approval-requested": _translate_approval,
    "compact": _translate_compaction,
}
