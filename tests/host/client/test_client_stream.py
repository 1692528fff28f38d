"""Following a stream in memory: over cuts, silence, stops and refusals, at a reader's pace."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import chain, repeat
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.protocol import Protocol

from sxhost.client.link import HELD, LINE, decode_frame
from sxhost.client.stream import FIRST_WAIT, LONGEST_WAIT, BackOff, EventStream, Value
from sxhost.errors import BadField, HostError, HostUnreachable, QueueFull, UnknownSession
from sxhost.model.event import Event, EventDraft, Gap
from sxhost.model.session import (
    Registration,
    SessionRemoved,
    StateChange,
    SummaryChange,
)
from sxhost.testing import (
    UNLIMITED,
    URL,
    HostInMemory,
    NetworkInMemory,
    finished,
    result_of,
    started,
)

X = EventDraft(event="x")


class Reader:
    """Reads a stream as fast as it comes, until `stop` or its end."""

    def __init__(self, net: NetworkInMemory, *which: str, **how: Any) -> None:
        self.net = net
        self.news: list[tuple[bool, str]] = []
        how = {"jitter": lambda: 1.0, "on_link": self._on_link, **how}
        self.stream: EventStream = net.client.subscribe(*which, **how)
        self.got: list[Value] = []
        self.done = started(self._read())
        net.run()

    def _on_link(self, up: bool, why: str) -> None:
        self.news.append((up, why))

    async def _read(self) -> None:
        async for value in self.stream:
            self.got.append(value)

    @property
    def events(self) -> list[Event]:
        return [value for value in self.got if isinstance(value, Event)]

    @property
    def ids(self) -> list[int]:
        return [event.id for event in self.events]

    @property
    def gaps(self) -> list[Gap]:
        return [value for value in self.got if isinstance(value, Gap)]

    @property
    def states(self) -> list[tuple[str, str]]:
        reported = [value for value in self.got if isinstance(value, StateChange)]
        return [(change.session, change.detail_state) for change in reported]

    def close(self) -> None:
        result_of(self.stream.aclose())
        self.net.run()


@pytest.fixture
def net() -> Iterator[NetworkInMemory]:
    net = NetworkInMemory()
    yield net
    net.run()
    assert not net.open_cables, "a connection was left open"


def fire(net: NetworkInMemory, count: int = 1, session: str = "a", data: Any = None) -> None:
    """Fire events and let them be delivered."""
    draft = EventDraft.of("x", data)
    finished(net.service.fire_batch(session, [draft] * count), net.clock)
    net.settle()


def place(net: NetworkInMemory, position: int) -> str:
    return f"{net.host.store.epoch}:{position}"


# What comes.


def test_stream_begins_with_the_past_and_continues_live(net: NetworkInMemory) -> None:
    fire(net, 2)
    reader = Reader(net, "a")
    fire(net)
    assert reader.ids == [1, 2, 3]
    assert reader.stream.cursor == place(net, 3)
    reader.close()
    assert result_of(reader.done) is None


def test_stream_of_one_some_or_all_sessions(net: NetworkInMemory) -> None:
    fire(net, session="a")
    fire(net, session="b")
    readers = [
        Reader(net, "b"),
        Reader(net),
        Reader(net, sessions=["a"]),
        Reader(net, sessions=("a", "b"), types=["x", "y"]),
        Reader(net, types=["y"]),
        Reader(net, after="now"),
        Reader(net, after="1"),
        Reader(net, after=place(net, 2)),
    ]
    fire(net, session="b")
    assert [reader.ids for reader in readers] == [
        [2, 3], [1, 2, 3], [1], [1, 2, 3], [], [3], [2, 3], [3],
    ]  # fmt: skip
    for reader in readers:
        reader.close()


def test_stream_filters_sessions_by_label(net: NetworkInMemory) -> None:
    result_of(net.service.register("a", Registration(labels={"team": "x"})))
    reader = Reader(net, label="team:x")
    fire(net, session="a")
    fire(net, session="b")
    assert reader.ids == [1]
    reader.close()


def test_state_changes_come_if_requested(net: NetworkInMemory) -> None:
    fire(net, session="a")
    reader = Reader(net, state=True)
    result_of(net.service.fire("a", EventDraft(event="thinking")))
    net.advance(0.3)
    assert reader.states == [("a", "idle"), ("a", "working")]
    reported = [value for value in reader.got if isinstance(value, StateChange)][-1]
    assert (reported.state, reported.reason) == ("active", "thinking")
    reader.close()


def test_state_is_not_repeated_after_a_reconnect(net: NetworkInMemory) -> None:
    fire(net, session="a")
    reader = Reader(net, state=True)
    net.cut()
    net.advance(1)
    assert (len(net.attempts), reader.states) == (2, [("a", "idle")])
    net.cut()
    result_of(net.service.fire("a", EventDraft(event="thinking")))
    net.advance(1)
    assert reader.states == [("a", "idle"), ("a", "working")]
    reader.close()


def test_summaries_and_sessions_that_have_gone_come_if_requested(
    net: NetworkInMemory,
) -> None:
    for name in ("a", "b", "c"):
        fire(net, session=name)
    reader = Reader(net, summary=True)

    def changes() -> list[tuple[str, str]]:
        return [
            (type(value).__name__, value.session)
            for value in reader.got
            if isinstance(value, SummaryChange | SessionRemoved)
        ]

    told = [("SummaryChange", name) for name in ("a", "b", "c")]
    assert changes() == told
    result_of(net.service.forget("a"))
    net.advance(1)
    told.append(("SessionRemoved", "a"))
    assert changes() == told
    net.cut()
    result_of(net.service.forget("b"))
    result_of(net.service.register("c", Registration(title="new")))
    net.advance(2)
    told += [("SummaryChange", "c"), ("SessionRemoved", "b")]
    assert changes() == told
    reader.close()


def test_unknown_frame_is_ignored() -> None:
    assert decode_frame(b'{"frame":"weather","sun":true}') is None
    gap = decode_frame(b'{"frame":"gap","from":"a:1","to":"a:2","reason":"r","more":1}')
    assert gap == Gap("a:1", "a:2", "r")
    assert json.loads(json.dumps({"frame": "gap"})).items() <= as_wire(gap).items()


def as_wire(value: Any) -> Any:
    from sxhost.codec.json import encode

    return json.loads(encode(value))


def test_gap_is_decoded_as_encoded() -> None:
    wire = {"frame": "gap", "from": "a:1", "to": "a:2", "reason": "retention"}
    assert as_wire(Gap("a:1", "a:2", "retention")) == wire


# How it begins and ends.


def test_entering_waits_until_subscribed(net: NetworkInMemory) -> None:
    stream = net.client.subscribe(after="now")
    entered = started(stream.__aenter__())
    assert not entered.called
    net.run()
    assert result_of(entered) is stream
    fire(net)
    value = result_of(stream.__anext__())
    assert isinstance(value, Event)
    result_of(stream.__aexit__())


def test_no_request_before_the_first_value(net: NetworkInMemory) -> None:
    net.client.subscribe("a")
    assert net.attempts == []


def test_stream_ends_when_its_session_is_forgotten(net: NetworkInMemory) -> None:
    fire(net)
    reader = Reader(net, "a")
    result_of(net.service.forget("a"))
    net.settle()
    assert result_of(reader.done) is None
    assert reader.stream.ended == "the session is forgotten"
    with pytest.raises(StopAsyncIteration):
        result_of(reader.stream.__anext__())


def test_close_ends_the_connection_and_the_reader(net: NetworkInMemory) -> None:
    reader = Reader(net)
    assert net.host.notifier.subscribers == 1
    reader.close()
    assert result_of(reader.done) is None
    assert (net.host.notifier.subscribers, net.open_cables) == (0, [])
    reader.close()
    assert net.clock.getDelayedCalls() == []


def test_close_ends_a_reconnect_wait(net: NetworkInMemory) -> None:
    net.down = True
    reader = Reader(net)
    reader.close()
    assert result_of(reader.done) is None
    net.advance(60)
    assert len(net.attempts) == 1


def test_close_cancels_a_request(net: NetworkInMemory) -> None:
    net.build_server = Protocol
    reader = Reader(net)
    reader.close()
    assert result_of(reader.done) is None


@pytest.mark.parametrize("wanted", [False, True])
def test_close_from_the_link_callback(net: NetworkInMemory, wanted: bool) -> None:
    def close(up: bool, _why: str) -> None:
        if up is wanted:
            result_of(reader.stream.aclose())

    fire(net)
    reader = Reader(net, on_link=close)
    net.cut()
    net.advance(1)
    assert result_of(reader.done) is None
    assert reader.ids == [1]
    assert len(net.attempts) == (2 if wanted else 1)


def test_close_before_the_first_value_ends_the_stream(net: NetworkInMemory) -> None:
    stream = net.client.subscribe()
    result_of(stream.aclose())
    with pytest.raises(StopAsyncIteration):
        result_of(stream.__anext__())
    assert result_of(stream.__aenter__()) is stream
    assert net.attempts == []


def test_close_while_entering(net: NetworkInMemory) -> None:
    net.down = True
    stream = net.client.subscribe()
    entered = started(stream.__aenter__())
    result_of(stream.aclose())
    assert result_of(entered) is stream


@pytest.mark.parametrize("when", ["waiting", "connecting", "down", "greeting"])
def test_cancelled_read_can_be_repeated(net: NetworkInMemory, when: str) -> None:
    net.down = when == "down"
    net.build_server = Protocol if when == "connecting" else None
    net.cable_bytes = chain([0 if when == "greeting" else UNLIMITED], repeat(UNLIMITED))
    stream = net.client.subscribe(after="0", jitter=lambda: 1.0)
    asked = started(stream.__anext__())
    if when == "waiting":
        net.run()
    asked.cancel()
    with pytest.raises(CancelledError):
        result_of(asked)
    net.down, net.build_server = False, None
    fire(net)
    asked = started(stream.__anext__())
    net.advance(1)
    value = result_of(asked)
    assert isinstance(value, Event)
    assert value.id == 1
    result_of(stream.aclose())


def test_concurrent_reads_are_refused(net: NetworkInMemory) -> None:
    reader = Reader(net)
    with pytest.raises(RuntimeError, match="somebody waits"):
        result_of(reader.stream.__anext__())
    reader.close()


# A link that is lost.


def test_cut_connection_is_reopened_and_reported(net: NetworkInMemory) -> None:
    reader = Reader(net)
    fire(net, 2)
    net.cut()
    assert reader.news == [(False, "the connection was lost")]
    fire(net, 2)
    net.advance(FIRST_WAIT)
    fire(net)
    assert reader.ids == [1, 2, 3, 4, 5]
    assert reader.news[1:] == [(True, "")]
    reader.close()


@pytest.mark.parametrize("after", ["", "now", "0", "cursor"])
def test_cut_before_any_event_neither_skips_nor_repeats(
    net: NetworkInMemory, after: str
) -> None:
    fire(net, 2)
    reader = Reader(net, after=place(net, 2) if after == "cursor" else after, types=["y"])
    net.cut()
    fire(net)
    result_of(net.service.fire("a", EventDraft(event="y")))
    net.advance(1)
    assert reader.ids == [4]
    reader.close()


def test_cursor_now_is_kept_over_a_cut(net: NetworkInMemory) -> None:
    fire(net, 2)
    reader = Reader(net, after="now")
    net.cut()
    fire(net, 2)
    net.advance(1)
    assert reader.ids == [3, 4]
    reader.close()


def test_line_that_was_cut_comes_again_whole(net: NetworkInMemory) -> None:
    fire(net, 3)
    reader = Reader(net)
    cable = net.cables[-1]
    fire(net)
    size = sum(map(len, (as_bytes(event) for event in reader.events)))
    reader.close()
    for cut in range(size):
        net.cable_bytes = chain([UNLIMITED - cable.bytes_left - cut], repeat(UNLIMITED))
        reader = Reader(net, after="0")
        net.advance(1)
        assert reader.ids == [1, 2, 3, 4], cut
        reader.close()


def as_bytes(value: Value) -> bytes:
    return json.dumps(as_wire(value)).encode()


def test_filtered_reader_resumes_at_the_hosts_position(net: NetworkInMemory) -> None:
    reader = Reader(net, types=["rare"])
    fire(net, 5)
    net.advance(20)
    assert reader.stream.cursor == f"{net.host.store.epoch}:5"
    reader.close()


def test_silent_connection_is_reopened(net: NetworkInMemory) -> None:
    reader = Reader(net)
    net.advance(100)
    assert (len(net.attempts), reader.news) == (1, []), "heartbeats keep it alive"
    (cable,) = net.open_cables
    room = cable.bytes_left
    while cable.bytes_left == room:
        net.advance(0.05)
    cable.client.producerState = "a dead line"
    net.advance(44.9)
    assert len(net.attempts) == 1
    net.advance(16)
    assert reader.news == [(False, "it was silent for 60 s"), (True, "")]
    fire(net)
    assert reader.ids == [1]
    reader.close()


def test_delayed_process_reads_before_it_declares_silence(net: NetworkInMemory) -> None:
    reader = Reader(net)
    net.clock.advance(600)
    net.run()
    fire(net)
    assert (reader.ids, reader.news) == ([1], [])
    reader.close()


def test_unanswered_request_is_retried(net: NetworkInMemory) -> None:
    net.build_server = Protocol
    reader = Reader(net)
    net.advance(9.9)
    assert reader.news == []
    net.advance(0.2)
    assert reader.news == [(False, "http://127.0.0.1:7432: it took too long")]
    net.build_server = None
    net.advance(1)
    assert reader.news[1:] == [(True, "")]
    reader.close()


def test_reconnects_back_off(net: NetworkInMemory) -> None:
    net.down = True
    reader = Reader(net)
    net.advance(200)
    waits = [b - a for a, b in zip(net.attempts, net.attempts[1:], strict=False)]
    expected = [0.25, 0.5, 1, 2, 4, 8, 16, 30, 30, 30, 30]
    assert waits[: len(expected)] == pytest.approx(expected, abs=0.11)
    assert len(reader.news) == 1, "it is told once"
    net.down = False
    net.advance(31)
    assert reader.news[1:] == [(True, "")]
    reader.close()


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_back_off_jitter_is_bounded(chances: list[float]) -> None:
    back_off, longest = BackOff(iter(chances).__next__), FIRST_WAIT
    for _ in chances:
        assert longest / 2 <= back_off.next() <= longest
        longest = min(2 * longest, LONGEST_WAIT)
    back_off.reset()
    assert BackOff(lambda: 0).next() == FIRST_WAIT / 2


def test_connection_that_delivered_is_replaced_at_once(net: NetworkInMemory) -> None:
    reader = Reader(net)
    for _ in range(5):
        fire(net)
        net.cut()
        net.advance(FIRST_WAIT)
    assert (reader.ids, len(net.attempts)) == ([1, 2, 3, 4, 5], 6)
    reader.close()


def test_connection_that_lasted_is_replaced_at_once(net: NetworkInMemory) -> None:
    reader = Reader(net)
    for _ in range(5):
        net.advance(6)
        net.cut()
        net.advance(FIRST_WAIT)
    assert len(net.attempts) == 6
    reader.close()


def test_connection_that_keeps_breaking_backs_off(net: NetworkInMemory) -> None:
    reader = Reader(net)
    for _ in range(100):
        net.cut()
        net.advance(1)
    assert 7 <= len(net.attempts) <= 10
    reader.close()


def test_stream_follows_a_host_restart(net: NetworkInMemory) -> None:
    reader = Reader(net)
    fire(net)
    net.stop()
    assert reader.news == [(False, "the host is stopping")]
    net.advance(3)
    net.restart()
    fire(net)
    net.advance(5)
    fire(net)
    assert reader.ids == [1, 2, 3]
    assert (reader.news[1:], reader.gaps) == ([(True, "")], [])
    reader.close()


# Gaps.


def test_retention_that_passes_the_cursor_is_a_gap() -> None:
    net = NetworkInMemory(HostInMemory(events=4))
    fire(net, 2)
    reader = Reader(net, "a")
    net.cut()
    fire(net, 10)
    net.advance(1)
    assert reader.ids == [1, 2, 9, 10, 11, 12]
    assert reader.gaps == [Gap(place(net, 2), place(net, 8), "retention")]
    assert isinstance(reader.got[2], Gap), "it stands where the events would"
    reader.close()


def test_another_epoch_is_a_gap(net: NetworkInMemory) -> None:
    fire(net, 3)
    reader = Reader(net, "a")
    fire(net)
    before = place(net, 4)
    net.cut()
    net.host = HostInMemory()
    net.restart()
    fire(net, 2)
    net.advance(1)
    assert reader.gaps == [Gap(before, place(net, 0), "another epoch")]
    assert reader.ids == [1, 2, 3, 4, 1, 2]
    reader.close()


def test_plain_number_cursor_is_bound_to_its_epoch(net: NetworkInMemory) -> None:
    fire(net, 2)
    reader = Reader(net, "a", after="2")
    before = place(net, 2)
    net.advance(20)
    net.cut()
    net.host = HostInMemory()
    net.restart()
    fire(net, 2)
    net.advance(1)
    assert (reader.ids, [gap.start for gap in reader.gaps]) == ([1, 2], [before])
    reader.close()


@pytest.mark.parametrize("after", ["2", "0e:7"])
def test_gap_is_delivered_once_wherever_the_connection_is_cut(after: str) -> None:
    seen = set()
    for room in range(60, 3000, 13):
        net = NetworkInMemory(HostInMemory(events=4))
        fire(net, 10)
        net.cable_bytes = chain([room], repeat(UNLIMITED))
        reader = Reader(net, "a", after=after)
        net.advance(1)
        assert reader.ids == [7, 8, 9, 10], room
        assert [gap.end for gap in reader.gaps] == [place(net, 6)], room
        seen.add(len(net.attempts))
        reader.close()
    assert seen == {1, 2}


# A host that says no, and what is no host.


def test_stream_of_an_unknown_session_is_refused(net: NetworkInMemory) -> None:
    reader = Reader(net, "nobody")
    with pytest.raises(UnknownSession, match="There is no session 'nobody'"):
        result_of(reader.done)
    with pytest.raises(StopAsyncIteration):
        result_of(reader.stream.__anext__())


def test_session_forgotten_while_disconnected_is_refused(
    net: NetworkInMemory,
) -> None:
    fire(net)
    reader = Reader(net, "a")
    net.cut()
    result_of(net.service.forget("a"))
    net.advance(1)
    with pytest.raises(UnknownSession):
        result_of(reader.done)


@pytest.mark.parametrize("after", ["nonsense", "-1", "a:b"])
def test_malformed_cursor_is_refused(net: NetworkInMemory, after: str) -> None:
    with pytest.raises(BadField):
        result_of(Reader(net, after=after).done)


@pytest.mark.parametrize("sessions", ["a,b", ""])
def test_impossible_session_id_is_refused_at_once(net: NetworkInMemory, sessions: str) -> None:
    with pytest.raises(BadField):
        net.client.subscribe(sessions=[sessions])


def test_session_and_filter_exclude_each_other(net: NetworkInMemory) -> None:
    for work in (
        lambda: net.client.subscribe("a", sessions=["b"]),
        lambda: net.client.subscribe("a", label="x:y"),
    ):
        with pytest.raises(BadField, match="Name one session, or choose"):
            work()


class Says(Protocol):
    """Answers with fixed bytes, and hangs up if they do not say for how long."""

    def __init__(self, words: bytes) -> None:
        self._words = words

    def dataReceived(self, data: bytes) -> None:
        assert self.transport is not None
        self.transport.write(self._words)
        if b"chunked" not in self._words:
            self.transport.loseConnection()


def saying(words: bytes) -> Callable[[], Protocol]:
    return lambda: Says(words)


def refusal(error: HostError) -> Callable[[], Protocol]:
    body = json.dumps(error.to_wire()).encode()
    head = f"HTTP/1.1 {error.status} No\r\nContent-Length: {len(body)}\r\n\r\n"
    return saying(head.encode() + body)


def refusing(status: int, **details: Any) -> Callable[[], Protocol]:
    error = HostError("Not now.", **details)
    error.status = status
    return refusal(error)


@pytest.mark.parametrize(
    ("status", "details", "wait"),
    [
        (503, {"retry_after": 5}, 5.25),
        (429, {"retry_after": 2.5}, 2.75),
        (500, {}, 0.25),
        (507, {"retry_after": "soon"}, 0.25),
        (503, {"retry_after": 1e9}, 300.25),
    ],
)
def test_retry_after_is_obeyed(
    net: NetworkInMemory, status: int, details: Any, wait: float
) -> None:
    net.build_server = refusing(status, **details)
    reader = Reader(net, fail_fast=True)
    assert reader.news == [(False, "Not now.")]
    net.build_server = None
    net.advance(wait - 0.1)
    assert len(net.attempts) == 1
    net.advance(0.2)
    assert (len(net.attempts), reader.news[1:]) == (2, [(True, "")])
    reader.close()


@pytest.mark.parametrize("status", [400, 401, 404, 409, 418])
def test_other_refusals_end_the_stream(net: NetworkInMemory, status: int) -> None:
    net.build_server = refusing(status)
    with pytest.raises(HostError, match="Not now"):
        result_of(Reader(net).done)


def test_full_queue_is_reported_and_retried(net: NetworkInMemory) -> None:
    net.build_server = refusal(QueueFull("a", 1))
    reader = Reader(net)
    assert "already wait" in reader.news[0][1]
    reader.close()


OK = b"HTTP/1.1 200 OK\r\n"
STRANGERS = [
    b"",
    b"SSH-2.0-OpenSSH_9.9\r\n",
    OK + b"Content-Length: 0\r\n\r\n",
    OK + b"Content-Length: 100\r\n\r\n{",
    OK + b"\r\n<html>It works!</html>\n",
    OK + b"\r\n" + b'{"event":"x","data":1,"ts":1,"seq":1,"id":1,"ts_ms":1,"session":"a"}\n',
    OK + b'\r\n{"frame":"hello","cursor":"a:1","epoch":"a","heartbeat_s":0}\n',
    OK + b'\r\n{"frame":"hello","cursor":"\xff","epoch":"a","heartbeat_s":1}\n',
    OK + b'\r\n{"frame":"heartbeat"}\n',
    b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nhtml",
    b"HTTP/1.1 502 Bad Gateway\r\n\r\n",
]


@pytest.mark.parametrize("words", STRANGERS)
def test_server_that_is_no_host_fails_the_first_attempt(
    net: NetworkInMemory, words: bytes
) -> None:
    net.build_server = saying(words)
    with pytest.raises(HostUnreachable, match=f"^{URL}: "):
        result_of(Reader(net, fail_fast=True).done)


@pytest.mark.parametrize("words", STRANGERS)
def test_server_that_is_no_host_is_retried(net: NetworkInMemory, words: bytes) -> None:
    net.build_server = saying(words)
    reader = Reader(net)
    net.advance(2)
    net.build_server = None
    fire(net)
    net.advance(5)
    assert (reader.ids, [up for up, _ in reader.news]) == ([1], [False, True])
    reader.close()


def test_only_the_first_attempt_fails_fast(net: NetworkInMemory) -> None:
    reader = Reader(net, fail_fast=True)
    net.cut()
    net.down = True
    net.advance(10)
    net.down = False
    net.advance(10)
    fire(net)
    assert reader.ids == [1]
    reader.close()


HELLO = OK + b'\r\n{"frame":"hello","cursor":"a:7","epoch":"a","heartbeat_s":15}\n'


@pytest.mark.parametrize("line", [b"nonsense\n", b"\xff\n", b"[]\n", b'{"frame":"gap"}\n'])
def test_malformed_line_reconnects(net: NetworkInMemory, line: bytes) -> None:
    net.build_server = saying(HELLO + line)
    reader = Reader(net)
    net.advance(60)
    assert reader.news[0] == (False, "what it sends is not what a host sends")
    assert len(net.attempts) < 10, "it will not be better soon"
    assert reader.stream.cursor == "a:7"
    reader.close()


def test_endless_line_reconnects(net: NetworkInMemory) -> None:
    net.build_server = saying(HELLO + b" " * (LINE + 1))
    reader = Reader(net)
    assert reader.news == [(False, f"a line is longer than {LINE} bytes")]
    reader.close()


# A slow reader.


def test_slow_reader_pauses_the_host() -> None:
    net = NetworkInMemory(HostInMemory(events=100_000, ring_bytes=10**8))
    fire(net, 4000, data="x" * 1000)
    stream = net.client.subscribe("a", after="0")
    result_of_entering(net, stream)
    (cable,) = net.open_cables
    assert UNLIMITED - cable.bytes_left < 2 * HELD
    assert cable.waiting < 2 * HELD, "and the host keeps no queue"
    net.advance(120)
    assert len(net.attempts) == 1, "who waits for us is not dead"
    ids: list[int] = []
    while len(ids) < 4000:
        asked = started(stream.__anext__())
        net.run()
        value = result_of(asked)
        assert isinstance(value, Event)
        ids.append(value.id)
    assert ids == list(range(1, 4001))
    result_of(stream.aclose())
    net.run()


def result_of_entering(net: NetworkInMemory, stream: EventStream) -> None:
    entered = started(stream.__aenter__())
    net.run()
    result_of(entered)


def test_buffered_values_are_read_before_a_disconnect_is_noticed(net: NetworkInMemory) -> None:
    fire(net, 3)
    stream = net.client.subscribe("a")
    result_of_entering(net, stream)
    net.run()
    net.cut()
    net.down = True
    values: list[Any] = [result_of(stream.__anext__()) for _ in range(3)]
    assert [value.id for value in values] == [1, 2, 3]
    result_of(stream.aclose())


# Whatever happens.

steps = st.lists(
    st.one_of(
        st.tuples(st.just("fire"), st.integers(1, 20), st.sampled_from("ab")),
        st.tuples(st.just("room"), st.integers(0, 4000)),
        st.tuples(st.just("cut")),
        st.tuples(st.just("stop")),
        st.tuples(st.just("restart")),
        st.tuples(st.just("read"), st.integers(1, 30)),
        st.tuples(st.just("wait"), st.sampled_from([0.1, 1.0, 20.0])),
    ),
    max_size=25,
)


class Slow:
    """Reads a stream only when it is told to."""

    def __init__(self, stream: EventStream) -> None:
        self.stream = stream
        self.got: list[Value] = []
        self.wanted = 0
        self._asked: Deferred[None] | None = None

    def read(self, count: int) -> None:
        self.wanted += count
        if self._asked is None or self._asked.called:
            self._asked = started(self._read())

    async def _read(self) -> None:
        with suppress(StopAsyncIteration):
            while self.wanted:
                self.got.append(await self.stream.__anext__())
                self.wanted -= 1


class History:
    """A host, a network and a reader to which anything may happen."""

    def __init__(self, which: tuple[str, ...], limit: int) -> None:
        self.net = NetworkInMemory(HostInMemory(events=limit))
        self.fired: list[tuple[str, int]] = []
        fire(self.net, 3)
        self.fired += [("a", n) for n in (1, 2, 3)]
        stream = self.net.client.subscribe(*which, after="0", jitter=lambda: 0.5)
        self.reader = Slow(stream)

    def fire(self, count: int, session: str) -> None:
        before = sum(name == session for name, _ in self.fired)
        fire(self.net, count, session)
        self.fired += [(session, before + n + 1) for n in range(count)]

    def room(self, size: int) -> None:
        self.net.cable_bytes = chain([size], repeat(UNLIMITED))

    def cut(self) -> None:
        self.net.cut()

    def stop(self) -> None:
        self.net.stop()

    def restart(self) -> None:
        if self.net.down:
            self.net.restart()

    def read(self, count: int) -> None:
        self.reader.read(count)
        self.net.run()

    def wait(self, seconds: float) -> None:
        self.net.advance(seconds)

    def finish(self) -> list[Value]:
        """Let everything come that is still to come."""
        self.restart()
        self.read(10_000)
        self.net.advance(70)
        result_of(self.reader.stream.aclose())
        self.net.run()
        return self.reader.got


def happened(which: tuple[str, ...], limit: int, happening: list[Any]) -> History:
    history = History(which, limit)
    for name, *given_ in happening:
        getattr(history, name)(*given_)
    return history


@given(st.sampled_from([(), ("a",)]), steps)
def test_every_event_comes_once_and_in_order(which: tuple[str, ...], happening: Any) -> None:
    history = happened(which, 256, happening)
    events = [value for value in history.finish() if isinstance(value, Event)]
    wanted = [(s, n) for s, n in history.fired if not which or s in which]
    assert [(event.session, event.seq) for event in events] == wanted
    assert len(events) == len(history.reader.got), "there are no gaps"


@given(steps)
def test_every_missing_event_is_in_a_gap(happening: Any) -> None:
    history = happened(("a",), 5, happening)
    last = 0
    missing: set[int] = set()
    came: list[int] = []
    for value in history.finish():
        if isinstance(value, Event):
            came.append(value.id)
            assert value.id > last, "in order, once, and not in a gap"
            last = value.id
        elif isinstance(value, Gap):
            end = int(value.end.partition(":")[2])
            missing |= set(range(last + 1, end + 1))
            last = end
    ours = {number for number, (session, _) in enumerate(history.fired, 1) if session == "a"}
    assert ours - set(came) <= missing
