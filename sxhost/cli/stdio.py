"""``sxhost stdio``: the multiplexer over stdin and stdout, of a host inside or of another.

A program of its own, since ``twistd --nodaemon`` writes its log to stdout.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlencode

from msgspec.structs import replace
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import connectProtocol
from twisted.internet.stdio import StandardIO
from twisted.internet.task import react
from twisted.logger import FileLogObserver, globalLogBeginner

from sxhost.address import HostAddress
from sxhost.auth.client_tokens import given_token, own_host_token
from sxhost.cli.output import fail, put
from sxhost.client.endpoints import make_client_endpoint
from sxhost.client.websocket import WebSocketClient
from sxhost.config import USAGE_ERROR, Settings, announced_url
from sxhost.daemon.logfile import as_text
from sxhost.daemon.options import Options
from sxhost.daemon.preflight import make_state_dir, prepare, why_in_use
from sxhost.daemon.service import CannotStart
from sxhost.daemon.serving_options import SERVING_OPTIONS
from sxhost.faces.pi.stdio import Pipe, pipe_to
from sxhost.logs import logger, set_level
from sxhost.model.limits import Limits
from sxhost.tap import assemble
from sxhost.waiting import Signal

__all__ = ["connect", "serve"]

log = logger(__name__)

OF_THE_STORE = ("state-dir", "store", "log-level")
"""Options that a host which runs already does not contradict: they have led to it."""

ANSWER = b'{"type":"response"'
"""How answers begin."""


def serve(arguments: Sequence[str]) -> NoReturn:
    """Run a host with these options of ``twistd sxhost``, and speak with one client.

    It listens nowhere, unless an option or ``PI_SERVER_PORT`` says so.  Where a host runs
    already, on the same store, its client speaks with that one.
    """
    options = Options()
    given = [*arguments]
    options.parseOptions(given)
    settings = options["settings"]
    if not any(word.startswith(("--port", "-p", "--host", "--listen")) for word in given):
        settings = replace(settings, listen=settings.listen[1:])
    os.umask(0o077)
    make_state_dir(settings.state_dir)
    if in_use := why_in_use(settings):
        _join(options, settings.state_dir, in_use)
    _log_to_stderr(settings.log_level)
    prepare(settings)
    react(lambda reactor: Deferred.fromCoroutine(_serve(reactor, settings)))


def _join(options: Options, place: Path, in_use: str) -> NoReturn:
    """Speak with the host that runs on the store, or end the process with a sentence."""
    url = announced_url(place)
    if not url:
        nowhere = "It listens nowhere, so nobody can join it; --state-dir DIR gives another."
        fail(1, f"sxhost: {in_use} {nowhere}")
    for option in SERVING_OPTIONS:
        if options[option.name] and option.name not in OF_THE_STORE:
            how = f"to speak with that one: sxhost stdio --connect {url}"
            fail(1, f"sxhost: {in_use} --{option.name} is for a host inside; {how}")
    try:
        token = given_token(None, os.environ) or own_host_token(url, os.environ, place)
    except ValueError as error:
        fail(USAGE_ERROR, str(error))
    put(f"sxhost: {in_use} This joins it, at {url}.", err=True)
    connect(url, token, os.environ.get("SXHOST_CA"), os.getcwd())  # noqa: PTH109 - no path


async def _serve(reactor: Any, settings: Settings) -> None:
    reactor.seconds = time.monotonic
    host = assemble(settings, reactor)
    try:
        host.privilegedStartService()
        host.startService()
    except CannotStart:  # which has said why
        raise SystemExit(1) from None
    reactor.addSystemEventTrigger("before", "shutdown", host.stopService)
    pipe = pipe_to(host.multiplexer)
    StandardIO(pipe, reactor=reactor)
    await pipe.closed


def _log_to_stderr(level: str) -> None:
    set_level(level)
    observer = FileLogObserver(sys.stderr, as_text)
    globalLogBeginner.beginLoggingTo([observer], redirectStandardIO=False)


# Another host.


class Remote(WebSocketClient):
    """The WebSocket to another host: its messages go to standard output as lines."""

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        super().__init__(url, headers)
        self.pipe: Pipe | None = None
        self._due = 0
        self._answered = Signal()

    def message_received(self, message: bytes) -> None:
        """Print it."""
        if self.pipe is not None:
            self.pipe.send(message + b"\n")
        if message.startswith(ANSWER):
            self._due -= 1
            self._answered.fire()

    def connection_lost(self, code: int, why: str) -> None:  # noqa: ARG002 - nobody to tell
        """End the pipes, too."""
        if self.pipe is not None:
            self.pipe.transport.loseConnection()

    # The pipe's commands (a `CommandReceiver`).

    def receive(self, frame: bytes) -> None:
        """Send a command."""
        self._due += 1
        self.send_message(frame)

    def refuse_size(self, size: int) -> None:
        """Send a command although it is too large: the host says so."""
        self._due += 1
        self.send_message(b" " * size)

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
        self.close()


def connect(url: str, token: str | None, ca: str | None, cwd: str = "") -> NoReturn:
    """Speak with a running host, over its WebSocket.

    :param cwd: where agents work that are not told where, if the host is on this machine.
    :raises SystemExit: there is none, or it does not let us in.
    """
    query = f"?{urlencode({'cwd': cwd})}" if cwd else ""
    react(lambda reactor: Deferred.fromCoroutine(_connect(reactor, url, query, token, ca)))


async def _connect(
    reactor: Any, url: str, query: str, token: str | None, ca: str | None
) -> None:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    try:
        address = HostAddress(url)
        headers["Host"] = address.authority
        page = f"ws://{address.authority}{address.prefix}/ws{query}"
        endpoint = make_client_endpoint(reactor, address, ca)
        remote = await connectProtocol(endpoint, Remote(page, headers))
        await remote.wait_until_open(reactor)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is said
        fail(1, f"No host answers at {url}: {error}.")
    pipe = remote.pipe = Pipe(lambda _: remote, Limits().mux_message)
    StandardIO(pipe, reactor=reactor)
    await pipe.closed
