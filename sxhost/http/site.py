"""The HTTP side of a listener: bodies counted as they come, every request logged.

``twisted.web`` has no limit on a body and spools large ones to disk; `HostRequest` keeps
them in memory up to their limit and refuses the rest while it is still arriving.  What a
connection may do before and between its requests is `web.channel`'s.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from io import BytesIO
from typing import Any, cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.web import http
from twisted.web.resource import IResource
from twisted.web.server import Request, Site

from sxhost.errors import BodyTooLarge, HostError, Stopping
from sxhost.http.access_log import FORMAT, entry
from sxhost.http.admission import Admission, RequestRates
from sxhost.http.authentication import FORWARDED, Authenticator
from sxhost.http.channel import HostChannel
from sxhost.http.framing import METHODS, Head
from sxhost.http.rendering import answer_error
from sxhost.http.request_context import context_of
from sxhost.http.responses import NO_FORMATS, ResponseFormat, format_of
from sxhost.http.router import NDJSON
from sxhost.logs import enabled, logger
from sxhost.model.limits import Limits

__all__ = ["HostRequest", "HostSite"]

log = logger(__name__)

Counted = Callable[[str, str, int, float], None]
"""Told of each answered request: method, route, status, seconds."""


class HostRequest(Request):
    """A request whose body is bounded."""

    site: HostSite
    channel: HostChannel

    def __init__(self, channel: http.HTTPChannel, *args: Any, **kwargs: Any) -> None:
        super().__init__(channel, *args, **kwargs)
        self.context = context_of(self)
        self.context.request_id = secrets.token_hex(6)
        self.setHeader("X-Request-Id", self.context.request_id)
        self._parsePOSTFormSubmission = False  # bodies are JSON; forms have no reader here
        self.refused = False
        """Whether a refusal was sent; the rest of the body is thrown away."""
        self.site = cast("HostSite", channel.factory)
        self.began = self.site.clock.seconds()
        self._body = BytesIO()
        self._room = self._held = 0
        self._preflight = False

    def __repr__(self) -> str:
        """Name the request by its id; Twisted's own repr has the query, which may be secret."""
        return f"<HostRequest {self.context.request_id}>"

    def gotLength(self, length: int | None) -> None:
        """Prepare for a body of `length` bytes, or of unknown length (None)."""
        self.began = self.site.clock.seconds()
        self.content = self._body
        limits = self.site.limits
        declared = (self.getHeader("content-type") or "").lower()
        self._room = limits.batch_body if declared.startswith(NDJSON) else limits.body
        self.method, self.uri = self.channel._command, self.channel._path
        self.path, self.clientproto = self.uri.partition(b"?")[0], self.channel._version
        try:
            self._admit()
            self.context.response_format = format_of(self, self.site.formats)
            if length is not None and length > self._room:
                raise BodyTooLarge(self._room)
        except HostError as error:
            self._turn_away(error)

    def _admit(self) -> None:
        """Let the request in, or raise."""
        guard = self.site.guard
        self._preflight = guard.preflight(self)
        if not self._preflight:
            caller = self.context.caller = guard.admit(self, self.channel.uid)
            forwarded = any(map(self.requestHeaders.hasHeader, FORWARDED))
            self.site.rates.take(caller, forwarded=forwarded)
            if caller.scopes:
                self.site.door.check_unsent()

    @property
    def received(self) -> int:
        """How many bytes of the body have come so far."""
        return self._body.tell()

    def handleContentChunk(self, data: bytes) -> None:
        """Keep a piece of the body, unless the body is being thrown away."""
        if self.refused:
            return
        self._body.write(data)
        self._held += len(data)
        try:
            self.site.door.take(len(data))
            if self._body.tell() > self._room:
                raise BodyTooLarge(self._room)
        except HostError as error:
            self._turn_away(error)

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        """Answer now that the whole request is there; a refused one is done already."""
        if self.refused:
            self.finish()
        else:
            super().requestReceived(command, path, version)

    def process(self) -> None:
        """Run the request, unless the host is stopping."""
        if self.site.stopping:
            self.refuse(Stopping())
        elif self._preflight:
            self.finish()
        else:
            super().process()

    def refuse(self, error: HostError) -> None:
        """Answer with `error` and close the connection afterwards."""
        self._write_refusal(error)
        self.finish()

    def refuse_unread(self, error: HostError, head: Head | None) -> None:
        """Answer with `error` although the request is not whole, or is none at all."""
        self.clientproto = b"HTTP/1.1"
        self.method, self.uri = (head.method, head.target) if head else (b"-", b"-")
        self.refuse(error)

    def shut_out(self, error: HostError) -> None:
        """Answer with `error` before anything was asked."""
        self.clientproto = b"HTTP/1.1"
        self._write_refusal(error)

    def finish(self) -> None:
        """End the answer, and let go of the body."""
        self._let_go()
        super().finish()

    def _let_go(self) -> None:
        held, self._held = self._held, 0
        self.site.door.let_go(held)

    def connectionLost(self, reason: Any) -> None:
        """Forget about a client that has gone."""
        self._let_go()
        if self.refused:
            self.site.log(self)
        super().connectionLost(reason)

    def _turn_away(self, error: HostError) -> None:
        """Answer at once, then read on for a while: a closed door would eat the answer."""
        self.refused = True
        self.requestHeaders.removeHeader(b"expect")
        self.content = self._body = BytesIO()
        self._let_go()
        self._write_refusal(error)
        self.channel.linger()

    def _write_refusal(self, error: HostError) -> None:
        self.channel.persistent = False
        body = answer_error(self, error)
        self.setHeader("Connection", "close")
        self.write(body)


