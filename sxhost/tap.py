"""``twistd sxhost``: options in, one service tree out.

This is the only place where the parts of a host are put together, and, with ``cli``, the
only one that touches the global reactor.
"""

from __future__ import annotations

import atexit
import gc
import os
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from threading import Thread
from typing import Any, cast

from msgspec.structs import replace
from twisted.application.service import MultiService
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorCore
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThreadPool
from twisted.python import usage
from twisted.python.threadpool import ThreadPool

from sxhost.agent_files.follower import Follower
from sxhost.agent_files.notices import change_notices
from sxhost.auth.browsers import BrowserLogins
from sxhost.auth.tokens import TokenStore, token_file
from sxhost.config import LogFormat, Settings
from sxhost.daemon.agents import make_agents, make_rules
from sxhost.daemon.entrances import outside_urls
from sxhost.daemon.init import leave_process_1
from sxhost.daemon.listening import make_endpoint
from sxhost.daemon.logfile import LogObserver, observer
from sxhost.daemon.options import Options
from sxhost.daemon.pidfile import PidFile, on_hangup
from sxhost.daemon.preflight import load_certificate, prepare
from sxhost.daemon.service import HostService
from sxhost.daemon.standby import StoreHold
from sxhost.daemon.systemd import Notifier, report_start
from sxhost.dashboard import routes as dashboard
from sxhost.dashboard.assets import Assets
from sxhost.faces.codex_sse import routes as codex_sse
from sxhost.faces.codexd import routes as codexd
from sxhost.faces.native import about, events, hooks, telemetry
from sxhost.faces.native import agents as agent_routes
from sxhost.faces.native import sessions as session_routes
from sxhost.faces.native import websocket as session_websocket
from sxhost.faces.native.tokens import TokenHandlers
from sxhost.faces.pi import websocket as pi_websocket
from sxhost.faces.pi.multiplexer import Multiplexer
from sxhost.hooks.discovery import Discovery, Reunion
from sxhost.hooks.installation import hook_settings
from sxhost.hooks.sessions import HookHandler
from sxhost.http.authentication import AccessPolicy, Authenticator, login_attempts
from sxhost.http.direct_routes import DirectRoutes
from sxhost.http.metrics import Metrics
from sxhost.http.readiness import Readiness
from sxhost.http.responses import ResponseFormat
from sxhost.http.router import Route, identifying_paths, large_paths, make_tree, open_paths
from sxhost.http.site import HostSite
from sxhost.logs import logger, set_level
from sxhost.service import SessionService
from sxhost.slices import TimeSlicer
from sxhost.store.contracts import Store
from sxhost.store.group_commit import Threads
from sxhost.store.journalled import JournalledStore
from sxhost.store.memory import MemoryStore
from sxhost.store.sqlite.connection import SQLiteConnection
from sxhost.telemetry.forwarder import make_forwarder
from sxhost.visible import exit_with_error
from sxhost.waiting import RunInThread

__all__ = ["Options", "makeService"]

log = logger(__name__)

RESPONSE_FORMATS: Mapping[str, ResponseFormat] = {**codexd.RESPONSE_FORMATS}
"""Response formats of the compatible faces, by prefixes of their paths."""

BYPASS_WARNING = (
    "--dangerously-bypass-approvals-and-sandbox: what comes by POST /messages has Codex do"
    " anything on this machine, and nobody is asked"
)


def makeService(options: Options) -> MultiService:
    """Return the host that `options` describe, on the global reactor."""
    from twisted.internet import reactor

    leave_process_1()
    os.umask(0o077)  # whatever the host writes is for its user alone
    settings = _under_twistd(options)
    set_level(settings.log_level)
    # Twisted's timers follow the wall clock, and one step back would stall them all.
    reactor.seconds = time.monotonic  # type: ignore[method-assign]
    prepare(settings)
    host = assemble(settings, reactor)
    if options.parent is not None:
        host.observer = _observer(options.parent, settings.log_format, reactor)
        reactor.callWhenRunning(_freeze_loaded_objects)
    reactor.callWhenRunning(on_hangup, reactor, host.reload)
    return host


def _freeze_loaded_objects() -> None:
    """Exempt loaded objects from garbage collection: each pass would stop a host for 50 ms."""
    gc.collect()
    gc.freeze()


def _observer(twistd: usage.Options, kind: LogFormat, reactor: Any) -> LogObserver | None:
    """Return the log observer, or end the process with a sentence."""
    try:
        return observer(twistd, kind, reactor, os.environ)
    except OSError as error:
        exit_with_error(1, f"sxhost: cannot write the log: {error}.")


