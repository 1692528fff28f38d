"""Lines that are typed and lines that are pasted."""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock

from sxhost.cli.keyboard import TOGETHER, Paste


class Typist:
    """Someone who types and pastes, and what becomes of it."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.texts: list[str] = []
        self.held: list[int] = []
        self.paste = Paste(self.clock, self.texts.append, self.held.append)

    def enter(self, *lines: str) -> None:
        """Enter lines that come together."""
        for line in lines:
            self.paste.add(line)
            self.clock.advance(TOGETHER / 2)
        self.clock.advance(TOGETHER)


@pytest.fixture
def typist() -> Typist:
    return Typist()


def test_lines_that_come_alone_are_texts_of_their_own(typist: Typist) -> None:
    typist.enter("one")
    typist.enter("two")
    assert (typist.texts, typist.held) == (["one", "two"], [])


def test_lines_that_come_together_wait_for_one_more(typist: Typist) -> None:
    typist.enter("def f():", "    pass")
    assert (typist.texts, typist.held, typist.paste.held) == ([], [2], True)
    typist.enter("# what stood in the last line, which had no end")
    assert typist.texts == [
        "def f():\n    pass\n# what stood in the last line, which had no end"
    ]
    assert not typist.paste.held


def test_an_empty_line_sends_what_was_pasted(typist: Typist) -> None:
    typist.enter("a", "", "b")
    typist.enter("")
    assert typist.texts == ["a\n\nb\n"]


def test_more_that_is_pasted_is_added(typist: Typist) -> None:
    typist.enter("a", "b")
    typist.enter("c", "d")
    typist.enter("e")
    assert (typist.texts, typist.held) == (["a\nb\nc\nd\ne"], [2, 4])


def test_what_was_pasted_can_be_dropped(typist: Typist) -> None:
    typist.paste.drop()
    typist.enter("a", "b")
    typist.paste.add("c")
    typist.paste.drop()
    typist.clock.advance(TOGETHER)
    typist.enter("d")
    assert typist.texts == ["d"]
