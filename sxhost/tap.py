"""``twistd sxhost``: options in, one service tree out.

This is the only place where the parts of a host are put together, and, with ``cli``, the
only one that touches the global reactor.
"""

from __future__ import annotations

import os
import re
import socket
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from threading import Thread
from typing import Any, NoReturn, cast, get_args

from OpenSSL.crypto import Error as BadCertificate
from twisted.application.service import MultiService
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.endpoints import quoteStringArgument, serverFromString
from twisted.internet.interfaces import IListeningPort, IReactorCore
from twisted.internet.threads import deferToThreadPool
from twisted.python import usage
from twisted.python.failure import Failure
from twisted.python.threadpool import ThreadPool

from sxhost.config import DEFAULT_HOST, DEFAULT_PORT, Durability, Settings, state_dir
from sxhost.limits import Limits
from sxhost.logs import LEVELS, logger, set_level
from sxhost.notify import Notifier
from sxhost.service import SessionService
from sxhost.store import Store, StoreUnusable
from sxhost.store.file import held
from sxhost.store.journal import Journal
from sxhost.store.memory import MemoryStore
from sxhost.store.sqlite import SQLiteStore, Threads
from sxhost.web import about, live, native, stream
from sxhost.web.metrics import Metrics
from sxhost.web.routes import Route, tree
from sxhost.web.site import HostSite

__all__ = ["HostService", "Options", "makeService"]

log = logger(__name__)

USAGE_ERROR = 2
"""Exit status of a command line that cannot be understood."""


