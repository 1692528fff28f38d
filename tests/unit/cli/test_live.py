"""A list on the terminal: drawn at once, soon after a change, and when its ages have moved."""

from __future__ import annotations

import pytest
from twisted.internet.testing import MemoryReactorClock

from sxhost.cli.live import AGES_S, SOON_S, LiveList
from sxhost.cli.output import Pieces
from tests.support.screens import Screen, terminal

DRAWN = "\x1b[H"


class Counted:
    """A list whose drawings are counted; each takes so many seconds."""

    def __init__(self, screen: Screen, takes: float = 0) -> None:
        self.reactor = MemoryReactorClock()
        self.screen = screen
        self.takes = takes
        self.live = LiveList(self.reactor, self.draw)
        self.live.begin()

    def draw(self) -> tuple[list[Pieces], str]:
        self.reactor.rightNow += self.takes
        return [[("a line", None)]], "below"

    @property
    def drawn(self) -> int:
        return self.screen.getvalue().count(DRAWN)


def test_changes_are_drawn_soon_and_together() -> None:
    with terminal() as screen:
        live = Counted(screen)
        assert live.drawn == 1
        live.live.change()
        live.live.change()
        live.reactor.advance(SOON_S)
        assert live.drawn == 2
        live.reactor.advance(AGES_S - 0.1)
        assert live.drawn == 2
        live.reactor.advance(0.1)
        assert live.drawn == 3, "ages have moved"


def test_a_list_that_takes_long_is_drawn_less_often() -> None:
    with terminal() as screen:
        live = Counted(screen, takes=0.05)
        live.live.change()
        live.reactor.advance(0.4)
        assert live.drawn == 1
        live.reactor.advance(0.1)
        assert live.drawn == 2


def test_the_terminal_is_given_back() -> None:
    with terminal() as screen:
        live = Counted(screen)
        live.live.end()
        live.live.end()
        live.live.change()
        live.reactor.advance(10)
    assert live.drawn == 1
    assert screen.getvalue().endswith("\x1b[?25h\x1b[?1049l")


@pytest.mark.parametrize("changes", [0, 5])
def test_a_dumb_terminal_has_it_every_two_seconds(changes: int) -> None:
    with terminal("dumb") as screen:
        live = Counted(screen)
        for _ in range(changes):
            live.live.change()
            live.reactor.advance(0.1)
        live.reactor.advance(AGES_S - 0.1 * changes)
        assert screen.getvalue().count("a line\nbelow\n") == 2
