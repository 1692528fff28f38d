"""Bytes that leave at once, where nothing waits to be sent before them.

A transport's own `write` has the reactor watch the socket, send in its next turn, and watch no
more.  That costs a live reader more than the `send` itself, so it is for what the kernel does
not take.
"""

from __future__ import annotations

from twisted.internet.interfaces import ITransport
from twisted.internet.tcp import Connection

__all__ = ["send"]


def send(transport: ITransport, data: bytes) -> None:
    """Send bytes now if they can be; the transport keeps the others, as it always does."""
    if isinstance(transport, Connection) and _is_clear(transport):
        sent = transport.writeSomeData(data)
        if sent == len(data):
            return
        if isinstance(sent, int):  # else the connection is lost: let the reactor find it so
            data = data[sent:]
    transport.write(data)


def flush(transport: ITransport) -> None:
    """Send now what was written in this turn: it leaves together, and the reactor is spared."""
    if (
        isinstance(transport, Connection)
        and transport._tempDataBuffer
        and not (transport.dataBuffer or transport.disconnecting)
    ):
        transport.doWrite()  # what fails now fails for the reactor too, which ends it


def _is_clear(transport: Connection) -> bool:
    """Tell whether bytes may go straight to the socket: it is open, and nothing waits."""
    return bool(
        transport.connected
        and not transport.TLS
        and not transport.disconnecting
        and not transport._writeDisconnected
        and not transport._tempDataBuffer
        and not transport.dataBuffer
    )
