"""A response that a subscription writes to for as long as its client listens."""

from __future__ import annotations

from collections.abc import Mapping

from twisted.internet.defer import CancelledError, Deferred
from twisted.web.http_headers import Headers
from twisted.web.server import Request

from sxhost.http.access_log import LOGGED_FIELDS
from sxhost.http.compression import gzip_stream
from sxhost.http.direct_send import send
from sxhost.model.caller import current_caller
from sxhost.model.subscription import Subscription

__all__ = ["StreamResponse"]


class StreamResponse:
    """A response that is a subscription's sink; `done` fires when that has ended."""

    __slots__ = ("_gzip", "_request", "done", "tag")

    def __init__(self, request: Request) -> None:
        self.done: Deferred[None] = Deferred()
        self.tag: Mapping[str, object] = {}
        self._request = request
        self._gzip = gzip_stream(request)

    def begin(self, reader: Subscription) -> None:
        """Send the head, and let the transport pause and resume the reader."""
        self._request.registerProducer(reader, streaming=True)
        self._request.write(b"")
        _forget_heads(self._request)

    def write(self, data: bytes) -> None:
        """Send bytes, or buffer them until they can be sent; none are no chunk, but its end.

        A chunk is made and sent here, since `Request.write` takes as long as all the rest.
        """
        if not data:
            return
        request, data = self._request, self._gzip.compress(data)
        request.sentLength += len(data)
        if request.chunked:
            data = b"%x\r\n%b\r\n" % (len(data), data)
        transport = request.transport
        if transport is not None:  # else the client has left
            send(transport, data)

    def end(self) -> None:
        """Let `follow` return."""
        if not self.done.called:
            self.done.callback(None)

    async def follow(self, reader: Subscription) -> None:
        """Wait until `reader` has ended, the client has left, or its token has ended."""
        try:
            await self.done
        except CancelledError:
            ended = current_caller.get().ended
            if ended is None:
                raise
            reader.end(ended, reconnect=False)
        finally:
            reader.close()
        self._request.unregisterProducer()
        self._request.write(self._gzip.finish())


def _forget_heads(request: Request) -> None:
    """Let go of what was asked and answered: it lasts for hours, and the log needs little."""
    asked, kept = request.requestHeaders, Headers()
    for name in LOGGED_FIELDS:
        for value in asked.getRawHeaders(name) or ():
            kept.addRawHeader(name, value)
    request.requestHeaders, request.responseHeaders = kept, Headers()
