"""Whatever shape an event's data have, nothing that reads events falls over it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import cycle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw, json
from twisted.internet.defer import Deferred

from sxhost.cli.follow import LinePrinter, approval_of
from sxhost.cli.terminal import HostLink, event_line
from sxhost.cli.turns import TurnFollower
from sxhost.codec.json import encode
from sxhost.faces.codex_sse.fields import Conversation
from sxhost.faces.codex_sse.stream import FrameEncoder, ends_turn
from sxhost.faces.codexd.events import event_record
from sxhost.faces.pi.messages import plain_message
from sxhost.faces.pi.translator import Translator
from sxhost.model.approval import Approval
from sxhost.model.event import Event
from sxhost.model.limits import Limits
from sxhost.model.rights import HOST_EVENTS
from sxhost.model.session import Session, State
from sxhost.model.session_state import MESSAGE_EVENTS, apply_events
from sxhost.model.turn import Launch
from sxhost.telemetry.forwarder import forwarded_content
from sxhost.testing import result_of
from sxhost.transcripts.messages import message_of

NAMES = sorted({*HOST_EVENTS, "note", "output", "system"})
ODD: list[Any] = [
    *(
        None,
        True,
        -1,
        7,
        1.5,
        2**63,
        "",
        "x",
        "\x1b]0;x\x07",
        "\ud800".encode("utf-8", "replace").decode(),
    ),
    *([], [1], [[]], {}, {"a": 1}, [{"a": []}]),
]
FIELDS = (
    *("agent", "answers", "args", "assistantMessageEvent", "by", "cached_tokens", "choices"),
    *("code", "command", "content", "cut", "cwd", "data", "decision", "detail", "diff"),
    *("entries", "exit_code", "expires_ms", "id", "input", "input_tokens", "inquiries", "item"),
    *("key", "kind", "message", "method", "native", "native_id", "opened_ms", "options"),
    *("output", "params", "paths", "reason", "requestId", "resolution", "result", "role"),
    *("session", "signal", "state", "status", "stderr", "text", "title", "tool", "toolCallId"),
    *("total_tokens", "turn", "type", "usage"),
)
PI = ("message_start", "message_update", "message_end", "tool_execution_end", "turn/completed")
NATIVE: Any = {
    "message": {"role": "toolResult", "toolCallId": []},
    "assistantMessageEvent": {"type": "text_delta", "delta": "x"},
}
LATER = ("message-delta", "message", "tool-start", "tool-output", "tool-done", "complete")
BEGUN: Any = {"native": {"type": "message_start", "message": {"role": "assistant"}}}


def odd_data() -> Iterator[Any]:
    """Yield data: odd as a whole, or with one odd field beside plain ones, also of `native`."""
    yield from ODD
    plain = {
        "item": "i",
        "text": "t",
        "turn": 1,
        "tool": "bash",
        "id": 1,
        "status": "completed",
    }
    kinds = cycle(PI)
    for field in FIELDS:
        for value in ODD:
            yield {**plain, field: value}
            yield {**plain, "native": {**NATIVE, "type": next(kinds), field: value}}


def event(name: str, data: Any, seq: int = 2) -> Event:
    return Event(name, Raw(encode(data)), 1, seq, seq, 1000 + seq, "a")


def session(agent: str, *, hosted: bool = True) -> Session:
    launch = Launch(agent=agent) if hosted else None
    kind: Any = "hosted" if hosted else "attached"
    idle = State("idle", "", 0)
    return Session(
        id="a", kind=kind, agent=agent, launch=launch, start_ms=0, last_seen_ms=0, state=idle
    )


class Asked:
    """A host that knows of nothing that is asked."""

    def __init__(self, *known: Approval) -> None:
        self.known = list(known)

    async def session_approvals(self, _session: str, _query: Any) -> list[Approval]:
        return self.known


class Stream:
    """A stream that brings these events, and then no more."""

    def __init__(self, *events: Event) -> None:
        self._events = list(events)

    def __aiter__(self) -> Stream:
        return self

    async def __anext__(self) -> Event:
        if not self._events:
            raise StopAsyncIteration
        return self._events.pop(0)


def runs_at_a_terminal(one: Event) -> None:
    ride = TurnFollower(HostLink("http://x", json=False), "a", background=True)
    result_of(Deferred.fromCoroutine(ride.follow(Asked(), Stream(one))))  # type: ignore[arg-type]


def is_watched(one: Event) -> None:
    event_line(one)
    LinePrinter(json=False, names=True, colours=True).line(one)
    assert result_of(Deferred.fromCoroutine(approval_of(Asked(), one))) is None  # type: ignore[arg-type]


def is_multiplexed(agent: str) -> Callable[[Event], None]:
    """Also what comes after it, which repeats what was learned of it."""

    def told(one: Event) -> None:
        value = one.value()
        item = value.get("item") if isinstance(value, dict) else None
        rest = {"item": item, "text": "t", "tool": "bash", "status": "completed", "turn": 1}
        later = [event(name, rest, 3 + n) for n, name in enumerate(LATER)]
        runs = Translator(Limits(), lambda _: agent)
        first = event("native", BEGUN, 1) if agent == "pi" else event("turn-started", {}, 1)
        for each in (first, one, *later):
            for frame in (*runs.translate(each), *runs.translate(each, snapshots=False)):
                json.decode(frame)

    return told


def is_folded(one: Event) -> None:
    for hosted in (True, False):
        apply_events(session("echo", hosted=hosted), [one], 0)
    if one.event in MESSAGE_EVENTS:
        message = message_of(one)
        assert message is not None
        encode(plain_message(message))
    forwarded_content(one, "full")


def is_told_by_codexd(one: Event) -> None:
    encode(event_record(one, session("codex")))


def is_told_as_codexs(one: Event) -> None:
    frames = FrameEncoder(Conversation(id="r", session="a"), 1)
    frames.event(event("turn-started", {"turn": 1}, 1), "e")
    frames.event(one, "e")
    ends_turn(one, 1)


READERS: Mapping[str, Callable[[Event], None]] = {
    "run": runs_at_a_terminal,
    "tail, events -f, approvals -f": is_watched,
    "multiplexer: attached": is_multiplexed(""),
    "multiplexer: codex": is_multiplexed("codex"),
    "multiplexer: pi": is_multiplexed("pi"),
    "state, telemetry": is_folded,
    "codexd": is_told_by_codexd,
    "messages": is_told_as_codexs,
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("name", NAMES)
def test_readers_tolerate_odd_data_of_each_event(capsys: Any, reader: str, name: str) -> None:
    for data in odd_data():
        try:
            READERS[reader](event(name, data))
        except Exception as error:
            error.add_note(f"{name} {data!r}")
            raise
    assert "\x1b" not in capsys.readouterr().out


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=6)
    ),
    max_leaves=12,
)


@given(st.sampled_from(sorted(READERS)), st.sampled_from(NAMES), JSON)
def test_readers_tolerate_any_data_of_any_event(reader: str, name: str, data: Any) -> None:
    READERS[reader](event(name, data))
