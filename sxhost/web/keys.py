"""Tokens over HTTP, and the one-time links through which a browser is let in."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from twisted.internet.interfaces import IReactorTime
from twisted.web.server import Request

from sxhost.access import Login, Token, TokenDraft, TokenMade
from sxhost.caller import current
from sxhost.errors import Unauthorized
from sxhost.keyring import Keyring
from sxhost.model import Done
from sxhost.web.guard import cookie_name
from sxhost.web.routes import Route

__all__ = ["Keys"]

LINK_S = 60.0
"""Seconds for which a login's link is good: as long as a browser takes to open it."""

LOGIN_S = 30 * 86400.0
"""Seconds for which a browser stays logged in."""


Note = Callable[[str, str | None, str], Awaitable[None]]
"""Records for the audit what was done, to which session, and more words."""


@dataclass(frozen=True)
class Welcome:
    """An answer that leaves a token with a browser and leads it to the dashboard."""

    secret: str

    async def serve(self, request: Request) -> None:
        """Set the cookie; no script can read it, and no page of another site sends it."""
        request.addCookie(
            cookie_name(request),
            self.secret,
            path=b"/",
            max_age=b"%d" % LOGIN_S,
            httpOnly=True,
            secure=request.isSecure(),
            sameSite="strict",
        )
        request.setResponseCode(303)
        request.setHeader("Location", "/")


class Keys:
    """The handlers; `clock` is monotonic, `own` the host's user."""

    def __init__(self, keyring: Keyring, clock: IReactorTime, note: Note, own: int) -> None:
        self._keyring = keyring
        self._clock = clock
        self._note = note
        self._own = own
        self._links: dict[str, float] = {}

    async def tokens(self) -> Sequence[Token]:
        """List tokens, without their secrets."""
        return self._keyring.tokens()

    async def create_token(self, draft: TokenDraft) -> TokenMade:
        """Make a token; its secret is shown this once."""
        token, secret = await self._made("create token", draft)
        return TokenMade(token=token, secret=secret)

    async def _made(self, what: str, draft: TokenDraft) -> tuple[Token, str]:
        """Make a token, unless that cannot be recorded."""
        token, secret = self._keyring.create(draft)
        try:
            await self._note(what, draft.session, token.id)
        except BaseException:
            self._keyring.revoke(token.id)
            raise
        return token, secret

    async def revoke_token(self, token_id: str) -> Done:
        """Let nobody in with a token any more."""
        self._keyring.revoke(token_id)
        await self._note("revoke token", None, token_id)
        return Done()

    async def rotate_token(self) -> Done:
        """Replace the host's own token; the new one is in its file."""
        self._keyring.rotate()
        await self._note("rotate token", None, "")
        return Done()

    async def invite(self) -> Login:
        """Make a link that lets one browser in."""
        now = self._clock.seconds()
        self._links = {code: until for code, until in self._links.items() if until > now}
        code = secrets.token_urlsafe(32)
        self._links[code] = now + LINK_S
        return Login(path=f"/login/{code}", expires_s=LINK_S)

    async def login(self, code: str) -> Welcome:
        """Let a browser in, once; of this machine only the host's own user's.

        Whoever opens a link shows it to every user here, in the browser's command line.
        """
        if current.get().uid not in (None, self._own):
            raise Unauthorized("This link is for the user that the host runs as.")
        if self._links.pop(code, 0.0) <= self._clock.seconds():
            raise Unauthorized("This link was used, or is too old; `sxhost open` makes one.")
        draft = TokenDraft(scopes=["admin"], name="browser", expires_s=LOGIN_S)
        _, secret = await self._made("log in", draft)
        return Welcome(secret)

    def routes(self) -> Sequence[Route]:
        """Return the routes of tokens and logins: for administrators, but for the link."""
        return (
            Route("GET", "/tokens", self.tokens, "List tokens.", scope="admin"),
            Route("POST", "/tokens", self.create_token, "Make a token.", 201),
            Route(
                "POST", "/tokens/admin/rotate", self.rotate_token, "Replace the host's token."
            ),
            Route("DELETE", "/tokens/<token_id>", self.revoke_token, "Revoke a token."),
            Route("POST", "/logins", self.invite, "Make a link that lets one browser in."),
            Route(
                "GET",
                "/login/<code>",
                self.login,
                "Let a browser in.",
                303,
                produces="text/plain",
                scope="open",
            ),
        )