def _under_twistd(options: Options) -> Settings:
    """Take over what twistd would do less carefully, and learn which user it will change to.

    It writes its pidfile through whatever link it finds there, and locks nothing.
    """
    settings: Settings = options["settings"]
    if options.parent is None:
        return settings
    path = settings.pid_file or (Path(options["pidfile"]) if options["pidfile"] else None)
    return replace(settings, pid_file=path, uid=options.parent["uid"])


def assemble(settings: Settings, reactor: Any) -> HostService:
    """Put a host together on `reactor`."""
    limits = settings.limits
    readiness = Readiness()
    store = make_store(settings, reactor, lambda: host.fail("Another host has taken over"))
    rules = make_rules(settings.policy)
    agents = make_agents(settings, reactor, rules, background_thread(reactor, "versions", 4))
    sessions = SessionService(store, reactor, wall_ms, limits, agents)
    # Later, so that whoever has asked for the stop still gets the answer.
    sessions.on_stop = lambda: reactor.callLater(0, _stop_reactor, reactor)
    tokens = TokenStore(settings.state_dir, wall_ms, reactor.callLater)
    browsers = BrowserLogins(reactor, wall_ms, limits)
    handlers = TokenHandlers(
        tokens,
        browsers,
        reactor,
        limits,
        record=sessions.record_action,
        host_uid=settings.user,
        outside_urls=lambda: outside_urls(host.urls, settings.hosts),
    )
    run_in_thread = background_thread(reactor, "files")
    multiplexer = Multiplexer(sessions, reactor, run_in_thread)
    metrics = Metrics(sessions)
    hook_handler = make_hook_handler(settings, sessions, reactor, run_in_thread)
    installed = partial(run_in_thread, lambda: list(hook_settings(os.environ)))
    routes = faces(
        sessions,
        metrics,
        handlers,
        multiplexer,
        hooks.routes(hook_handler, settings.user, installed),
        bypass=settings.bypass,
        readiness=readiness,
    )
    if settings.bypass:
        log.warn(BYPASS_WARNING)
    authenticator = make_authenticator(settings, tokens, browsers, routes, reactor)
    certificate = load_certificate(settings)
    host = HostService(
        sessions,
        make_site(
            settings,
            routes,
            authenticator,
            reactor,
            metrics=metrics,
            slices=sessions.slices,
            readiness=readiness,
        ),
        make_notifier(lambda: host.urls, store, reactor),
        [(text, make_endpoint(reactor, text, certificate)) for text in settings.listen],
        hold=StoreHold(store, reactor, readiness),
        readiness=readiness,
        drain=partial(deferLater, reactor, settings.drain) if settings.drain else None,
        abort=lambda: _stop_reactor(reactor, status=1),
        tokens=tokens,
        routes=routes,
        multiplexer=multiplexer,
        certificate=certificate,
        stops=[hook_handler.close],
        reloads=[part.reload for part in (certificate, rules) if part is not None],
        pidfile=PidFile(settings.pid_file) if settings.pid_file else None,
    )
    Reunion(hook_handler, settings.user).setServiceParent(host)
    if settings.discover:
        Discovery(hook_handler, reactor, settings.user).setServiceParent(host)
    if (forwarder := make_forwarder(settings, sessions, reactor)) is not None:
        sessions.telemetry = forwarder.url
        forwarder.setServiceParent(host)
    return host


def make_hook_handler(
    settings: Settings, sessions: SessionService, reactor: Any, run_in_thread: RunInThread
) -> HookHandler:
    """Return what hears agents' hooks, and follows their transcripts."""
    follower = Follower(reactor, run_in_thread, settings.user, change_notices(reactor))
    hook_handler = HookHandler(sessions, reactor, follower, os.environ)
    sessions.on_process_end(hook_handler.read_last_words)
    return hook_handler


def make_site(
    settings: Settings,
    routes: Sequence[Route],
    authenticator: Authenticator,
    reactor: Any,
    *,
    metrics: Metrics,
    slices: TimeSlicer,
    readiness: Readiness,
) -> HostSite:
    """Return the site that serves `routes` to whom `authenticator` lets in."""
    return HostSite(
        make_tree(routes, settings.limits, RESPONSE_FORMATS, slices),
        authenticator,
        reactor,
        settings.limits,
        metrics.count,
        host_uid=settings.user,
        formats=RESPONSE_FORMATS,
        large_paths=large_paths(routes),
        readiness=readiness,
        direct=DirectRoutes(routes, settings.limits, slices),
    )


def make_notifier(urls: Callable[[], Sequence[str]], store: Store, reactor: Any) -> Notifier:
    """Return the notifier of systemd; each heartbeat waits for a round trip to the store."""
    return Notifier(
        reactor,
        os.environ,
        probe=lambda: Deferred.fromCoroutine(store.ping()),
        status=lambda: f"Listening on {', '.join(urls())}",
    )


