"""Events of pi itself, in pi's own form: complete again where the log does not repeat itself.

The driver shortens pi's lines before they are logged: what pi repeats is left out.  Here it is
put back from the transcript.  A growing message (`message`, `partial`) is repeated for every
version of pi, since clients of its first versions draw from there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec
from msgspec import Raw, Struct

from sxhost.codec.json import encode
from sxhost.faces.pi import translate_any
from sxhost.faces.pi.partial_message import PartialMessage
from sxhost.faces.pi.transcript import EventData, ToolExecution, Transcript
from sxhost.model.session import Event

__all__ = ["begins_run", "ends_run", "record", "translate"]

NONE = Raw(b"")

TYPE_WITHIN = 64
"""Bytes at the beginning of a line of pi's in which its type stands."""


class MessageStep(Struct, frozen=True, rename="camel"):
    """One step of an assistant message (pi's `assistantMessageEvent`)."""

    type: str = ""
    content_index: int = 0
    delta: str = ""
    id: str = ""
    tool_name: str = ""
    tool_call: Raw = NONE


class PiLine(Struct, frozen=True, rename="camel"):
    """The fields of pi's lines that later events repeat."""

    type: str = ""
    message: dict[str, Raw] = {}
    assistant_message_event: Raw = Raw(b"{}")
    usage: Raw = NONE
    tool_call_id: str = ""
    tool_name: str = ""
    args: Raw = Raw(b"null")
    result: dict[str, Any] = {}
    will_retry: Raw = NONE

    @property
    def role(self) -> str:
        """The role of its message."""
        return bytes(self.message.get("role", b"")).decode().strip('"')


_decode_line = msgspec.json.Decoder(PiLine).decode
_decode_step = msgspec.json.Decoder(MessageStep).decode
_BLOCK_KINDS = {"text": "text", "thinking": "thinking"}


def begins_run(event: Event) -> bool:
    """Tell whether a run begins with an event."""
    return _has_type(event, b'"agent_start"')


def ends_run(event: Event) -> bool:
    """Tell whether a run ends with an event."""
    return _has_type(event, b'"agent_end"')


def _has_type(event: Event, name: bytes) -> bool:
    return event.event == "native" and name in bytes(memoryview(event.data)[:TYPE_WITHIN])


def _line_of(data: EventData) -> PiLine:
    try:
        return _decode_line(data.native)
    except msgspec.DecodeError:
        return PiLine()


def _step_of(raw: Raw) -> MessageStep:
    try:
        return _decode_step(raw)
    except msgspec.DecodeError:
        return MessageStep()


# Recording an event in the transcript.


def record(transcript: Transcript, event: Event, data: EventData) -> None:
    """Record what later events of the run repeat of this one."""
    line = _line_of(data)
    recorder = _RECORDERS.get(line.type)
    if recorder is not None:
        recorder(transcript, event.seq, line)
    elif event.event == "tool-output":
        transcript.append_output(event.seq, data.item, data.text)
    elif data.cut and event.event == "tool-done":
        tool = transcript.tools.setdefault(data.item, ToolExecution(data.tool, b"null"))
        tool.result = translate_any.tool_result(data)
    elif data.cut or _lost_agent(event, data):
        translate_any.record(transcript, event, data)


def _lost_agent(event: Event, data: EventData) -> bool:
    """Tell whether a turn failed since pi is no longer there, so that pi reports nothing."""
    return event.event == "error" and data.reason in translate_any.LOST_AGENT


def _record_turn(transcript: Transcript, seq: int, _line: PiLine) -> None:
    transcript.begin_turn(seq)


def _record_message_start(transcript: Transcript, seq: int, line: PiLine) -> None:
    if line.role == "assistant":
        transcript.begin_message(seq, line.message)


def _record_message_update(transcript: Transcript, seq: int, line: PiLine) -> None:
    partial = transcript.partial_message(seq)
    if partial is None:
        return
    step, size = _step_of(line.assistant_message_event), partial.size
    block, _, phase = step.type.partition("_")
    if line.usage:
        partial.add_usage(seq, bytes(line.usage))
    if step.type == "toolcall_start":
        partial.begin_tool_call(seq, step.content_index, id=step.id, name=step.tool_name)
    elif step.type == "toolcall_end":
        partial.end_tool_call(seq, step.content_index, bytes(step.tool_call))
    elif phase in ("start", "delta"):
        kind = _BLOCK_KINDS.get(block, "toolCall")
        partial.append(seq, step.content_index, kind, step.delta)
    transcript.add_size(partial.size - size)


def _record_message_end(transcript: Transcript, seq: int, line: PiLine) -> None:
    partial, role, message = transcript.partial_message(seq), line.role, line.message
    if role == "assistant" and partial is not None:
        partial.last = seq
    if role == "toolResult":
        message = _with_result(transcript, message)
    transcript.add_message(seq, role, encode(message), alone=role != "assistant")


