"""An agent's session attached to a host: events are reported, and messages taken.

    session = AgentSession(reactor, model="gpt-4.1", provider="openai")
    session.start(on_message=lambda message: inject(message.content))
    session.fire("tool-start", "Bash: git status")
    await session.complete()

Nothing here raises into the agent or makes it wait: events are kept until the host has them,
and a host that is not there is tried again with a back-off.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from inspect import isawaitable
from types import TracebackType
from typing import Any, Final, Self
from uuid import uuid4

from msgspec import convert
from msgspec.structs import asdict, replace
from twisted.internet.defer import CancelledError, Deferred, DeferredList
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.python.failure import Failure

from sxhost.attach.outbox import Outbox
from sxhost.auth.client_tokens import BadToken, given_token, own_host_token
from sxhost.client.host import HostClient, connect
from sxhost.client.stream import BackOff
from sxhost.config import host_url
from sxhost.errors import HostError, HostUnreachable, UnknownSession
from sxhost.logs import logger
from sxhost.model.delivery import InboxKind
from sxhost.model.message import Message, PullQuery
from sxhost.model.session import Registration
from sxhost.os_process import identify
from sxhost.project import git_branch, project_root
from sxhost.waiting import Signal, background

__all__ = ["AgentSession", "OnMessage", "host_client"]

log = logger(__name__)

OnMessage = Callable[[Message], object]
"""Takes a message; if it returns an awaitable, the message is leased until that is done."""

WAIT: Final = 60.0
"""Seconds that one pull waits for messages: less than the idle timeouts of proxies."""

LEASE: Final = 600.0
"""Seconds of a message's lease: how long the agent may take to accept it."""

LONGEST_RETRY: Final = 5.0
"""Seconds until the host is tried again, at most: less than a client's stream waits, since
here somebody works, and wants to be seen as soon as the host is there."""

LOOK_AGAIN: Final = 0.25
"""Seconds until the task for messages looks again whether the session is registered."""

CLOSE_WITHIN: Final = 2.0
"""Seconds that closing waits for events that are still to be reported."""


def host_client(
    reactor: Any, url: str | None, environ: Mapping[str, str], ca: str | None = None
) -> HostClient:
    """Return a client of the host at `url`, else of the one that the environment names.

    :param ca: file of the certificate authorities to trust; else ``SXHOST_CA``.
    :raises ValueError: that is no address, or there are no authorities in `ca`.
    """
    address = url or host_url(environ)
    try:
        token = given_token(None, environ)
    except BadToken as error:
        log.warn("attached without a token: {error}", error=error)
        token = None
    ca = ca or environ.get("SXHOST_CA") or None
    return connect(reactor, address, token or partial(own_host_token, address, environ), ca)


