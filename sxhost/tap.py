"""``twistd sxhost``: options in, one service tree out.

This is the only place where the parts of a host are put together, and, with ``cli``, the
only one that touches the global reactor.
"""

from __future__ import annotations

import atexit
import gc
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from msgspec.structs import replace
from twisted.application.service import IService, MultiService
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorCore
from twisted.internet.task import deferLater
from twisted.python import usage

from sxhost.agent_files.follower import Follower
from sxhost.agent_files.notices import change_notices
from sxhost.agents.rules import Rules
from sxhost.auth.browsers import BrowserLogins
from sxhost.auth.tokens import TokenStore, token_file
from sxhost.config import LogFormat, Settings
from sxhost.daemon.agents import make_agents, make_prices, make_rules
from sxhost.daemon.entrances import outside_urls
from sxhost.daemon.init import leave_process_1
from sxhost.daemon.listening import Listeners
from sxhost.daemon.logfile import LogObserver, observer
from sxhost.daemon.options import Options
from sxhost.daemon.pidfile import PidFile, on_hangup
from sxhost.daemon.preflight import load_certificate, prepare
from sxhost.daemon.service import HostService
from sxhost.daemon.standby import StoreHold
from sxhost.daemon.stores import make_store
from sxhost.daemon.systemd import Notifier
from sxhost.daemon.threads import background_thread
from sxhost.dashboard import routes as dashboard
from sxhost.dashboard.assets import Assets
from sxhost.faces.codex_sse import routes as codex_sse
from sxhost.faces.codexd import routes as codexd
from sxhost.faces.native import about, events, hooks, notify, telemetry
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
from sxhost.http.router import make_tree
from sxhost.http.routes import Route, identifying_paths, large_paths, open_paths
from sxhost.http.site import HostSite
from sxhost.logs import set_level
from sxhost.notify.channels import open_senders
from sxhost.notify.notifier import Notifications
from sxhost.notify.outbox import NoticeOutbox
from sxhost.notify.rules import BadRules
from sxhost.service import SessionService
from sxhost.store.contracts import Store
from sxhost.telemetry.forwarder import make_forwarder
from sxhost.visible import exit_with_error
from sxhost.waiting import RunInThread

__all__ = ["Options", "makeService"]

RESPONSE_FORMATS: Mapping[str, ResponseFormat] = {**codexd.RESPONSE_FORMATS}
"""Response formats of the compatible faces, by prefixes of their paths."""


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


class Services(NamedTuple):
    """What the faces of a host speak with."""

    sessions: SessionService
    tokens: TokenStore
    browsers: BrowserLogins
    multiplexer: Multiplexer
    metrics: Metrics
    hook_handler: HookHandler
    notifications: Notifications
    run_in_thread: RunInThread
    """Runs what reads files that nobody promises to be quick."""


def assemble(settings: Settings, reactor: Any) -> HostService:
    """Put a host together on `reactor`."""
    readiness = Readiness()
    store = make_store(settings, reactor, lambda: host.fail("Another host has taken over"))
    rules = make_rules(settings.policy)
    services = make_services(settings, store, rules, reactor)
    certificate = load_certificate(settings)
    listeners = Listeners(reactor, settings.listen, certificate)
    routes = make_routes(settings, services, listeners, readiness, reactor)
    host = HostService(
        services.sessions,
        make_site(settings, services, routes, readiness, reactor),
        make_notifier(listeners, store, reactor),
        listeners,
        hold=StoreHold(store, reactor, readiness),
        readiness=readiness,
        drain=partial(deferLater, reactor, settings.drain) if settings.drain else None,
        abort=lambda: _stop_reactor(reactor, status=1),
        tokens=services.tokens,
        routes=routes,
        multiplexer=services.multiplexer,
        certificate=certificate,
        stops=[services.hook_handler.close],
        reloads=[
            part.reload
            for part in (certificate, rules, services.notifications)
            if part is not None
        ],
        pidfile=PidFile(settings.pid_file) if settings.pid_file else None,
    )
    for child in background_services(settings, services, reactor):
        child.setServiceParent(host)
    services.notifications.setServiceParent(host)
    return host


def make_services(settings: Settings, store: Store, rules: Rules, reactor: Any) -> Services:
    """Return the service of the sessions in `store`, and what works beside and above it."""
    agents = make_agents(settings, reactor, rules, background_thread(reactor, "versions", 4))
    prices = make_prices(settings.prices)
    sessions = SessionService(store, reactor, wall_ms, settings.limits, agents, prices=prices)
    # Later, so that whoever has asked for the stop still gets the answer.
    sessions.on_stop = lambda: reactor.callLater(0, _stop_reactor, reactor)
    run_in_thread = background_thread(reactor, "files")
    return Services(
        sessions,
        TokenStore(settings.state_dir, wall_ms, reactor.callLater),
        BrowserLogins(reactor, wall_ms, settings.limits),
        Multiplexer(sessions, reactor, run_in_thread),
        Metrics(sessions),
        make_hook_handler(settings, sessions, reactor, run_in_thread),
        make_notifications(settings, sessions, reactor),
        run_in_thread,
    )


