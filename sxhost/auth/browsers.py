"""Browsers that are logged in (by a link that is good once): cookies and page secrets.

Cookies know no ports: a server at another port of this machine is sent ours.  So a cookie is
not a token, and worth nothing by itself.  It counts together with the peer credentials of the
host's own user, or with a second secret that only the page has: a page's storage belongs to
its origin, port included.  Logins end with the host.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from msgspec import convert
from twisted.internet.interfaces import IReactorTime

from sxhost.auth.tokens import SECRET_BYTES, secret_digest
from sxhost.model.auth import LoginQuery, Token
from sxhost.model.caller import Caller, Grant
from sxhost.model.limits import Limits
from sxhost.model.names import Scope

__all__ = ["BrowserCredentials", "BrowserLogins"]

NAME: Final = "browser"
"""The name of a login in the list of tokens."""

EVERYTHING: Final = LoginQuery()


class BrowserCredentials(NamedTuple):
    """A new login: its id, its cookie, and the secret that the page stores."""

    id: str
    cookie: str
    page: str


class BrowserLogin:
    """A browser that is logged in, until `clock` says that it has expired.

    `allowed` is what it may do, `created_ms` (Unix milliseconds) is only shown.
    """

    def __init__(
        self,
        credentials: BrowserCredentials,
        allowed: LoginQuery,
        clock: IReactorTime,
        created_ms: int,
        limits: Limits,
    ) -> None:
        self.scopes = convert(allowed.scopes.split(","), list[Scope])
        self.session = allowed.session
        self.created_ms = created_ms
        self._cookie, self._page = (
            secret_digest(credentials.cookie),
            secret_digest(credentials.page),
        )
        self._clock = clock
        self._idle = limits.browser_idle
        life = limits.browser_life if allowed.life_s is None else allowed.life_s
        self._until = clock.seconds() + min(life, limits.browser_life)
        self.grant = Grant(self.remaining_s, clock.callLater, self.touch)
        self.touch()

    def touch(self) -> None:
        """Take note of a request: it restarts the idle time."""
        self.used = self._clock.seconds()

    def remaining_s(self) -> float:
        """Return in how many seconds it expires, without further requests."""
        return min(self._until, self.used + self._idle) - self._clock.seconds()

    def matches_secrets(self, cookie: str, page: str | None) -> bool:
        """Tell whether cookie and page secret are its own; a `page` of None is not checked."""
        is_cookie = hmac.compare_digest(secret_digest(cookie), self._cookie)
        return is_cookie and (
            page is None or hmac.compare_digest(secret_digest(page), self._page)
        )


class BrowserLogins:
    """All logins; when there are too many, the one that was idle the longest ends."""

    def __init__(self, clock: IReactorTime, wall_ms: Callable[[], int], limits: Limits) -> None:
        self._clock = clock
        self._wall_ms = wall_ms
        self._limits = limits
        self._logins: dict[str, BrowserLogin] = {}

    def log_in(self, allowed: LoginQuery = EVERYTHING) -> BrowserCredentials:
        """Log a browser in; return what it is to show from now on."""
        browser_id = secrets.token_hex(4)
        cookie = f"{browser_id}.{secrets.token_urlsafe(SECRET_BYTES)}"
        credentials = BrowserCredentials(
            browser_id, cookie, secrets.token_urlsafe(SECRET_BYTES)
        )
        self._forget_expired()
        if len(self._logins) >= self._limits.browsers:
            self.log_out(min(self._logins, key=lambda name: self._logins[name].used))
        self._logins[browser_id] = BrowserLogin(
            credentials, allowed, self._clock, self._wall_ms(), self._limits
        )
        return credentials

    def caller(self, cookie: str, page: str | None) -> Caller | None:
        """Return who shows a cookie and its page's secret, or None if they are no login's.

        A `page` of None is not checked.
        """
        browser_id = cookie.partition(".")[0]
        login = self._logins.get(browser_id)
        if login is None or not login.matches_secrets(cookie, page) or login.grant.ended:
            return None
        return Caller(
            frozenset(login.scopes),
            login.session,
            token=browser_id,
            grant=login.grant,
            name=NAME,
            expires_ms=self._expires_ms(login),
        )

    def __contains__(self, browser_id: object) -> bool:
        """Tell whether a login has this id."""
        return browser_id in self._logins

    def tokens(self) -> Sequence[Token]:
        """Return the logins as entries of the list of tokens."""
        self._forget_expired()
        return [
            Token(
                browser_id,
                login.scopes,
                login.session,
                NAME,
                login.created_ms,
                self._expires_ms(login),
            )
            for browser_id, login in self._logins.items()
        ]

    def _expires_ms(self, login: BrowserLogin) -> int:
        """Return when a login ends if nothing more is asked (Unix milliseconds)."""
        return self._wall_ms() + int(login.remaining_s() * 1000)

    def log_out(self, browser_id: str) -> None:
        """End a login, with all streams that are open for it."""
        self._logins.pop(browser_id).grant.end("token_revoked")

    def _forget_expired(self) -> None:
        self._logins = {
            name: login for name, login in self._logins.items() if not login.grant.ended
        }
