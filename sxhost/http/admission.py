"""Admission control: limits of connections, requests and buffered bytes, for all and each peer.

A connection too many is refused and closed before a byte of it is read.  When file descriptors
run out, nothing more is accepted: clients wait in the kernel's queue.
"""

from __future__ import annotations

import os
import resource
import socket
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from ipaddress import IPv6Address, ip_address
from math import ceil
from typing import Any, Final

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from sxhost.errors import HostError, Overloaded, RateLimited, TooManyConnections
from sxhost.logs import logger
from sxhost.model.caller import Caller
from sxhost.model.limits import Limits
from sxhost.ratelimit import TokenBuckets

__all__ = ["Admission", "RequestRates", "peer_of", "tune"]

log = logger(__name__)

RESUME_AFTER_S: Final = 1.0
"""Seconds until connections are accepted again, if none ends before."""

LOG_EVERY_S: Final = 10.0
"""Seconds between two log lines about refused connections: a flood must not fill the disk."""

BACKLOG: Final = 1024
"""Connections that may wait to be accepted; the kernel of one too many tries after a second."""

SPARE: Final = 2
"""Descriptors that no connection takes: it would be reset, where it can wait."""

RETRY_S: Final = 5
"""Seconds after which a peer with too many connections is to try again."""

CUSTOMER_BITS: Final = 64
"""Bits of an IPv6 address that name a customer; the rest are theirs to choose."""


class Admission:
    """Limits connections, in all and from each peer but the host's own user (`host_uid`).

    `max_descriptors` returns how many this process may have, `used` how many it has.
    """

    def __init__(
        self,
        limits: Limits,
        clock: IReactorTime,
        host_uid: int | None,
        max_descriptors: Callable[[], int] | None = None,
        used: Callable[[], int] | None = None,
    ) -> None:
        self._ports: Sequence[Any] = ()
        self.open = 0
        """Connections that are open now."""
        self.unsent = 0
        """Bytes of answers that wait for their readers, nearly."""
        self.unanswered = 0
        """Bytes of request bodies that were received and are not answered."""
        self.paused = False
        self._limits = limits
        self._clock = clock
        self._host_uid = host_uid
        self._max_descriptors = max_descriptors or descriptors
        self._used_descriptors = used or used_descriptors
        self._used_at_first = 0
        """Descriptors in use when the host began, without any connection."""
        self._by_peer: Counter[str] = Counter()
        self._resume_call: IDelayedCall | None = None
        self._refused = 0
        self._log_again_at = 0.0

    def watch_ports(self, ports: Sequence[Any]) -> None:
        """Take over the listening `ports`, with a longer backlog than Twisted's."""
        self._ports = ports
        self._used_at_first = self._used_descriptors()
        for port in ports:
            sock = getattr(port, "socket", None)
            if sock is not None:
                sock.listen(BACKLOG)
                port.doRead = partial(self._accept, port, port.doRead)

    def _accept(self, port: Any, accept: Callable[[], object]) -> None:
        """Have a port accept no more connections in this turn than there are descriptors for.

        Twisted would take the whole backlog, even after it was paused in the middle of it, and
        close what it has no descriptor for.
        """
        # The next number says less than how many there are, where some were closed since.
        in_use = max(self._used_descriptors(), self._used_at_first + self.open)
        if in_use + SPARE > self._max_descriptors():
            if not self.paused:
                self.pause()
            return
        port.numberAccepts = max(1, min(port.numberAccepts, self._most_descriptors - in_use))
        accept()

    def admit(self, transport: Any, uid: int | None) -> str:
        """Count a connection; return its peer, which `release` takes.

        :raises HostError: it is one too many, and not counted.
        """
        self._check_descriptors(transport)
        peer = "" if uid is not None and uid == self._host_uid else peer_of(transport, uid)
        try:
            self._check(peer)
        except HostError as error:
            self._log_refusal(peer, error)
            raise
        self.open += 1
        self._by_peer[peer] += 1
        return peer

    def release(self, peer: str) -> None:
        """Uncount a connection: it is closed."""
        self.open -= 1
        self._by_peer[peer] -= 1
        if not self._by_peer[peer]:
            del self._by_peer[peer]
        self.resume()

    def check_unsent(self) -> None:
        """Check that clients read their answers.

        :raises Overloaded: too many bytes wait for them.
        """
        if self.unsent > self._limits.unsent:
            raise Overloaded("answers wait for their readers", self._limits.unsent)

    def check_body(self, size: int) -> None:
        """Check that `count_body` would take `size` bytes.

        :raises Overloaded: all bodies together would be too large.
        """
        if self.unanswered + size > self._limits.unanswered:
            raise Overloaded("requests are not answered yet", self._limits.unanswered)

    def count_body(self, size: int) -> None:
        """Count `size` bytes of a body, until its request is answered (`uncount_body`).

        :raises Overloaded: all bodies together are too large.
        """
        self.unanswered += size
        self.check_body(0)

    def uncount_body(self, size: int) -> None:
        """Uncount `size` bytes of a body."""
        self.unanswered -= size

    def _check(self, peer: str) -> None:
        limits = self._limits
        if self.open >= limits.connections:
            raise TooManyConnections(limits.connections)
        if peer and self._by_peer[peer] >= limits.peer_connections:
            most = limits.peer_connections
            raise RateLimited(f"{most} connections are open from here already", RETRY_S)

    def _log_refusal(self, peer: str, error: HostError) -> None:
        """Log refused connections, at most once in `LOG_EVERY_S`."""
        self._refused += 1
        now = self._clock.seconds()
        if now >= self._log_again_at:
            self._log_again_at = now + LOG_EVERY_S
            log.warn(
                "{count} connections were refused, the last from {peer}: {why}",
                count=self._refused,
                peer=peer or "the host's own user",
                why=error.message,
            )
            self._refused = 0

    # Descriptors.

    def _check_descriptors(self, transport: Any) -> None:
        """Pause accepting if descriptors run out.

        The kernel gives out the lowest number that is free, so a new socket's number says
        how many are in use.
        """
        number = transport.fileno() if hasattr(transport, "fileno") else 0
        most = self._most_descriptors
        if number >= most and not self.paused:
            log.warn("{most} descriptors are in use: accepting pauses", most=most)
            self.pause()

    @property
    def _most_descriptors(self) -> int:
        return self._max_descriptors() * self._limits.descriptors // 100

    def pause(self) -> None:
        """Accept nothing until a connection ends or `RESUME_AFTER_S` have passed."""
        self.paused = True
        for port in self._ports:
            port.pauseProducing()
        self._resume_call = self._clock.callLater(RESUME_AFTER_S, self.resume)

    def resume(self) -> None:
        """Accept again, if that was paused."""
        if self.paused:
            self.close()
            for port in self._ports:
                port.resumeProducing()

    def close(self) -> None:
        """Cancel the timer."""
        self.paused = False
        if self._resume_call is not None and self._resume_call.active():
            self._resume_call.cancel()


