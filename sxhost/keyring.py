"""The tokens that let somebody in: the host's own, and those that it gave out.

The state directory has both, for its owner only: ``token`` is the admin token as it is, so
that the command line finds it; ``tokens.json`` has the hashes of all others.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from sxhost import files
from sxhost.access import Token, TokenDraft
from sxhost.caller import Caller
from sxhost.errors import UnknownToken
from sxhost.grammar import Scope

__all__ = ["ADMIN", "BadKeyring", "Keyring", "token_file"]

ADMIN: Final = "admin"
"""The id of the host's own token."""

PREFIX: Final = "sxhost"
"""Begins every token, so that scanners for leaked secrets know what they have found."""

SECRET_BYTES: Final = 32


class BadKeyring(Exception):
    """What is kept of the tokens cannot be used; the message is a sentence."""


class Kept(Struct, frozen=True):
    """What is kept of a token; `digest` is the SHA-256 of it, in hex."""

    token: Token
    digest: str


class Keyring:
    """All tokens of a host; `wall_ms` tells when they expire."""

    def __init__(self, place: Path, wall_ms: Callable[[], int]) -> None:
        self.place = place
        self._wall_ms = wall_ms
        self._kept: dict[str, Kept] = {}

    def open(self) -> None:
        """Read what is kept; make the host's own token if there is none.

        :raises BadKeyring: a file is not as this host writes it.
        """
        try:
            own = token_file(self.place).read_text(encoding="ascii").strip()
        except FileNotFoundError:
            self.rotate()
        except (OSError, UnicodeDecodeError) as error:
            raise BadKeyring(f"cannot read {token_file(self.place)}: {error}.") from error
        else:
            self._open_own(own)
        self._read(self.place / "tokens.json")

    def caller(self, secret: str) -> Caller | None:
        """Return whom a token lets in; None if it is not one of ours, or has expired."""
        token_id = secret.removeprefix(f"{PREFIX}_").partition("_")[0]
        kept = self._kept.get(token_id)
        digest = _digest(secret)
        if kept is None or not hmac.compare_digest(digest, kept.digest):
            return None
        if not kept.token.lasts(self._wall_ms()):
            return None
        scopes: frozenset[Scope] = frozenset(kept.token.scopes)
        return Caller(scopes, kept.token.session, token_id)

    def create(self, draft: TokenDraft) -> tuple[Token, str]:
        """Make a token; return it with its secret, which nobody can be told again."""
        token_id = secrets.token_hex(4)
        now = self._wall_ms()
        expires = None if draft.expires_s is None else now + int(draft.expires_s * 1000)
        token = Token(token_id, draft.scopes, draft.session, draft.name, now, expires)
        secret = self._keep(token, _secret(token_id))
        self._write()
        return token, secret

    def tokens(self) -> Sequence[Token]:
        """Return all tokens, the host's own first."""
        return [kept.token for kept in self._kept.values()]

    def revoke(self, token_id: str) -> None:
        """Let nobody in with this token any more.

        :raises UnknownToken: there is none, or it is the host's own.
        """
        if token_id == ADMIN or token_id not in self._kept:
            raise UnknownToken(token_id)
        del self._kept[token_id]
        self._write()

    def rotate(self) -> None:
        """Make a new token of the host's own; the old one is worth nothing any more."""
        secret = self._keep(Token(ADMIN, ["admin"]), _secret(ADMIN))
        _replace(token_file(self.place), f"{secret}\n".encode())

    def _open_own(self, secret: str) -> None:
        if not secret:
            raise BadKeyring(f"{token_file(self.place)} is empty; remove it for a new token.")
        self._keep(Token(ADMIN, ["admin"]), secret)

    def _keep(self, token: Token, secret: str) -> str:
        self._kept[token.id] = Kept(token, _digest(secret))
        return secret

    def _read(self, path: Path) -> None:
        try:
            kept = msgspec.json.decode(path.read_bytes(), type=list[Kept])
        except FileNotFoundError:
            return
        except (OSError, msgspec.DecodeError) as error:
            raise BadKeyring(f"cannot read {path}: {error}.") from error
        self._kept.update((one.token.id, one) for one in kept)

    def _write(self) -> None:
        now = self._wall_ms()
        self._kept = {one.token.id: one for one in self._kept.values() if one.token.lasts(now)}
        given_out = [kept for kept in self._kept.values() if kept.token.id != ADMIN]
        _replace(self.place / "tokens.json", msgspec.json.encode(given_out))


def token_file(place: Path) -> Path:
    """Return where a host with this state directory keeps its own token."""
    return place / "token"


def _secret(token_id: str) -> str:
    return f"{PREFIX}_{token_id}_{secrets.token_urlsafe(SECRET_BYTES)}"


def _digest(secret: str) -> str:
    return sha256(secret.encode()).hexdigest()


def _replace(path: Path, content: bytes) -> None:
    """Write a file for its owner alone, whole or not at all."""
    files.replace(path, content)