class Options(usage.Options):
    """The command line of ``twistd sxhost``; each error is one sentence and exit 2."""

    synopsis = "[options]"
    longdesc = "The host through which you see, steer and answer every coding agent."
    optParameters = (
        ["port", "p", None, f"TCP port to listen on; 0 takes a free one  [{DEFAULT_PORT}]"],
        ["host", None, None, f"Address to listen on  [{DEFAULT_HOST}]"],
        ["state-dir", None, None, "Directory for what must not be forgotten"],
        ["max-sessions", None, str(Limits().sessions), "Sessions held at once"],
        ["store", None, "sqlite", "sqlite (in the state directory), sqlite:PATH or memory:"],
        ["durability", None, "power", "What an acknowledged write survives: power or process"],
        ["retain", None, str(Limits().retain), "Events kept on disk for each session"],
        ["retain-days", None, str(Limits().retain_days), "Days they are kept"],
        ["max-events", None, str(Limits().events), "Events buffered for each session"],
        ["max-messages", None, str(Limits().messages), "Messages waiting for one agent"],
        ["max-message-size", None, str(Limits().message_size), "Bytes of one message"],
        ["log-level", None, None, f"One of {', '.join(LEVELS)}  [info, or $SXHOST_LOG]"],
    )
    compData = usage.Completions(optActions={"state-dir": usage.CompleteDirs()})

    def __init__(self) -> None:
        super().__init__()
        self["listen"] = []

    def opt_listen(self, endpoint: str) -> None:
        """A Twisted endpoint to listen on, in place of --host and --port; repeatable."""
        self["listen"].append(endpoint)

    def opt_version(self) -> NoReturn:
        """Display the version and exit."""
        from sxhost import __version__

        sys.stdout.write(f"sxhost {__version__}\n")
        sys.exit(0)

    def parseOptions(self, options: Sequence[str] | None = None) -> None:
        """Read the command line, or end the process with a sentence about it."""
        try:
            super().parseOptions(options)
        except usage.UsageError as error:
            sys.stderr.write(f"sxhost: {error}\n")
            sys.exit(USAGE_ERROR)

    def postOptions(self) -> None:
        """Turn the strings into `Settings`, under the key ``settings``."""
        self["settings"] = Settings(
            listen=self._listen(),
            state_dir=Path(self["state-dir"] or state_dir(os.environ)),
            limits=Limits(
                sessions=self._number("max-sessions", 1, 1_000_000),
                events=self._number("max-events", 1, 1_000_000),
                retain=self._number("retain", 1, 1_000_000_000),
                retain_days=self._number("retain-days", 1, 36_500),
                messages=self._number("max-messages", 1, 1_000_000),
                message_size=self._number("max-message-size", 1, 1 << 20),
            ),
            log_level=self._level(),
            store=self._store(),
            durability=self._durability(),
        )

    def _store(self) -> str:
        if re.match(r"sqlite(:.+)?\Z|memory:\Z", self["store"]):
            return str(self["store"])
        raise usage.UsageError(
            f"--store must be sqlite, sqlite:PATH or memory:, not {self['store']!r}."
        )

    def _durability(self) -> Durability:
        for known in get_args(Durability):
            if self["durability"] == known:
                return cast("Durability", known)
        raise usage.UsageError(
            f"--durability must be power or process, not {self['durability']!r}."
        )

    def _listen(self) -> tuple[str, ...]:
        if not self["listen"]:
            self["port"] = DEFAULT_PORT if self["port"] is None else self["port"]
            port = self._number("port", 0, 65535)
            interface = quoteStringArgument(self["host"] or DEFAULT_HOST)
            return (f"tcp:{port}:interface={interface}",)
        if self["port"] is not None or self["host"] is not None:
            raise usage.UsageError("--listen stands in place of --port and --host.")
        return tuple(self["listen"])

    def _number(self, name: str, low: int, high: int) -> int:
        text = str(self[name])
        if text.isascii() and text.isdigit() and len(text) < 20 and low <= int(text) <= high:  # noqa: PLR2004
            return int(text)
        raise usage.UsageError(f"--{name} must be a number from {low} to {high}, not {text!r}.")

    def _level(self) -> str:
        name = (self["log-level"] or os.environ.get("SXHOST_LOG") or "info").lower()
        if name in LEVELS:
            return name
        raise usage.UsageError(f"--log-level must be one of {', '.join(LEVELS)}, not {name!r}.")


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
        endpoints: Sequence[tuple[str, Any]],
        routes: Sequence[Route] = (),
    ) -> None:
        super().__init__()
        self.ports: list[IListeningPort] = []
        self.sessions = sessions
        self._site = site
        self._notifier = notifier
        self._endpoints = endpoints
        self._routes = routes
        sessions.setServiceParent(self)
        notifier.setServiceParent(self)

    def privilegedStartService(self) -> None:
        """Open the store and the listening sockets, while there still are rights to do so."""
        try:
            self.sessions.open()
        except StoreUnusable as error:
            raise _told(CannotStart(f"sxhost: {error}")) from error
        for place, endpoint in self._endpoints:
            refused: list[Failure] = []
            endpoint.listen(self._site).addCallbacks(self.ports.append, refused.append)
            if refused:
                why = refused[0].value
                sentence = _sentence(place, getattr(why, "socketError", why))
                raise _told(CannotStart(sentence))
        numbers = (getattr(port.getHost(), "port", 0) for port in self.ports)
        self.sessions.port = next(filter(None, numbers), 0)
        super().privilegedStartService()

    def startService(self) -> None:
        """Say where the host is to be found."""
        for port in self.ports:
            log.info("Listening on {url}", url=_url(port.getHost()))
        served = dict.fromkeys(f"{route.method} {route.path}" for route in self._routes)
        log.info("Serving {routes}", routes=", ".join(served))
        super().startService()

    def stopService(self) -> Deferred[None]:
        """Stop in order; fires when all is closed."""
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        self._notifier.stopping()
        await DeferredList([_closed(port) for port in self.ports])
        self.sessions.hub.close()
        await self._site.drain()
        await self.sessions.close()
        await DeferredList([_deferred(super().stopService())])
        log.info("Stopped")


def makeService(options: Options) -> MultiService:
    """Return the host that `options` describe, on the global reactor."""
    from twisted.internet import reactor

    settings: Settings = options["settings"]
    set_level(settings.log_level)
    # Twisted's timers follow the wall clock, and one step back would stall them all.
    reactor.seconds = time.monotonic  # type: ignore[method-assign]
    _prepare(settings)
    return assemble(settings, reactor)


