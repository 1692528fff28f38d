"""Who may be connected, and how often they may ask: what is counted before anyone is asked.

A connection too many is told so and closed before a byte of it is read.  When descriptors
run out nothing more is accepted: whoever comes waits in the kernel's queue.
"""

from __future__ import annotations

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

LOOK_AGAIN_S: Final = 1.0
"""Seconds until it is tried again to accept, if no connection ends before."""

TELL_EVERY_S: Final = 10.0
"""Seconds between two lines of the log about connections that were refused."""

QUEUE: Final = 1024
"""Connections that wait to be accepted; one that finds no place there tries after a second."""

RETRY_S: Final = 5
"""Seconds after which a refused connection may be worth another try."""

NETWORK: Final = 64
"""Bits of an IPv6 address that one customer has."""


class Admission:
    """Counts connections: in all, and from each peer but the host's own user, `own`."""

    def __init__(
        self,
        limits: Limits,
        clock: IReactorTime,
        own: int | None,
        most: Callable[[], int] | None = None,
    ) -> None:
        self._ports: Sequence[Any] = ()
        self.open = 0
        """How many connections are counted now."""
        self.unsent = 0
        """Bytes of answers that wait for their readers, about."""
        self.unanswered = 0
        """Bytes of bodies that have come and are not answered."""
        self.paused = False
        self._limits = limits
        self._clock = clock
        self._own = own
        self._most = most or descriptors
        self._here: Counter[str] = Counter()
        self._again: IDelayedCall | None = None
        self._refused = 0
        self._tell_at = 0.0

    def stand_at(self, ports: Sequence[Any]) -> None:
        """Mind what listens; let more wait there than Twisted does."""
        self._ports = ports
        for port in ports:
            link = getattr(port, "socket", None)
            if link is not None:
                link.listen(QUEUE)

    def enter(self, transport: Any, uid: int | None) -> str:
        """Count a connection; return what `leave` is to be told.

        :raises HostError: it is one too many, and not counted.
        """
        self._spare(transport)
        peer = "" if uid is not None and uid == self._own else peer_of(transport, uid)
        try:
            self._check(peer)
        except HostError as error:
            self._tell(peer, error)
            raise
        self.open += 1
        self._here[peer] += 1
        return peer

    def leave(self, peer: str) -> None:
        """A connection that was counted is closed."""
        self.open -= 1
        self._here[peer] -= 1
        if not self._here[peer]:
            del self._here[peer]
        self.resume()

    def check_unsent(self) -> None:
        """Check that what was answered is read.

        :raises Overloaded: too much is not.
        """
        if self.unsent > self._limits.unsent:
            raise Overloaded("answers wait for their readers", self._limits.unsent)

    def take(self, size: int) -> None:
        """Count bytes of a body; they count until it is answered (`let_go`).

        :raises Overloaded: there are too many of all.
        """
        self.unanswered += size
        if self.unanswered > self._limits.unanswered:
            raise Overloaded("requests are not answered yet", self._limits.unanswered)

    def let_go(self, size: int) -> None:
        """Undo `take`."""
        self.unanswered -= size

    def _check(self, peer: str) -> None:
        limits = self._limits
        if self.open >= limits.connections:
            raise TooManyConnections(limits.connections)
        if peer and self._here[peer] >= limits.peer_connections:
            most = limits.peer_connections
            raise RateLimited(f"{most} connections are open from here already", RETRY_S)

    def _tell(self, peer: str, error: HostError) -> None:
        """Log a refusal, but not each of a flood."""
        self._refused += 1
        now = self._clock.seconds()
        if now >= self._tell_at:
            self._tell_at = now + TELL_EVERY_S
            log.warn(
                "{count} connections were refused, the last from {peer}: {why}",
                count=self._refused,
                peer=peer or "the own user",
                why=error.message,
            )
            self._refused = 0

    # Descriptors.

    def _spare(self, transport: Any) -> None:
        """Accept no more for now if descriptors run out.

        The kernel gives out the lowest number that is free, so a socket's number says how
        many there are.
        """
        number = transport.fileno() if hasattr(transport, "fileno") else 0
        most = self._most() * self._limits.descriptors // 100
        if number >= most and not self.paused:
            log.warn("{most} descriptors are in use: accepting pauses", most=most)
            self.pause()

    def pause(self) -> None:
        """Accept nothing until a connection ends, or a second has passed."""
        self.paused = True
        for port in self._ports:
            port.pauseProducing()
        self._again = self._clock.callLater(LOOK_AGAIN_S, self.resume)

    def resume(self) -> None:
        """Accept again, if that was paused."""
        if self.paused:
            self.close()
            for port in self._ports:
                port.resumeProducing()

    def close(self) -> None:
        """Leave nothing to be done later."""
        self.paused = False
        if self._again is not None and self._again.active():
            self._again.cancel()


class RequestRates:
    """Limits how many requests each peer or token may make; `own` user's are not counted."""

    def __init__(self, limits: Limits, clock: IReactorTime, own: int | None) -> None:
        self._rate = limits.requests
        self._buckets = TokenBuckets(clock.seconds, limits.requests, limits.burst)
        self._own = own

    def take(self, caller: Caller, *, forwarded: bool) -> None:
        """Count a request; one of the own user is counted only if a proxy forwards it.

        :raises RateLimited: there have been too many.
        """
        if caller.uid is not None and caller.uid == self._own and not forwarded:
            return
        key = f"token {caller.token}" if caller.token else f"{caller.peer} {caller.uid}"
        wait = self._buckets.take(key)
        if wait:
            raise RateLimited(f"More than {self._rate} requests a second came", ceil(wait))


def peer_of(transport: Any, uid: int | None) -> str:
    """Name who is at the other end: a user of this machine, an address, or a network's part."""
    if uid is not None:
        return f"user {uid}"
    host = getattr(transport.getPeer(), "host", None)
    if host is None:
        return "unix"
    found = ip_address(host.partition("%")[0])
    if isinstance(found, IPv6Address) and found.ipv4_mapped is None:
        return f"{IPv6Address(int(found) >> NETWORK << NETWORK)}/{NETWORK}"
    return str(getattr(found, "ipv4_mapped", None) or found)


def tune(transport: Any, limits: Limits) -> None:
    """Bound what the kernel keeps for a peer, and how long it waits for one that is gone."""
    link = getattr(transport, "socket", None)
    if link is None:
        return
    link.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, limits.send_buffer // 2)  # doubled
    if link.family in (socket.AF_INET, socket.AF_INET6):
        within = limits.silent
        put = partial(link.setsockopt, socket.IPPROTO_TCP)
        with suppress(OSError, AttributeError):  # AttributeError: a system that is not Linux
            link.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            put(socket.TCP_USER_TIMEOUT, int(within * 1000))
            put(socket.TCP_KEEPIDLE, max(int(within / 2), 1))
            put(socket.TCP_KEEPINTVL, max(int(within / 5), 1))


def descriptors() -> int:
    """Return how many descriptors this process may have."""
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if most == resource.RLIM_INFINITY else most
