"""The tokens that let somebody in: the host's own, and those that it gave out.

The state directory has both, for its owner only: ``token`` is the admin token as it is, so
that the command line finds it; ``tokens.json`` has the hashes of all others.  A change is
written there first; only then it counts, and whoever was let in by what is no more is told.
"""

from __future__ import annotations

import errno
import hmac
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from hashlib import sha256
from math import inf
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from sxhost import files
from sxhost.errors import HostError, StorageFull, StoreUnavailable, UnknownToken
from sxhost.model.auth import Token, TokenDraft
from sxhost.model.caller import Caller, CallLater, Ending, Grant
from sxhost.model.names import Scope

__all__ = ["ADMIN", "BadKeyring", "TokenStore", "digest_of", "token_file"]

ADMIN: Final = "admin"
"""The id of the host's own token."""

PREFIX: Final = "sxhost"
"""Begins every token, so that scanners for leaked secrets know what they have found."""

SECRET_BYTES: Final = 32

MOST_EXPIRED: Final = 256
"""Tokens that are kept although they have expired; they let nobody in."""

OLD_LOGIN_MS: Final = 30 * 86_400_000
"""How long a login's cookie was a token, in milliseconds."""

NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""Errors of a disk that is full, for us at least."""


class BadKeyring(Exception):
    """What is kept of the tokens cannot be used; the message is a sentence."""


class StoredToken(Struct, frozen=True):
    """What is kept of a token; `digest` is the SHA-256 of it, in hex."""

    token: Token
    digest: str


class TokenStore:
    """All tokens of a host; `wall_ms` tells when they expire."""

    def __init__(self, place: Path, wall_ms: Callable[[], int], call_later: CallLater) -> None:
        self.place = place
        self._wall_ms = wall_ms
        self._call_later = call_later
        self._kept: Mapping[str, StoredToken] = {}
        self._grants: dict[str, Grant] = {}

    def open(self) -> None:
        """Read what is kept; make the host's own token if there is none.

        :raises BadKeyring: a file is not as this host writes it, or cannot be written.
        """
        own = token_file(self.place)
        try:
            secret = own.read_text(encoding="ascii").strip()
        except FileNotFoundError:
            self._make_own()
        except (OSError, UnicodeDecodeError) as error:
            raise BadKeyring(f"cannot read {own}: {error}.") from error
        else:
            if not secret:
                raise BadKeyring(f"{own} is empty; remove it for a new token.")
            self._kept = _with_own(self._kept, secret)
        self._read(self.place / "tokens.json")

    def caller(self, secret: str) -> Caller | None:
        """Return whom a token lets in; None if it is not one of ours, or has expired."""
        token_id = secret.removeprefix(f"{PREFIX}_").partition("_")[0]
        kept = self._kept.get(token_id)
        digest = digest_of(secret)
        if kept is None or not hmac.compare_digest(digest, kept.digest):
            return None
        token = kept.token
        if not token.lasts(self._wall_ms()):
            return None
        scopes: frozenset[Scope] = frozenset(token.scopes)
        return Caller(scopes, token.session, token_id, grant=self._grant(token))

    def create(self, draft: TokenDraft) -> tuple[Token, str]:
        """Make a token; return it with its secret, which nobody can be told again.

        :raises HostError: it cannot be written down; there is none.
        """
        token_id = secrets.token_hex(4)
        now = self._wall_ms()
        expires = None if draft.expires_s is None else now + int(draft.expires_s * 1000)
        token = Token(token_id, draft.scopes, draft.session, draft.name, now, expires)
        secret = _secret(token_id)
        self._write({**self._kept, token_id: StoredToken(token, digest_of(secret))})
        return token, secret

    def tokens(self) -> Sequence[Token]:
        """Return all tokens, the host's own first."""
        return [kept.token for kept in self._kept.values()]

    def revoke(self, token_id: str) -> None:
        """Let nobody in with this token any more; who was let in is told.

        :raises UnknownToken: there is none, or it is the host's own.
        :raises HostError: it cannot be written down, and goes on.
        """
        if token_id == ADMIN or token_id not in self._kept:
            raise UnknownToken(token_id)
        self._write({name: one for name, one in self._kept.items() if name != token_id})

    def rotate(self) -> None:
        """Make a new token of the host's own; the old one is worth nothing any more.

        :raises HostError: it cannot be written down, and the old one stays.
        """
        secret = _secret(ADMIN)
        with _refusals():
            files.replace(token_file(self.place), f"{secret}\n".encode())
        self._adopt(_with_own(self._kept, secret), "token_rotated")

    def _make_own(self) -> None:
        try:
            self.rotate()
        except HostError as error:
            own = token_file(self.place)
            raise BadKeyring(f"cannot write {own}: {error.message}") from error

    def _read(self, path: Path) -> None:
        try:
            kept = msgspec.json.decode(path.read_bytes(), type=list[StoredToken])
        except FileNotFoundError:
            return
        except (OSError, msgspec.DecodeError) as error:
            raise BadKeyring(f"cannot read {path}: {error}.") from error
        given_out = {one.token.id: one for one in kept if not _was_cookie(one.token)}
        self._kept = {**self._kept, **given_out}

    def _write(self, kept: Mapping[str, StoredToken]) -> None:
        """Have these tokens instead: first on disk.

        Of those that have expired the last `MOST_EXPIRED` are kept: the clock that says so
        may be wrong for a while.
        """
        now = self._wall_ms()
        expired = [name for name, one in kept.items() if not one.token.lasts(now)]
        expired.sort(key=lambda name: kept[name].token.expires_ms or 0)
        dropped = frozenset(expired[:-MOST_EXPIRED])
        left = {name: one for name, one in kept.items() if name not in dropped}
        given_out = [one for name, one in left.items() if name != ADMIN]
        with _refusals():
            files.replace(self.place / "tokens.json", msgspec.json.encode(given_out))
        self._adopt(left, "token_revoked")

    def _adopt(self, kept: Mapping[str, StoredToken], why: Ending) -> None:
        """Have these tokens from now on; whose token is another, or none, is told."""
        before, self._kept = self._kept, kept
        for token_id, one in before.items():
            grant = self._grants.get(token_id)
            if grant is not None and kept.get(token_id) is not one:
                del self._grants[token_id]
                if not grant.ended:  # it may have expired
                    grant.end(why)

    def _grant(self, token: Token) -> Grant:
        """Return what all have who show this token."""
        grant = self._grants.get(token.id)
        if grant is None or grant.ended:  # by a clock that was wrong for a while
            left = partial(_left, token, self._wall_ms)
            grant = self._grants[token.id] = Grant(left, self._call_later)
        return grant


