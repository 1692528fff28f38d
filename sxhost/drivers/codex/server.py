"""One ``codex app-server`` for many threads: its start, its end, whom its words are for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from msgspec import DecodeError, Raw, Struct, ValidationError, json
from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as TookTooLong
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from sxhost.codec.jsonrpc import Id
from sxhost.drivers.codex.notifications import Notification
from sxhost.drivers.codex.requests import CLIENT
from sxhost.drivers.jsonrpc_peer import Peer, Refused
from sxhost.errors import AgentFailed, HostError
from sxhost.logs import logger
from sxhost.model.turn import Process
from sxhost.process.contracts import Child, Command, Exit, Spawn

__all__ = ["CALL_S", "HANDSHAKE_S", "Member", "Server", "ServerPool"]

log = logger(__name__)

HANDSHAKE_S: Final = 30.0
"""How long an app server may take to be ready."""

CALL_S: Final = 120.0
"""How long it may take to answer a call; tool servers are started in some."""

OVERLOADED: Final = -32001
PAUSES_S: Final = (0.25, 0.5, 1.0, 2.0)
"""What lies between the tries of a call for which it has no time."""

LEFT: Final = Exit(code=0, asked=True)
"""How an agent ends whose process goes on for others."""


class Member(Protocol):
    """An agent in an app server."""

    def notification_received(self, told: Notification) -> None:
        """Something was told about one of its threads, or about the whole process."""

    def request_received(self, number: Id, method: str, params: Raw) -> bool:
        """Something is asked in one of its threads; return whether it will be answered."""

    def process_exited(self, how: Exit) -> None:
        """The process has ended for this agent."""


class _Thread(Struct, frozen=True, rename="camel"):
    id: str
    parent_thread_id: str | None = None


class _ThreadTold(Struct, frozen=True):
    thread: _Thread


class _Asked(Struct, frozen=True, rename="camel"):
    thread_id: str | None = None
    conversation_id: str | None = None
    tool: str = ""


class Server:
    """An app server and its members.  `retire` is called when nobody may join any more."""

    def __init__(self, clock: IReactorTime, retire: Callable[[Server], None]) -> None:
        self._clock = clock
        self._retire = retire
        self._peer = Peer(self)
        self._child: Child | None = None
        self._members: dict[Member, None] = {}
        self._threads: dict[str, Member] = {}
        self._news: dict[str, bytes] = {}
        self._waiting: list[Deferred[None]] | None = []
        self._ending: list[Deferred[None]] = []
        self._failure: AgentFailed | None = None

    # Its life.

    def start(self, spawn: Spawn, command: Command) -> None:
        """Start the process.

        :raises HostError: it cannot be started.
        """
        try:
            self._child = spawn(command, self._peer)
        except HostError:
            self._retire(self)
            raise
        self._peer.attach_child(self._child)
        Deferred.fromCoroutine(self._shake_hands()).addErrback(self._complain)

    async def _shake_hands(self) -> None:
        try:
            await self.call("initialize", CLIENT, limit=HANDSHAKE_S)
            self._peer.notify("initialized")
        except AgentFailed as error:
            self._failure = error
            await self.end()
        finally:
            waiting, self._waiting = self._waiting or [], None
            for waiter in waiting:
                waiter.callback(None)

    def _complain(self, failure: Any) -> None:
        log.failure("the start of an app server failed", failure)

    async def join(self, member: Member) -> Process:
        """Make an agent a member, once the process is ready; return the process.

        :raises AgentFailed: it never is.
        """
        self._members[member] = None
        try:
            return await self._ready()
        except BaseException:
            await self.leave(member)
            raise

    async def _ready(self) -> Process:
        if self._waiting is not None:
            waiter: Deferred[None] = Deferred()
            self._waiting.append(waiter)
            await waiter
        if self._failure is not None:
            raise AgentFailed(self._failure.message)
        if self._child is None:
            raise AgentFailed("The app server has ended.")
        return self._child.process

    async def leave(self, member: Member) -> None:
        """Let a member go, and the process with the last one; `Member.process_exited` comes
        before.
        """
        if list(self._members) == [member]:
            await self.end()
        elif member in self._members:
            del self._members[member]
            self._threads = {t: m for t, m in self._threads.items() if m is not member}
            member.process_exited(LEFT)

    async def end(self) -> None:
        """End the process; its members are told before this returns."""
        self._retire(self)
        if self._child is not None:
            await self._child.end()
        if self._child is not None:  # what waited for an answer is told before the members
            told: Deferred[None] = Deferred()
            self._ending.append(told)
            await told

    # What we say.

    async def call(
        self, method: str, params: Any, kind: Any = Any, limit: float = CALL_S
    ) -> Any:
        """Call a method, more than once if it has no time; wait `limit` seconds each time.

        :raises Refused: it said no.
        :raises AgentFailed: it went, or does not answer.
        """
        for pause in PAUSES_S:
            try:
                return await self._call(method, params, kind, limit)
            except Refused as refused:
                if refused.number != OVERLOADED:
                    raise
            await deferLater(self._clock, pause)
        return await self._call(method, params, kind, limit)

    async def _call(self, method: str, params: Any, kind: Any, limit: float) -> Any:
        answer = Deferred.fromCoroutine(self._peer.call(method, params, kind))
        try:
            return await answer.addTimeout(limit, self._clock)
        except TookTooLong:
            text = f"The agent has not answered {method} within {limit:g} seconds."
            raise AgentFailed(text) from None

    def respond(self, number: Id, value: Any) -> None:
        """Answer what was asked."""
        self._peer.respond(number, value)

    def route_thread(self, thread: str, member: Member) -> None:
        """Give a member the words about a thread.

        :raises AgentFailed: another one has them.
        """
        if self._threads.setdefault(thread, member) is not member:
            raise AgentFailed(f"The conversation {thread} is open already.")

    # What we hear.

    def notification_received(self, method: str, params: Raw) -> None:
        """Pass on a notice to the member whose thread it is about, or else to all."""
        if method == "thread/started":
            self._thread_started(method, params)
            return
        told = Notification.of(method, params)
        if told.thread is None:
            self._tell_all(told)
        elif told.thread in self._threads:
            self._threads[told.thread].notification_received(told)

    def _thread_started(self, method: str, params: Raw) -> None:
        """Know the threads that a thread starts: what they ask goes to the same member."""
        try:
            thread = json.decode(params, type=_ThreadTold).thread
        except (ValidationError, DecodeError, RecursionError):
            return
        member = self._threads.get(thread.parent_thread_id or "")
        if member is not None:
            member = self._threads.setdefault(thread.id, member)
        member = member or self._threads.get(thread.id)
        if member is not None:
            member.notification_received(Notification(method, params, thread.id))

    def _tell_all(self, told: Notification) -> None:
        """Tell everyone what is about the process, but nothing twice over."""
        words = bytes(told.params)
        if self._news.get(told.method) != words:
            self._news[told.method] = words
            for member in list(self._members):
                member.notification_received(told)

    def request_received(self, number: Id, method: str, params: Raw) -> bool:
        """Ask the member whose thread asks; return whether there will be an answer."""
        try:
            asked = json.decode(params, type=_Asked)
        except (ValidationError, DecodeError, RecursionError):
            return False
        if method in _ANSWERS:
            self.respond(number, _ANSWERS[method](asked))
            return True
        member = self._threads.get(asked.thread_id or asked.conversation_id or "")
        return member is not None and member.request_received(number, method, params)

    def process_exited(self, how: Exit) -> None:
        """The process has ended: tell every member."""
        self._retire(self)
        self._child = None
        members, self._members, self._threads = list(self._members), {}, {}
        for member in members:
            member.process_exited(how)
        ending, self._ending = self._ending, []
        for told in ending:
            told.callback(None)


def _no_tool(asked: _Asked) -> Any:
    text = f"There is no tool {asked.tool!r} here."
    return {"contentItems": [{"type": "inputText", "text": text}], "success": False}


_ANSWERS: Final[Mapping[str, Callable[[_Asked], Any]]] = {"item/tool/call": _no_tool}
"""Requests that are answered at once."""


class ServerPool:
    """The app servers that run: one for each command and environment."""

    def __init__(self, spawn: Spawn, clock: IReactorTime) -> None:
        self._spawn = spawn
        self._clock = clock
        self._running: dict[Any, Server] = {}

    def server_for(self, command: Command) -> Server:
        """Return the app server that runs a command, if need be a new one.

        :raises HostError: it cannot be started.
        """
        key = tuple(command.argv), frozenset(command.env.items())
        server = self._running.get(key)
        if server is None:
            server = self._running[key] = Server(self._clock, self._retire)
            server.start(self._spawn, command)
        return server

    def _retire(self, server: Server) -> None:
        self._running = {key: s for key, s in self._running.items() if s is not server}

    async def close(self) -> None:
        """End them all."""
        for server in list(self._running.values()):
            await server.end()
