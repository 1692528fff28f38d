"""Bytes to lines: the same lines, however the bytes are cut."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sxhost.codec.lines import CutLines, Line, LineSplitter, LineTooLong

LIMIT = 8


def split(chunks: Sequence[bytes], limit: int = 1 << 20) -> tuple[list[bytes], bytes]:
    """Return the whole lines in `chunks`, and the tail."""
    lines = LineSplitter(limit)
    whole = [line for chunk in chunks for line in lines.receive_data(chunk)]
    return whole, lines.flush()


def until_too_long(chunks: Sequence[bytes]) -> tuple[list[bytes], bool]:
    """Return the lines before one that is too long, and whether there was one."""
    lines, found = LineSplitter(LIMIT), list[bytes]()
    try:
        for chunk in chunks:
            for line in lines.receive_data(chunk):
                found.append(line)
    except LineTooLong:
        return found, True
    return found, False


@pytest.mark.parametrize(
    ("data", "whole", "tail"),
    [
        (b"", [], b""),
        (b"\n", [b""], b""),
        (b"a", [], b"a"),
        (b"a\nb", [b"a"], b"b"),
        (b"a\n\nb\n", [b"a", b"", b"b"], b""),
        (b"a\r\nb\rc\n", [b"a\r", b"b\rc"], b""),
        ("a\u2028b\u0085c\x0b\n".encode(), ["a\u2028b\u0085c\x0b".encode()], b""),
    ],
)
def test_only_a_line_feed_ends_a_line(data: bytes, whole: list[bytes], tail: bytes) -> None:
    assert split([data]) == (whole, tail)


def test_unterminated_tail_is_returned_once() -> None:
    lines = LineSplitter(LIMIT)
    assert list(lines.receive_data(b"a")) == []
    assert (lines.flush(), lines.flush()) == (b"a", b"")
    assert list(lines.receive_data(b"b\n")) == [b"b"]


pieces = st.lists(st.one_of(st.binary(max_size=12), st.sampled_from([b"\n", b"\r\n", b"ab\n"])))


@given(pieces)
def test_any_split_of_the_input_gives_the_same_lines(chunks: list[bytes]) -> None:
    *whole, tail = b"".join(chunks).split(b"\n")
    assert split(chunks) == (whole, tail)


@given(pieces)
def test_any_split_finds_the_same_too_long_line(chunks: list[bytes]) -> None:
    data = b"".join(chunks)
    assert until_too_long(chunks) == until_too_long([data])
    assert until_too_long(chunks)[1] == any(len(line) > LIMIT for line in data.split(b"\n"))


def test_line_of_exactly_the_limit_is_accepted() -> None:
    assert split([b"x" * LIMIT, b"\n"], LIMIT) == ([b"x" * LIMIT], b"")
    with pytest.raises(LineTooLong, match="a line is longer than 8 bytes"):
        split([b"x" * LIMIT, b"x"], LIMIT)


def test_splitter_is_unusable_after_a_too_long_line() -> None:
    lines = LineSplitter(LIMIT)
    for data in (b"x" * 9, b"y", b"\n"):
        with pytest.raises(LineTooLong):
            list(lines.receive_data(data))


def test_a_line_in_very_many_pieces_is_joined_once() -> None:
    piece, count = b"x" * 1000, 10_000
    (line,), tail = split([*[piece] * count, b"\n"], len(piece) * count)
    assert (len(line), tail) == (len(piece) * count, b"")


@given(st.lists(st.binary(max_size=30), max_size=8))
def test_cut_lines_keep_the_beginning_and_count_the_rest(chunks: list[bytes]) -> None:
    lines = CutLines(LIMIT)
    received = [line for chunk in chunks for line in lines.receive_data(chunk)]
    received.append(lines.flush())
    expected = b"".join(chunks).split(b"\n")
    assert received == [Line(each[:LIMIT], len(each)) for each in expected]


def test_cut_lines_go_on_after_a_line_that_is_too_long() -> None:
    lines = CutLines(LIMIT)
    for _ in range(1000):
        assert list(lines.receive_data(b"x" * 100)) == []
    assert sum(map(len, lines._parts)) == LIMIT, "no more is kept"
    assert list(lines.receive_data(b"\nnext\n")) == [
        Line(b"x" * LIMIT, 100_000),
        Line(b"next", 4),
    ]
