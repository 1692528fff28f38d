"""The access log's lines: as those of events, in order, and none is lost."""

from __future__ import annotations

import io
from collections.abc import Iterable
from functools import partial
from threading import Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from twisted.internet.task import Clock
from twisted.logger import LogLevel, formatEvent

from sxhost.config import LogFormat
from sxhost.daemon.access_lines import GATHER_S, MOST, AccessLines, LineBuffer, access_event
from sxhost.daemon.journald import with_priority
from sxhost.daemon.logfile import FORMATS, LogObserver
from sxhost.http.access_log import AccessEntry, _printable

ENTRY = AccessEntry(
    peer="127.0.0.1",
    method="GET",
    uri="/sessions?limit=5&...",
    version="HTTP/1.1",
    route="/sessions",
    status=200,
    size=12,
    ms=0.25,
    token="own",
    request_id="0123456789ab",
    referer="-",
    agent="curl/8",
)
AT = 1_710_288_000.5


@pytest.fixture
def clock() -> Clock:
    return Clock()


def line_of(entry: AccessEntry, kind: LogFormat, *, journal: bool = False) -> str:
    """Return what an access log in a format makes of an entry."""
    out, clock = io.StringIO(), Clock()
    observer = LogObserver(out, kind, clock, journal=journal)
    observer.access(entry)
    clock.advance(GATHER_S)
    return out.getvalue()


@pytest.fixture(autouse=True)
def still(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: AT)


TEXTS = st.binary(max_size=80).map(_printable)
ENTRIES = st.builds(
    partial(replace, ENTRY),
    method=TEXTS,
    uri=TEXTS,
    agent=TEXTS,
    referer=TEXTS,
    route=st.sampled_from(["", "/health", "/sessions"]),
    ms=st.floats(0, 1e6).map(lambda ms: round(ms, 3)),
    status=st.integers(100, 599),
)


@given(ENTRIES)
def test_a_line_is_what_its_event_would_be(entry: AccessEntry) -> None:
    event = access_event(entry, AT)
    for kind, write in FORMATS.items():
        assert line_of(entry, kind) == write(event)
        assert line_of(entry, kind, journal=True) == with_priority(write)(event)
    assert entry.message == formatEvent(event)


def test_probes_are_lines_for_debugging() -> None:
    assert access_event(replace(ENTRY, route="/health"), AT)["log_level"] is LogLevel.debug
    assert "#debug]" in line_of(replace(ENTRY, route="/health"), "text")


class Counted(io.StringIO):
    """A file that counts how often it is written to."""

    writes = 0

    def write(self, text: str) -> int:
        self.writes += 1
        return super().write(text)


def test_lines_of_a_moment_are_one_write(clock: Clock) -> None:
    out = Counted()
    buffer = LineBuffer(out, clock)
    for number in range(10):
        buffer.add(f"{number}\n")
    assert out.writes == 0
    clock.advance(GATHER_S)
    assert (out.writes, out.getvalue()) == (1, "".join(f"{n}\n" for n in range(10)))
    assert clock.getDelayedCalls() == []


def test_what_is_written_at_once_comes_after_what_was_gathered(clock: Clock) -> None:
    out = Counted()
    buffer = LineBuffer(out, clock)
    buffer.add("request\n")
    buffer.write("Stopped\n")
    assert (out.writes, out.getvalue()) == (1, "request\nStopped\n")
    clock.advance(GATHER_S)
    assert out.getvalue() == "request\nStopped\n"


def test_gathered_lines_are_bounded(clock: Clock) -> None:
    out = Counted()
    buffer = LineBuffer(out, clock)
    for _ in range(MOST):
        buffer.add("x\n")
    assert len(out.getvalue()) == 2 * MOST


def test_lines_of_several_threads_are_all_written(clock: Clock) -> None:
    out = io.StringIO()
    buffer = LineBuffer(out, clock)

    def write(names: Iterable[int]) -> None:
        for name in names:
            buffer.write(f"{name}\n")

    threads = [Thread(target=write, args=(range(at, 4000, 4),)) for at in range(4)]
    for thread in threads:
        thread.start()
    for number in range(4000, 5000):
        buffer.add(f"{number}\n")
    for thread in threads:
        thread.join()
    buffer.flush()
    assert sorted(map(int, out.getvalue().split())) == list(range(5000))


def test_each_format_has_its_access_lines(clock: Clock) -> None:
    out = io.StringIO()
    lines = AccessLines(LineBuffer(out, clock), lambda _: None, text=False)
    lines(ENTRY)  # a format that has no line for it
    clock.advance(GATHER_S)
    assert out.getvalue() == ""


class SignalledFile(io.StringIO):
    """A file amid whose first flush a signal arrives, whose handler logs."""

    def __init__(self) -> None:
        super().__init__()
        self.handlers = [lambda: None]

    def flush(self) -> None:
        if self.handlers:
            self.handlers.pop()()
        super().flush()


def test_signal_that_is_logged_amid_a_write_holds_nothing_up(clock: Clock) -> None:
    file = SignalledFile()
    buffer = LineBuffer(file, clock)
    file.handlers = [lambda: buffer.write("Received SIGTERM\n")]
    buffer.add("one\n")
    ended = Thread(target=buffer.flush, daemon=True)
    ended.start()
    ended.join(5)
    assert not ended.is_alive(), "it waits for itself"
    assert file.getvalue() == "one\nReceived SIGTERM\n"