def make_notifications(
    settings: Settings, sessions: SessionService, reactor: Any
) -> Notifications:
    """Return the notifications by the settings' file, or end the process with a sentence."""
    place = settings.state_dir / "notices.json" if settings.notify else None
    senders, outbox = open_senders(reactor, wall_ms), NoticeOutbox(place)
    try:
        return Notifications(sessions, reactor, wall_ms, senders, outbox, file=settings.notify)
    except BadRules as error:
        exit_with_error(1, f"sxhost: {error}")


def make_hook_handler(
    settings: Settings, sessions: SessionService, reactor: Any, run_in_thread: RunInThread
) -> HookHandler:
    """Return what hears agents' hooks, and follows their transcripts."""
    follower = Follower(reactor, run_in_thread, settings.user, change_notices(reactor))
    hook_handler = HookHandler(sessions, reactor, follower, os.environ)
    sessions.on_process_end(hook_handler.read_last_words)
    sessions.on_hand_over(hook_handler.follow_terminal)
    return hook_handler


def make_routes(
    settings: Settings,
    services: Services,
    listeners: Listeners,
    readiness: Readiness,
    reactor: Any,
) -> Sequence[Route]:
    """Return the routes of every face, over these services."""
    token_handlers = TokenHandlers(
        services.tokens,
        services.browsers,
        reactor,
        settings.limits,
        record=services.sessions.record_action,
        host_uid=settings.user,
        outside_urls=lambda: outside_urls(listeners.urls, settings.hosts),
    )
    installed = partial(services.run_in_thread, lambda: list(hook_settings(os.environ)))
    return faces(
        services.sessions,
        services.metrics,
        token_handlers,
        services.multiplexer,
        [
            *hooks.routes(services.hook_handler, settings.user, installed),
            *notify.routes(services.notifications),
        ],
        bypass=settings.bypass,
        readiness=readiness,
    )


def make_site(
    settings: Settings,
    services: Services,
    routes: Sequence[Route],
    readiness: Readiness,
    reactor: Any,
) -> HostSite:
    """Return the site that serves `routes` to whom the settings let in."""
    limits, slices = settings.limits, services.sessions.slices
    return HostSite(
        make_tree(routes, limits, RESPONSE_FORMATS, slices),
        make_authenticator(settings, services, routes, reactor),
        reactor,
        limits,
        services.metrics.count,
        host_uid=settings.user,
        formats=RESPONSE_FORMATS,
        large_paths=large_paths(routes),
        readiness=readiness,
        direct=DirectRoutes(routes, limits, slices),
    )


def make_authenticator(
    settings: Settings,
    services: Services,
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
        services.tokens.caller,
        open_paths(routes),
        settings.user,
        attempts,
        check_browser=services.browsers.caller,
        asks=identifying_paths(routes),
        token_file=str(token_file(services.tokens.place)),
    )


def make_notifier(listeners: Listeners, store: Store, reactor: Any) -> Notifier:
    """Return the notifier of systemd; each heartbeat waits for a round trip to the store."""
    return Notifier(
        reactor,
        os.environ,
        probe=lambda: Deferred.fromCoroutine(store.ping()),
        status=lambda: f"Listening on {', '.join(listeners.urls)}",
    )


def background_services(
    settings: Settings, services: Services, reactor: Any
) -> Iterator[IService]:
    """Make what works for the host beside its requests: agents found again, telemetry sent."""
    sessions, hook_handler = services.sessions, services.hook_handler
    yield Reunion(hook_handler, settings.user)
    if settings.discover:
        yield Discovery(hook_handler, reactor, settings.user)
    if (forwarder := make_forwarder(settings, sessions, reactor)) is not None:
        sessions.telemetry = forwarder.url
        yield forwarder


def wall_ms() -> int:
    """Return the time of day in Unix milliseconds."""
    return time.time_ns() // 1_000_000


def faces(
    sessions: SessionService,
    metrics: Metrics,
    token_handlers: TokenHandlers,
    multiplexer: Multiplexer,
    parts_routes: Sequence[Route],
    *,
    bypass: bool = False,
    readiness: Readiness | None = None,
) -> Sequence[Route]:
    """Return the routes of every face of a host; with `bypass`, Codex asks nobody.

    :param parts_routes: those of hooks, and of notifications.
    """
    verbs = [*session_routes.routes(sessions), *agent_routes.routes(sessions)]
    verbs += [*parts_routes, *telemetry.routes(sessions)]
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
