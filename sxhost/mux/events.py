"""A session's log in the words of pi: an event of ours is none, one or some of pi's.

Each event is translated by itself, so that readers who begin anywhere share the bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec
from msgspec import Raw, Struct

from sxhost.codec.json import encode
from sxhost.model import Event
from sxhost.mux.asking import as_request

__all__ = ["GONE", "Wire", "words"]


KEPT = 8 << 20
"""Bytes of frames that are kept for others who read the same."""

OVERHEAD = 200
"""Bytes that keeping one takes besides."""


class Data(Struct, frozen=True):
    """What of an event's data is translated."""

    native: Raw = Raw(b"null")
    item: Any = ""
    text: str = ""
    tool: str = ""
    input: Any = None
    output: Any = ""
    status: str = ""
    reason: str = ""
    cut: bool = False


_data = msgspec.json.Decoder(Data).decode
_SHORT: Mapping[bytes, bytes] = {
    b'{"type":"agent_end"}': b'{"type":"agent_end","messages":[]}',
    b'{"type":"turn_end"}': b'{"type":"turn_end","toolResults":[]}',
    **{
        b'{"type":"message_start","message":{"role":"%s"}}' % role: (
            b'{"type":"message_start","message":{"role":"%s","content":[]}}' % role
        )
        for role in (b"user", b"assistant", b"toolResult", b"system")
    },
}
"""What pi's driver has cut, in the form that pi's clients expect."""

_RESULT = (
    b'{"type":"message_end","message":{"role":"toolResult","toolCallId"',
    b'{"type":"message_end","message":{"role":"toolResult","content":[],"toolCallId"',
)

GONE = frozenset(
    {
        "transport_closed_before_turn_completed",
        "host_ended_before_turn_completed",
        "the agent was ended",
    }
)
"""Why turns end of which pi itself says nothing."""


class Wire:
    """How a transport's readers are told (an `Encoding`).

    `wrap` makes a frame of an object's bytes; `agent` says whose session it is.
    """

    def __init__(self, wrap: Callable[[bytes], bytes], agent: Callable[[str], str]) -> None:
        self.wrap = wrap
        self._agent = agent
        self._made: dict[int, bytes] = {}
        self._size = 0

    def event(self, event: Event, epoch: str) -> bytes:
        """Return the frames of an event: all of them have its place.

        What was made is kept for a while: clients that are behind read from many places.
        """
        made = self._made.get(event.id)
        if made is None:
            made = self._made[event.id] = self._make(event, epoch)
            self._size += len(made) + OVERHEAD
            while self._size > KEPT:
                self._size -= len(self._made.pop(next(iter(self._made)))) + OVERHEAD
        return made

    def _make(self, event: Event, epoch: str) -> bytes:
        is_pi = self._agent(event.session) == "pi"
        tail = b',"cursor":"%s:%d","seq":%d}' % (epoch.encode(), event.id, event.seq)
        head = b'{"type":"event","sessionId":"%s","event":' % event.session.encode()
        wrap = self.wrap
        return b"".join(wrap(b"%s%s%s" % (head, one, tail)) for one in _said(event, is_pi))

    def control(self, name: str, fields: dict[str, object]) -> bytes:
        """Return a gap, and the end of a session; the rest is nothing that pi says."""
        if name != "gap":
            return b""
        return self.wrap(encode({"type": "gap", **fields}))


def _said(event: Event, is_pi: bool) -> Iterator[bytes]:
    try:
        data = _data(event.data)
    except msgspec.DecodeError:
        data = Data()
    native = bytes(data.native)
    if is_pi and event.event not in _ASKS and native[:1] == b"{":
        yield _SHORT.get(native) or native.replace(*_RESULT, 1)
    elif is_pi:
        rebuild = _REBUILT.get(event.event)
        if rebuild is not None or data.cut:
            yield from map(encode, (rebuild or _TOLD.get(event.event, _ours))(event, data))
    else:
        yield from map(encode, _TOLD.get(event.event, _ours)(event, data))


