"""A ``codex app-server`` process that many threads share: start, end, routing of messages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol

from msgspec import DecodeError, Raw, Struct, ValidationError, json
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from sxhost.codec.jsonrpc import Id
from sxhost.drivers.codex.notifications import Notification
from sxhost.drivers.codex.requests import CLIENT
from sxhost.drivers.kit.jsonrpc_peer import CallRefused, Peer
from sxhost.errors import AgentFailed, HostError
from sxhost.logs import logger
from sxhost.model.event_types import raw_json
from sxhost.model.turn import Process
from sxhost.process.contracts import ChildExit, Command, Spawn
from sxhost.process.once import OneShotEvent
from sxhost.waiting import background

__all__ = ["CALL_S", "HANDSHAKE_S", "Member", "Server", "ServerPool"]

log = logger(__name__)

HANDSHAKE_S: Final = 30.0
"""Seconds that an app server may take to answer ``initialize``."""

CALL_S: Final = 120.0
"""Seconds that it may take to answer a call; some start tool servers first."""

OVERLOADED: Final = -32001
"""Codex's error code where its queue of requests is full: the same call may be sent again."""

PAUSES_S: Final = (0.25, 0.5, 1.0, 2.0)
"""Seconds between the attempts of a call that an overloaded server refuses."""

LEFT: Final = ChildExit(code=0, asked=True)
"""The exit that is reported to an agent whose process goes on for others."""


class Member(Protocol):
    """An agent whose threads an app server runs."""

    def notification_received(self, notification: Notification) -> None:
        """Handle a notification about one of its threads, or about the whole process."""

    def request_received(self, number: Id, method: str, params: Raw) -> bool:
        """Handle a request of one of its threads; return whether it will be answered."""

    def process_exited(self, how: ChildExit) -> None:
        """Handle the end of the process, or that this agent has left it."""


class _Thread(Struct, frozen=True, rename="camel"):
    id: str
    parent_thread_id: str | None = None


class _ThreadStarted(Struct, frozen=True):
    thread: _Thread


class _RequestHead(Struct, frozen=True, rename="camel"):
    thread_id: str | None = None
    conversation_id: str | None = None
    tool: str = ""


