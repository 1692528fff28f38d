"""The browsers that were let in by a link, and what they show for it.

Cookies know no ports: whoever listens at another port of this machine is sent ours.  So a
cookie is no token, and worth nothing by itself.  It counts together with the kernel's word
that the host's own user asks, or with a second secret that only the page has: what a page
keeps, it keeps for its port.  Nothing of this outlives the host.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from twisted.internet.interfaces import IReactorTime

from sxhost.auth.tokens import SECRET_BYTES, digest_of
from sxhost.model.auth import Token
from sxhost.model.caller import Caller, Grant
from sxhost.model.limits import Limits

__all__ = ["Browsers", "Credentials"]

NAME: Final = "browser"
"""What a browser is called among the tokens."""


class Credentials(NamedTuple):
    """What a browser is given: its id, its cookie, and what its page is to keep."""

    id: str
    cookie: str
    page: str


class BrowserLogin:
    """One of them; `clock` decides when it is forgotten, `created_ms` is a label."""

    def __init__(
        self, credentials: Credentials, clock: IReactorTime, created_ms: int, limits: Limits
    ) -> None:
        self.created_ms = created_ms
        self._cookie, self._page = digest_of(credentials.cookie), digest_of(credentials.page)
        self._clock = clock
        self._idle = limits.browser_idle
        self._until = clock.seconds() + limits.browser_life
        self.grant = Grant(self.remaining_s, clock.callLater, self.touch)
        self.touch()

    def touch(self) -> None:
        """Take note that it asks."""
        self.used = self._clock.seconds()

    def remaining_s(self) -> float:
        """Return for how many seconds it still is let in, if it asks no more."""
        return min(self._until, self.used + self._idle) - self._clock.seconds()

    def matches_secrets(self, cookie: str, page: str | None) -> bool:
        """Tell whether this is its cookie, and what its page has; None: that is not asked."""
        right = hmac.compare_digest(digest_of(cookie), self._cookie)
        return right and (page is None or hmac.compare_digest(digest_of(page), self._page))


class Browsers:
    """All of them; the one that has asked for nothing the longest makes room."""

    def __init__(self, clock: IReactorTime, wall_ms: Callable[[], int], limits: Limits) -> None:
        self._clock = clock
        self._wall_ms = wall_ms
        self._limits = limits
        self._here: dict[str, BrowserLogin] = {}

    def log_in(self) -> Credentials:
        """Let one more in; return what it shows from now on."""
        browser_id = secrets.token_hex(4)
        cookie = f"{browser_id}.{secrets.token_urlsafe(SECRET_BYTES)}"
        credentials = Credentials(browser_id, cookie, secrets.token_urlsafe(SECRET_BYTES))
        self._forget_expired()
        if len(self._here) >= self._limits.browsers:
            self.log_out(min(self._here, key=lambda name: self._here[name].used))
        self._here[browser_id] = BrowserLogin(
            credentials, self._clock, self._wall_ms(), self._limits
        )
        return credentials

    def caller(self, cookie: str, page: str | None) -> Caller | None:
        """Return who shows a cookie, if it is good; `page` as for `BrowserLogin.shows`."""
        browser_id = cookie.partition(".")[0]
        browser = self._here.get(browser_id)
        if browser is None or not browser.matches_secrets(cookie, page) or browser.grant.ended:
            return None
        return Caller(frozenset({"admin"}), token=browser_id, grant=browser.grant)

    def __contains__(self, browser_id: object) -> bool:
        """Tell whether there is one with this id."""
        return browser_id in self._here

    def tokens(self) -> Sequence[Token]:
        """Return them as tokens are listed."""
        self._forget_expired()
        return list(map(self._token, self._here))

    def log_out(self, browser_id: str) -> None:
        """Let one in no more; what it has open ends."""
        self._here.pop(browser_id).grant.end("token_revoked")

    def _forget_expired(self) -> None:
        self._here = {name: one for name, one in self._here.items() if not one.grant.ended}

    def _token(self, browser_id: str) -> Token:
        browser = self._here[browser_id]
        expires_ms = self._wall_ms() + int(browser.remaining_s() * 1000)
        return Token(browser_id, ["admin"], None, NAME, browser.created_ms, expires_ms)
