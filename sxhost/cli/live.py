"""A list that stays on the terminal and is drawn anew as it changes, until somebody leaves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from sxhost.cli.output import Pieces, close_screen, is_screen, open_screen, put_screen

__all__ = ["LiveList"]

AGES_S: Final = 2.0
"""Seconds between two drawings where nothing has changed but the ages."""

SOON_S: Final = 0.05
SHARE: Final = 10
"""Seconds after a change in which others are drawn with it; at the least so many times what a
drawing takes, so that a long list that changes all the time takes a tenth of a processor.
"""


class LiveList:
    """Draws a list, which its maker changes; where there is no screen, only every two seconds.

    :param draw: returns the lines of the list, and the line below it.
    """

    def __init__(self, reactor: Any, draw: Callable[[], tuple[list[Pieces], str]]) -> None:
        self._reactor = reactor
        self._draw = draw
        self._timer: Any = None
        self._soon = SOON_S

    def begin(self) -> None:
        """Take the screen, and give it back when the reactor stops."""
        open_screen()
        self._reactor.addSystemEventTrigger("before", "shutdown", self.end)
        self._draw_now()

    def change(self) -> None:
        """Draw it anew, soon."""
        if self._timer is not None and is_screen():
            left = self._timer.getTime() - self._reactor.seconds()
            if left > self._soon:
                self._timer.reset(self._soon)

    def end(self) -> None:
        """Draw no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            close_screen()

    def _draw_now(self) -> None:
        began = self._reactor.seconds()
        put_screen(*self._draw())
        self._soon = max(SOON_S, SHARE * (self._reactor.seconds() - began))
        self._timer = self._reactor.callLater(AGES_S, self._draw_now)
