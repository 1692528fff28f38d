"""A log of pi in pi's own words: whole again where the log does not repeat itself.

What a version of pi says is said; that a message is repeated while it grows (`message`,
`partial`) is said of all of them: clients of pi's first versions draw it from there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec
from msgspec import Raw, Struct

from sxhost.codec.json import encode
from sxhost.faces.pi import translate_any
from sxhost.faces.pi.transcript import Data, Tool, Transcript
from sxhost.model.session import Event

__all__ = ["begins", "ends", "learn", "tell"]

NONE = Raw(b"")
NAMES = 64
"""Bytes in which a line of pi's says what it is."""


class Step(Struct, frozen=True, rename="camel"):
    """What was added to a message."""

    type: str = ""
    content_index: int = 0
    delta: str = ""
    id: str = ""
    tool_name: str = ""
    tool_call: Raw = NONE


class PiLine(Struct, frozen=True, rename="camel"):
    """What of pi's lines is repeated later."""

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
        """Whose message it is."""
        return bytes(self.message.get("role", b"")).decode().strip('"')


_native = msgspec.json.Decoder(PiLine).decode
_steps = msgspec.json.Decoder(Step).decode
_EMPTY = PiLine()
_NO_STEP = Step()
_KINDS = {"text": "text", "thinking": "thinking"}


def begins(event: Event) -> bool:
    """Tell whether a run begins with an event."""
    return _is(event, b'"agent_start"')


def ends(event: Event) -> bool:
    """Tell whether a run ends with an event."""
    return _is(event, b'"agent_end"')


def _is(event: Event, kind: bytes) -> bool:
    return event.event == "native" and kind in bytes(memoryview(event.data)[:NAMES])


def _heard(data: Data) -> PiLine:
    try:
        return _native(data.native)
    except msgspec.DecodeError:
        return _EMPTY


def _step(raw: bytes) -> Step:
    try:
        return _steps(raw)
    except msgspec.DecodeError:
        return _NO_STEP


# What is learned of an event.


def learn(run: Transcript, event: Event, data: Data) -> None:
    """Learn what later events repeat of this one."""
    said = _heard(data)
    does = _LEARNED.get(said.type)
    if does is not None:
        does(run, event.seq, said)
    elif event.event == "tool-output":
        run.printed(event.seq, data.item, data.text)
    elif data.cut and event.event == "tool-done":
        tool = run.tools.setdefault(data.item, Tool(data.tool, b"null"))
        tool.result = translate_any.result_of(data)
    elif data.cut or _is_gone(event, data):
        translate_any.learn(run, event, data)


def _is_gone(event: Event, data: Data) -> bool:
    return event.event == "error" and data.reason in translate_any.GONE


def _turn(run: Transcript, seq: int, _said: PiLine) -> None:
    run.turn(seq)


def _start(run: Transcript, seq: int, said: PiLine) -> None:
    if said.role == "assistant":
        run.begin(seq, {name: said.message[name] for name in said.message})


def _update(run: Transcript, seq: int, said: PiLine) -> None:
    growing = run.growing(seq)
    if growing is None:
        return
    step, before = _step(said.assistant_message_event), growing.size
    block, _, what = step.type.partition("_")
    if said.usage:
        growing.uses(seq, bytes(said.usage))
    if step.type == "toolcall_start":
        growing.call(seq, step.content_index, id=step.id, name=step.tool_name)
    elif step.type == "toolcall_end":
        growing.called(seq, step.content_index, bytes(step.tool_call))
    elif what in ("start", "delta"):
        growing.add(seq, step.content_index, _KINDS.get(block, "toolCall"), step.delta)
    run.grew(growing.size - before)


def _end(run: Transcript, seq: int, said: PiLine) -> None:
    growing, role, message = run.growing(seq), said.role, said.message
    if role == "assistant" and growing is not None:
        growing.over = seq
    if role == "toolResult":
        message = _returned(run, message)
    run.say(seq, role, encode(message), alone=role != "assistant")


