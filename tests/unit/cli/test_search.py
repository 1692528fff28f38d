"""What has been found, for a person: where it is, what is said there, in lines that fit."""

from __future__ import annotations

import pytest

from sxhost.cli.formats import columns_of
from sxhost.cli.output import Pieces
from sxhost.cli.search import hit_lines
from sxhost.model.search import SearchHit

NOW = 1_000_000.0
TEXT = "The tests of the parser fail: a token is lost where a line ends with 漢字 \x1b[8m"


def hit(text: str = TEXT, session: str = "0192f0aa-77c1-7000-8000-000000000001") -> SearchHit:
    begin = text.find("fail")
    return SearchHit(
        session=session, seq=41, id=7, ts_ms=int((NOW - 180) * 1000), event="message",
        text=text, marks=[(begin, begin + 4)] if begin >= 0 else [], agent="claude",
        title="Mend\nit", project="api",
    )  # fmt: skip


def plain(line: Pieces) -> str:
    return "".join(text for text, _ in line)


def test_a_hit_is_a_place_and_the_words_that_are_said_there() -> None:
    head, *said = hit_lines([hit()], NOW, 60)
    assert plain(head) == "0192f0aa:41  3 min ago · message · claude · api · Mend it"
    assert [plain(line) for line in said] == [
        "    The tests of the parser fail: a token is lost where a ",
        "    line ends with 漢字 \\x1b[8m",
    ]
    assert [piece for line in said for piece in line if piece[1]] == [("fail", "yellow")]


@pytest.mark.parametrize("width", [1, 8, 20, 40, 79, 200])
@pytest.mark.parametrize("text", [TEXT, "x" * 240, "漢" * 240, ""])
def test_no_line_is_wider_than_the_terminal(width: int, text: str) -> None:
    lines = hit_lines([hit(text)], NOW, width)
    assert all(columns_of(plain(line).rstrip()) <= max(width, 8) for line in lines)
    said = "".join(plain(line)[4:] for line in lines[1:])
    assert said.replace(" ", "") == text.replace("\x1b", "\\x1b").replace(" ", "")


def test_marks_that_cannot_be_are_harmless() -> None:
    odd = SearchHit(**{**{f: getattr(hit(), f) for f in hit().__struct_fields__},
                       "marks": [(5, 2), (-3, -1), (200, 900)]})  # fmt: skip
    assert [piece for line in hit_lines([odd], NOW, 60)[1:] for piece in line if piece[1]] == []


def test_no_hit_is_said() -> None:
    assert [plain(line) for line in hit_lines([], NOW, 80)] == ["Nothing was found."]
