"""``sxhost stdio``: the multiplexer over stdin and stdout, of a host inside or of another.

A program of its own, since ``twistd --nodaemon`` writes its log to stdout.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from typing import Any, NoReturn, cast

from autobahn.twisted.websocket import WebSocketClientFactory, WebSocketClientProtocol
from msgspec.structs import replace
from twisted.internet.defer import Deferred
from twisted.internet.stdio import StandardIO
from twisted.internet.task import react
from twisted.logger import FileLogObserver, globalLogBeginner

from sxhost.address import HostAddress
from sxhost.cli.output import fail
from sxhost.client.endpoints import make_client_endpoint
from sxhost.config import Settings
from sxhost.daemon.logfile import as_text
from sxhost.daemon.options import Options
from sxhost.daemon.preflight import make_state_dir
from sxhost.faces.pi.stdio import Pipe, pipe_to
from sxhost.logs import logger, set_level
from sxhost.model.limits import Limits
from sxhost.tap import assemble
from sxhost.waiting import Signal

__all__ = ["connect", "serve"]

log = logger(__name__)

ANSWER = b'{"type":"response"'
"""How answers begin."""


def serve(arguments: Sequence[str]) -> NoReturn:
    """Run a host with these options of ``twistd sxhost``, and speak with one client.

    It listens nowhere, unless an option or ``PI_SERVER_PORT`` says so.
    """
    options = Options()
    given = [*arguments]
    options.parseOptions(given)
    settings = options["settings"]
    if not any(word.startswith(("--port", "-p", "--host", "--listen")) for word in given):
        settings = replace(settings, listen=settings.listen[1:])
    _log_to_stderr(settings.log_level)
    os.umask(0o077)
    make_state_dir(settings.state_dir)
    react(lambda reactor: Deferred.fromCoroutine(_serve(reactor, settings)))


async def _serve(reactor: Any, settings: Settings) -> None:
    reactor.seconds = time.monotonic
    host = assemble(settings, reactor)
    reactor.addSystemEventTrigger("before", "shutdown", host.stopService)
    host.privilegedStartService()
    host.startService()
    pipe = pipe_to(host.multiplexer)
    StandardIO(pipe, reactor=reactor)
    await pipe.closed


def _log_to_stderr(level: str) -> None:
    set_level(level)
    observer = FileLogObserver(sys.stderr, as_text)
    globalLogBeginner.beginLoggingTo([observer], redirectStandardIO=False)


# Another host.


class Remote(WebSocketClientProtocol):
    """The WebSocket to another host: its messages go to standard output as lines."""

    transport: Any

    def __init__(self) -> None:
        super().__init__()
        self.pipe: Pipe | None = None
        self.opened: Deferred[None] = Deferred()
        self.why = ""
        self._due = 0
        self._answered = Signal()

    def onOpen(self) -> None:
        """Begin."""
        self.opened.callback(None)

    def onMessage(self, payload: bytes, isBinary: bool) -> None:  # noqa: ARG002 - never is
        """Print it."""
        if self.pipe is not None:
            self.pipe.send(payload + b"\n")
        if payload.startswith(ANSWER):
            self._due -= 1
            self._answered.fire()

    def onClose(self, wasClean: bool, code: int, reason: str) -> None:  # noqa: ARG002
        """End the pipes, too."""
        self.why = reason or f"code {code}"
        if not self.opened.called:
            self.opened.errback(ConnectionError(self.why))
        elif self.pipe is not None:
            self.pipe.transport.loseConnection()

    # The pipe's commands (a `CommandReceiver`).

    def receive(self, frame: bytes) -> None:
        """Send a command."""
        self._due += 1
        self.sendMessage(frame)

    def refuse_size(self, size: int) -> None:
        """Send a command although it is too large: the host says so."""
        self._due += 1
        self.sendMessage(b" " * size)

    async def idle(self) -> None:
        """Return once all commands are answered."""
        while self._due > 0:
            await self._answered.wait()

    def pause_subscriptions(self) -> None:
        """Read no more from the host."""
        self.transport.pauseProducing()

    def resume_subscriptions(self) -> None:
        """Read on."""
        self.transport.resumeProducing()

    def connection_closed(self) -> None:
        """Close the WebSocket: the pipe has ended."""
        self.sendClose(1000)


def connect(url: str, token: str | None, ca: str | None) -> NoReturn:
    """Speak with a running host, over its WebSocket.

    :raises SystemExit: there is none, or it does not let us in.
    """
    react(lambda reactor: Deferred.fromCoroutine(_connect(reactor, url, token, ca)))


async def _connect(reactor: Any, url: str, token: str | None, ca: str | None) -> None:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    try:
        address = HostAddress(url)
        page = f"ws://{address.authority}{address.prefix}/ws"
        factory = WebSocketClientFactory(page, headers=headers, reactor=reactor)
        if ":" in factory.host:
            factory.host = f"[{factory.host}]"  # as it is written in Host
        factory.protocol = Remote
        endpoint = make_client_endpoint(reactor, address, ca)
        remote = cast("Remote", await endpoint.connect(factory))
        await remote.opened
    except Exception as error:  # noqa: BLE001 - whatever it is, it is said
        fail(1, f"No host answers at {url}: {error}.")
    pipe = remote.pipe = Pipe(lambda _: remote, Limits().mux_message)
    StandardIO(pipe, reactor=reactor)
    await pipe.closed
