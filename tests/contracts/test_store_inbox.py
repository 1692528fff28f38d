"""What every store does with messages: the contract `Inbox`."""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock

from sxhost.errors import (
    MessageClosed,
    QueueFull,
    UnknownMessage,
)
from sxhost.model.session import Registration
from sxhost.store.contracts import Store
from sxhost.testing import result_of
from tests.support.stores import MakeStore, put, states, take


class TestInbox:
    @pytest.fixture(autouse=True)
    def _session(self, store: Store) -> None:
        result_of(store.register("a", Registration(), 0))

    def test_taking_clears(self, store: Store) -> None:
        put(store, "one")
        put(store, "two", mode="interrupt", sender="me")
        assert take(store) == ["one", "two"]
        assert take(store) == []
        assert states(store) == [("one", "delivered"), ("two", "delivered")]

    def test_what_is_not_acknowledged_is_back_at_the_head(
        self, store: Store, clock: Clock
    ) -> None:
        put(store, "one")
        put(store, "two")
        assert take(store, lease=30) == ["one", "two"]
        put(store, "three")
        assert take(store, lease=60) == ["three"]
        clock.advance(30)
        assert take(store) == ["one", "two"]

    def test_acknowledged_is_delivered(self, store: Store, clock: Clock) -> None:
        one = put(store, "one")
        take(store, lease=30)
        assert states(store) == [("one", "leased")]
        assert result_of(store.ack_message("a", one)).state == "delivered"
        assert result_of(store.ack_message("a", one)).state == "delivered"
        clock.advance(60)
        assert take(store) == []

    def test_a_late_acknowledgement_counts(self, store: Store, clock: Clock) -> None:
        one = put(store, "one")
        take(store, lease=30)
        clock.advance(31)
        assert result_of(store.ack_message("a", one)).state == "delivered"
        assert take(store) == []

    def test_given_back_is_queued_in_its_place(self, store: Store) -> None:
        one = put(store, "one")
        put(store, "two")
        take(store, lease=30)
        result_of(store.nack_message("a", one))
        result_of(store.nack_message("a", one))
        assert states(store) == [("one", "queued"), ("two", "leased")]
        assert take(store) == ["one"]

    def test_withdrawn_is_not_delivered(self, store: Store) -> None:
        one = put(store, "one")
        result_of(store.withdraw("a", one))
        result_of(store.withdraw("a", one))
        assert take(store) == []
        with pytest.raises(MessageClosed):
            result_of(store.ack_message("a", one))
        with pytest.raises(MessageClosed):
            result_of(store.nack_message("a", one))

    def test_what_was_taken_cannot_be_withdrawn(self, store: Store) -> None:
        one = put(store, "one")
        take(store, lease=30)
        with pytest.raises(MessageClosed, match="already leased"):
            result_of(store.withdraw("a", one))
        result_of(store.ack_message("a", one))
        with pytest.raises(MessageClosed, match="already delivered"):
            result_of(store.withdraw("a", one))

    def test_a_full_queue_refuses_until_one_is_delivered(self, make_store: MakeStore) -> None:
        store = make_store(messages=2)
        result_of(store.register("a", Registration(), 0))
        one = put(store, "one")
        put(store, "two")
        take(store, lease=30)
        with pytest.raises(QueueFull):
            put(store, "three")
        result_of(store.ack_message("a", one))
        assert put(store, "three")

    def test_a_key_is_put_once(self, store: Store) -> None:
        one = put(store, "one", key="k")
        assert put(store, "again", key="k") == one
        assert take(store) == ["one"]
        assert put(store, "again", key="k") == one
        assert take(store) == []

    def test_closed_messages_are_remembered_for_a_while(self, make_store: MakeStore) -> None:
        store = make_store(closed_messages=1)
        result_of(store.register("a", Registration(), 0))
        one, two = put(store, "one", key="k"), put(store, "two")
        take(store)
        assert states(store) == [("two", "delivered")]
        with pytest.raises(UnknownMessage):
            result_of(store.ack_message("a", one))
        assert put(store, "new", key="k") > two

    def test_what_nobody_takes_in_time_expires(self, store: Store, clock: Clock) -> None:
        one = put(store, "one", ttl_s=10)
        put(store, "two")
        clock.advance(10)
        assert take(store) == ["two"]
        assert states(store) == [("one", "expired"), ("two", "delivered")]
        for closing in (store.ack_message, store.nack_message, store.withdraw):
            with pytest.raises(MessageClosed, match="already expired"):
                result_of(closing("a", one))

    def test_what_is_on_lease_expires_only_once_it_is_back(
        self, store: Store, clock: Clock
    ) -> None:
        put(store, "one", ttl_s=10)
        take(store, lease=20)
        clock.advance(15)
        assert states(store) == [("one", "leased")]
        clock.advance(5)
        assert states(store) == [("one", "expired")]

    def test_waiting_counts_what_is_not_over(self, store: Store) -> None:
        put(store, "one")
        put(store, "two")
        take(store, lease=30)
        put(store, "three")
        assert result_of(store.count_waiting("a")) == 3
        assert result_of(store.counts()).messages == 3


class TestLeaseOfOne:
    @pytest.fixture(autouse=True)
    def _session(self, store: Store) -> None:
        result_of(store.register("a", Registration(), 0))

    def test_one_is_leased_and_the_others_wait(self, store: Store) -> None:
        numbers = [put(store, text) for text in "abc"]
        assert result_of(store.lease_message("a", numbers[1], 60)).state == "leased"
        assert states(store) == [("a", "queued"), ("b", "leased"), ("c", "queued")]
        assert take(store) == ["a", "c"]
        result_of(store.ack_message("a", numbers[1]))

    def test_its_time_ends(self, store: Store, clock: Clock) -> None:
        number = put(store, "a")
        result_of(store.lease_message("a", number, 60))
        clock.advance(61)
        assert states(store) == [("a", "queued")]

    def test_what_is_not_queued_cannot_be(self, store: Store) -> None:
        number = put(store, "a")
        result_of(store.lease_message("a", number, 60))
        with pytest.raises(MessageClosed):
            result_of(store.lease_message("a", number, 60))
        with pytest.raises(UnknownMessage):
            result_of(store.lease_message("a", 99, 60))
