"""What a person types to search: words, phrases, what must not be there, what is refused."""

from __future__ import annotations

import pytest

from sxhost.errors import BadField
from sxhost.model.search import MAX_TERMS, SearchTerms, parse_terms


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("fox", SearchTerms([("fox",)])),
        ("  Two  Words ", SearchTerms([("two",), ("words",)])),
        ('"a phrase" word', SearchTerms([("a", "phrase"), ("word",)])),
        ('word -not -"nor this"', SearchTerms([("word",)], [("not",), ("nor", "this")])),
        ("src/main_page.py", SearchTerms([("src", "main", "page", "py")])),
        ("a - b", SearchTerms([("a",), ("b",)])),
        ("well-known --flag", SearchTerms([("well", "known")], [("flag",)])),
        ("D\u00e9j\u00e0 \u4e00\u6b21", SearchTerms([("deja",), ("\u4e00", "\u6b21")])),
        ('"OR" or "(x*)"', SearchTerms([("or",), ("or",), ("x",)])),
        ("title:fox f(x) a*b", SearchTerms([("title", "fox"), ("f", "x"), ("a", "b")])),
        ("a -... --", SearchTerms([("a",)])),
        ("'; DROP TABLE log; --", SearchTerms([("drop",), ("table",), ("log",)])),
    ],
)
def test_words_are_read_as_a_person_means_them(text: str, terms: SearchTerms) -> None:
    found = parse_terms(text)
    assert [*found.wanted] == [*terms.wanted]
    assert [*found.unwanted] == [*terms.unwanted]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a OR b", "OR is no operator here"),
        ("fox*", "'fox\\*' is no word"),
        ("(a b)", "'\\(a' is no word"),
        ("(a)", "'\\(a\\)' is no word"),
        ("b)", "'b\\)' is no word"),
        ("+a", "'\\+a' is no word"),
        ("^a", "'\\^a' is no word"),
        ("{a}", "'{a}' is no word"),
        ('"a b', "A quotation mark has no partner in '\"a'"),
        ('a"b c"', "A quotation mark has no partner"),
        ("-a", "There is no word to search for"),
        ("...", "There is no word to search for"),
        (" ", "There is no word to search for"),
        ('""', "There is no word to search for"),
        (" ".join(["a"] * (MAX_TERMS + 1)), "There are more than 32 words"),
    ],
)
def test_all_else_is_refused_with_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(BadField, match=sentence) as caught:
        parse_terms(text)
    assert caught.value.details["field"] == "q"
