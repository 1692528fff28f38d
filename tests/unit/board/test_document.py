"""A conversation's lines: laid out from the end backward, and changed in place."""

from __future__ import annotations

from collections.abc import Callable

from rich.segment import Segment
from textual.strip import Strip

from sxhost.cli.board.document import Document
from sxhost.model.transcript import TranscriptItem


def item(name: str, lines: int = 1) -> TranscriptItem:
    return TranscriptItem(
        kind="message", seq=1, last=1, ts_ms=0, end_ms=0, item=name, text=str(lines)
    )


class Lab:
    """A document whose items have as many lines as their text says; `done` were laid out."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.document = Document(self.lay_out)

    def lay_out(self, given: TranscriptItem) -> list[Strip]:
        self.done.append(given.item)
        return [Strip([Segment(f"{given.item}{n}")]) for n in range(int(given.text))]

    def lines(self) -> str:
        found = (self.document.line(y) for y in range(self.document.height))
        return " ".join(line.text for line in found if line is not None)


def once(times: int = 1) -> Callable[[], bool]:
    left = iter([False] * times)
    return lambda: next(left, True)


def test_only_what_is_seen_is_laid_out_at_first() -> None:
    lab = Lab()
    lab.document.reset([item("a", 2), item("b", 2), item("c", 2)], 3)
    assert lab.done == ["c", "b"]
    assert (lab.lines(), lab.document.is_laid_out) == ("b0 b1 c0 c1", False)


def test_earlier_items_are_laid_out_bit_by_bit() -> None:
    lab = Lab()
    lab.document.reset([item("a", 2), item("b", 3), item("c")], 1)
    assert lab.document.lay_out_some(once()) == 3
    assert lab.lines() == "b0 b1 b2 c0"
    assert lab.document.lay_out_some(once(9)) == 2
    assert (lab.lines(), lab.document.is_laid_out) == ("a0 a1 b0 b1 b2 c0", True)
    assert lab.document.lay_out_some(once()) == 0


def test_item_that_grows_moves_those_after_it() -> None:
    lab = Lab()
    lab.document.reset([item("a"), item("b"), item("c")], 9)
    lab.document.set(1, item("b", 3))
    assert (lab.lines(), lab.document.height) == ("a0 b0 b1 b2 c0", 5)
    lab.document.set(0, item("a", 0))
    assert (lab.lines(), lab.document.height) == ("b0 b1 b2 c0", 4)
    lab.document.set(3, item("d"))
    assert lab.lines() == "b0 b1 b2 c0 d0"


def test_item_without_lines_yet_changes_silently() -> None:
    lab = Lab()
    lab.document.reset([item("a"), item("b", 2)], 1)
    lab.document.set(0, item("a", 5))
    assert lab.document.height == 2
    lab.document.lay_out_some(once(9))
    assert lab.document.height == 7


def test_older_items_come_before_all_others() -> None:
    lab = Lab()
    lab.document.reset([item("c")], 9)
    lab.document.prepend([item("a"), item("b")])
    assert (lab.lines(), lab.document.is_laid_out, len(lab.document)) == ("c0", False, 3)
    lab.document.lay_out_some(once(9))
    assert lab.lines() == "a0 b0 c0"


def test_there_are_no_lines_beyond_the_last() -> None:
    lab = Lab()
    assert lab.document.line(0) is None
    lab.document.set(0, item("a", 2))
    assert (lab.document.line(-1), lab.document.line(2)) == (None, None)


def test_another_width_lays_all_out_again() -> None:
    lab = Lab()
    lab.document.reset([item("a"), item("b")], 9)
    lab.done.clear()
    lab.document.lay_out_again(1)
    assert lab.done == ["b"]
