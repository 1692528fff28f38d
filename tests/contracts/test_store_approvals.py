"""What every store does with what agents ask: the contract `Approvals`."""

from __future__ import annotations

import pytest
from msgspec import json

from sxhost.errors import (
    AlreadyAnswered,
    UnknownApproval,
    UnknownSession,
)
from sxhost.model.approval import Approval
from sxhost.model.auth import AuditEntry, AuditQuery
from sxhost.model.session import Registration
from sxhost.store.contracts import Store
from sxhost.testing import result_of
from tests.support.stores import MakeStore, end, question


class TestApprovals:
    @pytest.fixture(autouse=True)
    def _session(self, store: Store) -> None:
        result_of(store.register("a", Registration(), 0))

    @staticmethod
    def ask(store: Store, key: str = "q1", session: str = "a") -> Approval:
        return result_of(store.open_approval(session, question(key), 8_000, 18_000))

    @staticmethod
    def settle(store: Store, number: int, decision: str = "approve") -> Approval:
        return result_of(store.close_approval("a", number, "answered", end(decision)))

    @staticmethod
    def listed(store: Store, session: str | None = "a") -> list[tuple[int, str, str]]:
        return [(a.id, a.key, a.state) for a in result_of(store.approvals(session))]

    def test_what_is_asked_is_in_the_log_and_waits(self, store: Store) -> None:
        approval = self.ask(store)
        assert (approval.id, approval.state, approval.title) == (1, "pending", "Run q1")
        assert (approval.opened_ms, approval.expires_ms) == (8_000, 18_000)
        (event,) = result_of(store.read_events("a"))
        assert event.event == "approval-requested"
        assert json.decode(event.data, type=dict)["id"] == 1
        session = result_of(store.session("a"))
        assert (session.pending_approvals, session.state.name) == (1, "waiting")

    def test_the_first_decision_stands(self, store: Store) -> None:
        approval = self.ask(store)
        closed = self.settle(store, approval.id, "deny")
        assert (closed.state, closed.resolution) == ("answered", end("deny"))
        with pytest.raises(AlreadyAnswered) as caught:
            self.settle(store, approval.id, "approve")
        assert caught.value.details["decision"] == "deny"
        assert result_of(store.approvals("a")) == [closed]
        events = [event.event for event in result_of(store.read_events("a"))]
        assert events == ["approval-requested", "approval-resolved"]
        assert result_of(store.session("a")).pending_approvals == 0

    def test_it_is_closed_with_its_entry_or_not_at_all(self, store: Store) -> None:
        approval = self.ask(store)
        entry = AuditEntry(0, "answer", "a", "approval 1: approve", "t", None, "", 9_000)
        result_of(store.close_approval("a", approval.id, "answered", end(), entry))
        with pytest.raises(AlreadyAnswered):
            result_of(store.close_approval("a", approval.id, "answered", end(), entry))
        assert len(result_of(store.audit_entries(AuditQuery()))) == 1

    def test_a_pending_one_is_asked_once(self, store: Store) -> None:
        first, again = self.ask(store), self.ask(store)
        assert first == again
        assert len(result_of(store.read_events("a"))) == 1

    def test_asked_again_after_its_end_it_is_open_again(self, store: Store) -> None:
        first = self.ask(store)
        self.settle(store, first.id)
        again = self.ask(store)
        assert (again.id, again.state, again.resolution) == (first.id, "pending", None)
        assert len(result_of(store.read_events("a"))) == 3
        self.settle(store, again.id, "deny")

    def test_keys_are_of_their_session(self, store: Store) -> None:
        result_of(store.register("b", Registration(), 0))
        self.ask(store)
        other = self.ask(store, session="b")
        assert other.id == 2
        assert self.listed(store) == [(1, "q1", "pending")]
        assert self.listed(store, None) == [(1, "q1", "pending"), (2, "q1", "pending")]

    def test_only_the_last_closed_are_remembered(self, make_store: MakeStore) -> None:
        store = make_store(closed_approvals=2)
        result_of(store.register("a", Registration(), 0))
        waiting = self.ask(store, "waits")
        for number in range(4):
            self.settle(store, self.ask(store, f"k{number}").id)
        assert self.listed(store) == [
            (waiting.id, "waits", "pending"),
            (4, "k2", "answered"),
            (5, "k3", "answered"),
        ]
        with pytest.raises(UnknownApproval):
            self.settle(store, 2)

    def test_numbers_are_never_used_again(self, store: Store) -> None:
        self.ask(store)
        result_of(store.delete("a"))
        result_of(store.register("a", Registration(), 0))
        assert self.listed(store) == []
        assert self.ask(store).id == 2

    def test_unknown_ones(self, store: Store) -> None:
        with pytest.raises(UnknownApproval):
            self.settle(store, 1)
        for work in (
            store.open_approval("nobody", question(), 0, None),
            store.close_approval("nobody", 1, "answered", end()),
            store.approvals("nobody"),
        ):
            with pytest.raises(UnknownSession):
                result_of(work)
