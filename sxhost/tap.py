"""``twistd sxhost``: options in, one service tree out.

This is the only place where the parts of a host are put together, and, with ``cli``, the
only one that touches the global reactor.
"""

from __future__ import annotations

import gc
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from threading import Thread
from typing import Any, cast

from msgspec.structs import replace
from twisted.application.service import MultiService
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.interfaces import IListeningPort, IReactorCore
from twisted.internet.threads import deferToThreadPool
from twisted.logger import ILogObserver
from twisted.python import usage
from twisted.python.components import Componentized
from twisted.python.failure import Failure
from twisted.python.threadpool import ThreadPool

from sxhost.config import (
    USAGE_ERROR,
    LogFormat,
    Settings,
)
from sxhost.daemon import AlreadyRunning, PidFile, on_hangup, warn_of_others, warn_of_root
from sxhost.forward import make_forwarder
from sxhost.hosting import make_agents
from sxhost.keyring import BadKeyring, Keyring
from sxhost.listening import (
    CannotListen,
    make_endpoint,
    refuse_taken,
    sentence,
    url_of,
)
from sxhost.logfile import observer
from sxhost.logs import logger, set_level
from sxhost.mux import Multiplexer
from sxhost.notify import Notifier
from sxhost.options import Options
from sxhost.service import SessionService
from sxhost.store import Store, StoreUnusable
from sxhost.store.file import held
from sxhost.store.journal import Journal
from sxhost.store.memory import MemoryStore
from sxhost.store.sqlite import SQLiteStore, Threads
from sxhost.tls import BadPEM, Shown
from sxhost.web import (
    about,
    codexd,
    collector,
    hooks,
    hosted,
    live,
    messages,
    mux,
    native,
    stream,
)
from sxhost.web.guard import Guard, Policy, Tries
from sxhost.web.keys import Keys
from sxhost.web.manner import Manner
from sxhost.web.metrics import Metrics
from sxhost.web.routes import Route, asks, opens, tree
from sxhost.web.site import HostSite

__all__ = ["HostService", "Options", "makeService"]

log = logger(__name__)

MANNERS: Mapping[str, Manner] = {**codexd.MANNERS}
"""How the faces of other systems speak, by the beginnings of their paths."""

BYPASSED = (
    "--dangerously-bypass-approvals-and-sandbox: what comes by POST /messages has Codex do"
    " anything on this machine, and nobody is asked"
)


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
        *,
        keyring: Keyring,
        routes: Sequence[Route],
        multiplexer: Multiplexer,
        shown: Shown | None = None,
        pidfile: PidFile | None = None,
    ) -> None:
        super().__init__()
        self.ports: list[IListeningPort] = []
        self.observer: ILogObserver | None = None
        self.sessions = sessions
        self.multiplexer = multiplexer
        self._site = site
        self._notifier = notifier
        self._endpoints = endpoints
        self._keyring = keyring
        self._routes = routes
        self._shown = shown
        self._pidfile = pidfile
        sessions.setServiceParent(self)
        notifier.setServiceParent(self)

    def setServiceParent(self, parent: Any) -> None:
        """Begin to belong to twistd's application, and have the log written our way."""
        if self.observer is not None and isinstance(parent, Componentized):
            parent.setComponent(ILogObserver, self.observer)
        super().setServiceParent(parent)

    def privilegedStartService(self) -> None:
        """Open the listening sockets, while there still are rights to do so."""
        with self._said_if_it_fails():
            self._listen()
        super().privilegedStartService()

    def startService(self) -> None:
        """Open the store, as the user that the host is from now on; say where it is."""
        warn_of_root()
        warn_of_others(self._keyring.place)
        with self._said_if_it_fails():
            self._keyring.open()
            self.sessions.open()
        if self._shown is not None:
            self._shown.warn()
        for port in self.ports:
            log.info("Listening on {url}", url=url_of(port))
        served = dict.fromkeys(f"{route.method} {route.path}" for route in self._routes)
        log.info("Serving {routes}", routes=", ".join(served))
        super().startService()

    @contextmanager
    def _said_if_it_fails(self) -> Iterator[None]:
        """Say why the host cannot begin, to the terminal and to the log."""
        try:
            yield
        except (AlreadyRunning, BadKeyring, StoreUnusable, CannotListen) as error:
            self._forget_pid()
            raise _told(CannotStart(f"sxhost: {error}")) from error

    def _forget_pid(self) -> None:
        if self._pidfile is not None:
            self._pidfile.remove()

    def _listen(self) -> None:
        if self._pidfile is not None:
            self._pidfile.claim()
        for place, endpoint in self._endpoints:
            refused: list[Failure] = []
            endpoint.listen(self._site).addCallbacks(self.ports.append, refused.append)
            if refused:
                why = refused[0].value
                raise CannotListen(sentence(place, getattr(why, "socketError", why)))
        self._site.door.stand_at(self.ports)
        numbers = (getattr(port.getHost(), "port", 0) for port in self.ports)
        self.sessions.port = next(filter(None, numbers), 0)

    def reload(self) -> None:
        """Read again what may have changed: the certificate."""
        if self._shown is not None:
            self._shown.reload()

    def stopService(self) -> Deferred[None]:
        """Stop in order; fires when all is closed."""
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        self._notifier.stopping()
        await DeferredList([_closed(port) for port in self.ports])
        self.multiplexer.stop()
        self.sessions.hub.close()
        await self._site.drain()
        await self.sessions.close()
        await DeferredList([_deferred(super().stopService())])
        self._forget_pid()
        log.info("Stopped")


