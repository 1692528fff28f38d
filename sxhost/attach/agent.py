"""The agent's side of a host: report, and be told; whether the host is there or not.

    session = AgentSession(reactor, model="gpt-4.1", provider="openai")
    session.start(on_message=lambda message: inject(message.content))
    session.fire("tool-start", "Bash: git status")
    await session.complete()

Nothing here raises into the agent or makes it wait: events are kept until the host has them,
messages come when there are any, and a host that is not there is looked for now and then.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from functools import partial
from inspect import isawaitable
from types import TracebackType
from typing import Any, Final, Self
from uuid import uuid4

from msgspec import convert
from twisted.internet.defer import CancelledError, Deferred, DeferredList
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from sxhost.attach.outbox import Outbox
from sxhost.attach.signal import Signal, sleep
from sxhost.auth.client_tokens import BadToken, given_token, own_token
from sxhost.client.host import HostClient, connect
from sxhost.config import host_url
from sxhost.errors import HostError, HostUnreachable, UnknownSession
from sxhost.logs import logger
from sxhost.model.session import Message, PullQuery, Registration
from sxhost.project import git_branch, project_root

__all__ = ["AgentSession", "OnMessage", "found"]

log = logger(__name__)

OnMessage = Callable[[Message], object]
"""Takes a message; if it returns something to await, the message is its own until then."""

WAIT: Final = 60.0
"""Seconds of one pull that waits: less than what proxies cut."""

LEASE: Final = 600.0
"""Seconds that a message may take to be handed over."""

RETRY: Final = 0.25
RETRY_MOST: Final = 5.0
"""Seconds until the host is looked for again: the first time, and after many."""

CLOSE_WITHIN: Final = 2.0
"""Seconds that an agent's end may be held up by what it still has to report."""


def found(
    reactor: Any, url: str | None, environ: Mapping[str, str], ca: str | None = None
) -> HostClient:
    """Return a client of the host at `url`, or where the environment says, with its token.

    :raises ValueError: that is no address, or there are no authorities in `ca`.
    """
    place = url or host_url(environ)
    try:
        token = given_token(None, environ)
    except BadToken as error:
        log.warn("attached without a token: {error}", error=error)
        token = None
    ca = ca or environ.get("SXHOST_CA") or None
    return connect(reactor, place, token or partial(own_token, place, environ), ca)