class AgentSession:
    """One session of an agent, attached to a host.

    :param url: where the host is; else ``SXHOST_URL``, else this machine's port 7432.
    :param session_id: its id; else one is made up.
    :param poll: seconds between two plain pulls, as scorpiox-host's agents do it; without it
        messages come as soon as they are sent, and none is lost with the agent.
    :param find: returns a client of the host; called before each try.
    :param jitter: returns a random number from 0 to 1, which spreads the tries.
    :param now: returns the time of day in Unix seconds.
    :param fields: more of `Registration`: ``agent``, ``title``, ``labels``, ``heartbeat_s``, …
    """

    def __init__(
        self,
        reactor: IReactorTime,
        url: str | None = None,
        *,
        session_id: str | None = None,
        model: str | None = None,
        provider: str | None = None,
        cwd: str | None = None,
        poll: float | None = None,
        find: Callable[[], HostClient] | None = None,
        jitter: Callable[[], float] = random.random,
        now: Callable[[], float] = time.time,
        **fields: Any,
    ) -> None:
        self.session_id = session_id or str(uuid4())
        self.outbox = Outbox(now)
        self.trouble = ""
        """Why events could not be sent, in a sentence; empty if they could."""
        self._reactor = reactor
        self._poll = poll
        self._find = find or partial(host_client, reactor, url, os.environ)
        self._jitter = jitter
        directory = cwd or _working_directory()
        self._registration = _valid_registration(
            model=model,
            provider=provider,
            cwd=directory,
            pid=os.getpid(),
            os_process=identify(os.getpid()),
            git_branch=git_branch(project_root(directory)),
            **fields,
        )
        self._host: HostClient | None = None
        self._wakeup = Signal()
        self._tasks: list[Deferred[None]] = []
        self._closing = False

    @property
    def attached(self) -> bool:
        """Whether a host knows of this session now."""
        return self._host is not None

    # Reporting.

    def start(self, on_message: OnMessage | None = None) -> None:
        """Begin to report to the host, and to take messages if there is a callback for them."""
        inbox: InboxKind = "none" if on_message is None else "pull"
        self._registration = replace(self._registration, inbox=inbox)
        self._run_task(self._report())
        if on_message is not None:
            self._run_task(self._take_messages(on_message))

    def fire(self, event: str, data: Any = None) -> None:
        """Report an event: it is queued when this returns, and arrives at the host once."""
        if self.outbox.put(event, data):
            self._wakeup.fire()

    def register(self, **fields: Any) -> None:
        """Register again with fields that have changed: ``model``, ``title``, …"""
        known = asdict(self._registration)
        self._registration = _valid_registration(**{**known, **fields})
        self._host = None
        self._wakeup.fire()

    def complete(self, data: Any = None) -> Deferred[None]:
        """Report that the work is done, and close; fires within two seconds."""
        return self.close("complete", data)

    def error(self, data: Any = None) -> Deferred[None]:
        """Report that the work has failed, and close."""
        return self.close("error", data)

    def close(self, event: str = "ended", data: Any = None) -> Deferred[None]:
        """Report this and all queued events, and close after two seconds at the most."""
        if not self._closing:
            self.fire(event, data)
        self._closing = True
        self._wakeup.fire()
        reported = DeferredList(self._tasks[:1], consumeErrors=True)
        timer = self._reactor.callLater(CLOSE_WITHIN, self._cancel_tasks)

        def done(_: object) -> None:
            if timer.active():
                timer.cancel()
            self._cancel_tasks()

        closed: Deferred[None] = reported.addBoth(done)
        return closed

    async def __aenter__(self) -> Self:
        """Start, unless that was done."""
        if not self._tasks:
            self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close: with the work's success, or its error."""
        await (self.complete() if error is None else self.error(str(error)[:1000]))

    # The tasks: one reports, one takes messages.

    def _run_task(self, coroutine: Coroutine[Any, Any, None]) -> None:
        self._tasks.append(background(coroutine, log, "an attached session"))

    def _cancel_tasks(self) -> None:
        for task in self._tasks:
            task.cancel()

    async def _report(self) -> None:
        """Keep the session registered and send its events, until all is sent and it closes."""
        back_off, failed = BackOff(self._jitter, LONGEST_RETRY), False
        while not (self._closing and not self.outbox and self.attached):
            try:
                host = self._host or await self._register()
                if self.outbox:
                    await self.outbox.send(host, self.session_id)
                failed, self.trouble = False, ""
                back_off.reset()
            except (HostError, HostUnreachable, ValueError) as error:
                self._host, self.trouble = None, str(error)
                log.debug("not attached: {error}", error=error)
                if self._closing and failed:
                    return
                failed = True
                await deferLater(self._reactor, back_off.next())
                continue
            if not self.outbox and self.attached and not self._closing:
                await self._wakeup.wait()

    async def _register(self) -> HostClient:
        host = self._find()
        await host.register(self.session_id, self._registration)
        self._host = host
        log.info("attached to {url}", url=host.url)
        return host

    async def _take_messages(self, on_message: OnMessage) -> None:
        """Pull messages until the session closes; after an error, back off."""
        back_off = BackOff(self._jitter, LONGEST_RETRY)
        while not self._closing:
            host = self._host
            try:
                if host is not None:
                    await self._pull(host, on_message)
                    back_off.reset()
            except (HostError, HostUnreachable) as error:
                # A host that does not know the session has lost it, or is another one by now.
                if isinstance(error, HostUnreachable | UnknownSession) and host is self._host:
                    self._host = None
                    self._wakeup.fire()
                log.debug("no messages: {error}", error=error)
                await deferLater(self._reactor, back_off.next())
            if host is None:
                await deferLater(self._reactor, LOOK_AGAIN)
            elif self._poll is not None:
                await deferLater(self._reactor, self._poll or LOOK_AGAIN)

    async def _pull(self, host: HostClient, on_message: OnMessage) -> None:
        plain = self._poll is not None
        query = PullQuery() if plain else PullQuery(wait=WAIT, lease=LEASE)
        for message in await host.pull(self.session_id, query):
            if await _deliver(on_message, message) and not plain:
                await host.ack(self.session_id, message.id)


async def _deliver(on_message: OnMessage, message: Message) -> bool:
    """Deliver a message to the agent's callback; return False if that has failed."""
    try:
        result = on_message(message)
        if isawaitable(result) or isinstance(result, Deferred):
            await result
    except CancelledError:
        raise
    except Exception:  # noqa: BLE001 - the callback is the agent's
        log.failure("message {id} was not taken", Failure(), id=message.id)
        return False
    return True


def _valid_registration(**fields: Any) -> Registration:
    """Return a registration without the fields that are invalid: the agent must not fail."""
    valid: dict[str, Any] = {}
    for name, value in fields.items():
        if value is None:
            continue
        try:
            convert({name: value}, Registration)
        except ValueError as error:
            log.warn("{name} is not told to the host: {error}", name=name, error=error)
        else:
            if name in Registration.__struct_fields__:
                valid[name] = value
    return convert(valid, Registration)


def _working_directory() -> str:
    try:
        return os.getcwd()  # noqa: PTH109
    except OSError:  # it has been removed
        return "/"
