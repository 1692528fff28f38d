"""Sending a piece of a session to a collector: one POST, its answer thrown away.

    payload -> encode -> post (checked URL, redirects of the same origin) -> discard

`Emitter` does it beside other work and never troubles its caller; `deliver` does it for the
command `sxhost-emit`, whose other half is `sxhost.telemetry.command`.
"""

from __future__ import annotations

import json
import time
from datetime import datetime
from functools import partial
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any, TypedDict
from urllib.parse import urljoin, urlsplit, urlunsplit
from uuid import uuid4

from treq.client import HTTPClient
from twisted.internet.defer import Deferred, succeed
from twisted.internet.protocol import Protocol, connectionDone
from twisted.logger import Logger
from twisted.web import http
from twisted.web.client import Agent, BrowserLikePolicyForHTTPS, ResponseDone
from twisted.web.http_headers import Headers

from sxhost.localnet import is_loopback
from sxhost.model.names import TELEMETRY_HEADER
from sxhost.project import git_branch, machine
from sxhost.treq_url import treq_url

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted.internet.interfaces import IReactorTime
    from twisted.python.failure import Failure
    from twisted.web.iweb import IResponse

IN_FLIGHT = 64
TIMEOUT = 10.0
HOPS = 4
REPEATED = (
    http.MOVED_PERMANENTLY,
    http.FOUND,
    http.TEMPORARY_REDIRECT,
    http.PERMANENT_REDIRECT,
)
"""Redirects that are answered with the same POST; 303 says that it has been done."""
HEADERS = Headers(
    {
        "Content-Type": ["application/json"],
        "User-Agent": ["sxhost-emit"],
        TELEMETRY_HEADER: ["1"],
    }
)
"""The last tells a host that is not meant as a collector to do nothing."""

_log = Logger()


class SendError(Exception):
    """The collector did not take the payload, or we refuse to send it where it would go."""


class Metadata(TypedDict):
    """Where a payload comes from."""

    hostname: str
    os: str
    arch: str
    git_branch: str
    project: str


class Payload(TypedDict):
    """What a collector is sent; `timestamp` is ISO 8601 with offset."""

    session_id: str
    type: str
    content: str
    timestamp: str
    metadata: Metadata


def payload(session_id: str, kind: str, content: str, root: str, now: float) -> Payload:
    """Compose what is said of the project in `root` at `now` (Unix seconds).

    Without a `session_id` the payload gets a new one, a UUID.
    """
    return {
        "session_id": session_id or str(uuid4()),
        "type": kind,
        "content": content,
        "timestamp": datetime.fromtimestamp(now).astimezone().isoformat(timespec="seconds"),
        "metadata": metadata(root),
    }


def metadata(root: str) -> Metadata:
    """This machine, and the project in `root`."""
    hostname, system, arch = machine()
    return {
        "hostname": hostname,
        "os": system,
        "arch": arch,
        "git_branch": git_branch(root),
        "project": Path(root).name,
    }


def encode(composed: Payload) -> bytes:
    """JSON in UTF-8; what has no UTF-8 (a lone surrogate) becomes U+FFFD."""
    text = json.dumps(composed, ensure_ascii=False)
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()