class Server:
    """An app server and its members: a `PeerListener`.

    `retire` is called when no other agent may join it any more.
    """

    def __init__(self, clock: IReactorTime, retire: Callable[[Server], None]) -> None:
        self._clock = clock
        self._retire = retire
        self._peer = Peer(self, clock)
        self._members: dict[Member, None] = {}
        self._threads: dict[str, Member] = {}
        self._last_broadcasts: dict[str, bytes] = {}
        """The params of the last notification about the whole process, by its method."""
        self._handshake_over = OneShotEvent()
        self._exit_reported = OneShotEvent()
        self._failure: AgentFailed | None = None

    # Start and end.

    def start(self, spawn: Spawn, command: Command) -> None:
        """Start the process.

        :raises HostError: it cannot be started.
        """
        try:
            self._process = self._peer.run(spawn, command)
        except HostError:
            self._retire(self)
            raise
        background(self._shake_hands(), log, "the start of an app server")

    async def _shake_hands(self) -> None:
        try:
            await self.call("initialize", CLIENT, limit_s=HANDSHAKE_S)
            self._peer.notify("initialized")
        except AgentFailed as error:
            self._failure = error
            await self.end()
        finally:
            self._handshake_over.happen()

    async def join(self, member: Member) -> Process:
        """Add a member; return the process once the handshake is done.

        :raises AgentFailed: the handshake failed, or the process has ended.
        """
        self._members[member] = None
        try:
            return await self._ready()
        except BaseException:
            await self.release(member)
            raise

    async def _ready(self) -> Process:
        await self._handshake_over.wait()
        if self._failure is not None:
            raise AgentFailed(self._failure.message)
        if not self._peer.running:
            raise AgentFailed("The app server has ended.")
        return self._process

    @property
    def is_shared(self) -> bool:
        """Whether the process has several members."""
        return len(self._members) > 1

    async def release(self, member: Member) -> None:
        """Remove a member, and end the process with the last one.

        `Member.process_exited` is called before this returns.
        """
        if list(self._members) == [member]:
            await self.end()
        elif member in self._members:
            del self._members[member]
            self._threads = {t: m for t, m in self._threads.items() if m is not member}
            member.process_exited(LEFT)

    async def end(self) -> None:
        """End the process; `Member.process_exited` is called before this returns."""
        self._retire(self)
        await self._peer.end()
        await self._exit_reported.wait()  # a pending call fails before that

    # Sending.

    async def call(
        self, method: str, params: Any, kind: Any = Any, limit_s: float = CALL_S
    ) -> Any:
        """Call a method, again while the server is overloaded, for `limit_s` seconds each.

        :raises CallRefused: it answered with an error.
        :raises AgentFailed: it ended, or does not answer in time.
        """
        for pause in PAUSES_S:
            try:
                return await self._peer.call(method, params, kind, limit_s)
            except CallRefused as refused:
                if refused.number != OVERLOADED:
                    raise
            await deferLater(self._clock, pause)
        return await self._peer.call(method, params, kind, limit_s)

    def respond(self, number: Id, value: Any) -> None:
        """Answer a request of the server with a result."""
        self._peer.respond(number, value)

    @property
    def cut(self) -> int:
        """Bytes of the line that is being handled, if its middle is missing; else 0."""
        return self._peer.cut

    def route_thread(self, thread: str, member: Member) -> None:
        """Route the messages of a thread to a member.

        :raises AgentFailed: another member has the thread.
        """
        if self._threads.setdefault(thread, member) is not member:
            raise AgentFailed(f"The conversation {thread} is open already.")

    # Receiving.

    def notification_received(self, method: str, params: Raw) -> None:
        """Route a notification to the member that has its thread; to all if it names none."""
        if method == "thread/started":
            self._thread_started(method, params)
            return
        notification = Notification.of(method, params)
        if notification.thread is None and self.cut:  # nobody knows whose it is
            text = f"Codex has printed {self.cut} bytes in a line ({method}), which are lost."
            self._broadcast(Notification.of("warning", raw_json({"message": text})))
        elif notification.thread is None:
            self._broadcast(notification)
        elif notification.thread in self._threads:
            self._threads[notification.thread].notification_received(notification)

    def _thread_started(self, method: str, params: Raw) -> None:
        """Route a thread that a member's thread has started (a subagent) to the same member."""
        try:
            thread = json.decode(params, type=_ThreadStarted).thread
        except (ValidationError, DecodeError, RecursionError):
            return
        member = self._threads.get(thread.parent_thread_id or "")
        if member is not None:
            member = self._threads.setdefault(thread.id, member)
        member = member or self._threads.get(thread.id)
        if member is not None:
            member.notification_received(Notification(method, params, thread.id))

    def _broadcast(self, notification: Notification) -> None:
        """Send a notification to all members, unless it says the same as the last of its kind.

        Codex repeats them as they are, and each would go into the log of every agent.
        """
        params = bytes(notification.params)
        if self._last_broadcasts.get(notification.method) != params:
            self._last_broadcasts[notification.method] = params
            for member in list(self._members):
                member.notification_received(notification)

    def request_received(self, number: Id, method: str, params: Raw) -> bool:
        """Route a request to the member that has the thread; see `PeerListener`."""
        try:
            request = json.decode(params, type=_RequestHead)
        except (ValidationError, DecodeError, RecursionError):
            return False
        if method == "item/tool/call":  # the host offers codex no tools of its own
            text = f"There is no tool {request.tool!r} here."
            content = [{"type": "inputText", "text": text}]
            self.respond(number, {"contentItems": content, "success": False})
            return True
        member = self._threads.get(request.thread_id or request.conversation_id or "")
        return member is not None and member.request_received(number, method, params)

    def process_exited(self, how: ChildExit) -> None:
        """Report to every member that the process has ended."""
        self._retire(self)
        members, self._members, self._threads = list(self._members), {}, {}
        for member in members:
            member.process_exited(how)
        self._exit_reported.happen()


class ServerPool:
    """The app servers that run: one for each command and environment, shared by its agents."""

    def __init__(self, spawn: Spawn, clock: IReactorTime) -> None:
        self._spawn = spawn
        self._clock = clock
        self._running: dict[Any, Server] = {}

    def server_for(self, command: Command) -> Server:
        """Return the app server that runs a command, a new one if none does.

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
        """End every app server."""
        for server in list(self._running.values()):
            await server.end()
