"""A request becomes a WebSocket: the opening handshake, and who takes the connection over."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, cast

from twisted.internet.defer import CancelledError, Deferred
from twisted.protocols.policies import ProtocolWrapper
from twisted.web.server import Request
from websockets.datastructures import Headers
from websockets.http11 import Request as Handshake
from websockets.server import ServerProtocol

from sxhost.errors import BadRequest, UpgradeRequired
from sxhost.http.framing import options
from sxhost.http.site import HostRequest
from sxhost.http.websocket import Connection

__all__ = ["Upgrade"]


class Upgrade:
    """A response that upgrades its request's connection to a WebSocket."""

    def __init__(self, connect: Callable[[HostRequest], Connection]) -> None:
        self._connect = connect

    async def serve(self, request: Request) -> None:
        """Hand the connection over; the request lasts as long as it does."""
        check_handshake(request)
        upgraded = cast("HostRequest", request)
        connection = self._connect(upgraded)
        accept(connection.protocol, request)
        _hand_over(upgraded, connection)
        try:
            await Deferred()  # cancelled when the connection is lost
        except CancelledError:
            ended = upgraded.context.caller.ended
            if ended is None:
                raise
            connection.close_for_ended_token(ended)
            with suppress(CancelledError):
                await Deferred()


def check_handshake(request: Request) -> None:
    """Check that a request is an opening handshake (RFC 6455, 4.2.1).

    :raises HostError: it is not.
    """
    if (
        request.method != b"GET"
        or request.clientproto != b"HTTP/1.1"
        or "websocket" not in _options(request, "upgrade")
        or request.getHeader("sec-websocket-version") != "13"
    ):
        request.setHeader("Upgrade", "websocket")
        request.responseHeaders.addRawHeader("Connection", "Upgrade")
        request.setHeader("Sec-WebSocket-Version", "13")
        raise UpgradeRequired
    if "upgrade" not in _options(request, "connection"):
        raise BadRequest("The header Connection does not say 'Upgrade'.")


def accept(protocol: ServerProtocol, request: Request) -> None:
    """Have the protocol answer an opening handshake; no extension is accepted.

    :raises BadRequest: the handshake's own headers are not as they must be.
    """
    headers = Headers(Upgrade="websocket", Connection="Upgrade")  # which were checked
    for name in ("Sec-WebSocket-Key", "Sec-WebSocket-Version", "Sec-WebSocket-Protocol"):
        for value in request.requestHeaders.getRawHeaders(name, []):
            if value:
                headers[name] = value
    protocol.receive_data(Handshake("/", headers).serialize())  # it reads that and no other
    for handshake in protocol.events_received():
        answer = protocol.accept(cast("Handshake", handshake))
    if protocol.handshake_exc is not None:
        raise BadRequest(
            f"The WebSocket's opening handshake is wrong: {protocol.handshake_exc}."
        )
    protocol.send_response(answer)


def _hand_over(request: HostRequest, connection: Connection) -> None:
    """Let a connection take the place of its request's channel."""
    channel = cast("Any", request.channel)
    transport, channel.transport = channel.transport, None
    transport.unregisterProducer()  # it was the channel
    if isinstance(transport, ProtocolWrapper):  # TLS
        transport.wrappedProtocol = connection
    else:
        transport.protocol = connection
    connection.makeConnection(transport)


def _options(request: Request, header: str) -> frozenset[str]:
    return options(request.requestHeaders.getRawHeaders(header.encode(), []))