class HostSite(Site):
    """Serves `root`; knows its connections, so that a stop can wait for their answers.

    `own` is the host's own user, who has to share with nobody; `formats` are the tree's.
    """

    protocol = cast("Any", HostChannel)
    requestFactory = HostRequest

    def __init__(
        self,
        root: IResource,
        guard: Authenticator,
        clock: IReactorTime,
        limits: Limits,
        counted: Counted,
        *,
        own: int | None = None,
        formats: Mapping[str, ResponseFormat] = NO_FORMATS,
    ) -> None:
        super().__init__(root, reactor=clock, timeout=None)
        self.formats = formats
        self.guard = guard
        self.clock = clock
        self.limits = limits
        self.door = Admission(limits, clock, own)
        self.rates = RequestRates(limits, clock, own)
        self.connections: set[HostChannel] = set()
        self.stopping = False
        self._counted = counted
        self._drained: Deferred[None] | None = None

    def acceptableProtocols(self) -> list[bytes]:
        """Speak HTTP/1.1, also where Twisted could speak HTTP/2: our channel could not."""
        return [b"http/1.1"]

    async def drain(self) -> None:
        """Refuse what is new; return once all connections are closed, or time is up."""
        self.stopping = True
        self.door.close()
        for channel in tuple(self.connections):
            channel.leave()
        if self.connections:
            self._drained = Deferred()
            self._drained.addTimeout(self.limits.stop_within, self.clock, lambda *_: None)
            await self._drained

    def channel_closed(self, channel: HostChannel) -> None:
        """Take note that a connection is closed."""
        self.connections.discard(channel)
        if not self.connections and self._drained is not None and not self._drained.called:
            self._drained.callback(None)

    def log(self, request: http.Request) -> None:
        """Log and count an answered request; probes are logged for debugging only."""
        assert isinstance(request, HostRequest)  # noqa: S101 - `requestFactory` says so
        seconds = self.clock.seconds() - request.began
        method = request.method.decode("ascii", "backslashreplace")
        known = method if request.method in METHODS else "other"  # there is no end of others
        route = request.context.route
        self._counted(known, route, request.code, seconds)
        level = "debug" if route == "/health" else "info"
        if enabled(level):
            getattr(log, level)(FORMAT, access=True, **entry(request, seconds * 1000))
