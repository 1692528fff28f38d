"""What readers of logs must have seen: pure functions that find the first difference.

Each returns a sentence about what is wrong, or "" if all is right.  Nothing here knows the
host: it compares what writers were told with what readers saw.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

__all__ = [
    "Acknowledged",
    "Gap",
    "Log",
    "Received",
    "assembled",
    "check_lives",
    "check_reader",
    "lives",
]


class Acknowledged(NamedTuple):
    """An event that a writer was told of: its session, its number, its type, its token.

    `id` is 0 where the answer did not tell it (that of a batch does not).
    """

    session: str
    seq: int
    name: str
    token: str
    id: int = 0


class Received(NamedTuple):
    """An event as a reader got it."""

    id: int
    session: str
    seq: int
    name: str
    token: str


class Gap(NamedTuple):
    """A reader was told that it has missed what came up to an id."""

    to: int


Item = Received | Gap
Wants = Callable[[Received], bool]


@dataclass
class Log:
    """All that was fired: each session's events in order, with ids as far as known."""

    acknowledged: dict[str, list[Acknowledged]]
    ids: dict[tuple[str, int], int] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """How many events there are."""
        return sum(map(len, self.acknowledged.values()))

    def learn(self, items: Iterable[Item]) -> str:
        """Take note of ids that a reader saw; they must be the same for all."""
        for item in items:
            if isinstance(item, Received):
                known = self.ids.setdefault((item.session, item.seq), item.id)
                if known != item.id:
                    return f"{item} has another id elsewhere: {known}"
        return ""

    def at_least(self, fact: Acknowledged) -> int:
        """Return a fact's id, or the least that it can be if nobody has seen it."""
        for seq in range(fact.seq, 0, -1):
            number = self.ids.get((fact.session, seq), 0)
            if number:
                return number + fact.seq - seq
        return fact.seq

    def dropped(self, retain: int) -> int:
        """Return the last id that retention may have dropped, if it keeps so many events."""
        bounds = [0]
        for session, acknowledged in self.acknowledged.items():
            if len(acknowledged) > retain:
                past = range(len(acknowledged) - retain, len(acknowledged) + 1)
                known = (self.ids.get((session, seq), 0) for seq in past)
                bounds.append(next(filter(None, known), 0))
        return max(bounds)


def assembled(acknowledged: Iterable[Acknowledged]) -> tuple[Log, str]:
    """Put together what writers were told: each number once, and none left out."""
    sessions: dict[str, dict[int, Acknowledged]] = defaultdict(dict)
    log = Log({})
    for fact in acknowledged:
        known = sessions[fact.session].setdefault(fact.seq, fact)
        if known.token != fact.token:
            return log, f"one number for two events: {known}, {fact}"
        if fact.id:
            log.ids[fact.session, fact.seq] = fact.id
    for session, numbered in sessions.items():
        missing = next((n for n in range(1, len(numbered) + 1) if n not in numbered), 0)
        if missing:
            return log, f"nobody was told of event {missing} of {session}"
        log.acknowledged[session] = [numbered[seq] for seq in sorted(numbered)]
    return log, _twice(log)


def _twice(log: Log) -> str:
    """Look for an event that is in the log twice: a retry that was taken for a new one."""
    places: dict[str, Acknowledged] = {}
    for fact in (fact for acknowledged in log.acknowledged.values() for fact in acknowledged):
        other = places.setdefault(fact.token, fact)
        if other is not fact:
            return f"fired once, in the log twice: {other}, {fact}"
    return ""


def check_reader(log: Log, wants: Wants, items: Sequence[Item], dropped: int = 0) -> str:
    """Compare what a reader saw with the log: all that it wants, once each, in order.

    It may miss events only where a gap said so, and no gap may reach further than the id
    `dropped`.
    """
    follower = _Follower(log, wants, dropped)
    for item in items:
        wrong = follower.gap(item) if isinstance(item, Gap) else follower.event(item)
        if wrong:
            return wrong
    return follower.ended()


