"""Events of pi itself, in pi's own form: complete again where the log does not repeat itself.

The driver shortens pi's lines before they are logged: what pi repeats is left out.  Here it is
put back from the transcript.  A growing message (`message`, `partial`) is repeated for every
version of pi, since clients of its first versions draw from there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from msgspec import UNSET, Raw, Struct

from sxhost.codec.json import encode
from sxhost.faces.pi import translate_any
from sxhost.faces.pi.dialogs import with_server_names
from sxhost.faces.pi.messages import encode_message
from sxhost.faces.pi.translate_any import LoggedEvent, PiEvents, completed_messages
from sxhost.model import event_types as events
from sxhost.model.event import Event
from sxhost.model.turn import CutReason
from sxhost.transcripts.growing_message import GrowingMessage
from sxhost.transcripts.messages import Block, Message, TextBlock, ThinkingBlock, ToolCallBlock
from sxhost.transcripts.transcript import Transcript, ends_turn
from sxhost.transcripts.transcript_cache import FoldRules

__all__ = ["FOLD_RULES", "LOST_AGENT", "translate"]

LOST_AGENT = frozenset({CutReason.PROCESS_ENDED, CutReason.HOST_ENDED, CutReason.AGENT_ENDED})
"""Reasons of failed turns whose agent could not report the end itself."""

NONE = Raw(b"")

TYPE_WITHIN = 64
"""Bytes at the beginning of a line of pi's in which its type stands."""


MAX_DIGITS = 15
"""Digits of a time that is believed: some 30,000 years."""


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
    result: dict[str, Raw] = {}
    will_retry: Raw = NONE

    @property
    def role(self) -> str:
        """The role of its message."""
        return bytes(self.message.get("role", NONE)).decode().strip('"')

    @property
    def ts_ms(self) -> int:
        """When its message began (Unix ms); 0 if pi does not say."""
        digits = bytes(self.message.get("timestamp", NONE))
        return int(digits) if digits.isdigit() and len(digits) <= MAX_DIGITS else 0

    @property
    def fields_but_content(self) -> dict[str, Raw]:
        """The fields of its message but those that are made of a growing message's blocks."""
        replaced = ("role", "content")
        return {name: self.message[name] for name in self.message if name not in replaced}


_decode_line = msgspec.json.Decoder(PiLine).decode
_decode_step = msgspec.json.Decoder(MessageStep).decode
_BLOCK_KINDS: Mapping[str, type[Block]] = {"text": TextBlock, "thinking": ThinkingBlock}


def _has_type(event: Event, name: bytes) -> bool:
    return event.event == "native" and name in bytes(memoryview(event.data)[:TYPE_WITHIN])


def _native_of(data: events.AgentEvent) -> Raw:
    native = getattr(data, "native", UNSET)
    return native if isinstance(native, Raw) else events.NULL


def _line_of(data: events.AgentEvent) -> PiLine:
    try:
        return _decode_line(_native_of(data))
    except msgspec.DecodeError:
        return PiLine()


def _step_of(raw: Raw) -> MessageStep:
    try:
        return _decode_step(raw)
    except msgspec.DecodeError:
        return MessageStep()


# An event is added to the transcript.


def _append(transcript: Transcript, event: Event, data: events.AgentEvent) -> None:
    """Add an event to the transcript of its run: pi's own line if it has one."""
    _note_lines(transcript, event, data)
    if isinstance(data, events.ToolOutputEvent) or _is_unreported(data):
        transcript.fold(event, data)
    elif isinstance(data, events.UserMessageEvent):
        if transcript.awaits_lines:  # if they come, a new transcript begins with them
            transcript.fold(event, data)
    elif isinstance(data, events.CompleteEvent | events.ErrorEvent):
        lacks_beginning = transcript.lacks_answers and not transcript.awaits_lines
        if not transcript.ended and (transcript.lacks_lines_from or lacks_beginning):
            _end_run(transcript, event, data)
    else:
        _append_line(transcript, event.seq, _line_of(data))
        if transcript.lacks_lines_from and isinstance(data, events.ToolDoneEvent):
            _add_result(transcript, event, data)
    transcript.advance(event)


def _note_lines(transcript: Transcript, event: Event, data: events.AgentEvent) -> None:
    """Note whether pi's lines are in the log; if they have left, where an answer begins.

    A run without lines begins with the first fact behind the place where they were.  Its next
    answer is the one that follows the results of tools.
    """
    if isinstance(data, events.NativeEvent | events.TurnStartedEvent):
        transcript.awaits_lines = not isinstance(data, events.NativeEvent)
    elif not transcript.awaits_lines or transcript.ended:
        return
    elif not transcript.lacks_lines_from:
        if event.seq > transcript.last + 1:
            transcript.lacks_lines_from = event.seq
            transcript.begin_answer(event.seq)
    elif _is_answer(data) and any(m.role == "tool" for m in transcript.answer_at(event.seq)):
        transcript.begin_answer(event.seq)


