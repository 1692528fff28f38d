"""What a conversation has used, over all processes that it has run in: it never counts down."""

from __future__ import annotations

from collections.abc import Collection

from msgspec import UNSET
from msgspec.structs import asdict, replace

from sxhost.model.event_types import COUNTS, UsageEvent

__all__ = ["UsageTotals"]


class UsageTotals:
    """Adds up what one session's agent reports.

    :param last: the usage that the session's log had last, from an earlier life of the host.
    """

    def __init__(self, last: object) -> None:
        known = last if isinstance(last, dict) else {}
        counts = {name: known.get(name) for name in COUNTS}
        self._last = {name: n for name, n in counts.items() if isinstance(n, int | float)}
        self._before: dict[str, float] = {}

    def process_starts(self) -> None:
        """Note that a new process runs from now on: some count from nothing again."""
        self._before = dict(self._last)

    def total(self, event: UsageEvent, counted_anew: Collection[str]) -> UsageEvent:
        """Return what an agent reports, with all that was before.

        :param counted_anew: the fields that its processes count from nothing.
        """
        totals = {
            name: max(
                count + (self._before.get(name, 0) if name in counted_anew else 0),
                self._last.get(name, 0),
            )
            for name, count in _counts(event).items()
        }
        self._last |= totals
        return replace(event, **totals)


def _counts(event: UsageEvent) -> dict[str, float]:
    """Return the counts that an event has."""
    given = asdict(event)
    return {name: given[name] for name in COUNTS if given[name] not in (None, UNSET)}