def assemble(settings: Settings, reactor: Any) -> HostService:
    """Put a host together on `reactor`."""
    limits = settings.limits
    store = make_store(settings, reactor)
    sessions = SessionService(store, reactor, lambda: time.time_ns() // 1_000_000, limits)
    sessions.on_stop = lambda: reactor.callLater(0, _stop_reactor, reactor)
    metrics = Metrics(sessions)
    routes = faces(sessions, metrics)
    site = HostSite(tree(routes, limits), reactor, limits, metrics.count)
    notifier = Notifier(
        reactor,
        os.environ,
        probe=lambda: Deferred.fromCoroutine(sessions.census()),
        status=lambda: f"Serving on port {sessions.port}",
    )
    endpoints = [(text, _endpoint(reactor, text)) for text in settings.listen]
    return HostService(sessions, site, notifier, endpoints, routes)


def make_store(settings: Settings, reactor: Any) -> Store:
    """Return the store that is asked for; it is opened when the host starts."""
    path = settings.database
    if path is None:
        return MemoryStore(settings.limits, reactor.seconds)
    journal = Journal(path, settings.durability)
    return SQLiteStore(settings.limits, reactor.seconds, journal, threads(reactor))


def threads(reactor: Any) -> Threads:
    """Return the two threads of a store: daemons, so that a hung disk holds up no stop."""
    pools = [ThreadPool(0, 1, name) for name in ("journal", "reader")]
    for pool in pools:
        pool.threadFactory = cast("Any", partial(Thread, daemon=True))
    write, read = (partial(deferToThreadPool, reactor, pool) for pool in pools)

    def start() -> None:
        for pool in pools:
            pool.start()

    def stop() -> None:
        for pool in pools:
            pool.stop()

    return Threads(write, read, start, stop)


def faces(sessions: SessionService, metrics: Metrics) -> Sequence[Route]:
    """Return the routes of every face of a host."""
    logs = [*stream.routes(sessions), *live.routes(sessions)]
    return about.routes([*native.routes(sessions), *logs, *metrics.routes()])


def _prepare(settings: Settings) -> None:
    """Meet what would fail later while a terminal can still be told of it."""
    make_state_dir(settings.state_dir)
    if settings.database is not None:
        _refuse_held(settings.database)
    for text in settings.listen:
        tcp = _TCP.match(text)
        if tcp:
            _refuse_taken(int(tcp[1]), (tcp[2] or "").replace("\\", ""))


_TCP = re.compile(r"tcp:(\d+)(?::interface=((?:\\.|[^\\:])*))?\Z")


def make_state_dir(place: Path) -> None:
    """Make the state directory, or end the process with a sentence."""
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        sys.exit(f"sxhost: cannot use the state directory: {error}.")


def _refuse_held(path: Path) -> None:
    """End the process with a sentence if another host has this store."""
    try:
        os.close(held(path))
    except (StoreUnusable, OSError) as error:
        sys.exit(f"sxhost: {error}")


def _refuse_taken(port: int, interface: str) -> None:
    """End the process with a sentence if nothing can listen there."""
    family = socket.AF_INET6 if ":" in interface else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((interface, port))
            probe.listen()
        except OSError as error:
            sys.exit(_sentence(f"{interface}:{port}", error))


def _endpoint(reactor: Any, text: str) -> Any:
    """Return the endpoint that `text` describes, or end the process with a sentence."""
    try:
        return serverFromString(reactor, text)
    except (ValueError, TypeError, LookupError, OSError, BadCertificate) as error:
        sys.stderr.write(f"sxhost: --listen {text!r} does not work: {error}.\n")
        sys.exit(USAGE_ERROR)


class CannotStart(SystemExit, Exception):
    """The host cannot begin, and only found out when it tried.

    As an `Exception` it makes twistd tell the one who waits for its daemon and remove the
    pidfile; as a `SystemExit` it ends the process without a traceback.
    """

    def __init__(self, sentence: str) -> None:
        super().__init__(1)
        self.sentence = sentence

    def __str__(self) -> str:
        return self.sentence


def _sentence(place: str, error: object) -> str:
    reason = (getattr(error, "strerror", None) or str(error)).lower()
    choose = "choose another with --port, --host or --listen"
    return f"sxhost: cannot listen on {place}: {reason}; {choose}."


def _told(error: CannotStart) -> CannotStart:
    """Write the sentence to the terminal as well; Python's own stderr is the log's by now."""
    log.critical("{sentence}", sentence=error.sentence)
    os.write(2, f"{error.sentence}\n".encode())
    return error


def _url(address: Any) -> str:
    if not hasattr(address, "port"):
        return f"unix:{address.name.decode()}"
    host = f"[{address.host}]" if ":" in address.host else address.host
    return f"http://{host}:{address.port}"


def _closed(port: IListeningPort) -> Deferred[None]:
    return _deferred(port.stopListening())


def _deferred(value: Deferred[Any] | None) -> Deferred[Any]:
    done: Deferred[Any] = Deferred()
    if value is None:
        done.callback(None)
        return done
    return value


def _stop_reactor(reactor: IReactorCore) -> None:
    if reactor.running:
        reactor.stop()