def _returned(run: Transcript, message: Mapping[str, Raw]) -> dict[str, Raw]:
    """Return a tool's message with what the tool has returned."""
    number = bytes(message.get("toolCallId", NONE))
    tool = run.tools.get(msgspec.json.decode(number)) if number.startswith(b'"') else None
    result = tool.result if tool is not None else {}
    told: dict[str, Raw] = {
        name: result[name] for name in ("content", "details") if name in result
    }
    return {"content": Raw(b"[]"), **told, **message}


def _tool(run: Transcript, _seq: int, said: PiLine) -> None:
    run.tool(said.tool_call_id, said.tool_name, bytes(said.args))


def _done(run: Transcript, _seq: int, said: PiLine) -> None:
    tool = run.tools.setdefault(said.tool_call_id, Tool(said.tool_name, b"null"))
    tool.result = {name: Raw(encode(value)) for name, value in said.result.items()}


def _over(run: Transcript, _seq: int, _said: PiLine) -> None:
    run.over = True


_LEARNED: Mapping[str, Callable[[Transcript, int, PiLine], None]] = {
    "turn_start": _turn,
    "message_start": _start,
    "message_update": _update,
    "message_end": _end,
    "tool_execution_start": _tool,
    "tool_execution_end": _done,
    "agent_end": _over,
}


# What is told of it.


def tell(run: Transcript, event: Event, data: Data, *, thin: bool) -> Iterator[bytes]:
    """Tell of an event; `thin` without repeating a message that grows."""
    native = bytes(data.native)
    if event.event == "approval-requested":
        yield from translate_any.tell(run, event, data, thin=thin)
    elif native[:1] == b"{" and event.event != "approval-resolved":
        said = _heard(data)
        does = _TOLD.get(said.type)
        yield from does(run, event.seq, said, native, thin) if does else (native,)
    elif data.cut and event.event == "message":
        yield from translate_any.made(run, event)
    elif event.event == "tool-output" or data.cut or _is_gone(event, data):
        yield from translate_any.tell(run, event, data, thin=thin)


Told = Iterator[bytes]


def _started(_run: Transcript, _seq: int, said: PiLine, native: bytes, _thin: bool) -> Told:
    """Tell of an answer that begins; other messages are told once they are whole."""
    if said.role == "assistant" and "content" in said.message:
        yield native
    elif said.role == "assistant":
        yield encode({"type": said.type, "message": {**said.message, "content": []}})


def _updated(run: Transcript, seq: int, said: PiLine, native: bytes, thin: bool) -> Told:
    step, growing = bytes(said.assistant_message_event), run.growing(seq)
    if not _step(step).type:
        yield native  # pi adds nothing without saying what
        return
    parts = [b'{"type":"message_update","assistantMessageEvent":', step[:-1]]
    message = growing.at(seq) if growing is not None and not thin else None
    if growing is not None:
        parts.append(_content(_step(step), growing.text, seq))
    if message is not None:
        parts += (b',"partial":', message)
    parts.append(b"}")
    used = growing.used(seq) if growing is not None else b""
    if used:
        parts += (b',"usage":', used)
    if message is not None:
        parts += (b',"message":', message)
    yield b"".join((*parts, b"}"))


def _content(step: Step, text: Callable[[int, int], bytes | None], seq: int) -> bytes:
    """Return what the end of a block repeats."""
    if step.type not in ("text_end", "thinking_end"):
        return b""
    whole = text(step.content_index, seq)
    return b',"content":"%s"' % whole if whole is not None else b""


def _ended(run: Transcript, seq: int, said: PiLine, native: bytes, _thin: bool) -> Told:
    if said.role == "assistant":
        yield native
        return
    for one in run.ended(seq):
        yield from translate_any.whole(one)


def _turned(run: Transcript, seq: int, _said: PiLine, _native: bytes, _thin: bool) -> Told:
    yield run.turn_end(seq)


def _finished(run: Transcript, seq: int, said: PiLine, _native: bytes, _thin: bool) -> Told:
    retry = b',"willRetry":' + bytes(said.will_retry) if said.will_retry else b""
    yield b'{"type":"agent_end","messages":%s%s}' % (run.messages(seq), retry)


_TOLD: Mapping[str, Callable[[Transcript, int, PiLine, bytes, bool], Told]] = {
    "message_start": _started,
    "message_update": _updated,
    "message_end": _ended,
    "turn_end": _turned,
    "agent_end": _finished,
}