def makeService(options: Options) -> MultiService:
    """Return the host that `options` describe, on the global reactor."""
    from twisted.internet import reactor

    os.umask(0o077)
    settings = _under_twistd(options["settings"], options.parent)
    set_level(settings.log_level)
    # Twisted's timers follow the wall clock, and one step back would stall them all.
    reactor.seconds = time.monotonic  # type: ignore[method-assign]
    _prepare(settings)
    host = assemble(settings, reactor)
    if options.parent is not None:
        host.observer = _observer(options.parent, settings.log_format, reactor)
        reactor.callWhenRunning(_settle)
    reactor.callWhenRunning(on_hangup, reactor, host.reload)
    return host


def _settle() -> None:
    """Never again look for garbage in what has been loaded: that stops a host for 50 ms."""
    gc.collect()
    gc.freeze()


def _observer(twistd: usage.Options, kind: LogFormat, reactor: Any) -> ILogObserver | None:
    """Return what writes the log, or end the process with a sentence."""
    try:
        return observer(twistd, kind, reactor)
    except OSError as error:
        sys.exit(f"sxhost: cannot write the log: {error}.")


def _under_twistd(settings: Settings, twistd: usage.Options | None) -> Settings:
    """Take over what twistd would do less carefully, and learn which user it will change to.

    It writes its pidfile through whatever link it finds there, and locks nothing.
    """
    if twistd is None:
        return settings
    pidfile, twistd["pidfile"] = twistd["pidfile"], ""
    ours = settings.pid_file or (Path(pidfile) if pidfile else None)
    return replace(settings, pid_file=ours, uid=twistd["uid"])


def assemble(settings: Settings, reactor: Any) -> HostService:
    """Put a host together on `reactor`."""
    limits = settings.limits
    store = make_store(settings, reactor)
    sessions = SessionService(store, reactor, wall_ms, limits, make_agents(settings, reactor))
    sessions.on_stop = lambda: reactor.callLater(0, _stop_reactor, reactor)
    metrics = Metrics(sessions)
    keyring = Keyring(settings.state_dir, wall_ms)
    keys = Keys(keyring, reactor, sessions.note, settings.user)
    multiplexer = Multiplexer(sessions, reactor)
    routes = faces(sessions, metrics, keys, multiplexer, bypass=settings.bypass)
    if settings.bypass:
        log.warn(BYPASSED)
    guard = make_guard(settings, keyring, routes, reactor)
    site = HostSite(
        tree(routes, limits, MANNERS),
        guard,
        reactor,
        limits,
        metrics.count,
        own=settings.user,
        manners=MANNERS,
    )
    notifier = Notifier(
        reactor,
        os.environ,
        probe=lambda: Deferred.fromCoroutine(store.ping()),
        status=lambda: f"Serving on port {sessions.port}",
    )
    shown = make_shown(settings)
    host = HostService(
        sessions,
        site,
        notifier,
        [(text, make_endpoint(reactor, text, shown)) for text in settings.listen],
        keyring=keyring,
        routes=routes,
        multiplexer=multiplexer,
        shown=shown,
        pidfile=PidFile(settings.pid_file) if settings.pid_file else None,
    )
    if (forwarder := make_forwarder(settings, sessions, store, reactor)) is not None:
        forwarder.setServiceParent(host)
    return host


