"""What a connection knows of its requests, of the site, and of what takes its place."""

from __future__ import annotations

from typing import Any, Protocol

from twisted.python.failure import Failure

from sxhost.errors import HostError
from sxhost.http.authentication import Authenticator
from sxhost.http.direct_request import AnsweringSite
from sxhost.http.framing import RequestHead
from sxhost.http.readiness import Readiness
from sxhost.model.caller import Caller
from sxhost.model.limits import Limits

__all__ = ["Asked", "Incoming", "Listening", "Successor"]


class Asked(Protocol):
    """A request that is read or answered."""

    sentLength: int
    """How many bytes of an answer were written."""

    def connectionLost(self, reason: Failure) -> None:
        """End: the client has left."""


class Incoming(Asked, Protocol):
    """A request as its connection sees it: `HostRequest` of `sxhost.http.site`."""

    refused: bool
    """Whether a refusal was sent; the rest of the body is thrown away."""

    began: float
    """Seconds of the clock at which its head was complete."""

    @property
    def received(self) -> int:
        """How many bytes of its body have come so far."""

    def handleContentChunk(self, data: bytes) -> None:
        """Take a piece of the body."""

    def refuse_unread(self, error: HostError, line: tuple[bytes, bytes] | None) -> None:
        """Answer with `error` although the request is not whole, or is none at all."""

    def refuse_connection(self, error: HostError) -> None:
        """Answer with `error` before anything was asked."""


class Listening(AnsweringSite, Protocol):
    """The site as its connections see it: `HostSite`."""

    limits: Limits
    authenticator: Authenticator
    stopping: bool
    readiness: Readiness
    connections: set[Any]

    def admit(self, head: RequestHead, caller: Caller) -> None:
        """Count a request of a caller.

        :raises HostError: there are too many.
        """

    def channel_closed(self, channel: Any) -> None:
        """Take note that a connection is closed."""


class Successor(Protocol):
    """The protocol on a connection that was upgraded: a WebSocket."""

    def release(self) -> None:
        """Close in order."""
