"""The ledger: what was used, by sessions and turns.  It outlives the log and the sessions.

Each ``usage`` event is measured against the reading before it (`sxhost.store.metering`), and
what was spent goes into an entry: one for each turn of a session, model and hour.  An event
that is none costs nothing.  Changes are made to a `LedgerDraft` first, a part of a transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from operator import attrgetter
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from sxhost.model.event import Event
from sxhost.model.limits import Limits
from sxhost.model.session import Session
from sxhost.model.usage import SpentByModel, UsageEntry
from sxhost.store.metering import Spent, UsageReading, read_usage, share_out, spent_since

__all__ = ["LedgerDraft", "StoredReading", "UsageLedger"]

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS

SLACK: Final = 20
"""One in so many entries makes room at once, the oldest: finding them takes time."""

ZERO: Final = Decimal(0)

OTHER: Final = "other"
"""Agent and model under which is summed up what there is no room to sum up apart."""


class StoredReading(Struct, frozen=True, kw_only=True):
    """What a session's counters said last.  It outlives the session: its agent may go on."""

    session: str
    reading: UsageReading


class UsageLedger:
    """All entries by session, in order, and the last reading of each."""

    def __init__(self) -> None:
        self.entries: dict[str, tuple[UsageEntry, ...]] = {}
        self.readings: dict[str, UsageReading] = {}
        self.count = 0
        self._spent: dict[tuple[str, str], SpentByModel] = {}

    def restore(self, entries: Iterable[UsageEntry], readings: Iterable[StoredReading]) -> None:
        """Begin with what a journal has kept; entries of a session come in order."""
        found: dict[str, list[UsageEntry]] = {}
        for entry in entries:
            found.setdefault(entry.session, []).append(entry)
            self.count += 1
        self.entries = {session_id: tuple(entries) for session_id, entries in found.items()}
        self.readings = {stored.session: stored.reading for stored in readings}

    def within(self, since_ms: int, until_ms: int) -> list[UsageEntry]:
        """Return the entries that have something of a time, those of a session in order."""
        return [
            entry
            for entries in self.entries.values()
            for entry in entries
            if since_ms <= entry.until_ms and entry.at_ms < until_ms
        ]

    def spent(self) -> list[SpentByModel]:
        """Return what was spent by agent and model since the start: it only grows."""
        return list(self._spent.values())

    def replace(self, session_id: str, entries: Sequence[UsageEntry]) -> None:
        """Set the entries of a session."""
        self.count += len(entries) - len(self.entries.get(session_id, ()))
        self.entries[session_id] = tuple(entries)
        if not entries:
            del self.entries[session_id]

    def add_spent(self, agent: str, spent: Spent, most: int) -> None:
        """Count what was spent; beyond so many pairs of agent and model, under one name."""
        pair = agent, spent.model
        if pair not in self._spent and len(self._spent) >= most:
            pair = OTHER, OTHER
        known = self._spent.get(pair) or SpentByModel(agent=pair[0], model=pair[1])
        cost = known.cost + (spent.cost or ZERO)
        self._spent[pair] = replace(known, tokens=known.tokens + spent.tokens, cost=cost)


