"""The host's tokens: its own admin token, and those that it has issued.

Both are in the state directory, readable by its owner alone: ``token`` holds the admin token
in clear, so that the command line finds it; ``tokens.json`` holds the hashes of all others.  A
change is written there before it takes effect; then the grants of tokens that are no longer
valid end.
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
from sxhost.model.caller import Caller, CallLater, Grant, GrantEnd
from sxhost.model.names import Scope

__all__ = ["ADMIN_ID", "TokenStore", "TokenStoreError", "secret_digest", "token_file"]

ADMIN_ID: Final = "admin"
"""The id of the host's own token."""

PREFIX: Final = "sxhost"
"""The beginning of every token, by which scanners for leaked secrets recognise it."""

SECRET_BYTES: Final = 32
"""Random bytes in a token: too many to guess, so a plain hash of it need not be slow."""

MOST_EXPIRED: Final = 256
"""Expired tokens that are kept in the list; they authenticate nobody."""

OLD_LOGIN_MS: Final = 30 * 86_400_000
"""Milliseconds that a login lasted while its cookie was a token (see `_was_cookie`)."""

NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""Errors of a disk that is full, or whose quota is used up."""


class TokenStoreError(Exception):
    """The files of the tokens cannot be used; the message is a sentence."""


class StoredToken(Struct, frozen=True):
    """A token as it is stored; `digest` is the SHA-256 of its secret, in hex."""

    token: Token
    digest: str


class TokenStore:
    """All tokens of a host, in its state directory `place`.

    `wall_ms` is the wall clock in Unix milliseconds: tokens expire by it, restarts included.
    """

    def __init__(self, place: Path, wall_ms: Callable[[], int], call_later: CallLater) -> None:
        self.place = place
        self._wall_ms = wall_ms
        self._call_later = call_later
        self._stored: Mapping[str, StoredToken] = {}
        self._grants: dict[str, Grant] = {}

    def open(self) -> None:
        """Read the files; make the host's own token if there is none.

        :raises TokenStoreError: a file cannot be read or written, or is damaged.
        """
        path = token_file(self.place)
        try:
            secret = path.read_text(encoding="ascii").strip()
        except FileNotFoundError:
            self._make_admin_token()
        except (OSError, UnicodeDecodeError) as error:
            raise TokenStoreError(f"cannot read {path}: {error}.") from error
        else:
            if not secret:
                raise TokenStoreError(f"{path} is empty; remove it for a new token.")
            self._stored = _with_admin_token(self._stored, secret)
        self._read_issued(self.place / "tokens.json")

    def caller(self, secret: str) -> Caller | None:
        """Return the caller that a token stands for; None if it is unknown or has expired."""
        token_id = secret.removeprefix(f"{PREFIX}_").partition("_")[0]
        stored = self._stored.get(token_id)
        digest = secret_digest(secret)
        # In constant time: how long a comparison takes must not tell how much of it is right.
        if stored is None or not hmac.compare_digest(digest, stored.digest):
            return None
        token = stored.token
        if not token.is_valid_at(self._wall_ms()):
            return None
        scopes: frozenset[Scope] = frozenset(token.scopes)
        return Caller(
            scopes,
            token.session,
            token_id,
            grant=self._grant(token),
            name=token.name,
            expires_ms=token.expires_ms,
        )

    def create(self, draft: TokenDraft) -> tuple[Token, str]:
        """Issue a token; return it with its secret, of which only the hash is kept.

        :raises HostError: it could not be stored, and does not exist.
        """
        token_id = secrets.token_hex(4)
        now = self._wall_ms()
        expires = None if draft.expires_s is None else now + int(draft.expires_s * 1000)
        token = Token(token_id, draft.scopes, draft.session, draft.name, now, expires)
        secret = _secret(token_id)
        self._write({**self._stored, token_id: StoredToken(token, secret_digest(secret))})
        return token, secret

    def tokens(self) -> Sequence[Token]:
        """Return all tokens, the host's own first."""
        return [stored.token for stored in self._stored.values()]

    def revoke(self, token_id: str) -> None:
        """Revoke a token, and end its grant.

        :raises UnknownToken: there is no such token, or it is the host's own.
        :raises HostError: that could not be stored, and the token stays valid.
        """
        if token_id == ADMIN_ID or token_id not in self._stored:
            raise UnknownToken(token_id)
        self._write({name: stored for name, stored in self._stored.items() if name != token_id})

    def rotate(self) -> None:
        """Replace the host's own token by a new one, and end the old one's grant.

        :raises HostError: that could not be stored, and the old one stays valid.
        """
        secret = _secret(ADMIN_ID)
        with _storage_errors():
            files.replace_private(token_file(self.place), f"{secret}\n".encode())
        self._adopt(_with_admin_token(self._stored, secret), "token_rotated")

    def _make_admin_token(self) -> None:
        try:
            self.rotate()
        except HostError as error:
            path = token_file(self.place)
            raise TokenStoreError(f"cannot write {path}: {error.message}") from error

    def _read_issued(self, path: Path) -> None:
        try:
            stored = msgspec.json.decode(path.read_bytes(), type=list[StoredToken])
        except FileNotFoundError:
            return
        except (OSError, msgspec.DecodeError) as error:
            raise TokenStoreError(f"cannot read {path}: {error}.") from error
        issued = {entry.token.id: entry for entry in stored if not _was_cookie(entry.token)}
        self._stored = {**self._stored, **issued}

    def _write(self, stored: Mapping[str, StoredToken]) -> None:
        """Replace all tokens, on disk first.

        The last `MOST_EXPIRED` of those that have expired are kept: the wall clock may be wrong
        for a while, and they are valid again once it is right.
        """
        now = self._wall_ms()
        expired = [name for name, entry in stored.items() if not entry.token.is_valid_at(now)]
        expired.sort(key=lambda name: stored[name].token.expires_ms or 0)
        dropped = frozenset(expired[:-MOST_EXPIRED])
        remaining = {name: entry for name, entry in stored.items() if name not in dropped}
        issued = [entry for name, entry in remaining.items() if name != ADMIN_ID]
        with _storage_errors():
            files.replace_private(self.place / "tokens.json", msgspec.json.encode(issued))
        self._adopt(remaining, "token_revoked")

    def _adopt(self, stored: Mapping[str, StoredToken], why: GrantEnd) -> None:
        """Use these tokens from now on; end the grants of those that changed or went."""
        before, self._stored = self._stored, stored
        for token_id, entry in before.items():
            grant = self._grants.get(token_id)
            if grant is not None and stored.get(token_id) is not entry:
                del self._grants[token_id]
                if not grant.ended:  # it may have expired
                    grant.end(why)

    def _grant(self, token: Token) -> Grant:
        """Return the grant that all who show this token share."""
        grant = self._grants.get(token.id)
        if grant is None or grant.ended:  # by a clock that was wrong for a while
            grant = self._grants[token.id] = Grant(
                partial(self._remaining_s, token), self._call_later
            )
        return grant

    def _remaining_s(self, token: Token) -> float:
        """Return in how many seconds a token expires."""
        return inf if token.expires_ms is None else (token.expires_ms - self._wall_ms()) / 1000