class Emitter:
    """Reports to one collector, at most IN_FLIGHT payloads at a time, and never fails.

    `sent`, `failed` and `dropped` (there were IN_FLIGHT already) count payloads. An empty
    `url` means that telemetry is off: nothing is sent and nothing counted. `root` is the
    project's directory, `clock` bounds each sending, `now` tells Unix time.
    """

    def __init__(
        self,
        client: HTTPClient,
        clock: IReactorTime,
        url: str,
        root: str,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._client = client
        self._clock = clock
        self._url = url
        self._root = root
        self._now = now
        self.in_flight = 0
        self.sent = 0
        self.failed = 0
        self.dropped = 0

    def emit(
        self, session_id: str, kind: str, content: str, root: str | None = None
    ) -> Deferred[None]:
        """Send in the background; the Deferred fires when that is over and never fails.

        `root` is the project's directory if it is another one than usual.
        """
        if not self._url:
            return succeed(None)
        if self.in_flight >= IN_FLIGHT:
            self.dropped += 1
            return succeed(None)
        body = encode(payload(session_id, kind, content, root or self._root, self._now()))
        self.in_flight += 1
        sending = post_in_time(self._client, self._clock, self._url, body)
        return sending.addCallbacks(self._succeeded, self._failed)

    def _succeeded(self, _: None) -> None:
        self.in_flight -= 1
        self.sent += 1

    def _failed(self, failure: Failure) -> None:
        self.in_flight -= 1
        self.failed += 1
        _log.debug("a payload was not sent: {why}", why=reason(failure))


def open_emitter(reactor: IReactorTime, url: str, root: str) -> Emitter:
    """Return an Emitter over the network: certificates verified, a connection a payload."""
    return Emitter(open_client(reactor), reactor, url, root)


def open_client(reactor: IReactorTime) -> HTTPClient:
    """Return a treq client that trusts what the platform trusts, and SSL_CERT_FILE if set."""
    return HTTPClient(Agent(reactor, BrowserLikePolicyForHTTPS(), connectTimeout=TIMEOUT))


def deliver(reactor: Any, url: str, body: bytes) -> str:
    """Run `reactor` until `body` is posted; return why it was not, or "" if it was.

    A resolver that hangs in its thread delays neither the return nor the end of the process.
    """
    outcomes: list[str] = []
    reactor.getThreadPool().threadFactory = partial(Thread, daemon=True)

    def start() -> None:
        sending = post_in_time(open_client(reactor), reactor, url, body)
        sending.addCallbacks(lambda _: "", reason).addCallback(outcomes.append)
        sending.addBoth(lambda _: reactor.crash())

    reactor.callWhenRunning(start)
    reactor.run()
    return outcomes[0] if outcomes else "interrupted"


def post_in_time(
    client: HTTPClient, clock: IReactorTime, url: str, body: bytes
) -> Deferred[None]:
    """`post`, given up after TIMEOUT seconds in all."""

    def late(_: object, seconds: float) -> None:
        raise SendError(f"no whole answer within {seconds:g} s")

    return Deferred.fromCoroutine(post(client, url, body)).addTimeout(TIMEOUT, clock, late)


async def post(client: HTTPClient, url: str, body: bytes) -> None:
    """POST `body` and throw the answer away.

    Raises SendError for an answer that is no success and for a URL that we refuse, first or
    in a redirect; else what treq raises.
    """
    for _ in range(HOPS):
        target = treq_url(checked(url))
        response = await client.post(
            target, data=body, headers=HEADERS, allow_redirects=False, unbuffered=True
        )
        await discard(response)
        if response.code not in REPEATED:
            break
        url = redirected(url, response)
    if not (http.OK <= response.code < http.MULTIPLE_CHOICE or response.code == http.SEE_OTHER):
        raise SendError(f"the collector answered {response.code}")


def checked(url: str) -> str:
    """`url` in the form that was checked; SendError unless it is https, or http to loopback."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme not in ("http", "https") or not host or "@" in parts.netloc:
        raise SendError("the address is not https://host/path")
    if parts.scheme == "http" and not is_loopback(host):
        raise SendError(f"plain http to {host} is refused: use https")
    return parts.geturl()


def redirected(url: str, response: IResponse) -> str:
    """Return the URL to which a response redirects; SendError if it is another origin's."""
    location: str = response.headers.getRawHeaders("location", [""])[0]
    target = urljoin(url, location)
    if not location or _origin(checked(target)) != _origin(url):
        raise SendError(f"a redirect to another origin is refused: {masked(target)}")
    return target


def _origin(url: str) -> tuple[str, str | None, int | None]:
    """Scheme, host and port."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"https": 443, "http": 80}[parts.scheme]


def masked(url: str) -> str:
    """`url` as it may be shown: without what in it may be secret."""
    parts = urlsplit(url)
    _, at, host = parts.netloc.rpartition("@")
    netloc = f"***@{host}" if at else host
    return urlunsplit((parts.scheme, netloc, parts.path, "***" if parts.query else "", ""))


def discard(response: IResponse) -> Deferred[None]:
    """Let the body fall as it comes; cancelling closes the connection."""
    body = _Discard()
    response.deliverBody(body)
    return body.ended


class _Discard(Protocol):
    def __init__(self) -> None:
        self.ended: Deferred[None] = Deferred(lambda _: self._close())

    def _close(self) -> None:
        if self.transport is not None:
            self.transport.loseConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self.ended.called:
            return
        if reason.check(ResponseDone, http.PotentialDataLoss):
            self.ended.callback(None)
        else:
            self.ended.errback(reason)


def reason(failure: Failure) -> str:
    """Return what failed in one line: the error inside the wrappers of `twisted.web`."""
    wrapped: list[Failure] = getattr(failure.value, "reasons", [])
    return reason(wrapped[0]) if wrapped else failure.getErrorMessage()
