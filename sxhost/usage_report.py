"""What was used and what it costs, summed up for people: by session, project, model, day."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from typing import Final

from msgspec import Struct

from sxhost.model.usage import (
    Grouping,
    TokenCounts,
    UsageEntry,
    UsageGroup,
    UsageQuery,
    UsageReport,
)
from sxhost.prices import Prices

__all__ = ["UsageSums"]

PRECISION: Final = Decimal("1e-10")

STEP: Final = 64
"""Entries that are summed up before others have their turn."""

UNPRICED_MODELS: Final = 32
"""Models without a price that a report names."""


class Sum(Struct):
    """What is summed up of a group."""

    tokens: TokenCounts = TokenCounts()
    cost: Decimal = Decimal(0)
    estimated: Decimal = Decimal(0)
    has_cost: bool = False
    unpriced: int = 0
    first_ms: int = 0
    last_ms: int = 0

    def add(self, entry: UsageEntry, cost: Decimal | None) -> None:
        """Add an entry with what it has cost, if that is known."""
        if cost is None:
            self.unpriced += sum(entry.tokens.billed)
        else:
            self.has_cost = True
            self.cost += cost
            self.estimated += cost if entry.cost is None else 0
        self.first_ms = min(self.first_ms or entry.at_ms, entry.at_ms)
        self.last_ms = max(self.last_ms, entry.until_ms)
        self.tokens += entry.tokens

    def group(self, name: str, title: str) -> UsageGroup:
        """Return it as it is told."""
        return UsageGroup(
            name=name,
            title=title,
            input_tokens=self.tokens.input_tokens,
            cached_tokens=self.tokens.cached_tokens,
            cache_write_tokens=self.tokens.cache_write_tokens,
            output_tokens=self.tokens.output_tokens,
            reasoning_tokens=self.tokens.reasoning_tokens,
            total_tokens=sum(self.tokens.billed),
            cost_usd=_plain(self.cost) if self.has_cost else None,
            estimated_usd=_plain(self.estimated),
            unpriced_tokens=self.unpriced,
            first_ms=self.first_ms,
            last_ms=self.last_ms,
        )


class UsageSums:
    """Sums up the entries that a query chooses.

    :param project_of: the name of a directory's project.
    """

    def __init__(
        self, query: UsageQuery, prices: Prices, project_of: Callable[[str], str]
    ) -> None:
        self._query = query
        self._prices = prices
        self._project_of = project_of
        names: dict[Grouping, Callable[[UsageEntry], str]] = {
            "session": lambda entry: entry.session,
            "project": lambda entry: project_of(entry.cwd),
            "model": lambda entry: entry.model,
            "agent": lambda entry: entry.agent,
            "day": _day_of,
        }
        self._name_of = names[query.by]
        self._sums: dict[str, Sum] = {}
        self._total = Sum()
        self._unpriced: set[str] = set()

    def add_all(self, entries: Iterable[UsageEntry]) -> Iterator[None]:
        """Add entries, in steps of a millisecond or two."""
        for number, entry in enumerate(entries, 1):
            self.add(entry)
            if number % STEP == 0:
                yield

    def add(self, entry: UsageEntry) -> None:
        """Add an entry, if it is chosen."""
        if not self._chooses(entry):
            return
        cost = entry.cost
        if cost is None:
            cost = self._prices.cost(entry.model, entry.tokens)
        if cost is None:
            self._unpriced.add(entry.model)
        for each in (self._sums.setdefault(self._name_of(entry), Sum()), self._total):
            each.add(entry, cost)

    def _chooses(self, entry: UsageEntry) -> bool:
        query = self._query
        return (
            query.session in ("", entry.session)
            and query.model in ("", entry.model)
            and query.agent in ("", entry.agent)
            and (not query.project or query.project == self._project_of(entry.cwd))
        )

    def report(self, title_of: Callable[[str], str]) -> UsageReport:
        """Return the sums in order.

        :param title_of: what a session is called, if it is still there.
        """
        by, sums = self._query.by, self._sums
        ordered = sorted(sums, key=lambda name: _place(by, name, sums[name]))
        return UsageReport(
            by=by,
            groups=[
                sums[name].group(name, title_of(name) if by == "session" else "")
                for name in ordered[: self._query.limit]
            ],
            omitted=max(len(ordered) - self._query.limit, 0),
            total=self._total.group("", ""),
            unpriced_models=sorted(self._unpriced)[:UNPRICED_MODELS],
            prices=self._prices.source,
        )


def _day_of(entry: UsageEntry) -> str:
    """Return the day of an entry, in the host's time zone."""
    return datetime.fromtimestamp(entry.at_ms / 1000).strftime("%Y-%m-%d")


def _place(by: Grouping, name: str, group: Sum) -> tuple[Decimal, int, str]:
    """Return what groups are ordered by: days by date, others by cost, then by tokens."""
    if by == "day":
        return Decimal(0), 0, name
    return -group.cost, -sum(group.tokens.billed), name


def _plain(amount: Decimal) -> str:
    """Return an amount in digits, without an exponent."""
    return format(amount.quantize(PRECISION).normalize(), "f")