def token_file(place: Path) -> Path:
    """Return where a host with this state directory keeps its own token."""
    return place / "token"


def secret_digest(secret: str) -> str:
    """Return the digest under which a secret is stored."""
    return sha256(secret.encode()).hexdigest()


def _secret(token_id: str) -> str:
    return f"{PREFIX}_{token_id}_{secrets.token_urlsafe(SECRET_BYTES)}"


def _with_admin_token(
    stored: Mapping[str, StoredToken], secret: str
) -> Mapping[str, StoredToken]:
    """Return tokens with this one as the host's own, which comes first in every list."""
    admin = StoredToken(Token(ADMIN_ID, ["admin"]), secret_digest(secret))
    return {ADMIN_ID: admin, **{name: stored[name] for name in stored if name != ADMIN_ID}}


def _was_cookie(token: Token) -> bool:
    """Tell whether it is a login of an earlier version, whose cookie was the token itself.

    Servers at other ports of this machine were sent it, so it is not trusted any more.
    """
    lasts_ms = (token.expires_ms or 0) - token.created_ms
    return (token.name, token.scopes, lasts_ms) == ("browser", ["admin"], OLD_LOGIN_MS)


@contextmanager
def _storage_errors() -> Iterator[None]:
    """Turn errors of the file system into those that a client understands."""
    try:
        yield
    except OSError as error:
        if error.errno in NO_ROOM:
            raise StorageFull from error
        raise StoreUnavailable(f"the tokens: {error.strerror}") from error
