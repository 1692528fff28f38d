"""Figures of a host over time: samples of what it held and what was spent."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

__all__ = ["History", "HistoryQuery", "Sample", "SessionActivity"]


class HistoryQuery(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Which samples: those after a time, in Unix milliseconds."""

    after_ms: Annotated[int, Meta(ge=0, lt=10**18)] = 0


class Sample(Struct, frozen=True, kw_only=True):
    """The figures of one moment; those of the past are sums since the host's start."""

    at_ms: int
    events: int
    """Events ever appended, in this life of the log."""
    sessions: int
    working: int
    """Sessions whose agents work."""
    waiting: int
    """Sessions that wait for somebody."""
    tokens: int
    """Tokens that agents have reported since the host's start, in and out."""
    cost_usd: float
    """US dollars that they have reported since then."""


class History(Struct, frozen=True, kw_only=True):
    """Samples in order, one in `every_s` seconds, since the host's start or for a day."""

    every_s: float
    samples: list[Sample]


class SessionActivity(Struct, frozen=True, kw_only=True):
    """How many events each session had of late, in spans of `every_s` seconds.

    Those that had none in all of them are left out; the last span is the present one.
    """

    every_s: float
    sessions: dict[str, list[int]]
