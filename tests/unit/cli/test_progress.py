"""What is waited for, and when it is said; the line at the terminal that says it."""

from __future__ import annotations

import io
from contextlib import redirect_stderr

import pytest
from twisted.internet.task import Clock

from sxhost.cli.follow import link_reporter
from sxhost.cli.output import StatusLine, put, put_pieces
from sxhost.cli.progress import ANY, Progress, Wait, wait_for
from sxhost.cli.terminal import HostLink
from tests.support.screens import terminal

READING = Wait("Reading")


class Shown:
    """A display that remembers what it was told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def show(self, what: str, seconds: float) -> None:
        self.lines.append(f"{what} {int(seconds)}")

    def clear(self) -> None:
        if self.lines and self.lines[-1]:
            self.lines.append("")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def shown() -> Shown:
    return Shown()


@pytest.fixture
def progress(clock: Clock, shown: Shown) -> Progress:
    return Progress(clock, shown)


class TestProgress:
    def test_what_is_over_soon_is_not_said(
        self, clock: Clock, shown: Shown, progress: Progress
    ) -> None:
        with progress.waiting(READING):
            clock.advance(0.4)
        clock.advance(5)
        assert shown.lines == []

    def test_after_half_a_second_it_is_said_and_each_second_anew(
        self, clock: Clock, shown: Shown, progress: Progress
    ) -> None:
        with progress.waiting(READING):
            clock.pump([0.5, 1, 1])
        clock.advance(5)
        assert shown.lines == ["Reading 0", "Reading 1", "Reading 2", ""]

    def test_requests_one_after_the_other_are_one_wait(
        self, clock: Clock, shown: Shown, progress: Progress
    ) -> None:
        for _ in range(3):
            with progress.waiting(READING):
                clock.advance(0.3)
            clock.advance(0.01)
        assert shown.lines == ["Reading 0", "", "Reading 0", ""]

    def test_another_wait_has_its_own_half_second(
        self, clock: Clock, shown: Shown, progress: Progress
    ) -> None:
        with progress.waiting(READING):
            clock.advance(0.6)
        with progress.waiting(Wait("Searching")):
            clock.advance(0.4)
        assert shown.lines == ["Reading 0", ""]

    def test_the_newest_of_several_waits_is_said(
        self, clock: Clock, shown: Shown, progress: Progress
    ) -> None:
        with progress.waiting(READING), progress.waiting(Wait("Starting")):
            clock.advance(0.6)
        assert shown.lines == ["Starting 0", ""]

    def test_a_wait_that_is_broken_off_leaves_its_word(self, progress: Progress) -> None:
        with progress.waiting(Wait("x", "it goes on")):
            pass
        assert progress.left == ""
        with (
            pytest.raises(KeyError),
            progress.waiting(READING),
            progress.waiting(Wait("x", "it goes on")),
        ):
            raise KeyError
        assert progress.left == "it goes on"

    def test_nothing_is_said_once_something_else_has_the_screen(
        self, clock: Clock, shown: Shown, progress: Progress
    ) -> None:
        with progress.waiting(READING):
            progress.stop()
            clock.advance(2)
        with progress.waiting(READING):
            clock.advance(2)
        assert shown.lines == []


@pytest.mark.parametrize(
    ("method", "path", "what"),
    [
        ("POST", "/sessions", "Waiting until the agent is ready for its first turn"),
        ("POST", "/sessions/a%20b/turns", "Waiting until the agent of a b runs"),
        ("GET", "/sessions/turns", ANY.what),
        ("GET", "/sessions/a/transcript?limit=5", "Reading the conversation of a"),
        ("DELETE", "/sessions/a", "Waiting until a has ended and is deleted"),
        ("GET", "/search?q=/sessions", "Searching, or making the index for it"),
        ("GET", "/status", ANY.what),
    ],
)
def test_what_a_request_waits_for(method: str, path: str, what: str) -> None:
    assert wait_for(method, path).what == what


class TestStatusLine:
    def test_it_is_drawn_over_itself_and_goes_before_what_is_printed(self) -> None:
        with terminal() as screen:
            StatusLine.shown.show("Reading", 0.5)
            StatusLine.shown.show("Reading", 2)
            put("a line")
            put_pieces([("another", None)])
        assert screen.getvalue() == (
            "\rReading ...\x1b[K\rReading ... 2 s\x1b[K\r\x1b[Ka line\nanother\n"
        )

    def test_it_fits_into_a_line_and_escapes(self) -> None:
        with terminal() as screen:
            StatusLine.shown.show("Waiting until \x1b[8m" + "x" * 90, 0)
            StatusLine.shown.clear()
        drawn = screen.getvalue().removeprefix("\r").partition("\x1b[K")[0]
        assert len(drawn) == 29
        assert "\x1b" not in drawn

    def test_it_is_not_drawn_over_words_that_flow(self) -> None:
        with terminal() as screen:
            put("half a li", nl=False)
            StatusLine.shown.show("Reading", 1)
            put("ne")
            StatusLine.shown.show("Reading", 1)
            StatusLine.shown.clear()
        assert screen.getvalue() == "half a line\n\rReading ... 1 s\x1b[K\r\x1b[K"

    def test_news_do_not_stand_behind_words_that_flow(self) -> None:
        link = HostLink("http://x", json=False)
        with terminal() as screen:
            put("half a li", nl=False)
            link_reporter(link)(False, "it hangs")
            link_reporter(link)(True, "")
        assert screen.getvalue() == (
            "half a li\nLost the host (it hangs); trying again.\nReconnected.\n"
        )

    def test_a_dumb_terminal_has_it_once(self) -> None:
        with terminal("dumb") as screen:
            for what in ("Reading", "Reading", "Searching"):
                StatusLine.shown.show(what, 1)
                StatusLine.shown.clear()
        assert screen.getvalue() == "Reading ...\nSearching ...\n"

    def test_a_pipe_has_nothing(self) -> None:
        pipe = io.StringIO()
        with terminal() as screen, redirect_stderr(pipe):
            StatusLine.shown.show("Reading", 1)
            put("a line")
        assert (pipe.getvalue(), screen.getvalue()) == ("", "a line\n")
