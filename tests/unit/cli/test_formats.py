"""What a person reads of times, counts and texts."""

from __future__ import annotations

import pytest

from sxhost.cli.formats import (
    age,
    columns_of,
    count,
    dollars,
    duration,
    fit,
    home_path,
    one_line,
    pad,
    short_ids,
    size,
    usage_text,
    wrap,
)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "now"), (0.9, "now"), (1, "1 s"), (59.9, "59 s"), (60, "1 min"), (200, "3 min"),
        (3599, "59 min"), (3600, "1 h"), (47 * 3600, "47 h"), (48 * 3600, "2 d"),
        (400 * 86400, "400 d"),
    ],
)  # fmt: skip
def test_age_is_in_its_largest_unit(seconds: float, text: str) -> None:
    assert age(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1, "0.0 s"), (0.42, "0.4 s"), (9.9, "9.9 s"), (41.4, "41 s"), (59.7, "1 min"),
        (130, "2 min 10 s"), (3900, "1 h 5 min"), (7200, "2 h"), (90_000, "1 d 1 h"),
    ],
)  # fmt: skip
def test_duration_has_two_units(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"), (410, "410"), (999, "999"), (1000, "1k"), (13_300, "13.3k"),
        (99_949, "99.9k"),
        (99_960, "100k"), (123_456, "123k"), (999_900, "1M"), (1_250_000, "1.25M"), (3e9, "3G"),
    ],
)  # fmt: skip
def test_count_has_three_digits(number: float, text: str) -> None:
    assert count(number) == text


def test_sizes_are_in_bytes() -> None:
    assert [size(410), size(13_300), size(1_200_000)] == ["410 B", "13.3 kB", "1.2 MB"]


@pytest.mark.parametrize(
    ("amount", "text"),
    [(0, "$0.00"), (0.0004, "<$0.01"), (0.051, "$0.05"), (12.4, "$12.40"), (1234, "$1,234.00")],
)
def test_dollars(amount: float, text: str) -> None:
    assert dollars(amount) == text


@pytest.mark.parametrize(
    ("usage", "text"),
    [
        (
            {"input_tokens": 13_300, "output_tokens": 410, "cost_usd": 0.05},
            "13.3k in, 410 out, $0.05",
        ),
        ({"total_tokens": 500}, "500 tokens"),
        ({"input_tokens": 1, "total_tokens": 1}, "1 in"),
        ({"input_tokens": "many", "cost_usd": True}, ""),
        (None, ""), ("a text", ""), ([], ""),
    ],
)  # fmt: skip
def test_usage_says_what_is_known(usage: object, text: str) -> None:
    assert usage_text(usage) == text


def test_one_line_has_no_line_break_and_nothing_hidden() -> None:
    assert one_line(" a\n\tb \x1b[8m ") == "a b \\x1b[8m"


@pytest.mark.parametrize(
    ("text", "columns", "shown"),
    [
        ("abc", 3, "abc"), ("abcd", 3, "ab…"), ("a bcd", 3, "a…"), ("abc", 1, "…"),
        ("abc", 0, ""),
        ("漢字", 4, "漢字"), ("漢字漢", 5, "漢字…"), ("漢字漢", 4, "漢…"),
        ("e\u0301e\u0301", 2, "e\u0301e\u0301"),
        ("a\nb", 3, "a b"),
    ],
)  # fmt: skip
def test_fit_counts_columns(text: str, columns: int, shown: str) -> None:
    assert fit(text, columns) == shown
    assert columns_of(fit(text, columns)) <= columns


def test_pad_fills_up_to_columns() -> None:
    assert [pad("漢", 4), pad("a", 3, right=True), pad("abcd", 2)] == ["漢  ", "  a", "abcd"]


def test_wrap_breaks_at_blanks_and_cuts_what_has_none() -> None:
    assert wrap("one two\n\nthree", 8, "| ") == ["| one", "| two", "|", "| three"]
    assert wrap("漢字漢字", 5) == ["漢字", "漢字"]
    assert wrap("abc", 0) == ["a", "b", "c"]


def test_home_is_a_tilde() -> None:
    assert home_path("/home/me/x", "/home/me/") == "~/x"
    assert home_path("/home/me", "/home/me") == "~"
    assert home_path("/home/mel", "/home/me") == "/home/mel"
    assert home_path("/x", "") == "/x"


def test_short_ids_are_told_apart() -> None:
    one, other = "0192f0aa-1111-7000-8000-000000000001", "0192f0aa-1112-7000-8000-000000000001"
    assert short_ids([one, other, "tests"]) == {
        one: "0192f0aa-1111",
        other: "0192f0aa-1112",
        "tests": "tests",
    }
    assert short_ids([one]) == {one: "0192f0aa"}
    assert short_ids(["a", "ab"]) == {"a": "a", "ab": "ab"}