def wall_ms() -> int:
    """Return the time of day in Unix milliseconds."""
    return time.time_ns() // 1_000_000


def make_guard(
    settings: Settings, keyring: Keyring, routes: Sequence[Route], clock: Any
) -> Guard:
    """Return the gate in front of `routes`."""
    policy = Policy(
        hosts=frozenset(settings.hosts),
        origins=frozenset(settings.origins),
        tokens=settings.tokens,
    )
    tries = Tries(clock, settings.limits.tries)
    opened, asked = opens(routes), asks(routes)
    return Guard(policy, keyring.caller, opened, settings.user, tries, asks=asked)


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


def faces(
    sessions: SessionService,
    metrics: Metrics,
    keys: Keys,
    multiplexer: Multiplexer,
    *,
    bypass: bool = False,
) -> Sequence[Route]:
    """Return the routes of every face of a host; with `bypass`, Codex asks nobody."""
    verbs = [*native.routes(sessions), *hosted.routes(sessions.agency)]
    verbs += [*hooks.routes(sessions), *collector.routes(sessions)]
    logs = [*stream.routes(sessions), *live.routes(sessions), *mux.routes(multiplexer)]
    codex = messages.routes(sessions, messages.BYPASS if bypass else messages.CODEX)
    others = [*codexd.routes(sessions), *codex]
    return about.routes([*verbs, *logs, *others, *metrics.routes(), *keys.routes()])


def _prepare(settings: Settings) -> None:
    """Meet what would fail later while a terminal can still be told of it."""
    make_state_dir(settings.state_dir, settings.uid)
    if settings.pid_file is not None:
        _refuse_running(PidFile(settings.pid_file))
    if settings.database is not None and settings.uid is None:
        _refuse_held(settings.database)
    for text in settings.listen:
        refuse_taken(text)


def make_state_dir(place: Path, uid: int | None = None) -> None:
    """Make the state directory, for user `uid` if given, or end the process with a sentence."""
    try:
        is_new = not place.exists()
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        if is_new and uid is not None:
            os.chown(place, uid, -1)
    except OSError as error:
        sys.exit(f"sxhost: cannot use the state directory: {error}.")


def _refuse_running(pidfile: PidFile) -> None:
    """End the process with a sentence if another host has this pidfile."""
    try:
        pidfile.check()
    except AlreadyRunning as error:
        sys.exit(f"sxhost: {error}")


def _refuse_held(path: Path) -> None:
    """End the process with a sentence if another host has this store."""
    try:
        os.close(held(path))
    except (StoreUnusable, OSError) as error:
        sys.exit(f"sxhost: {error}")


def make_shown(settings: Settings) -> Shown | None:
    """Return what listeners show, if they speak TLS, or end the process with a sentence."""
    if settings.tls is None:
        return None
    try:
        return Shown(*settings.tls)
    except BadPEM as error:
        sys.stderr.write(f"sxhost: --tls-cert and --tls-key do not work: {error}.\n")
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


def _told(error: CannotStart) -> CannotStart:
    """Write the sentence to the terminal as well; Python's own stderr is the log's by now."""
    log.critical("{sentence}", sentence=error.sentence)
    os.write(2, f"{error.sentence}\n".encode())
    return error


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
