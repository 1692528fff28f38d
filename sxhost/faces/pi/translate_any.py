"""A log of an agent that is not pi, in the words of pi that come nearest.

Each text of an agent is a message of its own; so is the call of each of its tools.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from msgspec import Raw, json

from sxhost.codec.json import encode
from sxhost.faces.pi.dialogs import as_request
from sxhost.faces.pi.partial_message import PartialMessage, message_of
from sxhost.faces.pi.transcript import Data, Tool, Transcript, WholeMessage
from sxhost.model.session import Event

__all__ = ["GONE", "begins", "ends", "learn", "made", "result_of", "tell", "whole", "words"]

GONE = frozenset(
    {
        "transport_closed_before_turn_completed",
        "host_ended_before_turn_completed",
        "the agent was ended",
    }
)
"""Why turns end of which pi itself says nothing."""

_TEXT, _THINKING = "text", "thinking"
_ENDS = frozenset({"complete", "error"})
_SPEAKS = frozenset(
    {"user-message", "message-delta", "thinking-delta", "message", "thinking", "tool-start"}
)


def begins(event: Event, before: Transcript | None) -> bool:
    """Tell whether a run begins with an event; who is not hosted may begin without a word."""
    if event.event == "turn-started":
        return True
    after = before.over and not before.agent if before is not None else event.seq == 1
    return after and event.event in _SPEAKS


def ends(event: Event) -> bool:
    """Tell whether a run ends with an event."""
    return event.event in _ENDS


# What is learned of an event.


def learn(run: Transcript, event: Event, data: Data) -> None:
    """Learn what later events repeat of this one."""
    does = _LEARNED.get(event.event)
    if does is not None:
        does(run, event, data)


def _user(run: Transcript, event: Event, data: Data) -> None:
    run.say(event.seq, "user", encode(words("user", data.text, event.ts_ms)))


def _grows(kind: str) -> Callable[[Transcript, Event, Data], None]:
    def learned(run: Transcript, event: Event, data: Data) -> None:
        growing = run.growing(event.seq, data.item)
        if growing is None:
            message = message_of(run.agent, [], event.ts_ms)
            growing = run.begin(event.seq, message, data.item)
        growing.add(event.seq, 0, kind, data.text)
        run.grew(len(data.text))

    return learned


def _said(kind: str) -> Callable[[Transcript, Event, Data], None]:
    def learned(run: Transcript, event: Event, data: Data) -> None:
        growing, at = _named(run, event, data), event.ts_ms
        if growing is not None:
            growing.over, at = event.seq, growing.at_ms or at
        content = [{"type": kind, kind: data.text}]
        said = encode(message_of(run.agent, content, at))
        run.say(event.seq, "assistant", said, alone=growing is None)

    return learned


def _named(run: Transcript, event: Event, data: Data) -> PartialMessage | None:
    """Return the message that a text ends; pieces may have had no name."""
    return run.growing(event.seq, data.item) or run.growing(event.seq, "")


def _tool(run: Transcript, event: Event, data: Data) -> None:
    run.tool(data.item, data.tool, bytes(data.input))
    args = Raw(run.tools[data.item].args)
    call = {"type": "toolCall", "id": data.item, "name": data.tool, "arguments": args}
    message = message_of(run.agent, [call], event.ts_ms, "toolUse")
    run.say(event.seq, "assistant", encode(message))


def _prints(run: Transcript, event: Event, data: Data) -> None:
    run.printed(event.seq, data.item, data.text)


def _done(run: Transcript, event: Event, data: Data) -> None:
    tool = run.tools.setdefault(data.item, Tool(data.tool, b"null"))
    tool.name = tool.name or data.tool
    called = {"role": "toolResult", "toolCallId": data.item, "toolName": tool.name}
    rest = {"isError": data.status != "completed", "timestamp": event.ts_ms}
    run.say(event.seq, "toolResult", encode({**called, **result_of(data), **rest}))


def result_of(data: Data) -> dict[str, Raw]:
    """Return what a tool returned."""
    text = data.output if isinstance(data.output, str) else encode(data.output).decode()
    return {"content": Raw(encode([{"type": "text", "text": text}]))}


def _over(run: Transcript, event: Event, data: Data) -> None:
    """End what was not finished; say why, if the turn failed."""
    run.over = True
    failed = {"stopReason": "error", "errorMessage": data.reason}
    how = failed if data.status == "failed" else {"stopReason": "aborted"}
    unfinished = run.unfinished()
    for growing in unfinished:
        growing.over = event.seq
        said = json.decode(growing.at(event.seq) or encode(message_of(run.agent, [], 0)))
        run.say(event.seq, "assistant", encode({**said, **how}), alone=False)
    if data.status == "failed" and not unfinished:
        message = message_of(run.agent, [{"type": "text", "text": ""}], event.ts_ms)
        run.say(event.seq, "assistant", encode({**message, **how}))


def _turn(run: Transcript, event: Event, _data: Data) -> None:
    run.turn(event.seq)


_LEARNED: Mapping[str, Callable[[Transcript, Event, Data], None]] = {
    "turn-started": _turn,
    "user-message": _user,
    "message-delta": _grows(_TEXT),
    "thinking-delta": _grows(_THINKING),
    "message": _said(_TEXT),
    "thinking": _said(_THINKING),
    "tool-start": _tool,
    "tool-output": _prints,
    "tool-done": _done,
    "complete": _over,
    "error": _over,
}


# What is told of it.

Told = Iterator[bytes]


def tell(run: Transcript, event: Event, data: Data, *, thin: bool) -> Told:
    """Tell of an event; `thin` without repeating a message that grows."""
    yield from _TOLD.get(event.event, _ours)(run, event, data, thin)


def _ours(_run: Transcript, event: Event, _data: Data, _thin: bool) -> Told:
    """Tell what pi has no word for in ours."""
    yield encode({"type": "sxhost", "name": event.event, "data": event.data})


def _started(_run: Transcript, _event: Event, _data: Data, _thin: bool) -> Told:
    yield from (b'{"type":"agent_start"}', b'{"type":"turn_start"}')


def _delta(kind: str) -> Callable[[Transcript, Event, Data, bool], Told]:
    def told(run: Transcript, event: Event, data: Data, thin: bool) -> Told:
        growing = run.growing(event.seq, data.item)
        if growing is not None and growing.began == event.seq:
            empty = message_of(run.agent, [], event.ts_ms)
            yield encode({"type": "message_start", "message": empty})
            yield _step({"type": f"{kind}_start"}, data.item, growing, event.seq, thin)
        step = {"type": f"{kind}_delta", "delta": data.text}
        yield _step(step, data.item, growing, event.seq, thin)

    return told


def _step(
    step: Mapping[str, Any], item: Any, growing: PartialMessage | None, seq: int, thin: bool
) -> bytes:
    said = encode({**step, "contentIndex": 0, "item": item})
    head = b'{"type":"message_update","assistantMessageEvent":' + said[:-1]
    message = growing.at(seq) if growing is not None and not thin else None
    if message is None:
        return head + b"}}"
    return b"".join((head, b',"partial":', message, b'},"message":', message, b"}"))


def _whole(kind: str) -> Callable[[Transcript, Event, Data, bool], Told]:
    def told(run: Transcript, event: Event, data: Data, thin: bool) -> Told:
        growing = _named(run, event, data)
        if growing is not None:
            step = {"type": f"{kind}_end", "content": data.text}
            yield _step(step, data.item, growing, event.seq, thin)
        yield from made(run, event)

    return told


def whole(said: WholeMessage) -> Told:
    """Tell of a message that is whole."""
    if said.alone:
        yield b'{"type":"message_start","message":%s}' % said.message
    yield b'{"type":"message_end","message":%s}' % said.message


def made(run: Transcript, event: Event) -> Told:
    """Tell of the messages that an event has made whole."""
    for said in run.ended(event.seq):
        yield from whole(said)


def _user_said(run: Transcript, event: Event, _data: Data, _thin: bool) -> Told:
    yield from made(run, event)


def _tool_starts(run: Transcript, event: Event, data: Data, _thin: bool) -> Told:
    yield from made(run, event)
    args = Raw(run.tools[data.item].args) if data.item in run.tools else data.input
    tool = {"toolCallId": data.item, "toolName": data.tool, "args": args}
    yield encode({"type": "tool_execution_start", **tool})


def _tool_prints(run: Transcript, event: Event, data: Data, _thin: bool) -> Told:
    tool = run.tools.get(data.item)
    if tool is not None:
        yield tool.update(data.item, event.seq)


def _tool_ends(run: Transcript, event: Event, data: Data, _thin: bool) -> Told:
    tool = run.tools.get(data.item)
    name = data.tool or (tool.name if tool is not None else "")
    called = {"toolCallId": data.item, "toolName": name}
    failed = data.status != "completed"
    end = {"type": "tool_execution_end", **called, "result": result_of(data)}
    yield encode({**end, "isError": failed})
    yield from made(run, event)


def _ends(run: Transcript, event: Event, _data: Data, _thin: bool) -> Told:
    yield from made(run, event)
    yield run.turn_end(event.seq)
    yield b'{"type":"agent_end","messages":%s}' % run.messages(event.seq)


def _asks(run: Transcript, event: Event, data: Data, thin: bool) -> Told:
    request = as_request(event.data)
    yield from (encode(request),) if request else _ours(run, event, data, thin)


def _compacted(_run: Transcript, _event: Event, _data: Data, _thin: bool) -> Told:
    yield encode({"type": "compaction_end", "reason": "manual", "aborted": False})


def words(role: str, text: str, at_ms: int) -> dict[str, Any]:
    """Return a message that is nothing but words."""
    return {"role": role, "content": [{"type": "text", "text": text}], "timestamp": at_ms}


_TOLD: Mapping[str, Callable[[Transcript, Event, Data, bool], Told]] = {
    "turn-started": _started,
    "user-message": _user_said,
    "message-delta": _delta(_TEXT),
    "thinking-delta": _delta(_THINKING),
    "message": _whole(_TEXT),
    "thinking": _whole(_THINKING),
    "tool-start": _tool_starts,
    "tool-output": _tool_prints,
    "tool-done": _tool_ends,
    "complete": _ends,
    "error": _ends,
    "approval-requested": _asks,
    "compact": _compacted,
}
