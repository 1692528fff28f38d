"""Tell systemd how the host is: ``READY=1``, ``WATCHDOG=1``, ``STOPPING=1`` (sd_notify(3)).

A message is one datagram, sent without waiting and never answered. Where nobody listens,
or the socket is full or has vanished, the host goes on as if it had been heard.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from typing import TYPE_CHECKING

from twisted.application.service import Service
from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.task import LoopingCall

from sxhost.logs import logger
from sxhost.waiting import background

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from twisted.internet.interfaces import IReactorTime

log = logger(__name__)


START_MORE_S = 60
"""Seconds more that systemd gives to a start which says that it goes on."""


class Notifier(Service):
    """The host's line to systemd; silent unless ``environ`` names a ``NOTIFY_SOCKET``.

    ``probe`` answers as soon as the host's slowest part (its journal) has gone round once:
    a heartbeat waits for it, so that a hung journal ends in a restart. A probe that fails
    has still answered. ``status()`` is the line that ``systemctl status`` shows.
    """

    def __init__(
        self,
        clock: IReactorTime,
        environ: Mapping[str, str],
        *,
        probe: Callable[[], Deferred[object]] = lambda: succeed(None),
        status: Callable[[], str] = lambda: "Running",
    ) -> None:
        self._environ = environ
        self._probe = probe
        self._status = status
        self._address = _address(environ.get("NOTIFY_SOCKET", ""))
        self._heart = LoopingCall(self._send_heartbeat)
        self._heart.clock = clock
        self._stopping = False

    def startService(self) -> None:
        """Say that the host serves, and begin to beat if systemd asks for it."""
        super().startService()
        self._stopping = False
        self._send(f"READY=1\nSTATUS={' '.join(self._status().split())}")
        interval = heartbeat(self._environ)
        if interval and self._address:
            self._heart.start(interval)

    def stopping(self) -> None:
        """Say that an ordered stop begins; the host calls it first. Again is nothing."""
        if self._stopping:
            return
        self._stopping = True
        if self._heart.running:
            self._heart.stop()
        self._send("STOPPING=1")

    def stopService(self) -> None:
        """Stop the heartbeat and tell systemd that the host stops."""
        super().stopService()
        self.stopping()

    def _send_heartbeat(self) -> Deferred[None]:
        probe = maybeDeferred(self._probe)
        probed = background(probe, log, "The watchdog's probe failed", (Exception,))
        return probed.addCallback(self._probe_answered)

    def _probe_answered(self, _: object) -> None:
        if not self._stopping:
            self._send("WATCHDOG=1")

    def _send(self, message: str) -> None:
        _send(self._address, message)


def report_start(environ: Mapping[str, str], text: str) -> None:
    """Say in the log, and to whoever has started the host, what takes long before it serves."""
    log.info("{text} ...", text=text)
    message = f"STATUS={text}\nEXTEND_TIMEOUT_USEC={START_MORE_S * 1_000_000}"
    _send(_address(environ.get("NOTIFY_SOCKET", "")), message)


def _send(address: bytes, message: str) -> None:
    if not address:
        return
    kind = socket.SOCK_DGRAM | socket.SOCK_NONBLOCK
    with suppress(OSError), socket.socket(socket.AF_UNIX, kind) as datagrams:
        datagrams.sendto(message.encode(), address)


def heartbeat(environ: Mapping[str, str]) -> float:
    """Seconds between two heartbeats: half of what systemd allows this process; 0 = none."""
    if environ.get("WATCHDOG_PID", "") not in {"", str(os.getpid())}:
        return 0.0
    # systemd.service(5) recommends half of it: one heartbeat may come late.
    allowed = environ.get("WATCHDOG_USEC", "")
    return int(allowed) / 2_000_000 if allowed.isdecimal() else 0.0


def _address(name: str) -> bytes:
    """Return the address of an absolute path or an abstract ``@name``; of others, none."""
    raw = os.fsencode(name)
    if raw.startswith(b"@"):
        return b"\0" + raw[1:]
    return raw if raw.startswith(b"/") else b""
