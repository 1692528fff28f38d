"""Browsers that were let in: how many, for how long."""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock

from sxhost.auth.browsers import BrowserCredentials, BrowserLogins
from sxhost.model.caller import Caller
from sxhost.model.limits import Limits

LIMITS = Limits(browsers=3, browser_idle=100.0, browser_life=250.0)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def browsers(clock: Clock) -> BrowserLogins:
    return BrowserLogins(clock, lambda: int(clock.seconds() * 1000), LIMITS)


def caller(browsers: BrowserLogins, credentials: BrowserCredentials) -> Caller:
    found = browsers.caller(credentials.cookie, credentials.page)
    assert found
    return found


def test_no_two_have_the_same(browsers: BrowserLogins) -> None:
    credentials = [browsers.log_in() for _ in range(3)]
    assert len({word for one in credentials for word in one}) == 9


@pytest.mark.parametrize("cookie", ["", ".", "x", "x.y", "é", "admin.", "x" * 10_000])
def test_what_is_no_cookie(browsers: BrowserLogins, cookie: str) -> None:
    browsers.log_in()
    for page in (None, "", "x", "é"):
        assert browsers.caller(cookie, page) is None


def test_the_one_that_asked_the_longest_ago_makes_room(
    browsers: BrowserLogins, clock: Clock
) -> None:
    stays, goes, _ = (caller(browsers, browsers.log_in()) for _ in range(3))
    clock.advance(1)
    stays.check("read", None)
    browsers.log_in()
    assert (stays.ended, goes.ended) == (None, "token_revoked")
    assert len(browsers.tokens()) == 3


def test_those_that_have_expired_make_room_first(browsers: BrowserLogins, clock: Clock) -> None:
    oldest, expired = browsers.log_in(), browsers.log_in()
    clock.advance(60)
    browsers.log_in()
    let_in = browsers.caller(oldest.cookie, oldest.page)
    assert let_in
    let_in.check("read", None)
    clock.advance(40)
    browsers.log_in()
    assert not let_in.ended
    assert expired.id not in browsers
    assert len(browsers.tokens()) == 3


def test_what_is_done_by_it_keeps_it_alive(browsers: BrowserLogins, clock: Clock) -> None:
    """A page that says all that it wants over one WebSocket asks the gate only once."""
    let_in = caller(browsers, browsers.log_in())
    with let_in.on_end(lambda: None):
        for _ in range(2):
            clock.advance(99)
            let_in.check("read", None)
        clock.advance(51)
        assert not let_in.ended
        clock.advance(1)
        assert let_in.ended == "token_expired"


def test_one_that_does_nothing_is_let_go_though_it_watches(
    browsers: BrowserLogins, clock: Clock
) -> None:
    let_in = caller(browsers, browsers.log_in())
    told: list[float] = []
    with let_in.on_end(lambda: told.append(clock.seconds())):
        clock.pump([10.0] * 12)
    assert told == [100.0]
    assert browsers.tokens() == []