class RequestRates:
    """Limits the requests of each peer and token, but not of the host's user (`host_uid`)."""

    def __init__(self, limits: Limits, clock: IReactorTime, host_uid: int | None) -> None:
        self._rate = limits.requests
        self._buckets = TokenBuckets(clock.seconds, limits.requests, limits.burst)
        self._host_uid = host_uid

    def take(self, caller: Caller, *, forwarded: bool) -> None:
        """Count a request; one of the host's user is counted only if a proxy forwards it.

        :raises RateLimited: there have been too many.
        """
        if caller.uid is not None and caller.uid == self._host_uid and not forwarded:
            return
        key = f"token {caller.token}" if caller.token else f"{caller.peer} {caller.uid}"
        wait = self._buckets.take(key)
        if wait:
            raise RateLimited(f"More than {self._rate} requests a second came", ceil(wait))


def peer_of(transport: Any, uid: int | None) -> str:
    """Return the name under which a peer is counted.

    It is a user of this machine (`uid`), an IPv4 address, or the network of an IPv6 one.
    """
    if uid is not None:
        return f"user {uid}"
    host = getattr(transport.getPeer(), "host", None)
    if host is None:
        return "unix"
    found = ip_address(host.partition("%")[0])
    if isinstance(found, IPv6Address) and found.ipv4_mapped is None:
        return f"{IPv6Address(int(found) >> CUSTOMER_BITS << CUSTOMER_BITS)}/{CUSTOMER_BITS}"
    return str(getattr(found, "ipv4_mapped", None) or found)


def tune(transport: Any, limits: Limits) -> None:
    """Set a socket's options: what the kernel buffers, and when it gives up a dead peer."""
    sock = getattr(transport, "socket", None)
    if sock is None:
        return
    half = limits.send_buffer // 2  # the kernel doubles it
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, half)
    if sock.family in (socket.AF_INET, socket.AF_INET6):
        dead_after = limits.silent
        set_option = partial(sock.setsockopt, socket.IPPROTO_TCP)
        with suppress(OSError, AttributeError):  # AttributeError: a system that is not Linux
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            set_option(socket.TCP_USER_TIMEOUT, int(dead_after * 1000))
            set_option(socket.TCP_KEEPIDLE, max(int(dead_after / 2), 1))
            set_option(socket.TCP_KEEPINTVL, max(int(dead_after / 5), 1))


def used_descriptors() -> int:
    """Return how many descriptors are in use, nearly: the number of the next one."""
    try:
        number = os.open(os.devnull, os.O_RDONLY)
    except OSError:
        return sys.maxsize
    os.close(number)
    return number


def descriptors() -> int:
    """Return how many descriptors this process may have."""
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if most == resource.RLIM_INFINITY else most