def token_file(place: Path) -> Path:
    """Return where a host with this state directory keeps its own token."""
    return place / "token"


def digest_of(secret: str) -> str:
    """Return what is kept of a secret."""
    return sha256(secret.encode()).hexdigest()


def _secret(token_id: str) -> str:
    return f"{PREFIX}_{token_id}_{secrets.token_urlsafe(SECRET_BYTES)}"


def _with_own(kept: Mapping[str, StoredToken], secret: str) -> Mapping[str, StoredToken]:
    own = StoredToken(Token(ADMIN, ["admin"]), digest_of(secret))
    return {ADMIN: own, **{name: one for name, one in kept.items() if name != ADMIN}}


def _was_cookie(token: Token) -> bool:
    """Tell whether an earlier version left it with a browser, where others may have it from."""
    lasts_ms = (token.expires_ms or 0) - token.created_ms
    return (token.name, token.scopes, lasts_ms) == ("browser", ["admin"], OLD_LOGIN_MS)


def _left(token: Token, wall_ms: Callable[[], int]) -> float:
    """Return for how many seconds a token still lasts."""
    return inf if token.expires_ms is None else (token.expires_ms - wall_ms()) / 1000


@contextmanager
def _refusals() -> Iterator[None]:
    """Turn what the system says of a file into what a client is told."""
    try:
        yield
    except OSError as error:
        if error.errno in NO_ROOM:
            raise StorageFull from error
        raise StoreUnavailable(f"the tokens: {error.strerror}") from error
