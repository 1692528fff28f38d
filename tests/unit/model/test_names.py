"""How names are written."""

from __future__ import annotations

import re

import pytest

from sxhost.errors import BadField
from sxhost.model.names import CURSOR, EVENT_NAME, GRAMMARS, LABEL, check_session_id

ODD = ["", " ", "a b", "a\n", "a/b", "..", "-a", "é", "a%2f", "a\0", "x" * 129]


@pytest.mark.parametrize("name", ["a", "7", "A.b_c:d-e", "x" * 128, "0..", "a..b"])
def test_session_ids(name: str) -> None:
    assert check_session_id(name) == name


@pytest.mark.parametrize("name", ODD)
def test_what_is_no_session_id(name: str) -> None:
    with pytest.raises(BadField, match="1 to 128"):
        check_session_id(name)


@pytest.mark.parametrize(
    ("pattern", "good", "bad"),
    [
        (EVENT_NAME, ["a", "tool-start", "a/b.c:d_e", "x" * 64],
         ["A", "1a", "", "a\n", "x" * 65]),
        (CURSOR, ["", "now", "0", "e1:12", "9" * 18],
         ["now ", "-1", "e:", "a b:1", "1\n", "9" * 19]),
        (LABEL, ["", "a:", "a:b:c"], ["a", ":", ":a"]),
    ],
)  # fmt: skip
def test_patterns(pattern: str, good: list[str], bad: list[str]) -> None:
    assert [text for text in good if not re.match(pattern, text)] == []
    assert [text for text in bad if re.match(pattern, text)] == []
    assert pattern in GRAMMARS
