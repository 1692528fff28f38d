"""What every store does with entries of the audit: the contract `AuditLog`."""

from __future__ import annotations

from sxhost.store.contracts import Store
from tests.support.stores import MakeStore, audited, note


class TestAudit:
    def test_entries_are_numbered_and_read_in_order(self, store: Store) -> None:
        for what in ("send", "delete", "stop"):
            note(store, what)
        assert audited(store) == [(1, "send"), (2, "delete"), (3, "stop")]
        assert audited(store, limit=2) == [(2, "delete"), (3, "stop")]
        assert audited(store, after=0, limit=2) == [(1, "send"), (2, "delete")]
        assert audited(store, after=2) == [(3, "stop")]

    def test_the_oldest_make_room(self, make_store: MakeStore) -> None:
        store = make_store(deeds=2)
        for number in range(5):
            note(store, f"{number}")
        assert audited(store) == [(4, "3"), (5, "4")]
