"""JSON of which the middle is missing."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sxhost.codec.lines import LineTooLong, LongLine, LongLineSplitter
from sxhost.codec.long_json import mended

HUGE: dict[str, Any] = {
    "one text": {"type": "a", "text": "x" * 9000, "id": 7},
    "characters of three bytes": {"type": "a", "text": "漢字" * 3000, "id": 7},
    "escapes": {"type": "a", "text": '"\\\n\t' * 3000, "id": 7},
    "pictograms": {"type": "a", "text": "😀" * 2000, "id": 7},
    "a picture": {"type": "a", "content": [{"data": "QUJD" * 3000}], "id": 7},
    "depth": {"type": "a", "a": [[{"b": [{"text": "y" * 9000}]}]], "id": 7},
}


def read(data: bytes, kept: int = 1000) -> list[Any]:
    """Return what a line may have been, of which so many bytes of either end are kept."""
    (line,) = LongLineSplitter(4000, 100_000, kept).receive_data(data + b"\n")
    assert isinstance(line, LongLine)
    found = []
    for text in mended(line):
        try:
            found.append(json.loads(text))
        except ValueError:
            continue
    return found


@pytest.mark.parametrize("value", HUGE.values(), ids=HUGE)
@pytest.mark.parametrize("ascii_only", [True, False])
@pytest.mark.parametrize("kept", range(980, 1000))
def test_all_beside_a_huge_text_is_read(value: Any, ascii_only: bool, kept: int) -> None:
    first, *_ = read(json.dumps(value, ensure_ascii=ascii_only).encode(), kept)
    assert (first["type"], len(json.dumps(first)) < 8000) == ("a", True)
    assert "bytes are missing" in json.dumps(first)
    if value is not HUGE["escapes"]:
        assert first["id"] == 7


def test_of_many_texts_the_first_are_read() -> None:
    value = {"type": "a", "id": 7, "texts": [f"text {number}" for number in range(3000)]}
    first, *_ = read(json.dumps(value).encode())
    assert (first["type"], first["id"]) == ("a", 7)
    assert "text 1" in first["texts"]


def test_what_is_no_json_says_nothing() -> None:
    assert read(b"x" * 9000) == []


def test_the_line_after_a_long_one_is_whole() -> None:
    splitter = LongLineSplitter(10, 100, 4)
    pieces = [b"0123456789", b"abcdef", b"ghijk", b"\nshort\n", b"rest"]
    lines = [line for piece in pieces for line in splitter.receive_data(piece)]
    assert lines == [LongLine(b"0123", b"hijk", 21), b"short"]
    assert splitter.has_begun
    assert list(splitter.receive_data(b"\n")) == [b"rest"]
    assert not splitter.has_begun


def test_a_line_that_does_not_end_is_nonsense() -> None:
    splitter = LongLineSplitter(10, 100)
    for _ in range(10):
        assert list(splitter.receive_data(b"0123456789")) == []
    with pytest.raises(LineTooLong, match="longer than 100 bytes"):
        list(splitter.receive_data(b"0"))
    assert list(splitter.receive_data(b"short\n")) == [b"short"]
