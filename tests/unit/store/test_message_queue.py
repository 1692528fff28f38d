"""One session's messages by themselves, where no store looks after them."""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock

from sxhost.model.limits import Limits
from sxhost.model.message import MessageDraft
from sxhost.store.message_queue import MessageQueue


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def queue(clock: Clock) -> MessageQueue:
    return MessageQueue("a", Limits(closed_messages=2), clock.seconds)


def put(queue: MessageQueue, *numbers: int, ttl_s: float | None = None) -> None:
    for number in numbers:
        queue.put(number, MessageDraft(content=f"{number}", key=f"{number}", ttl_s=ttl_s), 0)


def test_a_copy_changes_alone(queue: MessageQueue) -> None:
    put(queue, 1, 2)
    twin = queue.copy()
    twin.take(0)
    twin.ack(1)
    assert [m.state for m in queue.peek()] == ["queued", "queued"]
    assert [m.state for m in twin.peek()] == ["delivered", "delivered"]
    assert (len(queue), len(twin)) == (2, 0)


def test_what_is_remembered_no_longer_is_told_until_it_is_gone_everywhere(
    queue: MessageQueue, clock: Clock
) -> None:
    put(queue, 1, 2, 3, ttl_s=5)
    clock.advance(5)
    assert [m.id for m in queue.peek()] == [2, 3], "a look is enough to expire"
    assert queue.copy().copy().forgotten == [1]
    assert queue.find_key("1") is None
    assert queue.key_of(2) == "2"


def test_expired_is_told_once(queue: MessageQueue, clock: Clock) -> None:
    put(queue, 1, ttl_s=5)
    assert queue.expired() == {}
    clock.advance(5)
    assert list(queue.expired()) == [1]
    assert queue.expired() == {}


def test_what_a_journal_kept_is_put_back(queue: MessageQueue, clock: Clock) -> None:
    put(queue, 1, 2, 3, ttl_s=5)
    queue.withdraw(2)
    clock.advance(4)
    again = MessageQueue("a", Limits(), clock.seconds)
    again.restore([(message, f"{message.id}") for message in queue.peek()])
    assert [(m.id, m.state) for m in again.peek()] == [
        (1, "queued"), (2, "withdrawn"), (3, "queued")
    ]  # fmt: skip
    known = again.find_key("2")
    assert known is not None
    assert known.id == 2
    clock.advance(4)
    assert len(again) == 2, "its time to live begins anew"


def test_a_lease_that_an_older_host_wrote_down_has_ended(queue: MessageQueue) -> None:
    put(queue, 1)
    leased = queue.lease(1, 60)
    again = MessageQueue("a", Limits(), lambda: 0.0)
    again.restore([(leased, "1")])
    assert [(m.id, m.state) for m in again.peek()] == [(1, "queued")]
    assert [m.id for m in again.take(0)] == [1]
