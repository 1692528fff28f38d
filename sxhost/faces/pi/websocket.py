"""The multiplexer over a WebSocket, at ``/`` and ``/ws``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from sxhost.codec.frames import framed
from sxhost.http.router import NDJSON, SWITCHING, Route
from sxhost.http.site import HostRequest
from sxhost.http.websocket import Connection, Upgrade

__all__ = ["Face", "Talker", "routes"]

TRY_AGAIN = 1013
"""The close code for a connection too many."""


class Talker(Protocol):
    """A client, as the multiplexer has it."""

    def receive(self, said: bytes) -> None:
        """Take a frame."""

    def refuse_size(self, size: int) -> None:
        """Refuse a frame that is too large."""

    def behind(self) -> None:
        """Make no more for it for now."""

    def go_on(self) -> None:
        """Make more."""

    def connection_closed(self) -> None:
        """Forget it."""


class Face(Protocol):
    """The multiplexer, as a transport has it."""

    limits: Any

    def connect(self, link: Any, wrap: Callable[[bytes], bytes]) -> Any:
        """Return a client at the other end of a link; None if it is one too many."""


class MuxConnection(Connection):
    """One client; its commands do not wait for each other here."""

    def __init__(self, face: Face, request: HostRequest) -> None:
        super().__init__(request)
        self._face = face
        self._talker: Talker | None = None
        self.most = 0  # what is too large is answered
        self._most = face.limits.mux_message

    async def begin(self) -> None:
        """Say what is said first."""
        self._talker = self._face.connect(self, framed)
        if self._talker is None:
            most = self._face.limits.mux_connections
            self._fail_connection(TRY_AGAIN, f"Connection limit reached ({most} connections)")

    async def answer(self, said: bytes) -> None:
        """Take a command."""
        if self._talker is not None:
            self._talker.receive(said)

    # Of a message that is too large nothing but its size is kept.

    @property
    def _is_over(self) -> bool:
        return bool(self.message_data_total_length > self._most)

    def onMessageFrameBegin(self, length: int) -> None:
        """Let go of a message that grows too large."""
        super().onMessageFrameBegin(length)
        if self._is_over:
            self.message_data.clear()

    def onMessageFrameData(self, payload: bytes) -> None:
        """Keep a piece, if it will be looked at."""
        if not self._is_over:
            super().onMessageFrameData(payload)

    def onMessageEnd(self) -> None:
        """Take a message, or refuse it."""
        if not self._is_over:  # Autobahn's way leads through signals that nobody hears
            self.onMessage(b"".join(self.message_data), isBinary=False)
        elif self._talker is not None:
            self._talker.refuse_size(self.message_data_total_length)

    # How it keeps up.

    def behind(self) -> None:
        """Let the client's subscriptions wait."""
        if self._talker is not None:
            self._talker.behind()

    def go_on(self) -> None:
        """Serve them."""
        if self._talker is not None:
            self._talker.go_on()

    def connection_closed(self) -> None:
        """Forget the client."""
        if self._talker is not None:
            self._talker.connection_closed()


def routes(face: Face) -> Sequence[Route]:
    """Return the route of the WebSocket; ``/`` leads here too, for whoever asks for one."""

    async def commands() -> Upgrade:
        return Upgrade(lambda request: MuxConnection(face, request))

    summary = "Speak in commands (WebSocket)."
    return tuple(
        Route("GET", path, commands, summary, status=SWITCHING, produces=NDJSON)
        for path in ("/", "/ws")
    )
