"""Words of others: all of them is seen, and nothing is obeyed."""

from __future__ import annotations

import json
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sxhost.visible import escape_hidden, escape_hidden_json, exit_with_error, print_error

HIDDEN = ("Cc", "Cf", "Cs", "Zl", "Zp")
IGNORABLE = [0x34F, 0x115F, 0x1160, 0x17B4, 0x180B, 0x3164, 0xFE00, 0xFFA0, 0xE0100, 0xE01EF]
"""Some that Unicode calls default ignorable, and that are of other categories."""


def test_hidden_characters_are_escaped() -> None:
    every = map(chr, range(sys.maxunicode + 1))
    hidden = [char for char in every if unicodedata.category(char) in HIDDEN]
    assert [char for char in hidden if char in escape_hidden(char)] == []
    assert [code for code in IGNORABLE if chr(code) in escape_hidden(chr(code))] == []


def test_visible_characters_stay() -> None:
    every = map(chr, range(sys.maxunicode + 1))
    changed = [char for char in every if escape_hidden(char) != char]
    seen = [
        c for c in changed if unicodedata.category(c)[0] in "NPSZ" and c not in "\u2028\u2029"
    ]
    assert seen == []


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
        ("\x9b31m\u202e", r"\x9b31m\u202e"),
        ("a\nb\t", r"a\nb\t"),
        ("\U000e0041", r"\U000e0041"),
        ("\udc80", r"\udc80"),
        ("a\u200bb", r"a\u200bb"),
        ("⚠\ufe0f heed", "⚠\ufe0f heed"),
        ("\ufe0f⚠\ufe0f\ufe0f", r"\ufe0f" + "⚠\ufe0f" + r"\ufe0f"),
        ("naïve 漢字", "naïve 漢字"),
    ],
)
def test_escapes_are_pythons(text: str, shown: str) -> None:
    assert escape_hidden(text) == shown


@given(st.text())
def test_line_breaks_stay_only_if_allowed(text: str) -> None:
    assert not set(escape_hidden(text)) & set("\n\t\r")
    assert escape_hidden(text, "\n\t").count("\n") == text.count("\n")


@given(st.text(), st.text(alphabet=st.characters(categories=["Cc", "Cf", "Zl", "Zp"])))
def test_escaped_json_decodes_to_the_same(plain: str, hidden: str) -> None:
    value = {plain + hidden: [hidden + plain]}
    written = escape_hidden_json(json.dumps(value, ensure_ascii=False))
    assert json.loads(written) == value
    assert escape_hidden(written) == written


def test_error_sentences_are_escaped(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_error("one\x1b")
    with pytest.raises(SystemExit) as caught:
        exit_with_error(2, "two\n")
    assert caught.value.code == 2
    assert capsys.readouterr().err == "one\\x1b\ntwo\\n\n"
