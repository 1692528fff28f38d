"""Which token a client shows: one that the user names, or that of the user's own host."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from sxhost import files
from sxhost.address import HostAddress
from sxhost.config import state_dir
from sxhost.localnet import loopback_addresses

__all__ = ["BadToken", "given_token", "own_host_token", "read_token_file", "token_source"]

ROOT = 0
"""Root's uid: systemd's sockets are root's, and root could read the token anyway."""


class BadToken(ValueError):
    """A token cannot be used; the message is a sentence, and never shows it."""


def given_token(file: str | None, environ: Mapping[str, str]) -> str | None:
    """Return the token that the user names: `file` (an option), else in the environment.

    :raises BadToken: what is named is not a token.
    """
    path = file or environ.get("SXHOST_TOKEN_FILE")
    if path:
        return read_token_file(Path(path))
    token = environ.get("SXHOST_TOKEN", "").strip()
    return _check_token(token, "SXHOST_TOKEN") if token else None


def token_source(file: str | None, environ: Mapping[str, str]) -> str:
    """Return where the token is that `given_token` takes; empty if none is named."""
    if path := file or environ.get("SXHOST_TOKEN_FILE"):
        return path
    return "SXHOST_TOKEN" if environ.get("SXHOST_TOKEN", "").strip() else ""


def read_token_file(path: Path) -> str:
    """Return the token in a file.

    :raises BadToken: the file cannot be read, or holds no token.
    """
    try:
        return _check_token(path.read_text(encoding="ascii").strip(), str(path))
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not text"
        raise BadToken(f"No token can be read from {path}: {why.lower()}.") from error


def own_host_token(
    url: str, environ: Mapping[str, str], place: Path | None = None
) -> str | None:
    """Return the token of this user's own host; None if another user may listen at `url`.

    :param place: its state directory, if it is not the usual one.
    """
    from sxhost.auth.tokens import token_file

    if not _is_own_host(url):
        return None
    path = token_file(place or state_dir(environ))
    try:
        return _check_token(files.read_private(path).decode("ascii").strip(), str(path))
    except (OSError, ValueError):
        return None


def _is_own_host(url: str) -> bool:
    """Tell whether all who listen at `url` are this user or root.

    A stranger can listen at our port while our host is away, and would only have to ask.
    """
    try:
        address = HostAddress(url)
        if address.socket_path:
            users = {Path(address.socket_path).stat().st_uid}
        else:
            users = _port_users(address)
    except (OSError, ValueError):
        return False
    return bool(users) and users <= {os.getuid(), ROOT}


def _port_users(address: HostAddress) -> set[int]:
    from sxhost.auth.peer_credentials import listening_uids

    places = loopback_addresses(address.name)
    return listening_uids(places, address.port) if places else set()


def _check_token(token: str, place: str) -> str:
    if token and all("!" <= c <= "~" for c in token):
        return token
    raise BadToken(f"What stands in {place} is no token.")
