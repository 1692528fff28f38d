"""The multiplexer over a WebSocket, at ``/`` and ``/ws``."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from sxhost.codec.frames import websocket_text_frame
from sxhost.faces.pi.multiplexer import Client, Multiplexer
from sxhost.http.router import SWITCHING
from sxhost.http.routes import NDJSON, Route
from sxhost.http.site import HostRequest
from sxhost.http.websocket import Connection
from sxhost.http.websocket_handshake import Upgrade

__all__ = ["routes"]

TRY_AGAIN = 1013
"""The close code for a connection too many."""


class ConnectionQuery(Struct, frozen=True, kw_only=True):
    """The query of the handshake: `cwd` is where agents work if ``create_session`` has none."""

    cwd: str | None = None


class MuxConnection(Connection):
    """The WebSocket of one client; its commands do not wait for each other here."""

    def __init__(
        self, multiplexer: Multiplexer, request: HostRequest, cwd: str | None = None
    ) -> None:
        # A limit that does not close: a client whose message is too large gets a response.
        super().__init__(request, multiplexer.limits.mux_message)
        self._multiplexer = multiplexer
        self._cwd = cwd
        self._client: Client | None = None

    async def begin(self) -> None:
        """Connect the client, or close if there are too many."""
        self._client = self._multiplexer.connect(self, websocket_text_frame, self._cwd)
        if self._client is None:
            limit = self._multiplexer.limits.mux_connections
            self.close(TRY_AGAIN, f"Connection limit reached ({limit} connections)")

    async def answer_message(self, frame: bytes) -> None:
        """Take a command."""
        if self._client is not None:
            self._client.receive(frame)

    async def answered(self) -> None:
        """Return once all commands have got their response."""
        await super().answered()
        if self._client is not None:
            await self._client.idle()

    def refuse_size(self, size: int) -> None:
        """Answer a message that is too large for a command."""
        if self._client is not None:
            self._client.refuse_size(size)

    # Back-pressure, and the end.

    def pause_sending(self) -> None:
        """Pause the client's subscriptions."""
        if self._client is not None:
            self._client.pause_subscriptions()

    def resume_sending(self) -> None:
        """Resume the client's subscriptions."""
        if self._client is not None:
            self._client.resume_subscriptions()

    def connection_closed(self) -> None:
        """Disconnect the client."""
        if self._client is not None:
            self._client.connection_closed()


def routes(multiplexer: Multiplexer) -> Sequence[Route]:
    """Return the routes of the WebSocket; at ``/`` it is for requests that ask to upgrade."""

    async def commands(query: ConnectionQuery) -> Upgrade:
        return Upgrade(lambda request: MuxConnection(multiplexer, request, query.cwd))

    summary = "Send commands over a WebSocket."
    return tuple(
        Route("GET", path, commands, summary, status=SWITCHING, produces=NDJSON)
        for path in ("/", "/ws")
    )