def _end_run(
    transcript: Transcript, event: Event, data: events.CompleteEvent | events.ErrorEvent
) -> None:
    """End a run; a failure is a message of its own, unless pi's last message has told it."""
    messages = transcript.answer_at(event.seq)
    if messages and "errorMessage" in (messages[-1].native or {}):
        transcript.ended, transcript.ended_at = True, event.seq
    else:
        transcript.fold(event, data)


def _is_answer(data: events.AgentEvent) -> bool:
    """Tell whether an event is from the model: a text, or the usage that stands for a call."""
    is_text = isinstance(data, events.MessageEvent | events.ThinkingEvent)
    return is_text or (isinstance(data, events.UsageEvent) and bool(_line_of(data).type))


def _add_result(transcript: Transcript, event: Event, data: events.ToolDoneEvent) -> None:
    """Add a tool's result message, whose line has left, as far as its end tells it."""
    line = _line_of(data)
    if line.type:
        failed = data.status != "completed"
        rest = {"toolCallId": data.item, "toolName": line.tool_name, "isError": failed}
        fields = {"role": "toolResult", **rest, "timestamp": event.ts_ms}
        message = {name: Raw(encode(value)) for name, value in fields.items()}
        native = _with_result(transcript, message)
        transcript.add_message(
            Message(
                seq=event.seq, first=event.seq, ts_ms=event.ts_ms, role="tool", native=native
            )
        )


def _append_line(transcript: Transcript, seq: int, line: PiLine) -> None:
    match line.type:
        case "turn_start":
            transcript.begin_answer(seq)
        case "message_start" if line.role == "assistant":
            transcript.begin_message(seq, line.ts_ms, native=line.fields_but_content)
        case "message_update":
            _append_step(transcript, seq, line)
        case "message_end":
            _complete_message(transcript, seq, line)
        case "tool_execution_start":
            transcript.begin_tool(line.tool_call_id, line.tool_name, line.args)
        case "tool_execution_end":
            known = transcript.tools.get(line.tool_call_id)
            tool = known or transcript.begin_tool(line.tool_call_id, line.tool_name)
            tool.native = line.result
        case "agent_end":
            transcript.ended = True


def _is_unreported(data: events.AgentEvent) -> bool:
    """Tell whether pi itself reports nothing of an event: it was cut, or is no longer there."""
    if isinstance(data, events.MessageEvent | events.ThinkingEvent):
        return data.cut
    return isinstance(data, events.ErrorEvent) and data.reason in LOST_AGENT


def _ends_here(at: LoggedEvent) -> bool:
    """Tell whether a turn's end has ended the transcript: pi's own line of it has left."""
    is_end = isinstance(at.data, events.CompleteEvent | events.ErrorEvent)
    return is_end and at.transcript.ended_at == at.seq


def _append_step(transcript: Transcript, seq: int, line: PiLine) -> None:
    growing = transcript.growing_message(seq)
    if growing is None:
        return
    step, size = _step_of(line.assistant_message_event), growing.size
    block, _, phase = step.type.partition("_")
    if line.usage:
        growing.add_usage(seq, line.usage)
    if step.type == "toolcall_start":
        growing.begin_call(seq, step.content_index, step.id, step.tool_name)
    elif step.type == "toolcall_end":
        growing.complete_call(seq, step.content_index, step.tool_call)
    elif phase in ("start", "delta"):
        kind = _BLOCK_KINDS.get(block, ToolCallBlock)
        growing.append(seq, kind, step.delta, step.content_index)
    transcript.add_size(growing.size - size)


def _complete_message(transcript: Transcript, seq: int, line: PiLine) -> None:
    role, message, first = line.role, line.message, seq
    growing = transcript.growing_message(seq)
    if role == "assistant" and growing is not None:
        growing.last, first = seq, growing.first
    if role == "toolResult":
        role, message = "tool", _with_result(transcript, message)
    ts_ms = line.ts_ms
    transcript.add_message(
        Message(seq=seq, first=first, ts_ms=ts_ms, role=role, native=message)
    )


def _with_result(transcript: Transcript, message: dict[str, Raw]) -> dict[str, Raw]:
    """Return a tool result message with the content that the tool's own end has reported."""
    call_id = bytes(message.get("toolCallId", NONE))
    is_text = call_id.startswith(b'"')
    tool = transcript.tools.get(msgspec.json.decode(call_id, type=str)) if is_text else None
    result = tool.native if tool is not None else {}
    names: Sequence[str] = [name for name in ("content", "details") if name in result]
    known = {name: result[name] for name in names}
    return {"content": Raw(b"[]"), **known, **message}


