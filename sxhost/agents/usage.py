"""What a conversation has used, over all processes that it has run in: it never counts down."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import UNSET
from msgspec.structs import asdict, replace

from sxhost.model.event_types import COUNTS, UsageEvent
from sxhost.model.turn import Abilities

__all__ = ["UsageTotals"]


class UsageTotals:
    """Adds up what one session's agent reports.

    :param last: the usage that the session's log had last, from an earlier life of the host.
    :param now_ms: the wall clock: when the conversation began to count, if nothing says.
    """

    def __init__(self, last: object, now_ms: int) -> None:
        known = last if isinstance(last, dict) else {}
        since = known.get("since_ms")
        self._since_ms = since if isinstance(since, int) else now_ms
        counts = {name: known.get(name) for name in COUNTS}
        self._last = {
            name: _whole(n) for name, n in counts.items() if isinstance(n, int | float)
        }
        self._before: dict[str, float] = {}

    def process_starts(self) -> None:
        """Note that a new process runs from now on: some count from nothing again."""
        self._before = dict(self._last)

    def total(self, event: UsageEvent, can: Abilities) -> UsageEvent:
        """Return what an agent reports, with all that was before."""
        totals = {}
        for name, count in _counts(event).items():
            missing: float = 0
            if name in can.counted_anew:
                missing = self._before.get(name, 0) - self._counted_already(name, can.carried)
            totals[name] = max(count + missing, self._last.get(name, 0))
        self._last |= totals
        return replace(event, since_ms=self._since_ms, **totals)

    def _counted_already(self, name: str, carried: Mapping[str, float]) -> float:
        """Return how much of what was before a process counts itself.

        What is not known of a field is taken to be as much of it as of all tokens.
        """
        before = self._before.get(name, 0)
        if name in carried:
            return min(carried[name], before)
        tokens = self._before.get("total_tokens", 0)
        share = carried.get("total_tokens", 0) / tokens if tokens else 0
        part = before * min(share, 1)
        return part if name == "cost_usd" else round(part)


def _whole(count: float) -> float:
    """Return a count without a fraction of nothing: logs of some versions say 10.0 tokens."""
    return int(count) if count == int(count) else count


def _counts(event: UsageEvent) -> dict[str, float]:
    """Return the counts that an event has."""
    given = asdict(event)
    return {name: given[name] for name in COUNTS if given[name] not in (None, UNSET)}