class LedgerDraft:
    """What a transaction makes of the ledger; its attributes are what a journal writes."""

    def __init__(self, ledger: UsageLedger, limits: Limits) -> None:
        self.written: dict[tuple[str, int], UsageEntry] = {}
        self.dropped: set[tuple[str, int]] = set()
        self.readings: dict[str, UsageReading] = {}
        self.dropped_readings: set[str] = set()
        self._ledger = ledger
        self._limits = limits
        self._entries: dict[str, list[UsageEntry]] = {}
        """The entries of the sessions that are touched."""
        self._spent: list[tuple[str, Spent]] = []

    @property
    def writes(self) -> bool:
        """Whether a journal has something to write."""
        return bool(self.written or self.dropped or self.readings or self.dropped_readings)

    def note(self, session: Session, event: Event, before: object) -> None:
        """Enter what a session's ``usage`` event adds.

        :param before: the data of the one before it, for sessions that are older than ledgers.
        """
        data = event.value()
        now = read_usage(data)
        if now is None:
            return
        known = self.readings.get(session.id) or self._ledger.readings.get(session.id)
        known = known or read_usage(before)
        reading, spent = spent_since(known, now, session.model)
        if reading != known:
            self.readings[session.id] = reading
            self.dropped_readings.discard(session.id)
        if spent:
            self._enter_all(session, event, _turn_of(session, data), spent)

    def replicate(
        self,
        written: Iterable[UsageEntry],
        dropped: Iterable[tuple[str, int]],
        readings: Mapping[str, UsageReading],
        dropped_readings: Iterable[str],
    ) -> None:
        """Take what another node has made of the ledger; what it has spent it counts itself."""
        self.readings |= readings
        self.dropped_readings |= self._ledger.readings.keys() & set(dropped_readings)
        self.written = {(entry.session, entry.number): entry for entry in written}
        self.dropped = set(dropped)
        for session_id in {name for name, _ in (*self.written, *self.dropped)}:
            entries = {(session_id, one.number): one for one in self._draft(session_id)}
            new = (name for name in self.written if name[0] == session_id)
            entries |= {name: self.written[name] for name in new}
            left = sorted(entries.keys() - self.dropped)
            self._entries[session_id] = [entries[name] for name in left]

    def _enter_all(
        self, session: Session, event: Event, turn: int | None, spent: Sequence[Spent]
    ) -> None:
        self._spent += ((session.agent, each) for each in spent)
        entries = self._draft(session.id)
        for each in self._settle(entries, turn, spent):
            self._enter(
                entries,
                UsageEntry(
                    session=session.id,
                    number=entries[-1].number + 1 if entries else 1,
                    turn=turn,
                    agent=session.agent,
                    model=each.model,
                    cwd=session.cwd,
                    at_ms=event.ts_ms,
                    until_ms=event.ts_ms,
                    tokens=each.tokens,
                    cost=each.cost,
                ),
            )
        self._shorten(entries)
        self._make_room()

    def _draft(self, session_id: str) -> list[UsageEntry]:
        if session_id not in self._entries:
            self._entries[session_id] = list(self._ledger.entries.get(session_id, ()))
        return self._entries[session_id]

    def _settle(
        self, entries: list[UsageEntry], turn: int | None, spent: Sequence[Spent]
    ) -> Sequence[Spent]:
        """Let a cost that is told pay for tokens that were told before it; return the rest.

        Claude writes down at its end what a session has cost, and agents by ACP tell it apart
        from a turn's tokens.
        """
        unpaid = [at for at, one in enumerate(entries) if one.cost is None and one.turn == turn]
        if not unpaid or any(each.cost is None for each in spent):
            return spent
        new = [each for each in spent if any(each.tokens.billed)]
        among = [*(entries[at].tokens for at in unpaid), *(each.tokens for each in new)]
        shares = share_out(sum((each.cost or ZERO for each in spent), ZERO), among)
        for at, share in zip(unpaid, shares, strict=False):
            entries[at] = self._write(replace(entries[at], cost=share))
        rest = shares[len(unpaid) :]
        return [each._replace(cost=share) for each, share in zip(new, rest, strict=True)]

    def _enter(self, entries: list[UsageEntry], new: UsageEntry) -> None:
        """Add a new entry to the one that it continues, or to the end."""
        for at in range(len(entries) - 1, -1, -1):
            if entries[at].until_ms < new.at_ms - HOUR_MS:
                break
            if _continues(new, entries[at]):
                entries[at] = self._write(_joined(entries[at], new))
                return
        entries.append(self._write(new))

    def _write(self, entry: UsageEntry) -> UsageEntry:
        self.written[entry.session, entry.number] = entry
        self.dropped.discard((entry.session, entry.number))
        return entry

    def _drop(self, entries: Iterable[UsageEntry]) -> None:
        for entry in entries:
            self.written.pop((entry.session, entry.number), None)
            self.dropped.add((entry.session, entry.number))

    def _shorten(self, entries: list[UsageEntry]) -> None:
        """Join the older half of a session's entries by days, if it has too many."""
        most = self._limits.usage_entries
        if len(entries) <= most:
            return
        half = len(entries) - most // 2
        joined: dict[tuple[Any, ...], UsageEntry] = {}
        for entry in entries[:half]:
            key = (*_kind(entry), entry.at_ms // DAY_MS, entry.cost is None)
            if key in joined:
                joined[key] = self._write(replace(_joined(joined[key], entry), turn=None))
                self._drop([entry])
            else:
                joined[key] = entry
        older = list(joined.values())
        surplus = max(len(older) - (most - most // 2), 0)
        self._drop(older[:surplus])
        entries[:half] = older[surplus:]

    def _make_room(self) -> None:
        """Drop the oldest entries of all sessions, if there are too many."""
        if self._ledger.count < self._limits.usage_total:
            return
        sessions = {**self._ledger.entries, **self._entries}
        oldest = sorted((one for all_ in sessions.values() for one in all_), key=_until)
        surplus = len(oldest) - self._limits.usage_total
        if surplus > 0:
            self._leave_out(oldest[: surplus + self._limits.usage_total // SLACK])

    def _leave_out(self, entries: Sequence[UsageEntry]) -> None:
        gone = {(entry.session, entry.number) for entry in entries}
        self._drop(entries)
        for session_id in {entry.session for entry in entries}:
            draft = self._draft(session_id)
            draft[:] = [one for one in draft if (session_id, one.number) not in gone]

    def drop_older(self, before_ms: int, is_known: Callable[[str], bool]) -> None:
        """Drop entries from before a time, and readings of sessions that nobody knows."""
        for known in self._ledger.entries.values():
            if known[0].until_ms < before_ms:
                self._leave_out([one for one in known if one.until_ms < before_ms])
        for session_id in self._ledger.readings:
            entries = self._entries.get(session_id, self._ledger.entries.get(session_id))
            if not (entries or session_id in self.readings or is_known(session_id)):
                self.dropped_readings.add(session_id)

    def commit(self) -> None:
        """Make the ledger what was drafted."""
        ledger = self._ledger
        for session_id, entries in self._entries.items():
            ledger.replace(session_id, entries)
        ledger.readings |= self.readings
        for session_id in self.dropped_readings:
            del ledger.readings[session_id]
        for agent, spent in self._spent:
            ledger.add_spent(agent, spent, self._limits.usage_labels)


_until = attrgetter("until_ms")


def _turn_of(session: Session, data: object) -> int | None:
    """Return the number of the turn that an event is of; only hosted sessions number theirs."""
    if session.kind == "attached":
        return None
    late = data.get("turn") if isinstance(data, dict) else None
    return late if isinstance(late, int) else session.turn.id if session.turn else None


def _kind(entry: UsageEntry) -> tuple[str, str, str]:
    return entry.model, entry.agent, entry.cwd


def _continues(new: UsageEntry, entry: UsageEntry) -> bool:
    """Return whether what is new belongs into an entry.

    In a turn without a number, what nobody has told the cost of waits for that apart.
    """
    is_paid_alike = (new.cost is None) == (entry.cost is None)
    return (
        new.turn == entry.turn
        and _kind(new) == _kind(entry)
        and new.at_ms // HOUR_MS == entry.at_ms // HOUR_MS
        and (new.turn is not None or is_paid_alike)
    )


def _joined(entry: UsageEntry, new: UsageEntry) -> UsageEntry:
    costs = [one.cost for one in (entry, new) if one.cost is not None]
    return replace(
        entry,
        until_ms=max(entry.until_ms, new.until_ms),
        tokens=entry.tokens + new.tokens,
        cost=sum(costs, ZERO) if costs else None,
    )
