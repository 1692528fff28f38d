"""Verbs over HTTP: a path, a query, a body; an answer decoded into its type."""

from __future__ import annotations

from typing import Any, TypeVar
from urllib.parse import urlencode

import msgspec
from msgspec import Struct

from sxhost.client.exchange import PATIENCE, Exchange
from sxhost.codec.json import encode
from sxhost.model.names import check_session_id
from sxhost.model.session import Event

__all__ = ["Verbs", "query_of", "session_path"]

T = TypeVar("T")


class Verbs:
    """Asks a host; every call raises what `Exchange` does."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange

    async def get(
        self, kind: type[T], path: str, query: Struct | None = None, patience: float = PATIENCE
    ) -> T:
        """Return what is there."""
        return await self.call(kind, "GET", path + query_of(query), patience=patience)

    async def post(
        self, kind: type[T], path: str, value: Struct | None = None, patience: float = PATIENCE
    ) -> T:
        """Send a value; return the answer."""
        return await self.call(kind, "POST", path, body=_body(value), patience=patience)

    async def call(self, kind: type[T], method: str, path: str, **how: Any) -> T:
        """Return the answer to a request."""
        with self.exchange.understood():
            answer = await self.exchange.fetch(method, path, **how)
            return msgspec.json.decode(answer, type=kind)

    async def lines(self, path: str) -> list[Event]:
        """Return the events of an answer."""
        with self.exchange.understood():
            answer = await self.exchange.fetch("GET", path)
            return msgspec.json.Decoder(Event).decode_lines(answer)


def session_path(session_id: str, *rest: str | int) -> str:
    """Return a path below a session.

    :raises BadField: the id cannot be one; quoted, it could still lead elsewhere (a proxy
        takes ``%2F`` for a slash, and an empty one names all sessions).
    """
    return "/".join(["/sessions", check_session_id(session_id), *map(str, rest)])


def query_of(query: Struct | None) -> str:
    """Write what differs from the default as a query string."""
    given = msgspec.to_builtins(query) if query else {}
    words = {k: int(v) if isinstance(v, bool) else v for k, v in given.items()}
    return f"?{urlencode(words)}" if words else ""


def _body(value: Struct | None) -> bytes:
    """Encode what is given; a field that is None was not."""
    if value is None:
        return b""
    return encode({k: v for k, v in msgspec.to_builtins(value).items() if v is not None})
