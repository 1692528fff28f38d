"""An inbox by itself, where no store looks after it."""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock

from sxhost.model.limits import Limits
from sxhost.model.session import MessageDraft
from sxhost.store.inbox import Inbox


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def inbox(clock: Clock) -> Inbox:
    return Inbox("a", Limits(closed_messages=2), clock.seconds)


def put(inbox: Inbox, *numbers: int, ttl_s: float | None = None) -> None:
    for number in numbers:
        inbox.put(number, MessageDraft(content=f"{number}", key=f"{number}", ttl_s=ttl_s), 0)


def test_a_copy_changes_alone(inbox: Inbox) -> None:
    put(inbox, 1, 2)
    twin = inbox.copy()
    twin.take(0)
    twin.ack(1)
    assert [m.state for m in inbox.peek()] == ["queued", "queued"]
    assert [m.state for m in twin.peek()] == ["delivered", "delivered"]
    assert (len(inbox), len(twin)) == (2, 0)


def test_what_is_remembered_no_longer_is_told_until_it_is_gone_everywhere(
    inbox: Inbox, clock: Clock
) -> None:
    put(inbox, 1, 2, 3, ttl_s=5)
    clock.advance(5)
    assert [m.id for m in inbox.peek()] == [2, 3], "a look is enough to expire"
    assert inbox.copy().copy().forgotten == [1]
    assert inbox.known("1") is None
    assert inbox.key_of(2) == "2"


def test_expired_is_told_once(inbox: Inbox, clock: Clock) -> None:
    put(inbox, 1, ttl_s=5)
    assert inbox.expired() == {}
    clock.advance(5)
    assert list(inbox.expired()) == [1]
    assert inbox.expired() == {}


def test_what_a_journal_kept_is_put_back(inbox: Inbox, clock: Clock) -> None:
    put(inbox, 1, 2, 3, ttl_s=5)
    inbox.withdraw(2)
    clock.advance(4)
    again = Inbox("a", Limits(), clock.seconds)
    again.restore([(message, f"{message.id}") for message in inbox.peek()])
    assert [(m.id, m.state) for m in again.peek()] == [
        (1, "queued"), (2, "withdrawn"), (3, "queued")
    ]  # fmt: skip
    known = again.known("2")
    assert known is not None
    assert known.id == 2
    clock.advance(4)
    assert len(again) == 2, "its time to live begins anew"
