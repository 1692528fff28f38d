"""Moments as people write them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from sxhost.cli.moments import parse_moment

NOW = datetime(2026, 11, 30, 14, 30, tzinfo=UTC).timestamp()


@pytest.fixture(autouse=True)
def in_new_york(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have it be half past nine in the morning."""
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2h", "2026-11-30T12:30:00+00:00"),
        ("1h30m", "2026-11-30T13:00:00+00:00"),
        ("45s", "2026-11-30T14:29:15+00:00"),
        ("7d", "2026-11-23T14:30:00+00:00"),
        ("1w", "2026-11-23T14:30:00+00:00"),
        ("now", "2026-11-30T14:30:00+00:00"),
        ("today", "2026-11-30T05:00:00+00:00"),
        ("yesterday", "2026-11-29T05:00:00+00:00"),
        ("9:00", "2026-11-30T14:00:00+00:00"),
        ("09:00:30", "2026-11-30T14:00:30+00:00"),
        ("23:00", "2026-11-30T04:00:00+00:00"),
        ("2026-11-28", "2026-11-28T05:00:00+00:00"),
        ("2026-11-28 12:00", "2026-11-28T17:00:00+00:00"),
        ("2026-11-28T12:00:01", "2026-11-28T17:00:01+00:00"),
        ("2026-11-28T12:00Z", "2026-11-28T12:00:00+00:00"),
        ("2026-11-28T12:00+02:00", "2026-11-28T10:00:00+00:00"),
        ("2026-07-01 12:00", "2026-07-01T16:00:00+00:00"),
    ],
)
def test_moment_is_local_and_in_the_past(text: str, moment: str) -> None:
    assert datetime.fromtimestamp(parse_moment(text, NOW), UTC).isoformat() == moment


@pytest.mark.parametrize(
    "text",
    [
        *("", "noon", "25:00", "12:60", "1:2:3", "2 h", "-2h", "h", "12", "1e3"),
        *("2026-13-01", "2026-02-30", "2026-11-30 25:00", "20261130", "2026-W01-1"),
    ],
)
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        parse_moment(text, NOW)
