"""What was decided for a connection's last request, remembered for the very same fields."""

from __future__ import annotations

from typing import Final

from sxhost.http.authentication import (
    FORWARDED,
    PAGE,
    Authenticator,
    ConnectionPeer,
    Decision,
)
from sxhost.http.framing import RequestHead

__all__ = ["ConnectionGuard"]

DECIDING: Final = FORWARDED | {
    b"host", b"origin", b"referer", b"authorization", b"cookie", PAGE,
    b"sec-fetch-site", b"sec-fetch-mode", b"sec-websocket-protocol",
}  # fmt: skip
"""The fields on which a decision depends."""

NOT_DECIDED: Final = Decision()


class ConnectionGuard:
    """The decisions on one connection: the last one is remembered as long as it holds.

    It holds for the very same fields of a head, until the caller's access ends (a token is
    revoked, replaced or expires).  Refusals are decided anew, since wrong tokens are counted,
    and so is what rests on a cookie, whose login lasts longer with each use.
    """

    def __init__(self, authenticator: Authenticator, ends: ConnectionPeer) -> None:
        self.ends = ends
        self.peer_name = ends.name
        self._authenticator = authenticator
        self._key: tuple[object, ...] = ()
        self._head: RequestHead | None = None
        self._last = NOT_DECIDED

    def decide(self, head: RequestHead) -> Decision:
        """Return who sends a request with this head."""
        holds = self._key and self._last.caller.ended is None
        if holds and head is self._head:
            return self._last
        is_root = head.path == b"/"  # a link may lead there
        openness = self._authenticator.openness(head)
        key = (head.method, head.version, is_root, *openness, *head.chosen(DECIDING))
        if not (holds and key == self._key):
            self._last = self._authenticator.decide(head, self.ends)
            lasts = self._last.refusal is None and b"cookie" not in head.names
            self._key = key if lasts and not self._last.is_preflight else ()
        self._head = head
        return self._last

    def forget(self) -> None:
        """Let go of the last decision: the next one is made anew."""
        self._key, self._head, self._last = (), None, NOT_DECIDED
