"""The ledger's draft: seen by nobody until it is committed, and whole for all in it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from sxhost.codec.json import encode
from sxhost.model.event import Event
from sxhost.model.limits import Limits
from sxhost.model.session import Session, State
from sxhost.model.usage import UsageEntry
from sxhost.store.usage_ledger import LedgerDraft, UsageLedger

HOUR = 3_600_000
DAY = 24 * HOUR


def note(draft: LedgerDraft, session_id: str, output: int, at: int = 0, **data: Any) -> None:
    state = State("idle", "", 0)
    session = Session(id=session_id, start_ms=0, last_seen_ms=0, state=state, agent="claude")
    body = Raw(encode({"output_tokens": output, **data}))
    draft.note(session, Event("usage", body, at // 1000, 1, 1, at, session_id), None)


def all_of(ledger: UsageLedger) -> list[UsageEntry]:
    return ledger.within(0, 10**18)


def test_a_draft_is_seen_once_it_is_committed() -> None:
    ledger = UsageLedger()
    draft = LedgerDraft(ledger, Limits())
    note(draft, "a", 3)
    note(draft, "a", 5)
    assert draft.writes
    assert (all_of(ledger), ledger.count) == ([], 0)
    draft.commit()
    assert [entry.tokens.output_tokens for entry in all_of(ledger)] == [5]
    assert ledger.count == 1


def test_a_draft_that_is_thrown_away_leaves_nothing() -> None:
    ledger = UsageLedger()
    note(LedgerDraft(ledger, Limits()), "a", 3)
    draft = LedgerDraft(ledger, Limits())
    note(draft, "a", 3)
    draft.commit()
    assert [one.tokens.output_tokens for one in ledger.spent()] == [3]


def test_what_is_told_again_writes_nothing() -> None:
    ledger = UsageLedger()
    for _ in range(2):
        draft = LedgerDraft(ledger, Limits())
        note(draft, "a", 3)
        draft.commit()
    assert not draft.writes


def test_what_is_dropped_and_used_in_one_commit_stays() -> None:
    ledger = UsageLedger()
    draft = LedgerDraft(ledger, Limits(usage_days=1))
    note(draft, "a", 3)
    draft.commit()
    draft = LedgerDraft(ledger, Limits(usage_days=1))
    note(draft, "a", 5, at=9 * DAY)
    draft.drop_older(8 * DAY, lambda _: False)
    draft.commit()
    assert [entry.tokens.output_tokens for entry in all_of(ledger)] == [2]
    assert ledger.readings.keys() == {"a"}


def test_what_was_used_since_the_start_only_grows() -> None:
    """Also where entries are dropped; what there is no room for is counted under one name."""
    ledger, limits = UsageLedger(), Limits(usage_labels=2, usage_days=1)
    for number, model in enumerate("xyzw"):
        draft = LedgerDraft(ledger, limits)
        note(draft, f"s{number}", 2, model=model, cost_usd=0.5)
        draft.commit()
    draft = LedgerDraft(ledger, limits)
    draft.drop_older(DAY, lambda _: False)
    draft.commit()
    assert all_of(ledger) == []
    assert [(one.model, one.tokens.output_tokens, one.cost) for one in ledger.spent()] == [
        *(("x", 2, Decimal("0.5")), ("y", 2, Decimal("0.5")), ("other", 4, Decimal(1)))
    ]


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 9), st.integers(0, 9 * HOUR))),
    st.integers(1, 6),
)
def test_rows_are_what_is_known(used: list[tuple[str, int, int]], most: int) -> None:
    """What a journal writes and deletes, commit for commit, is what memory has after it."""
    limits = Limits(usage_entries=most, usage_total=most * 2)
    ledger, rows = UsageLedger(), dict[tuple[str, int], UsageEntry]()
    sums = dict.fromkeys("abc", 0)
    for session, output, at in used:
        draft = LedgerDraft(ledger, limits)
        sums[session] += output
        note(draft, session, sums[session], at)
        draft.commit()
        for name in draft.dropped:
            rows.pop(name, None)
        rows |= draft.written
    assert sorted(rows.items()) == [
        ((one.session, one.number), one)
        for one in sorted(all_of(ledger), key=lambda one: (one.session, one.number))
    ]
    assert ledger.count == len(rows)
    again = UsageLedger()
    again.restore([rows[name] for name in sorted(rows)], [])
    assert again.entries == {name: ledger.entries[name] for name in sorted(ledger.entries)}
