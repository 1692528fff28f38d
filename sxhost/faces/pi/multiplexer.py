"""The multiplexer: the pi-app-server protocol over every agent of the host."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

from sxhost.drivers.pi.agent import PiAgent
from sxhost.errors import HostError, UnknownSession
from sxhost.faces.pi.commands import Command, DeleteSession
from sxhost.faces.pi.connection import Client, ClientTransport
from sxhost.faces.pi.dispatch import verb
from sxhost.faces.pi.encoder import Wire
from sxhost.faces.pi.executor import Engine, Refusal
from sxhost.faces.pi.responses import Response, notification, ready
from sxhost.faces.pi.scheduling import TRAITS
from sxhost.faces.pi.server_commands import ServerCommands, recovery
from sxhost.faces.pi.session_commands import Context
from sxhost.faces.pi.session_files import Apart, at_once
from sxhost.faces.pi.session_info import Sessions, is_pi
from sxhost.faces.pi.transcript_cache import TranscriptCache
from sxhost.model.caller import current
from sxhost.model.session import Event, EventQuery
from sxhost.service import SessionService

__all__ = ["Multiplexer"]

AUDITED = 200
"""Characters of a user's command that the audit keeps."""


class Multiplexer:
    """All clients that speak in commands, and what they have in common."""

    def __init__(self, service: SessionService, clock: Any, apart: Apart = at_once) -> None:
        self.service = service
        self.limits = service.limits
        self.clients: dict[Client, None] = {}
        self._lives: dict[str, tuple[str, int]] = {}
        """Of the sessions that were read: which agent the host runs, and since when (s)."""
        self._runs = TranscriptCache(service.limits, self._agent)
        self._wires: dict[tuple[Callable[[bytes], bytes], bool], Wire] = {}
        self._sessions = Sessions(service, clock, apart)
        self._server = ServerCommands(service, self._sessions, self._census, clock)
        self.engine = Engine(clock, service.limits, self, self.tell)

    # Clients.

    def connect(self, link: ClientTransport, wrap: Callable[[bytes], bytes]) -> Client | None:
        """Return a client at the other end of a link; None if it is one too many."""
        if len(self.clients) >= self.limits.mux_connections:
            return None
        wires = self._wire(wrap, thin=False), self._wire(wrap, thin=True)
        client = Client(self, link, wires, current.get())
        self.clients[client] = None
        client.say(ready())
        client.say(notification("startup_recovery_summary", recovery()))
        return client

    def _wire(self, wrap: Callable[[bytes], bytes], *, thin: bool) -> Wire:
        if (wrap, thin) not in self._wires:
            self._wires[wrap, thin] = Wire(wrap, self._runs, thin=thin)
        return self._wires[wrap, thin]

    def tell(self, said: bytes, session_id: str | None = None) -> None:
        """Tell all clients, after what was to be told of before."""

        def tell(_: object) -> None:
            for client in tuple(self.clients):
                client.overhear(said, session_id)

        self.service.hub.settled().addCallback(tell)

    def stop(self) -> None:
        """Take no more commands."""
        self.engine.stopping = True
        self.tell(
            notification("server_shutdown", {"reason": "graceful_shutdown", "timeoutMs": 30000})
        )

    async def learn(self, session_id: str, cursor: str) -> None:
        """Learn whose session it is, and what comes before a place, before more is told."""
        detail = await self.service.session(session_id)
        life = detail.agent if detail.kind == "hosted" else "", detail.start_time
        if self._lives.setdefault(session_id, life) != life:
            self._runs.forget(session_id)
            self._lives[session_id] = life

        async def read(seq: int, limit: int) -> list[Event]:
            query = EventQuery(after=str(seq), limit=limit)
            return await self.service.events(session_id, query)

        seq = await self._next(session_id, cursor) or detail.event_count + 1
        await self._runs.recall(session_id, seq, read)

    async def _next(self, session_id: str, cursor: str) -> int | None:
        """Return the number of the first event after a cursor, if there is one already."""
        query = EventQuery(after=cursor, limit=1)
        return next((one.seq for one in await self.service.events(session_id, query)), None)

    def forget(self, session_id: str) -> None:
        """Forget a session that is no more."""
        self._lives.pop(session_id, None)
        self._runs.forget(session_id)

    def _agent(self, session_id: str) -> str:
        return self._lives.get(session_id, ("", 0))[0]

    # Commands.

    async def execute(
        self, command: Command, said: bytes, answer: Callable[[Response], object]
    ) -> None:
        """Have a command done, and answered once."""
        await self.engine.execute(command, said, answer)

    def follow(self, command: Command, response: Response) -> None:
        """Tell everybody what has become of sessions."""
        if not response.success:
            return
        if command.type == "create_session":
            self.tell(
                notification("session_created", response.data), response.data["sessionId"]
            )
        elif command.type == "delete_session":
            self.forget(str(command.target))
            data = {"sessionId": command.target}
            self.tell(notification("session_deleted", data), command.target)

    def knows(self, session_id: str) -> bool:
        """Tell whether there is such a session."""
        return self.service.knows(session_id)

    async def do(self, command: Command, begun: Callable[[], None]) -> Any:
        """Do what a command says."""
        try:
            does = self._server.find(command.type)
            if does is not None:
                data = await does(command)
                self._drop(command)
                return data
            return await self._do_in(command, begun)
        except UnknownSession:
            raise Refusal(f"Session {command.target} not found") from None

    def _drop(self, command: Command) -> None:
        """End the subscriptions to a session that is no more, which everybody is told."""
        if isinstance(command, DeleteSession):
            for client in tuple(self.clients):
                client.drop(command.session_id)

    async def _do_in(self, command: Any, begun: Callable[[], None]) -> Any:
        detail = await self.service.session(command.session_id)
        context = Context(self.service, self._sessions, detail, begun)
        does = verb(context, command)
        if TRAITS[command.type].scope == "admin":
            text = getattr(command, "command", "")[:AUDITED]
            await self.service.note(command.type, command.session_id, text)
        return await does(context, command)

    async def give_up(self, command: Command) -> bool:
        """Stop what takes too long; return False if nothing can stop it."""
        stop = _STOPS.get(command.type)
        hosted = self.service.agency.fleet.get(str(command.target))
        if stop is None or hosted is None:
            return False
        try:
            if stop == "interrupt":
                await self.service.agency.interrupt(hosted.id)
            elif is_pi(hosted):
                await cast("PiAgent", hosted.agent).command(stop)
        except HostError:
            return False
        return stop == "interrupt" or is_pi(hosted)

    def _census(self) -> dict[str, Any]:
        engine = self.engine
        return {
            "connectionCount": len(self.clients),
            "pendingConnectionCount": 0,
            "totalCommandsExecuted": engine.counts["executed"],
            "rateLimitUsage": {
                "globalCount": engine.rates.count,
                "globalLimit": self.limits.mux_rate_all,
            },
            "stores": {
                "replay": engine.replays.census(),
                "version": {"sessionCount": len(engine.versions)},
                "execution": {"laneCount": len(engine.lanes)},
            },
            "circuitBreakers": [],
        }


_STOPS: Mapping[str, str] = {
    "prompt": "interrupt",
    "steer": "interrupt",
    "follow_up": "interrupt",
    "compact": "interrupt",
    "bash": "abort_bash",
}
"""What stops a command that takes too long."""
