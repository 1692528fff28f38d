"""What somebody may do, and until when."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from math import inf

import pytest
from twisted.internet.task import Clock

from sxhost.errors import ForbiddenScope, Unauthorized
from sxhost.model.caller import CALLBACKS_PER_TURN, HOST, Caller, Grant


class Term:
    """A grant that ends at a time, which can be put off."""

    def __init__(self, until: float) -> None:
        self.until = until
        self.clock = Clock()
        self.grant = Grant(lambda: self.until - self.clock.seconds(), self.clock.callLater)
        self.caller = Caller(frozenset({"read"}), "a", "t", grant=self.grant)
        self.told: list[float] = []

    def tell(self) -> None:
        self.told.append(self.clock.seconds())


def test_caller_needs_scope_and_session() -> None:
    caller = Caller(frozenset({"read"}), "a")
    caller.check("read", "a")
    for scope, session_id in (("send", "a"), ("read", "b"), ("read", None)):
        with pytest.raises(ForbiddenScope):
            caller.check(scope, session_id)  # type: ignore[arg-type]


def test_caller_without_a_token_never_ends() -> None:
    with HOST.on_end(lambda: pytest.fail("it ended")):
        HOST.check("admin", None)
    assert HOST.ended is None


def test_ended_caller_is_refused() -> None:
    term = Term(inf)
    term.caller.check("read", "a")
    term.grant.end("token_revoked")
    with pytest.raises(Unauthorized, match="was revoked"):
        term.caller.check("read", "a")


def test_end_callbacks_run_once() -> None:
    term = Term(inf)
    others: list[int] = []
    with term.caller.on_end(term.tell), term.grant.on_end(lambda: others.append(1)):
        term.grant.end("token_revoked")
        term.grant.end("token_rotated")
    assert (len(term.told), others) == (1, [1])
    assert term.grant.ended == "token_revoked"


def test_many_end_callbacks_run_in_slices() -> None:
    term = Term(inf)
    told: list[int] = []
    with ExitStack() as stack:
        for number in range(2 * CALLBACKS_PER_TURN + 1):
            stack.enter_context(term.grant.on_end(partial(told.append, number)))
        term.grant.end("token_revoked")
        assert told == list(range(CALLBACKS_PER_TURN))
        term.clock.advance(0)
    assert told == list(range(2 * CALLBACKS_PER_TURN + 1))


def test_removed_end_callback_does_not_run() -> None:
    term = Term(10)
    with term.caller.on_end(term.tell):
        assert len(term.clock.getDelayedCalls()) == 1
    assert not term.clock.getDelayedCalls()
    term.grant.end("token_revoked")
    assert not term.told


def test_late_end_callback_runs_at_once() -> None:
    term = Term(0)
    with term.caller.on_end(term.tell):
        assert len(term.told) == 1
    assert not term.clock.getDelayedCalls()


@pytest.mark.parametrize("until", [10.0, 60.0, 1000.0])
def test_grant_ends_at_its_expiry(until: float) -> None:
    term = Term(until)
    with term.caller.on_end(term.tell):
        term.clock.pump([until - 0.5])
        assert not term.told
        term.clock.advance(0.5)
        assert term.told
    assert term.grant.ended == "token_expired"


def test_expiry_can_be_moved() -> None:
    term = Term(10)
    with term.caller.on_end(term.tell):
        term.until = 500
        term.clock.advance(10)
        assert not term.told
        term.until = 20  # as by a wall clock that jumps
        term.clock.advance(60)
        assert len(term.told) == 1


def test_endless_grant_has_no_timer() -> None:
    term = Term(inf)
    with term.caller.on_end(term.tell):
        assert not term.clock.getDelayedCalls()
