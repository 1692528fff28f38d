"""The listening site and its requests: bodies limited as they arrive, every request logged.

``twisted.web`` has no limit on a body and spools large ones to disk; `HostRequest` keeps
them in memory up to their limit and refuses the rest while it is still arriving.  What a
connection may do before and between its requests is up to `sxhost.http.channel`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from io import BytesIO
from typing import Any, Final, cast

from twisted.internet.interfaces import IReactorTime
from twisted.web import http
from twisted.web.resource import IResource
from twisted.web.server import Request, Site

from sxhost.errors import BodyTooLarge, HostError, NotReady, Stopping
from sxhost.http.access_log import AccessLog, entry, is_logged, publish
from sxhost.http.admission import Admission, RequestRates
from sxhost.http.authentication import (
    FORWARDED,
    Authenticator,
    allow_origin,
    answer_preflight,
)
from sxhost.http.channel import HostChannel
from sxhost.http.direct_request import CountRequest, DirectRequest, request_ids
from sxhost.http.direct_routes import DirectRoutes
from sxhost.http.framing import METHODS, RequestHead
from sxhost.http.readiness import Readiness
from sxhost.http.rendering import answer_error
from sxhost.http.request_context import HandlerOutcome, context_of
from sxhost.http.responses import NO_FORMATS, ResponseFormat, format_of
from sxhost.http.routes import NDJSON
from sxhost.model.caller import Caller
from sxhost.model.limits import Limits
from sxhost.waiting import Signal

__all__ = ["HostRequest", "HostSite"]

NO_PATHS: Final = re.compile("(?!)")
"""Matches nothing."""


class HostRequest(Request):
    """A request that is authenticated before its body is read, and whose body is limited."""

    site: HostSite
    channel: HostChannel

    def __init__(self, channel: http.HTTPChannel, *args: Any, **kwargs: Any) -> None:
        super().__init__(channel, *args, **kwargs)
        self.context = context_of(self)
        self.context.request_id = next(cast("HostSite", channel.factory).request_ids)
        self.setHeader("X-Request-Id", self.context.request_id)
        self._parsePOSTFormSubmission = False  # bodies are JSON; forms have no reader here
        self.refused = False
        """Whether a refusal was sent; the rest of the body is thrown away."""
        self.site = cast("HostSite", channel.factory)
        self.began = self.site.clock.seconds()
        self._body = BytesIO()
        self._body_limit = self._counted_bytes = 0
        self._preflight = self._is_admitted = False

    def __repr__(self) -> str:
        """Name the request by its id; Twisted's own repr has the query, which may be secret."""
        return f"<HostRequest {self.context.request_id}>"

    def take_over(self, direct: DirectRequest, outcome: HandlerOutcome) -> None:
        """Answer in the place of a request that was admitted, and whose handler was called."""
        self.context.outcome = outcome
        self._is_admitted = True
        self.began = direct.began

    def gotLength(self, length: int | None) -> None:
        """Prepare for a body of `length` bytes, or of unknown length (None)."""
        self.content = self._body
        head = cast("RequestHead", self.channel.head)
        # Twisted sets these once the body is there, and routes by them; we refuse before it.
        self.method, self.uri, self.path = head.method, head.target, head.path
        self.clientproto = head.version
        self._body_limit = self._limit_of(head)
        try:
            self._admit(head)
            self.context.response_format = format_of(self, self.site.formats)
            if length is not None and length > self._body_limit:
                raise BodyTooLarge(self._body_limit)
        except HostError as error:
            self._refuse_early(error)

    def _limit_of(self, head: RequestHead) -> int:
        """Return how many bytes the body may have."""
        limits = self.site.limits
        if (head.header(b"content-type") or "").lower().startswith(NDJSON):
            return limits.batch_body
        is_large = self.site.large_paths.fullmatch(head.path.decode("latin-1"))
        return limits.large_body if is_large else limits.body

    def _admit(self, head: RequestHead) -> None:
        """Count the request of whoever asks.

        :raises HostError: it is refused.
        """
        decision = self.channel.decision
        if decision.origin is not None:
            allow_origin(self, decision.origin)
        if decision.refusal is not None:
            raise decision.refusal
        self.context.caller = decision.caller
        self._preflight = decision.is_preflight
        if self._preflight:
            answer_preflight(self)
        elif not self._is_admitted:
            self.site.admit(head, decision.caller)

    @property
    def received(self) -> int:
        """How many bytes of the body have come so far."""
        return self._body.tell()

    def handleContentChunk(self, data: bytes) -> None:
        """Keep a piece of the body; if the request was refused, drop it."""
        if self.refused:
            return
        self._body.write(data)
        self._counted_bytes += len(data)
        try:
            self.site.admission.count_body(len(data))
            if self._body.tell() > self._body_limit:
                raise BodyTooLarge(self._body_limit)
        except HostError as error:
            self._refuse_early(error)

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        """Answer now that the whole request is there; a refused one is done already."""
        if self.refused:
            self.finish()
        else:
            super().requestReceived(command, path, version)

    def process(self) -> None:
        """Run the request, unless the host is stopping."""
        try:
            self.site.readiness.check(self.path.decode("latin-1"))
        except NotReady as error:
            self.refuse(error)
            return
        if self.site.stopping and self.context.outcome is None:
            self.refuse(Stopping())
        elif self._preflight:
            self.finish()
        else:
            super().process()

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Begin an answer that lasts: the connection need not remember who asked, and how."""
        self.channel.forget_head()
        super().registerProducer(producer, streaming)

    def refuse(self, error: HostError) -> None:
        """Answer with `error` and close the connection afterwards."""
        self._write_refusal(error)
        self.finish()

    def refuse_unread(self, error: HostError, line: tuple[bytes, bytes] | None) -> None:
        """Answer with `error` although the request is not whole, or is none at all."""
        self.clientproto = b"HTTP/1.1"
        self.method, self.uri = line or (b"-", b"-")
        self.refuse(error)

    def refuse_connection(self, error: HostError) -> None:
        """Answer a connection that is refused, before any request."""
        self.clientproto = b"HTTP/1.1"
        self._write_refusal(error)

    def finish(self) -> None:
        """End the answer, and release the body."""
        self._release_body()
        super().finish()

    def _release_body(self) -> None:
        counted, self._counted_bytes = self._counted_bytes, 0
        self.site.admission.uncount_body(counted)

    def connectionLost(self, reason: Any) -> None:
        """Release the body: the client has left."""
        self._release_body()
        if self.refused:
            self.site.log(self)
        super().connectionLost(reason)

    def _refuse_early(self, error: HostError) -> None:
        """Answer with `error` at once, then read on for a while.

        If it were closed with bytes unread, TCP would reset and the client lose the answer.
        """
        self.refused = True
        self.requestHeaders.removeHeader(b"expect")
        self.content = self._body = BytesIO()
        self._release_body()
        self._write_refusal(error)
        self.channel.linger()

    def _write_refusal(self, error: HostError) -> None:
        self.channel.persistent = False
        body = answer_error(self, error)
        self.setHeader("Connection", "close")
        self.write(body)


class HostSite(Site):
    """Serves `root`, and knows its connections, so that a stop waits for their answers.

    :param count: gets each answered request: method, route, status, seconds.
    :param host_uid: the uid of the host's user, to whom the limits of a peer do not apply.
    :param formats: the response formats of `root`, by prefixes of paths.
    :param large_paths: the paths of `root` whose bodies may be large.
    """

    protocol = cast("Any", HostChannel)
    requestFactory = HostRequest
    noisy = False  # the host itself logs where it listens

    def __init__(
        self,
        root: IResource,
        authenticator: Authenticator,
        clock: IReactorTime,
        limits: Limits,
        count: CountRequest,
        *,
        host_uid: int | None = None,
        formats: Mapping[str, ResponseFormat] = NO_FORMATS,
        large_paths: re.Pattern[str] = NO_PATHS,
        readiness: Readiness | None = None,
        direct: DirectRoutes | None = None,
    ) -> None:
        super().__init__(root, reactor=clock, timeout=None)
        self.direct = direct or DirectRoutes((), limits)
        """The routes that requests may go to straight; all are in `root`, too."""
        self.request_ids = request_ids()
        self.formats = formats
        self.large_paths = large_paths
        self.authenticator = authenticator
        self.clock = clock
        self.limits = limits
        self.admission = Admission(limits, clock, host_uid)
        self.request_rates = RequestRates(limits, clock, host_uid)
        self.connections: set[HostChannel] = set()
        self.stopping = False
        self.readiness = readiness or Readiness()
        self.count_request = count
        self._last_closed = Signal()
        self.access_log: AccessLog = publish
        """Takes the entry of each answered request."""

    def acceptableProtocols(self) -> list[bytes]:
        """Return HTTP/1.1 alone: Twisted's HTTP/2 would bypass `HostChannel` and its limits."""
        return [b"http/1.1"]

    async def drain(self) -> None:
        """Refuse new requests; return once all connections are closed, or time is up."""
        self.stopping = True
        self.admission.close()
        for channel in tuple(self.connections):
            channel.release()
        if self.connections:
            closed = self._last_closed.wait()
            closed.addTimeout(self.limits.stop_within, self.clock, lambda *_: None)
            await closed

    def channel_closed(self, channel: HostChannel) -> None:
        """Forget a closed connection."""
        self.connections.discard(channel)
        if not self.connections:
            self._last_closed.fire()

    def admit(self, head: RequestHead, caller: Caller) -> None:
        """Count a request of a caller.

        :raises HostError: there are too many, or too many answers wait for their readers.
        """
        if caller.scopes:
            self.admission.check_unsent()
        self.request_rates.take(caller, forwarded=head.has_any(FORWARDED))

    def count(self, method: bytes, route: str, status: int, seconds: float) -> None:
        """Count an answered request."""
        # Each label of a metric is kept for ever, and clients can invent methods.
        known = method.decode() if method in METHODS else "other"
        self.count_request(known, route, status, seconds)

    def log(self, request: http.Request) -> None:
        """Log and count an answered request; probes are logged for debugging only."""
        assert isinstance(request, HostRequest)  # noqa: S101 - `requestFactory` says so
        seconds, route = self.clock.seconds() - request.began, request.context.route
        self.count(request.method, route, request.code, seconds)
        if is_logged(route):
            self.access_log(entry(request, seconds * 1000))