class AgentSession:
    """One session of an agent, attached to a host.

    :param url: where the host is; else ``SXHOST_URL``, else this machine's port 7432.
    :param session_id: its name; else one is made up.
    :param poll: seconds between two plain pulls, as the source system does it; without it
        messages come as soon as they are sent, and none is lost with the agent.
    :param known: more of `Registration`: ``agent``, ``title``, ``labels``, ``heartbeat_s``, …
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
        **known: Any,
    ) -> None:
        self.session_id = session_id or str(uuid4())
        self.outbox = Outbox(now)
        self.trouble = ""
        """Why the host does not have all that was fired, in a sentence; empty if it has."""
        self._reactor = reactor
        self._poll = poll
        self._find = find or partial(found, reactor, url, os.environ)
        self._jitter = jitter
        place = cwd or _here()
        about = {"model": model, "provider": provider, "cwd": place, "pid": os.getpid()}
        about["git_branch"] = git_branch(project_root(place))
        self._about = _registration(**about, **known)
        self._host: HostClient | None = None
        self._bell = Signal()
        self._work: list[Deferred[None]] = []
        self._closing = False

    @property
    def attached(self) -> bool:
        """Whether a host knows of this session now."""
        return self._host is not None

    # What the agent says.

    def start(self, on_message: OnMessage | None = None) -> None:
        """Look for the host; report to it, and take messages from it if they are wanted."""
        self._begin(self._report())
        if on_message is not None:
            self._begin(self._listen(on_message))

    def fire(self, event: str, data: Any = None) -> None:
        """Report a fact; it is on its way when this returns, and arrives once."""
        if self.outbox.put(event, data):
            self._bell.ring()

    def register(self, **fields: Any) -> None:
        """Tell what has changed: ``model``, ``title``, ``git_branch``, …"""
        self._about = _registration(**{**_given(self._about), **fields})
        self._host = None
        self._bell.ring()

    def complete(self, data: Any = None) -> Deferred[None]:
        """Report that the work is done, and end; fires within two seconds."""
        return self.close("complete", data)

    def error(self, data: Any = None) -> Deferred[None]:
        """Report that the work has failed, and end."""
        return self.close("error", data)

    def close(self, event: str = "ended", data: Any = None) -> Deferred[None]:
        """End: report this and what is still to be reported, for two seconds at the most."""
        if not self._closing:
            self.fire(event, data)
        self._closing = True
        self._bell.ring()
        over = DeferredList(self._work[:1], consumeErrors=True)
        late = self._reactor.callLater(CLOSE_WITHIN, self._stop)

        def done(_: object) -> None:
            if late.active():
                late.cancel()
            self._stop()

        ended: Deferred[None] = over.addBoth(done)
        return ended

    async def __aenter__(self) -> Self:
        """Start, if that was not done yet."""
        if not self._work:
            self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End as the work has."""
        await (self.complete() if error is None else self.error(str(error)[:1000]))

    # How it is done.

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        doing = Deferred.fromCoroutine(work)
        doing.addErrback(lambda failure: failure.trap(CancelledError))
        doing.addErrback(_report)
        self._work.append(doing)

    def _stop(self) -> None:
        for work in self._work:
            work.cancel()

    async def _report(self) -> None:
        """Have the host know of us and of what we fire, until all is told and we close."""
        tries = 0
        while not (self._closing and not self.outbox and self.attached):
            try:
                host = self._host or await self._registered()
                if self.outbox:
                    await self.outbox.send(host, self.session_id)
                tries, self.trouble = 0, ""
            except (HostError, HostUnreachable, ValueError) as error:
                self._host, self.trouble = None, str(error)
                log.debug("not attached: {error}", error=error)
                if self._closing and tries:
                    return
                await sleep(self._reactor, self._pause(tries))
                tries += 1
                continue
            if not self.outbox and self.attached and not self._closing:
                await self._bell.wait()

    def _pause(self, tries: int) -> float:
        longest: float = min(RETRY_MOST, RETRY * 2 ** min(tries, 10))
        return longest * (0.5 + self._jitter() / 2)

    async def _registered(self) -> HostClient:
        host = self._find()
        await host.register(self.session_id, self._about)
        self._host = host
        log.info("attached to {url}", url=host.url)
        return host

    async def _listen(self, on_message: OnMessage) -> None:
        """Take messages as they come, as long as there is a host."""
        tries = 0
        while not self._closing:
            host = self._host
            try:
                if host is not None:
                    await self._pull(host, on_message)
                    tries = 0
            except (HostError, HostUnreachable) as error:
                if isinstance(error, HostUnreachable | UnknownSession) and host is self._host:
                    self._host = None
                    self._bell.ring()
                log.debug("no messages: {error}", error=error)
                await sleep(self._reactor, self._pause(tries))
                tries += 1
            if host is None or self._poll is not None:
                await sleep(self._reactor, RETRY if host is None else self._poll or RETRY)

    async def _pull(self, host: HostClient, on_message: OnMessage) -> None:
        plain = self._poll is not None
        query = PullQuery() if plain else PullQuery(wait=WAIT, lease=LEASE)
        for message in await host.pull(self.session_id, query):
            if await _handed_over(on_message, message) and not plain:
                await host.ack(self.session_id, message.id)


async def _handed_over(on_message: OnMessage, message: Message) -> bool:
    """Give the agent a message; tell whether it took it."""
    try:
        taking = on_message(message)
        if isawaitable(taking) or isinstance(taking, Deferred):
            await _awaited(taking)
    except CancelledError:
        raise
    except Exception:  # noqa: BLE001 - it is the agent's, and may be any
        log.failure("message {id} was not taken", Failure(), id=message.id)
        return False
    return True


async def _awaited(taking: Awaitable[object]) -> None:
    await taking


def _registration(**fields: Any) -> Registration:
    """Return what is told of a session: what cannot be told so is left out."""
    known = {name: value for name, value in fields.items() if value is not None}
    told: dict[str, Any] = {}
    for name, value in known.items():
        try:
            convert({name: value}, Registration)
            if name in Registration.__struct_fields__:
                told[name] = value
        except ValueError as error:
            log.warn("{name} is not told to the host: {error}", name=name, error=error)
    return convert(told, Registration)


def _given(about: Registration) -> dict[str, Any]:
    return {name: getattr(about, name) for name in about.__struct_fields__}


def _here() -> str:
    try:
        return os.getcwd()  # noqa: PTH109
    except OSError:
        return "/"


def _report(failure: Failure) -> None:
    log.failure("an attached session has failed", failure)
