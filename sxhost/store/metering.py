"""Cumulative counters of agents, made into what was spent in between, exactly once.

A ``usage`` event says what a conversation has used so far.  What the reading before it said is
subtracted; where the counters have begun anew (another conversation, a process that counts for
itself) they count from nothing.  A reading that is told twice adds nothing.  All of it is one
pure fold, `spent_since`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import ROUND_DOWN, Decimal
from math import isfinite
from typing import Any, Final, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from sxhost.model.usage import TokenCounts

__all__ = ["Counters", "Spent", "UsageReading", "read_usage", "share_out", "spent_since"]

MOST_COUNTED: Final = 10**15
"""Tokens, or dollars, beyond which a counter is nonsense."""

PRECISION: Final = Decimal("1e-10")
"""What money is rounded to: a part of a token's price.  Agents add floats: not exact."""

MODELS: Final = 32
"""Models of one reading; a conversation that has used more is counted under one name."""

MODEL_NAME: Final = 200
"""Characters of a model's name."""

WEIGHTS: Final = (Decimal(1), Decimal("0.1"), Decimal("1.25"), Decimal(5))
"""About what input, cached, cache-write and output tokens cost, in every vendor's list."""


class Counters(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an agent has counted; None is what it does not tell.  Input includes caches."""

    input_tokens: int | None = None
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    output_tokens: int | None = None
    reasoning_tokens: int | None = None
    cost_usd: Decimal | None = None

    def since(self, before: Counters) -> Counters:
        """Return how much was added; what has fallen was not."""
        added = {
            name: None if now is None else max(now - (getattr(before, name) or 0), 0)
            for name in self.__struct_fields__
            if (now := getattr(self, name)) is not None
        }
        return Counters(**added)

    def over(self, before: Counters) -> Counters:
        """Return them with what only an earlier reading tells."""
        told = {n: v for n in self.__struct_fields__ if (v := getattr(self, n)) is not None}
        return replace(before, **told)

    @property
    def tokens(self) -> TokenCounts:
        """The tokens, taken apart."""
        cached, written = self.cached_tokens or 0, self.cache_write_tokens or 0
        return TokenCounts(
            input_tokens=max((self.input_tokens or 0) - cached - written, 0),
            cached_tokens=cached,
            cache_write_tokens=written,
            output_tokens=self.output_tokens or 0,
            reasoning_tokens=self.reasoning_tokens or 0,
        )


NOTHING: Final = Counters()
ZERO: Final = Decimal(0)


class UsageReading(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the counters of a session's agent said last."""

    since_ms: int = 0
    """When they began, if the host has told them so: it knows where a conversation begins.

    What goes on at a terminal is not told so, and then goes on with the host.
    """
    counters: Counters = NOTHING
    models: dict[str, Counters] = {}
    """The same of each model, where the agent tells."""
    model: str = ""
    """The model that is used, where the agent tells."""


class Spent(NamedTuple):
    """What was spent on one model; `cost` is the agent's word.

    None: it says nothing, or that tokens cost nothing, as agents do that have no price.
    """

    model: str
    tokens: TokenCounts
    cost: Decimal | None


def read_usage(data: object) -> UsageReading | None:
    """Return what a ``usage`` event says; None if it says nothing.  Anybody may write one."""
    if not isinstance(data, dict) or (counters := _counters(data)) == NOTHING:
        return None
    models, model = data.get("models"), data.get("model")
    by_model = {
        name[:MODEL_NAME]: _counters(counted)
        for name, counted in (models.items() if isinstance(models, dict) else ())
        if isinstance(counted, dict)
    }
    return UsageReading(
        since_ms=_count(data.get("since_ms")) or 0,
        counters=counters,
        models=by_model if len(by_model) <= MODELS else {},
        model=model[:MODEL_NAME] if isinstance(model, str) else "",
    )


def _counters(data: Mapping[str, Any]) -> Counters:
    *names, cost = Counters.__struct_fields__
    counts = {name: _count(data.get(name)) for name in names}
    return Counters(**counts, cost_usd=_money(data.get(cost)))


def _count(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value <= MOST_COUNTED else None


def _money(value: object) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if not isfinite(value) or not 0 <= value <= MOST_COUNTED:
        return None
    return Decimal(repr(value)).quantize(PRECISION).normalize()


def spent_since(
    before: UsageReading | None, now: UsageReading, model: str
) -> tuple[UsageReading, Sequence[Spent]]:
    """Return the reading to go on from, and what was spent since the one before.

    :param model: what is used where the agent does not tell.
    """
    base = UsageReading() if before is None or _counts_anew(before, now) else before
    added = now.counters.since(base.counters)
    told, was = now.counters.cost_usd, base.counters.cost_usd
    if told is not None and was is not None and told < was:
        added = replace(added, cost_usd=told)  # a process that adds up its own
    reading = UsageReading(
        since_ms=now.since_ms,
        counters=now.counters.over(base.counters),
        models=now.models or base.models,
    )
    if not any(added.tokens.billed) and not added.cost_usd:
        return reading, ()
    return reading, _by_model(base.models, now.models, added, now.model or model)


def _counts_anew(before: UsageReading, now: UsageReading) -> bool:
    """Return whether counters have begun from nothing again."""
    if now.since_ms and before.since_ms:
        return now.since_ms != before.since_ms
    return any(
        (count := getattr(now.counters, name)) is not None
        and count < (getattr(before.counters, name) or 0)
        for name in ("input_tokens", "output_tokens")
    )


def _by_model(
    before: Mapping[str, Counters], now: Mapping[str, Counters], added: Counters, model: str
) -> Sequence[Spent]:
    """Return what was added of each model.

    A process may count its models from nothing though the conversation goes on.  So both are
    tried; what does not make up exactly what was added is no account of it.
    """
    for base in (before, {}):
        parts = {name: each.since(base.get(name, NOTHING)) for name, each in now.items()}
        spent = {name: part.tokens for name, part in parts.items() if any(part.tokens.billed)}
        if spent and sum(spent.values(), TokenCounts()) == added.tokens:
            told = [parts[name].cost_usd for name in spent]
            costs = _costs(added.cost_usd, told, spent.values())
            return [
                Spent(name, each, cost or None)
                for (name, each), cost in zip(spent.items(), costs, strict=True)
            ]
    only = next(iter(now)) if len(now) == 1 else model
    return [Spent(only, added.tokens, added.cost_usd or None)]


def _costs(
    cost: Decimal | None, told: Sequence[Decimal | None], among: Iterable[TokenCounts]
) -> Sequence[Decimal | None]:
    if cost is None or sum((one or ZERO for one in told), ZERO) == cost:
        return told
    return share_out(cost, among)


def share_out(cost: Decimal, among: Iterable[TokenCounts]) -> list[Decimal]:
    """Share a cost out among what it is for, by about what that costs; nothing is lost."""
    weights = [
        sum((w * count for w, count in zip(WEIGHTS, one.billed, strict=True)), ZERO)
        for one in among
    ]
    whole = sum(weights, ZERO)
    shares = [
        (cost * weight / whole).quantize(PRECISION, ROUND_DOWN) if whole else ZERO
        for weight in weights
    ]
    shares[-1] += cost - sum(shares, ZERO)
    return shares