# Event by event.

Frames = Iterator[dict[str, Any]]


def _ours(event: Event, _data: Data) -> Frames:
    """Tell what pi has no word for in ours."""
    yield {"type": "sxhost", "name": event.event, "data": event.data}


def _begins(_event: Event, _data: Data) -> Frames:
    yield {"type": "agent_start"}
    yield {"type": "turn_start"}


def _ends(_event: Event, data: Data) -> Frames:
    if data.status == "failed":
        words = [{"type": "text", "text": ""}]
        message = {"role": "assistant", "content": words, "stopReason": "error"}
        yield {"type": "message_end", "message": {**message, "errorMessage": data.reason}}
    yield {"type": "turn_end", "toolResults": []}
    yield {"type": "agent_end", "messages": []}


def _gone(event: Event, data: Data) -> Frames:
    """Tell of an end that pi could not tell of."""
    if data.reason in GONE:
        yield from _ends(event, data)


def _user(event: Event, data: Data) -> Frames:
    message = words("user", data.text, event.ts_ms)
    yield {"type": "message_start", "message": message}
    yield {"type": "message_end", "message": message}


def _delta(kind: str) -> Callable[[Event, Data], Frames]:
    def told(_event: Event, data: Data) -> Frames:
        step = {"type": kind, "contentIndex": 0, "delta": data.text, "item": data.item}
        yield {"type": "message_update", "assistantMessageEvent": step}

    return told


def _message(event: Event, data: Data) -> Frames:
    yield {"type": "message_end", "message": words("assistant", data.text, event.ts_ms)}


def _thought(event: Event, data: Data) -> Frames:
    content = [{"type": "thinking", "thinking": data.text}]
    message = {"role": "assistant", "content": content, "timestamp": event.ts_ms}
    yield {"type": "message_end", "message": message}


def _tool(_event: Event, data: Data) -> Frames:
    tool = {"toolCallId": data.item, "toolName": data.tool, "args": data.input}
    yield {"type": "tool_execution_start", **tool}


def _prints(_event: Event, data: Data) -> Frames:
    result = {"content": [{"type": "text", "text": data.text}]}
    tool = {"toolCallId": data.item, "toolName": data.tool}
    yield {"type": "tool_execution_update", **tool, "partialResult": result}


def _done(_event: Event, data: Data) -> Frames:
    text = data.output if isinstance(data.output, str) else encode(data.output).decode()
    result = {"content": [{"type": "text", "text": text}]}
    failed = data.status != "completed"
    tool = {"toolCallId": data.item, "toolName": data.tool}
    yield {"type": "tool_execution_end", **tool, "result": result, "isError": failed}


def _asks(event: Event, _data: Data) -> Frames:
    yield as_request(event.value())


def _compacted(_event: Event, _data: Data) -> Frames:
    yield {"type": "compaction_end", "reason": "manual", "aborted": False}


def words(role: str, text: str, at: int) -> dict[str, Any]:
    """Return a message that is nothing but words."""
    return {"role": role, "content": [{"type": "text", "text": text}], "timestamp": at}


_TOLD: Mapping[str, Callable[[Event, Data], Frames]] = {
    "turn-started": _begins,
    "complete": _ends,
    "error": _ends,
    "user-message": _user,
    "message-delta": _delta("text_delta"),
    "thinking-delta": _delta("thinking_delta"),
    "message": _message,
    "thinking": _thought,
    "tool-start": _tool,
    "tool-output": _prints,
    "tool-done": _done,
    "approval-requested": _asks,
    "compact": _compacted,
}
"""How agents are translated that are not pi."""

_ASKS = frozenset({"approval-requested", "approval-resolved"})
_REBUILT: Mapping[str, Callable[[Event, Data], Frames]] = {
    "approval-requested": _asks,
    "error": _gone,
    "tool-output": _prints,
    "tool-done": _done,
}
"""What is told of pi although it has no words of its own."""