def _with_result(transcript: Transcript, message: Mapping[str, Raw]) -> dict[str, Raw]:
    """Return a tool result message with the content that the tool's own end has reported."""
    call_id = bytes(message.get("toolCallId", NONE))
    is_text = call_id.startswith(b'"')
    tool = transcript.tools.get(msgspec.json.decode(call_id)) if is_text else None
    result = tool.result if tool is not None else {}
    known: dict[str, Raw] = {
        name: result[name] for name in ("content", "details") if name in result
    }
    return {"content": Raw(b"[]"), **known, **message}


def _record_tool_start(transcript: Transcript, _seq: int, line: PiLine) -> None:
    transcript.begin_tool(line.tool_call_id, line.tool_name, bytes(line.args))


def _record_tool_end(transcript: Transcript, _seq: int, line: PiLine) -> None:
    tool = transcript.tools.setdefault(
        line.tool_call_id, ToolExecution(line.tool_name, b"null")
    )
    tool.result = {name: Raw(encode(value)) for name, value in line.result.items()}


def _record_run_end(transcript: Transcript, _seq: int, _line: PiLine) -> None:
    transcript.ended = True


_RECORDERS: Mapping[str, Callable[[Transcript, int, PiLine], None]] = {
    "turn_start": _record_turn,
    "message_start": _record_message_start,
    "message_update": _record_message_update,
    "message_end": _record_message_end,
    "tool_execution_start": _record_tool_start,
    "tool_execution_end": _record_tool_end,
    "agent_end": _record_run_end,
}


# Translating an event to pi's.

PiEvents = Iterator[bytes]


def translate(
    transcript: Transcript, event: Event, data: EventData, *, snapshots: bool
) -> PiEvents:
    """Yield pi's events for an event that is recorded.

    Most events of ours stand beside a line of pi's that is logged as well: they yield nothing.

    :param snapshots: repeat a growing message with each of its deltas.
    """
    native = bytes(data.native)
    if event.event == "approval-requested":
        yield from translate_any.translate(transcript, event, data, snapshots=snapshots)
    elif native[:1] == b"{" and event.event != "approval-resolved":
        line = _line_of(data)
        translator = _TRANSLATORS.get(line.type)
        if translator is None:
            yield native
        else:
            yield from translator(transcript, event.seq, line, native, snapshots)
    elif data.cut and event.event == "message":
        yield from translate_any.completed_messages(transcript, event)
    elif event.event == "tool-output" or data.cut or _lost_agent(event, data):
        yield from translate_any.translate(transcript, event, data, snapshots=snapshots)


def _translate_message_start(
    _t: Transcript, _seq: int, line: PiLine, native: bytes, _s: bool
) -> PiEvents:
    """Yield the start of an answer; other messages are shown when they are complete."""
    if line.role == "assistant" and "content" in line.message:
        yield native
    elif line.role == "assistant":
        yield encode({"type": line.type, "message": {**line.message, "content": []}})


def _translate_message_update(
    transcript: Transcript, seq: int, line: PiLine, native: bytes, snapshots: bool
) -> PiEvents:
    raw, partial = line.assistant_message_event, transcript.partial_message(seq)
    step = _step_of(raw)
    if not step.type:
        yield native  # it is no step of a message: there is nothing to put back
        return
    parts = [b'{"type":"message_update","assistantMessageEvent":', bytes(raw)[:-1]]
    if partial is None:
        yield b"".join((*parts, b"}}"))
        return
    parts.append(_block_content(step, partial, seq))
    message = partial.at(seq) if snapshots else None
    usage = partial.usage_at(seq)
    if message is not None:
        parts += (b',"partial":', message)
    parts.append(b"}")
    if usage:
        parts += (b',"usage":', usage)
    if message is not None:
        parts += (b',"message":', message)
    yield b"".join((*parts, b"}"))


def _block_content(step: MessageStep, partial: PartialMessage, seq: int) -> bytes:
    """Return the field `content`, with which the end of a block repeats its text."""
    if step.type not in ("text_end", "thinking_end"):
        return b""
    text = partial.text_at(step.content_index, seq)
    return b',"content":"%s"' % text if text is not None else b""


def _translate_message_end(
    transcript: Transcript, seq: int, line: PiLine, native: bytes, _s: bool
) -> PiEvents:
    if line.role == "assistant":
        yield native
        return
    for completed in transcript.completed_at(seq):
        yield from translate_any.message_events(completed)


def _translate_turn_end(
    transcript: Transcript, seq: int, _line: PiLine, _native: bytes, _s: bool
) -> PiEvents:
    yield transcript.turn_end_event(seq)


def _translate_run_end(
    transcript: Transcript, seq: int, line: PiLine, _native: bytes, _s: bool
) -> PiEvents:
    retry = b',"willRetry":' + bytes(line.will_retry) if line.will_retry else b""
    messages = transcript.messages_until(seq)
    yield b'{"type":"agent_end","messages":%s%s}' % (messages, retry)


_TRANSLATORS: Mapping[str, Callable[[Transcript, int, PiLine, bytes, bool], PiEvents]] = {
    "message_start": _translate_message_start,
    "message_update": _translate_message_update,
    "message_end": _translate_message_end,
    "turn_end": _translate_turn_end,
    "agent_end": _translate_run_end,
}
