"""The host as twistd runs it: it listens, starts, and stops in order."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from twisted.application.service import MultiService, Service
from twisted.internet.defer import Deferred
from twisted.logger import ILogObserver
from twisted.python.components import Componentized

from sxhost import __version__
from sxhost.auth.tls import ServerCertificate
from sxhost.auth.tokens import TokenStore, TokenStoreError
from sxhost.daemon.listening import AddressFile, CannotListen, Listeners
from sxhost.daemon.logfile import LogObserver
from sxhost.daemon.pidfile import AlreadyRunning, PidFile, warn_of_others, warn_of_root
from sxhost.daemon.standby import StoreHold
from sxhost.daemon.systemd import Notifier
from sxhost.faces.pi.multiplexer import Multiplexer
from sxhost.http.readiness import Readiness
from sxhost.http.routes import Route
from sxhost.http.site import HostSite
from sxhost.logs import logger
from sxhost.service import SessionService
from sxhost.store.contracts import StandingBy, StoreUnusable

__all__ = ["CannotStart", "HostService"]

log = logger(__name__)


class CannotStart(SystemExit, Exception):
    """The host cannot begin, and only found out when it tried.

    As an `Exception` it makes twistd tell the one who waits for its daemon and remove the
    pidfile; as a `SystemExit` it ends the process without a traceback.
    """

    # Twistd tells 100 bytes of it, beginning with its name: a short one leaves room.
    __module__ = "sxhost"

    def __init__(self, sentence: str) -> None:
        super().__init__(1)
        self.sentence = sentence

    def __str__(self) -> str:
        return self.sentence


class HostService(MultiService):
    """The whole host: it listens before it starts, and stops in order.

    The order: stop accepting, let waiting requests go, wait for those that run, close the
    store.
    """

    def __init__(
        self,
        sessions: SessionService,
        site: HostSite,
        notifier: Notifier,
        listeners: Listeners,
        *,
        hold: StoreHold,
        readiness: Readiness,
        drain: Callable[[], Deferred[None]] | None,
        abort: Callable[[], object],
        tokens: TokenStore,
        routes: Sequence[Route],
        multiplexer: Multiplexer,
        certificate: ServerCertificate | None = None,
        reloads: Sequence[Callable[[], None]] = (),
        stops: Sequence[Callable[[], None]] = (),
        pidfile: PidFile | None = None,
    ) -> None:
        super().__init__()
        self.observer: LogObserver | None = None
        self.sessions = sessions
        self.multiplexer = multiplexer
        self._site = site
        self._notifier = notifier
        self._hold = hold
        self._readiness = readiness
        self._drain = drain
        self._abort = abort
        self._listeners = listeners
        self._tokens = tokens
        self._address = AddressFile(tokens.place)
        self._routes = routes
        self._certificate = certificate
        self._reloads = reloads
        self._stops = stops
        """What stops before the sessions do: it speaks with them."""
        self._pidfile = pidfile
        sessions.setServiceParent(self)
        notifier.setServiceParent(self)

    def setServiceParent(self, parent: Any) -> None:
        """Begin to belong to twistd's application, and have the log written our way."""
        if self.observer is not None and isinstance(parent, Componentized):
            parent.setComponent(ILogObserver, self.observer)
            self._site.access_log = self.observer.access
        super().setServiceParent(parent)

    def privilegedStartService(self) -> None:
        """Open the listening sockets, while there still are rights to do so."""
        with self._reporting_failure():
            self._listen()
        super().privilegedStartService()

    def startService(self) -> None:
        """Open tokens and store as the user of the running host; publish its address."""
        warn_of_root()
        warn_of_others(self._tokens.place)
        with self._reporting_failure():
            self._tokens.open()
            self._open_store()
        if self._certificate is not None:
            self._certificate.warn_if_key_is_readable()
        for url in self._listeners.urls:
            log.info("Listening on {url}", url=url)
        self._address.write(self._listeners.urls)
        log.info(
            "sxhost {version} serves {count} routes; /openapi.json describes them",
            version=__version__,
            count=len({(route.method, route.path) for route in self._routes}),
        )
        if self._readiness.standing_by:
            Service.startService(self)
            self._notifier.startService()
            self._hold.stand_by(self._serve)
        else:
            super().startService()
            self._hold.keep()

    def _open_store(self) -> None:
        try:
            self.sessions.open()
        except StandingBy:
            self._readiness.standing_by = True

    def _serve(self) -> None:
        """Begin to serve, now that the host has ended for which this one stood by."""
        log.info("This host is the active one now")
        for part in self:
            if not part.running:
                part.startService()
        self._readiness.standing_by = False

    def fail(self, why: str) -> None:
        """Stop because the host cannot go on; whoever runs it should start it again."""
        log.critical("{why}; this host ends", why=why)
        self._readiness.standing_by = True
        self._abort()

    @contextmanager
    def _reporting_failure(self) -> Iterator[None]:
        """Report why the host cannot start, on the terminal and in the log."""
        try:
            yield
        except (AlreadyRunning, TokenStoreError, StoreUnusable, CannotListen) as error:
            self._forget_pid()
            sentence = f"sxhost: {error}"
            log.critical("{sentence}", sentence=sentence)
            os.write(2, f"{sentence}\n".encode())  # Python's own stderr is the log's by now
            raise CannotStart(sentence) from error

    def _forget_pid(self) -> None:
        if self._pidfile is not None:
            self._pidfile.remove()

    def _listen(self) -> None:
        if self._pidfile is not None:
            self._pidfile.claim()
        self._listeners.open(self._site)
        self._site.admission.watch_ports(self._listeners.ports)
        numbers = self._listeners.port_numbers
        self.sessions.port = next(filter(None, numbers), 0)
        if os.environ.get("PI_SERVER_PORT"):  # its listener is the last
            self.multiplexer.port = numbers[-1]

    def reload(self) -> None:
        """Read the certificate and the policy again; reopen the log if it was moved away."""
        if self.observer is not None:
            self.observer.reopen_moved()
        for reload in self._reloads:
            reload()

    def stopService(self) -> Deferred[None]:
        """Stop in order; fires when all is closed."""
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        self._notifier.stopping()
        self._readiness.stopping = True
        if self._drain is not None and not self._readiness.standing_by:
            await self._drain()
        self._address.remove()
        await self._listeners.close()
        # Streams end before requests are waited for: they would go on for ever.
        self.multiplexer.stop()
        await self.multiplexer.finish()
        for stop in self._stops:
            stop()
        await self.sessions.end_streams()
        await self._site.drain()
        self._hold.stopService()
        await self.sessions.close()
        await super().stopService()
        self._forget_pid()
        log.info("Stopped")