class _Follower:
    """One reader's place in each session."""

    def __init__(self, log: Log, wants: Wants, dropped: int) -> None:
        self._log = log
        self._dropped = dropped
        self._due = {name: _wanted(events, wants) for name, events in log.acknowledged.items()}
        self._at = dict.fromkeys(self._due, 0)
        self._last = self._leapt = 0

    def gap(self, gap: Gap) -> str:
        if gap.to > self._dropped:
            return f"{gap}, but retention went only as far as {self._dropped}"
        self._leapt = max(self._leapt, gap.to)
        return ""

    def event(self, seen: Received) -> str:
        if seen.id <= self._last:
            return f"out of order: {seen} after id {self._last}"
        self._last = seen.id
        due = self._due.get(seen.session, [])
        at = self._at.get(seen.session, 0)
        found = next((n for n in range(at, len(due)) if due[n].seq == seen.seq), None)
        if found is None:
            return f"not due: {seen}, after {due[at - 1] if at else 'nothing'}"
        self._at[seen.session] = found + 1
        if (seen.name, seen.token) != (due[found].name, due[found].token):
            return f"not what was fired: {seen} instead of {due[found]}"
        return self._missed(due[at:found], seen.id)

    def _missed(self, acknowledged: Sequence[Acknowledged], before: int) -> str:
        """Tell of the first event that was passed over without a gap that covers it."""
        for fact in acknowledged:
            number = self._log.at_least(fact)
            if number > self._leapt or not self._leapt:
                return f"lost before id {before}: {fact}, id {number} or more"
        return ""

    def ended(self) -> str:
        for session, due in self._due.items():
            if self._at[session] < len(due):
                return (
                    f"lost at the end of {session}: {due[self._at[session]]} and what follows"
                )
        return ""


def _wanted(acknowledged: Sequence[Acknowledged], wants: Wants) -> list[Acknowledged]:
    return [f for f in acknowledged if wants(Received(f.id, f.session, f.seq, f.name, f.token))]


# Sessions that are forgotten and come again.


def lives(
    acknowledged: Iterable[Acknowledged],
) -> tuple[dict[str, list[list[Acknowledged]]], str]:
    """Split each session's acknowledged, which must all have ids, into its lives.

    In each life the numbers begin with 1 and none is left out.
    """
    found: dict[str, list[list[Acknowledged]]] = defaultdict(list)
    for fact in sorted(acknowledged, key=lambda fact: fact.id):
        if fact.seq == 1:
            found[fact.session].append([])
        life = found[fact.session][-1] if found[fact.session] else []
        if fact.seq != len(life) + 1:
            return found, f"after {life[-1] if life else 'nothing'} came {fact}"
        life.append(fact)
    return found, ""


def check_lives(
    found: Mapping[str, Sequence[list[Acknowledged]]], items: Sequence[Item]
) -> str:
    """Compare what a reader saw with the lives of the sessions that it follows.

    It has the last life of each whole; of each other life, which may end before the reader
    gets to it, a beginning.
    """
    starts = {session: [life[0].id for life in all_] for session, all_ in found.items()}
    counts = {session: [0] * len(all_) for session, all_ in found.items()}
    last = 0
    for item in items:
        if isinstance(item, Gap):
            return f"{item}, but nothing was pruned"
        which = bisect_right(starts.get(item.session, []), item.id) - 1
        at = counts[item.session][which] if which >= 0 else 0
        due = found[item.session][which][at : at + 1] if which >= 0 else []
        if item.id <= last or not due or _seen(due[0]) != item:
            return f"{item} after id {last} instead of {due[0] if due else 'nothing'}"
        last, counts[item.session][which] = item.id, at + 1
    for session, all_ in found.items():
        if counts[session][-1] < len(all_[-1]):
            return f"lost: {all_[-1][counts[session][-1]]} and what follows"
    return ""


def _seen(fact: Acknowledged) -> Received:
    return Received(fact.id, fact.session, fact.seq, fact.name, fact.token)
