"""What agents have used: entries of the ledger, and reports that sum them up.

Counts of an entry never overlap but for one: `input_tokens` come neither from a cache nor go
to one, and `reasoning_tokens` are among the `output_tokens`.  Money is `Decimal`, and a text in
JSON: a float is not exact.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from msgspec import Meta, Struct

__all__ = [
    "Dollars",
    "Grouping",
    "SpentByModel",
    "TokenCounts",
    "UsageEntry",
    "UsageGroup",
    "UsageQuery",
    "UsageReport",
]

Grouping = Literal["session", "project", "model", "agent", "day"]

Dollars = Annotated[str, Meta(pattern=r"^[0-9]+(\.[0-9]+)?$")]
"""US dollars as a decimal number, to the last digit: ``0.0498960``."""


class TokenCounts(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Counts of tokens that are billed at different prices."""

    input_tokens: int = 0
    """Those that neither came from a cache nor went to one."""
    cached_tokens: int = 0
    """Input that was read from a cache."""
    cache_write_tokens: int = 0
    """Input that was written to one."""
    output_tokens: int = 0
    """The reasoning included."""
    reasoning_tokens: int = 0
    """Of the output."""

    @property
    def billed(self) -> tuple[int, int, int, int]:
        """Those that have prices of their own: input, cached, written to a cache, output."""
        return (
            *(self.input_tokens, self.cached_tokens),
            *(self.cache_write_tokens, self.output_tokens),
        )

    def __add__(self, other: TokenCounts) -> TokenCounts:
        return TokenCounts(
            input_tokens=self.input_tokens + other.input_tokens,
            cached_tokens=self.cached_tokens + other.cached_tokens,
            cache_write_tokens=self.cache_write_tokens + other.cache_write_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            reasoning_tokens=self.reasoning_tokens + other.reasoning_tokens,
        )


class UsageEntry(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one turn of a session has used of one model, within one hour.

    Sessions whose turns have no numbers have an entry for each hour.
    """

    session: str
    number: int
    """Counts the entries of a session."""
    turn: int | None = None
    agent: str = ""
    model: str = ""
    cwd: str = ""
    at_ms: int
    """When it was reported, the first of it."""
    until_ms: int
    """The last of it."""
    tokens: TokenCounts = TokenCounts()
    cost: Decimal | None = None
    """US dollars, if the agent tells."""


class SpentByModel(Struct, frozen=True, kw_only=True):
    """What a kind of agent has used of a model since the host's start."""

    agent: str
    model: str
    tokens: TokenCounts = TokenCounts()
    cost: Decimal = Decimal(0)
    """US dollars that the agent has told."""


class UsageQuery(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Which entries, and by what they are summed up."""

    by: Grouping = "session"
    since_ms: Annotated[int, Meta(ge=0, lt=10**18)] = 0
    until_ms: Annotated[int, Meta(ge=0, lt=10**18)] = 10**18 - 1
    session: str = ""
    project: str = ""
    model: str = ""
    agent: str = ""
    limit: Annotated[int, Meta(ge=1, le=10_000)] = 1000
    """Groups at the most: those that come first."""


class UsageGroup(Struct, frozen=True, kw_only=True):
    """What the entries of a group have used together; the counts are those of `TokenCounts`."""

    name: str
    """The session, project, model, agent or day (``2026-11-30``) that they share."""
    title: str = ""
    """What a session is called, as long as it is there."""
    input_tokens: int
    cached_tokens: int
    cache_write_tokens: int
    output_tokens: int
    reasoning_tokens: int
    total_tokens: int
    cost_usd: Dollars | None
    """What has a price; null if nothing has."""
    estimated_usd: Dollars
    """Of that, what follows from the table of prices, and not from the agents' word."""
    unpriced_tokens: int
    """TokenCounts whose price nobody knows: they are not in `cost_usd`."""
    first_ms: int
    last_ms: int


class UsageReport(Struct, frozen=True, kw_only=True):
    """Groups in order: days by date, all others by cost, the dearest first."""

    by: Grouping
    groups: list[UsageGroup]
    omitted: int
    """Groups for which there was no room: they are in `total` all the same."""
    total: UsageGroup
    unpriced_models: list[str]
    """Models without a price, by name."""
    prices: str
    """Where the table of prices comes from, and of which day it is."""
