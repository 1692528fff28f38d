"""Tokens over HTTP, and the one-time links through which a browser logs in."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, NamedTuple

from msgspec import Meta
from twisted.internet.interfaces import IReactorTime
from twisted.web.server import Request

from sxhost.auth.browsers import BrowserCredentials, BrowserLogins
from sxhost.auth.tokens import TokenStore
from sxhost.errors import HostError, Unauthorized
from sxhost.faces.native.login_page import is_opened_ahead, serve_page
from sxhost.http.authentication import cookie_name
from sxhost.http.routes import Route
from sxhost.model.auth import Login, LoginQuery, Token, TokenDraft, TokenMade
from sxhost.model.caller import Caller, current_caller
from sxhost.model.limits import Limits
from sxhost.model.session import Done
from sxhost.waiting import uncancelled

__all__ = ["TokenHandlers"]

LINK_LIFETIME_S = 60.0
"""Seconds in which a login's link must be opened: a slow browser's start, and no more."""

TokenId = Annotated[str, Meta(extra_json_schema={"pattern": "^[0-9a-z]{1,16}$"})]
LoginCode = Annotated[str, Meta(extra_json_schema={"pattern": "^[0-9A-Za-z_-]{1,64}$"})]

RecordAction = Callable[[str, str | None, str], Awaitable[None]]
"""Writes an audit entry: what was done, to which session, a detail."""


class Link(NamedTuple):
    """A link that was not opened yet: until when it is good, and what its browser may do."""

    expires: float
    allowed: LoginQuery


@dataclass(frozen=True)
class LoginResponse:
    """A response that redirects a browser to the dashboard, with its credentials."""

    credentials: BrowserCredentials | None
    """None for a caller who needs no credentials."""
    lifetime_s: float

    async def serve(self, request: Request) -> None:
        """Set the cookie; no script can read it, and no page of another site sends it.

        What the page is to keep stands in the fragment: browsers send that to nobody.
        """
        request.setResponseCode(303)
        if self.credentials is None:
            request.setHeader("Location", "/")
            return
        request.setHeader("Location", f"/#page={self.credentials.page}")
        request.addCookie(
            cookie_name(request.getHost()),
            self.credentials.cookie,
            path=b"/",
            max_age=b"%d" % self.lifetime_s,
            httpOnly=True,
            secure=request.isSecure(),
            sameSite="strict",
        )


class LinkResponse:
    """A response to whoever opens a link: it logs them in, or asks whether they mean it."""

    def __init__(self, log_in: Callable[[], Awaitable[LoginResponse]]) -> None:
        self._log_in = log_in

    async def serve(self, request: Request) -> None:
        """Answer as the login does, or with a page that has a button."""
        if is_opened_ahead(request):
            serve_page(request)
        else:
            await (await self._log_in()).serve(request)


class TokenHandlers:
    """The handlers; `clock` is monotonic, `host_uid` the uid of the host's user.

    `outside_urls` returns where other machines reach the host.
    """

    def __init__(
        self,
        tokens: TokenStore,
        browsers: BrowserLogins,
        clock: IReactorTime,
        limits: Limits,
        *,
        record: RecordAction,
        host_uid: int,
        outside_urls: Callable[[], Sequence[str]] = tuple,
    ) -> None:
        self._tokens = tokens
        self._browsers = browsers
        self._clock = clock
        self._limits = limits
        self._record = record
        self._host_uid = host_uid
        self._outside_urls = outside_urls
        self._links: dict[str, Link] = {}

    async def tokens(self) -> Sequence[Token]:
        """List tokens, without their secrets, and the browsers that are logged in."""
        return [*self._tokens.tokens(), *self._browsers.tokens()]

    async def create_token(self, draft: TokenDraft) -> TokenMade:
        """Make a token; its secret is shown this once."""
        token, secret = await self._create_audited("create token", draft)
        return TokenMade(token=token, secret=secret)

    async def _create_audited(self, action: str, draft: TokenDraft) -> tuple[Token, str]:
        """Make a token; revoke it at once if that cannot be recorded in the audit."""
        token, secret = self._tokens.create(draft)
        try:
            await self._record(action, draft.session, token.id)
        except BaseException:
            self._tokens.revoke(token.id)
            raise
        return token, secret

    async def revoke_token(self, token_id: TokenId) -> Done:
        """Revoke a token, or log a browser out."""
        if token_id in self._browsers:
            self._browsers.log_out(token_id)
        else:
            self._tokens.revoke(token_id)
        await self._record("revoke token", None, token_id)
        return Done()

    async def rotate_token(self) -> Done:
        """Replace the host's own token; the new one is in its file."""
        self._tokens.rotate()
        await self._record("rotate token", None, "")
        return Done()

    async def invite(self, query: LoginQuery) -> Login:
        """Create a link that logs one browser in."""
        now = self._clock.seconds()
        self._links = {code: link for code, link in self._links.items() if link.expires > now}
        code = secrets.token_urlsafe(32)
        self._links[code] = Link(now + LINK_LIFETIME_S, query)
        return Login(
            path=f"/login/{code}",
            expires_s=LINK_LIFETIME_S,
            urls=[*self._outside_urls()],
        )

    async def open_link(self, code: LoginCode) -> LinkResponse:
        """Log a browser in by a link that a person has opened, as `login` does."""
        self._check_link(code)
        return LinkResponse(lambda: uncancelled(self.login(code)))

    async def login(self, code: LoginCode) -> LoginResponse:
        """Log a browser in, once; on this machine, only one of the host's own user."""
        self._check_link(code)
        caller, link, credentials = current_caller.get(), self._links.pop(code), None
        try:
            if not _is_trusted(caller):
                credentials = self._browsers.log_in(link.allowed)
            session = link.allowed.session
            await self._record("log in", session, credentials.id if credentials else "")
        except HostError:
            self._links[code] = link  # it was not used
            if credentials is not None:
                self._browsers.log_out(credentials.id)
            raise
        return LoginResponse(credentials, self._limits.browser_life)

    def _check_link(self, code: str) -> None:
        """Refuse a link that is not good, or that another user of this machine opens.

        Opening a link shows it to all users of the machine, in the browser's command line.
        """
        if current_caller.get().uid not in (None, self._host_uid):
            raise Unauthorized("This link is for the user that the host runs as.")
        link = self._links.get(code)
        if link is None or link.expires <= self._clock.seconds():
            raise Unauthorized("This link was used, or is too old; `sxhost open` makes one.")

    def routes(self) -> Sequence[Route]:
        """Return the routes of tokens and logins: for administrators, but for the link."""
        login = partial(
            Route,
            path="/login/<code>",
            summary="Log a browser in.",
            status=303,
            produces="text/plain",
            safe=False,
            scope="open",
            asks=True,
        )
        return (
            Route("GET", "/tokens", self.tokens, "List tokens.", scope="admin"),
            Route("POST", "/tokens", self.create_token, "Create a token.", 201),
            Route(
                "POST", "/tokens/admin/rotate", self.rotate_token, "Replace the host's token."
            ),
            Route("DELETE", "/tokens/<token_id>", self.revoke_token, "Revoke a token."),
            Route("POST", "/logins", self.invite, "Create a link that logs one browser in."),
            login("GET", handler=self.open_link),
            login("POST", handler=self.login),
        )


def _is_trusted(caller: Caller) -> bool:
    """Tell whether a caller has all rights without any credentials."""
    return caller.token is None and "admin" in caller.scopes