def wall_ms() -> int:
    """Return the time of day in Unix milliseconds."""
    return time.time_ns() // 1_000_000


def make_authenticator(
    settings: Settings,
    tokens: TokenStore,
    browsers: BrowserLogins,
    routes: Sequence[Route],
    clock: Any,
) -> Authenticator:
    """Return the authenticator of requests to `routes`."""
    policy = AccessPolicy(
        hosts=frozenset(settings.hosts),
        origins=frozenset(settings.origins),
        tokens=settings.tokens,
    )
    attempts = login_attempts(clock, settings.limits.tries)
    return Authenticator(
        policy,
        tokens.caller,
        open_paths(routes),
        settings.user,
        attempts,
        check_browser=browsers.caller,
        asks=identifying_paths(routes),
        token_file=str(token_file(tokens.place)),
    )


def make_store(
    settings: Settings, reactor: Any, superseded: Callable[[], object] = lambda: None
) -> Store:
    """Return the store of the settings; it is opened when the host starts.

    :param superseded: called when another host was active meanwhile.
    """
    if settings.engine:
        return _make_shared_store(settings, reactor, superseded)
    path = settings.database
    if path is None:
        return MemoryStore(settings.limits, reactor.seconds)
    report = partial(report_start, os.environ)
    journal = SQLiteConnection(path, settings.durability, report=report)
    threads = store_threads(reactor)
    return JournalledStore(
        settings.limits, reactor.seconds, journal, threads, native=settings.native
    )


def _make_shared_store(
    settings: Settings, reactor: Any, superseded: Callable[[], object]
) -> Store:
    # psycopg is installed only where it is wanted: `preflight` has looked.
    from sxhost.store.postgresql.bounds import bounded
    from sxhost.store.postgresql.journal import PostgreSQLJournal

    journal = PostgreSQLJournal(
        settings.engine,
        settings.state_dir / f"postgresql-{settings.store_id}",
        required=settings.required_durability,
        superseded=lambda: reactor.callFromThread(superseded),
    )
    threads = bounded(store_threads(reactor), reactor, journal)
    return JournalledStore(
        settings.limits, reactor.seconds, journal, threads, native=settings.native
    )


def daemon_thread_pool(name: str, most: int = 1) -> ThreadPool:
    """Return a pool of daemon threads: one that a hung disk blocks delays no stop.

    Threads of an ordinary pool are waited for when Python exits.
    """
    pool = ThreadPool(0, most, name)
    pool.threadFactory = cast("Any", partial(Thread, daemon=True))
    return pool


def background_thread(reactor: Any, name: str, most: int = 1) -> RunInThread:
    """Return a function that runs others in threads, of which there are `most`."""
    pool = daemon_thread_pool(name, most)
    pool.start()
    return partial(deferToThreadPool, reactor, pool)


def store_threads(reactor: Any) -> Threads:
    """Return the threads of a store."""
    pools = [daemon_thread_pool(name) for name in ("journal", "reader", "index")]
    write, read, index = (partial(deferToThreadPool, reactor, pool) for pool in pools)

    def start() -> None:
        for pool in pools:
            pool.start()

    def stop() -> None:
        for pool in pools:
            pool.stop()

    return Threads(write, read, index, start, stop, reactor.callLater)


def faces(
    sessions: SessionService,
    metrics: Metrics,
    token_handlers: TokenHandlers,
    multiplexer: Multiplexer,
    hook_routes: Sequence[Route],
    *,
    bypass: bool = False,
    readiness: Readiness | None = None,
) -> Sequence[Route]:
    """Return the routes of every face of a host; with `bypass`, Codex asks nobody."""
    verbs = [*session_routes.routes(sessions), *agent_routes.routes(sessions)]
    verbs += [*hook_routes, *telemetry.routes(sessions)]
    logs = [
        *events.routes(sessions),
        *session_websocket.routes(sessions),
        *pi_websocket.routes(multiplexer),
    ]
    codex = codex_sse.routes(sessions, codex_sse.BYPASS if bypass else codex_sse.CODEX)
    others = [*codexd.routes(sessions), *codex]
    others += [*metrics.routes(), *token_handlers.routes(), *dashboard.routes(Assets.load())]
    return about.routes([*verbs, *logs, *others], readiness or Readiness())


def _stop_reactor(reactor: IReactorCore, status: int = 0) -> None:
    """Stop the host in order; what it is run by hears how it has ended."""
    if reactor.running:
        if status:
            atexit.register(os._exit, status)
        reactor.stop()
