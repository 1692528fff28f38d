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


def test_cookies_are_unique(browsers: BrowserLogins) -> None:
    credentials = [browsers.log_in() for _ in range(3)]
    assert len({word for one in credentials for word in one}) == 9


@pytest.mark.parametrize("cookie", ["", ".", "x", "x.y", "é", "admin.", "x" * 10_000])
def test_malformed_cookie_is_unknown(browsers: BrowserLogins, cookie: str) -> None:
    browsers.log_in()
    for page in (None, "", "x", "é"):
        assert browsers.caller(cookie, page) is None


def test_least_recently_used_login_makes_room(browsers: BrowserLogins, clock: Clock) -> None:
    stays, goes, _ = (caller(browsers, browsers.log_in()) for _ in range(3))
    clock.advance(1)
    stays.check("read", None)
    browsers.log_in()
    assert (stays.ended, goes.ended) == (None, "token_revoked")
    assert len(browsers.tokens()) == 3


def test_expired_logins_make_room_first(browsers: BrowserLogins, clock: Clock) -> None:
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


def test_requests_extend_a_login(browsers: BrowserLogins, clock: Clock) -> None:
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


def test_idle_login_expires_despite_an_open_stream(
    browsers: BrowserLogins, clock: Clock
) -> None:
    let_in = caller(browsers, browsers.log_in())
    told: list[float] = []
    with let_in.on_end(lambda: told.append(clock.seconds())):
        clock.pump([10.0] * 12)
    assert told == [100.0]
    assert browsers.tokens() == []