def _begins_run(event: Event, before: Transcript | None) -> bool:
    """Tell whether a run begins; pi's own line of that leaves the log with its turn's end."""
    starts_turn = event.event == "turn-started" and (before is None or before.ended)
    return starts_turn or _has_type(event, b'"agent_start"')


FOLD_RULES = FoldRules(
    begins=_begins_run,
    ends=lambda event: _has_type(event, b'"agent_end"') or ends_turn(event),
    append=_append,
)
"""How the events of pi are folded: by pi's own lines, as long as the log has them."""


# An event is translated.


def translate(at: LoggedEvent) -> PiEvents:
    """Yield pi's events for an event.

    Most events of ours stand beside a line of pi's that is logged as well: they yield nothing.
    Once such lines have left the log, facts yield what the lines did.
    """
    if not at.transcript.lacks_lines_from:
        yield from _translate_event(at)
        return
    yield from (*_answer_begun(at), *_translate_event(at))
    is_input = isinstance(at.data, events.UserMessageEvent)
    if isinstance(at.data, events.ToolDoneEvent) or (
        is_input and at.seq > at.transcript.lacks_lines_from
    ):
        yield from completed_messages(at)


def _translate_event(at: LoggedEvent) -> PiEvents:
    native = bytes(_native_of(at.data))
    if isinstance(at.data, events.ApprovalRequestedEvent):
        yield from translate_any.translate(at)
    elif native[:1] == b"{" and not isinstance(at.data, events.ApprovalResolvedEvent):
        yield from _translate_line(at, _line_of(at.data), native)
    elif isinstance(at.data, events.MessageEvent) and at.data.cut:
        yield from completed_messages(at)
    elif (
        isinstance(at.data, events.ToolOutputEvent) or _is_unreported(at.data) or _ends_here(at)
    ):
        yield from translate_any.translate(at)


def _answer_begun(at: LoggedEvent) -> PiEvents:
    """Yield pi's events for the beginning of a run or answer whose own lines have left."""
    if at.seq == at.transcript.lacks_lines_from:
        yield from (b'{"type":"agent_start"}', b'{"type":"turn_start"}')
        for message in at.transcript.page(before=at.seq):
            encoded = encode_message(message, at.transcript.agent)
            yield b'{"type":"message_start","message":%s}' % encoded
            yield b'{"type":"message_end","message":%s}' % encoded
    elif at.transcript.begins_answer(at.seq):
        yield from (translate_any.turn_end(at, at.seq - 1), b'{"type":"turn_start"}')


def _translate_line(at: LoggedEvent, line: PiLine, native: bytes) -> PiEvents:
    """Yield a line of pi's with what the log does not repeat."""
    is_answer = line.role == "assistant"
    match line.type:
        case "message_start":  # other messages are shown when they are complete
            if is_answer and "content" in line.message:
                yield native
            elif is_answer:
                yield encode({"type": line.type, "message": {**line.message, "content": []}})
        case "message_update":
            yield _message_update(at, line, native)
        case "message_end" if not is_answer or at.transcript.lacks_lines_from:
            yield from completed_messages(at)
        case "turn_end":
            yield translate_any.turn_end(at)
        case "agent_end":
            retry = b',"willRetry":' + bytes(line.will_retry) if line.will_retry else b""
            yield translate_any.run_end(at, retry)
        case _:
            yield _with_repetitions(line, native)


def _with_repetitions(line: PiLine, native: bytes) -> bytes:
    return with_server_names(native) if line.type == "extension_ui_request" else native


def _message_update(at: LoggedEvent, line: PiLine, native: bytes) -> bytes:
    raw, growing = line.assistant_message_event, at.transcript.growing_message(at.seq)
    step = _step_of(raw)
    if not step.type:
        return native  # it is no step of a message: nothing is to be put back
    parts = [b'{"type":"message_update","assistantMessageEvent":', bytes(raw)[:-1]]
    if growing is None:
        return b"".join((*parts, b"}}"))
    parts.append(_block_content(step, growing, at.seq))
    message, usage = at.snapshot(growing), growing.usage_at(at.seq)
    if message is not None:
        parts += (b',"partial":', message)
    parts.append(b"}")
    if usage is not None:
        parts += (b',"usage":', bytes(usage))
    if message is not None:
        parts += (b',"message":', message)
    return b"".join((*parts, b"}"))


def _block_content(step: MessageStep, growing: GrowingMessage, seq: int) -> bytes:
    """Return the field `content`, with which the end of a block repeats its text."""
    if step.type not in ("text_end", "thinking_end"):
        return b""
    text = growing.text_at(step.content_index, seq)
    return b',"content":"%s"' % text if text is not None else b""
