"""The multiplexer: clients that speak the pi-app-server protocol with every agent of the host.

It puts the parts together; see the table in the docstring of the package.
"""

from __future__ import annotations

from msgspec import UNSET
from msgspec.structs import replace
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.interfaces import IReactorTime

from sxhost.codec.json import encode
from sxhost.faces.pi.commands import Command, CreateSession
from sxhost.faces.pi.dispatch import CommandHandler
from sxhost.faces.pi.event_streams import Wrap
from sxhost.faces.pi.executor import CommandExecutor
from sxhost.faces.pi.executor_state import ExecutorState
from sxhost.faces.pi.responses import Response, notification, server_ready
from sxhost.faces.pi.server_commands import ServerCommands, recovery_summary
from sxhost.faces.pi.session_info import Sessions
from sxhost.faces.pi.subscribers import ClientTransport, Subscriber, Subscribers
from sxhost.faces.pi.validation import BadCommand, parse
from sxhost.logs import logger
from sxhost.model.caller import Caller, current_caller
from sxhost.model.host import Host
from sxhost.waiting import RunInThread, Signal, background, run_inline

__all__ = ["Client", "Multiplexer"]

log = logger(__name__)


class Multiplexer:
    """All clients, and what they share.

    :param apart: runs work with session files outside of the reactor's thread.
    """

    def __init__(
        self, host: Host, clock: IReactorTime, apart: RunInThread = run_inline
    ) -> None:
        self.limits = host.limits
        self._clock = clock
        self.port = 0
        """The TCP port of the listener that is for its clients alone; 0 if there is none."""
        self.clients = Subscribers(host)
        state, sessions = ExecutorState(clock, host.limits), Sessions(host, clock, apart)
        server_commands = ServerCommands(host, sessions, self.clients, state, clock)
        handler = CommandHandler(host, sessions, server_commands)
        self._executor = CommandExecutor(clock, host, state, handler, self.clients)

    def connect(
        self, transport: ClientTransport, wrap: Wrap, cwd: str | None = None
    ) -> Client | None:
        """Return a new client behind a transport; None if there are too many.

        :param wrap: makes a frame of a JSON object's bytes.
        :param cwd: where agents work that it does not tell where; None: where the host says.
        """
        if len(self.clients.connected) >= self.limits.mux_connections:
            self._executor.count_refusal("connectionLimit")
            return None
        caller = current_caller.get()
        client = Client(self._executor, self.clients, transport, wrap, caller, cwd=cwd)
        self.clients.connected[client] = None
        client.send(server_ready(self.port))
        summary = {**recovery_summary(), "journalPath": "[redacted]"}  # as there, for all
        client.send(notification("startup_recovery_summary", summary))
        return client

    def stop(self) -> None:
        """Take no more commands, and notify the clients."""
        self._executor.stopping = True
        timeout = round(self.limits.stop_within * 1000)
        data = {"reason": "graceful_shutdown", "timeoutMs": timeout}
        self.clients.broadcast(notification("server_shutdown", data))

    async def finish(self) -> None:
        """Return once all commands have got their response, or the time for that is up."""
        clients = [each for each in self.clients.connected if isinstance(each, Client)]
        waiting = [Deferred.fromCoroutine(each.idle()) for each in clients]
        idle = DeferredList(waiting, consumeErrors=True)
        idle.addTimeout(self.limits.stop_within, self._clock, lambda _failure, _seconds: None)
        await idle


class Client(Subscriber):
    """One client: it sends commands, and there is one response to each."""

    def __init__(
        self,
        executor: CommandExecutor,
        clients: Subscribers,
        transport: ClientTransport,
        wrap: Wrap,
        caller: Caller,
        *,
        cwd: str | None,
    ) -> None:
        super().__init__(clients.streams, transport, wrap, caller)
        self._cwd = cwd
        self._executor = executor
        self._clients = clients
        self._limits = clients.streams.host.limits
        self._pending = 0
        self._answered = Signal()

    def receive(self, frame: bytes) -> None:
        """Take a frame with a command."""
        if len(frame) > self._limits.mux_message:
            self.refuse_size(len(frame))
            return
        try:
            command = parse(frame)
        except BadCommand as bad:
            self._refuse(bad.error, bad.command, bad.id)
            return
        most = self._limits.mux_pending
        if self._pending >= most:
            many = f"Too many pending commands for this connection (max {most})"
            error = self._executor.count_command(command) or many
            self._refuse(error, command.type, command.id)
            return
        if isinstance(command, CreateSession) and command.cwd is UNSET and self._cwd:
            command = replace(command, cwd=self._cwd)
        self._pending += 1
        background(self._execute(command, frame), log, "answering a command")

    async def _execute(self, command: Command, frame: bytes) -> None:
        current_caller.set(self._caller)
        try:
            await self._executor.execute(command, frame, self)
        finally:
            self._pending -= 1
            self._answered.fire()

    def refuse_size(self, size: int) -> None:
        """Respond to a frame that was too large to be kept, of so many bytes."""
        self._executor.count_refusal("messageSize")
        self._refuse(f"Message size {size} exceeds limit {self._limits.mux_message}")

    def _refuse(
        self, error: str, command: object = "unknown", command_id: object = UNSET
    ) -> None:
        response = Response(id=command_id, command=command, success=False, error=error)
        self.send(encode(response))

    async def idle(self) -> None:
        """Return once all commands have got their response."""
        while self._pending:
            await self._answered.wait()

    def connection_closed(self) -> None:
        """Leave the multiplexer; commands that run go on."""
        self._clients.connected.pop(self, None)
        self.close()
