"""The executor: takes a command to its one response.

The steps, one after another: admit (who may send it at all) → deduplicate (was it sent before)
→ limit (how often, how many) → queue (its turn in the session's lane) → run (its conditions,
then the command, within a time limit) → respond, and store the response for replays.
"""

from __future__ import annotations

from itertools import count

from msgspec import UNSET
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.defer import TimeoutError as DeferredTimeout
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure

from sxhost.codec.json import encode
from sxhost.errors import ForbiddenScope, HostError
from sxhost.faces.pi import commands
from sxhost.faces.pi.dispatch import CommandHandler
from sxhost.faces.pi.executor_state import ExecutorState
from sxhost.faces.pi.idempotency import StoredResponse, fingerprint
from sxhost.faces.pi.lanes import Ticket
from sxhost.faces.pi.responses import (
    CommandFailed,
    Response,
    lifecycle_notification,
    notification,
    refusal,
    replay,
)
from sxhost.faces.pi.scheduling import TRAITS, ride_of
from sxhost.faces.pi.session_names import id_of
from sxhost.faces.pi.subscribers import Subscriber, Subscribers
from sxhost.logs import logger
from sxhost.model.caller import current_caller
from sxhost.model.host import Host
from sxhost.waiting import background, begin

__all__ = ["CommandExecutor"]

log = logger(__name__)

SERVER_CONTROL = frozenset({"delete_session", "switch_session", "unsubscribe"})
"""Commands for a session that are rate limited apart, so that a busy one can be tidied up."""

_SERVER_LANES = dict.fromkeys(TRAITS, "server") | {
    name: "new" for name, trait in TRAITS.items() if trait.priority == "exclusive"
}
"""The lanes of commands for no session: reads do not wait for sessions without a name."""

GRACE_S = 10.0
"""Seconds that aborted work may keep its lane before it is cancelled."""


class Execution:
    """A command that is being executed.

    :param fallback_id: its id in notifications if its client gave none.
    """

    def __init__(self, command: commands.Command, fallback_id: str) -> None:
        self.command = command
        self.id = fallback_id if command.id is UNSET else command.id
        self.lane = (
            f"session:{command.target}" if command.target else _SERVER_LANES[command.type]
        )
        self.stored: StoredResponse | None = None
        self.ticket: Ticket | None = None
        self.started = False
        self._open_ends = 2

    def leave_lane(self) -> None:
        """Let the next command run, on the second call: the work and the response are done.

        Aborted work may go on after the response, and a response may be sent after the work.
        """
        self._open_ends -= 1
        if not self._open_ends and self.ticket is not None:
            self.ticket.release()


class CommandExecutor:
    """Executes commands, each once."""

    def __init__(
        self,
        clock: IReactorTime,
        host: Host,
        state: ExecutorState,
        handler: CommandHandler,
        clients: Subscribers,
    ) -> None:
        self.stopping = False
        self._clock = clock
        self._host = host
        self._state = state
        self._handler = handler
        self._clients = clients
        self._numbers = count(1)
        self._started_ms = int(clock.seconds() * 1000)

    def count_refusal(self, limit: str) -> None:
        """Count that something was refused before it was a command, by this limit."""
        self._state.rates.refused[limit] += 1

    def count_command(self, command: commands.Command) -> str | None:
        """Count a command of this minute; if it is one too many, return why it is refused."""
        target = command.target or "server"
        if command.type in SERVER_CONTROL:
            target = f"control:{target}"
        elif not isinstance(command, commands.SessionCommand):
            target = "server"
        answers = command.type == "extension_ui_response"
        return self._state.rates.refusal_of(target, answers=answers)

    async def execute(
        self, command: commands.Command, frame: bytes, client: Subscriber
    ) -> None:
        """Execute a command and respond to it; `frame` is the JSON that it was decoded from."""
        refused = self._admit(command)
        if refused is not None:
            client.send(encode(refused))
            return
        execution = Execution(
            command, f"{commands.RESERVED}{self._started_ms}:{next(self._numbers)}"
        )
        response = await self._deduplicate(execution, frame) or self._limit(execution)
        if response is None:
            self._notify("accepted", execution)
            self._state.executed += 1
            response = await self._queue(execution, client)
        self._respond(execution, response, client)
        if execution.stored is not None:
            self._state.idempotency.store_response(execution.stored, response)
        execution.leave_lane()

    # Each of these returns the response if the command goes no further.

    def _admit(self, command: commands.Command) -> Response | None:
        """Refuse a command that may not be sent; not even its phases are told to others."""
        if self.stopping:
            return refusal(command, "Server is shutting down")
        try:
            _check_scope(command)  # before a replay: the response may be another client's
        except ForbiddenScope as error:
            return refusal(command, str(error))
        return None

    async def _deduplicate(self, execution: Execution, frame: bytes) -> Response | None:
        """Replay the response to a command that was sent before, once there is one."""
        command = execution.command
        if command.id is UNSET and command.idempotency_key is UNSET:
            return None
        digest = fingerprint(frame)
        found = self._state.idempotency.find(command, digest)
        if isinstance(found, StoredResponse):
            return replay(await found.wait(), command)
        if found is None:
            execution.stored = StoredResponse(command, digest, execution.lane)
        return found

    def _limit(self, execution: Execution) -> Response | None:
        """Refuse a command if there were too many in this minute, or too many run."""
        command, stored = execution.command, execution.stored
        excess = self.count_command(command)
        if excess is None and stored and not self._state.idempotency.add_running(stored):
            excess = "Server busy - too many concurrent commands. Please retry."
        if excess is None:
            return None
        execution.stored = None
        return refusal(command, excess)

    # The lane, and the time limit.

    async def _queue(self, execution: Execution, client: Subscriber) -> Response:
        """Run a command in its turn; if it takes too long, drop its result and say so."""
        command = execution.command
        ticket = execution.ticket = self._enter_lane(execution, client)
        work = begin(self._run(execution, ticket))
        work.addErrback(_internal_error, command)
        time_limit, limits = TRAITS[command.type].time_limit, self._host.limits
        if time_limit is None or work.called:
            return await work
        seconds = limits.mux_read if time_limit == "short" else limits.mux_work
        outcome: Deferred[Response] = Deferred()  # the work goes on if this times out
        work.chainDeferred(outcome)
        try:
            return await outcome.addTimeout(seconds, self._clock)
        except DeferredTimeout:
            await self._abort(execution, work)
            error = f"Command '{command.type}' timed out after {round(seconds * 1000)}ms"
            return refusal(command, error, timed_out=True)

    def _enter_lane(self, execution: Execution, client: Subscriber) -> Ticket:
        """Give a command its place; one that deletes a session waits for it not for ever."""
        ticket = self._state.lanes.enter(execution.lane, ride_of(execution.command, client))
        if ticket.admitted is not None and ticket.ride.priority == "exclusive":
            call = self._clock.callLater(self._host.limits.mux_read, ticket.wait_no_longer)
            ticket.admitted.addBoth(_cancel_call, call)
        return ticket

    async def _abort(self, execution: Execution, work: Deferred[Response]) -> None:
        """Have the agent stop what takes too long, or cancel it if the agent cannot."""
        if execution.started and await self._handler.abort(execution.command):
            self._clock.callLater(GRACE_S, work.cancel)
        else:
            work.cancel()

    # In the lane.

    async def _run(self, execution: Execution, ticket: Ticket) -> Response:
        """Wait for a command's turn, then check its conditions and do it."""
        command = execution.command
        try:
            if ticket.admitted is not None:
                await ticket.admitted
            execution.started = True
            self._notify("started", execution)
            await self._check_conditions(execution)
            data = await self._handler.handle(command, ticket.work_started)
            version = self._state.next_version(command, data)
            return Response(
                id=command.id,
                command=command.type,
                success=True,
                data=data,
                session_version=version,
            )
        except CommandFailed as error:
            return refusal(command, str(error))
        except HostError as error:
            return refusal(command, _in_clients_words(error, command))
        finally:
            execution.leave_lane()

    async def _check_conditions(self, execution: Execution) -> None:
        """Check ``dependsOn``, ``ifSessionVersion``, and the caller's scope at this moment.

        :raises CommandFailed: a condition of the command is not met.
        :raises ForbiddenScope: the caller may not.
        """
        command = execution.command
        if command.depends_on:
            await self._await_dependencies(execution, command.depends_on)
        expected, target = command.if_session_version, command.target
        if expected is not UNSET and target is not None:
            if not self._host.knows(target):
                missing = (
                    f"Session {command.session_name} not found for ifSessionVersion={expected}"
                )
                raise CommandFailed(missing)
            version = self._state.versions[target]
            if version != expected:
                mismatch = f"expected {expected}, got {version}"
                raise CommandFailed(f"Session version mismatch: {mismatch}")
        _check_scope(command)

    async def _await_dependencies(self, execution: Execution, command_ids: list[str]) -> None:
        if execution.id in command_ids:
            raise CommandFailed(f"Command '{execution.id}' cannot depend on itself")
        for command_id in command_ids:
            response = await self._await_dependency(command_id, execution.lane)
            if not response.success:
                raise CommandFailed(f"Dependency '{command_id}' failed: {response.error}")

    async def _await_dependency(self, command_id: str, lane: str) -> Response:
        stored = self._state.idempotency.get(command_id)
        if stored is None:
            raise CommandFailed(f"Dependency '{command_id}' is unknown")
        if stored.response is None and stored.lane == lane:  # it would wait for us in turn
            queued = "is queued in the same lane and cannot be awaited from this command"
            raise CommandFailed(f"Dependency '{command_id}' {queued}")
        waiting = Deferred.fromCoroutine(stored.wait())
        seconds = self._host.limits.mux_read
        try:
            return await waiting.addTimeout(seconds, self._clock)
        except DeferredTimeout:
            late = f"timed out after {round(seconds * 1000)}ms"
            raise CommandFailed(f"Command 'dependsOn:{command_id}' {late}") from None

    # The response.

    def _respond(self, execution: Execution, response: Response, client: Subscriber) -> None:
        """Send a response, and do what follows from it before anything else happens."""
        command = execution.command
        self._notify("finished", execution, response)
        client.send(encode(response))
        if not response.success:
            return
        data = response.data if isinstance(response.data, dict) else {}
        match command:
            case commands.SwitchSession() if not client.closed:
                now = self._host.cursor if response.replayed else data["cursor"]
                after = None if command.after is UNSET else command.after
                subscribed = client.subscribe(
                    id_of(command.session_id), now, after, snapshots=command.snapshots
                )
                background(subscribed, log, "subscribing for a command")
            case commands.Unsubscribe():
                client.unsubscribe(id_of(command.session_id))
            case commands.CreateSession():
                frame = notification("session_created", data)
                self._clients.broadcast(frame, id_of(data["sessionId"]))
            case commands.DeleteSession():
                frame = notification("session_deleted", {"sessionId": command.session_id})
                self._clients.broadcast(frame, command.target)

    def _notify(
        self, phase: str, execution: Execution, response: Response | None = None
    ) -> None:
        """Notify all clients of a command's phase: accepted, started or finished."""
        command = execution.command
        frame = lifecycle_notification(phase, command, execution.id, response)
        self._clients.broadcast(frame, command.target)


def _in_clients_words(error: HostError, command: commands.Command) -> str:
    """Return the host's sentence with the session called as the command's client does."""
    return str(error).replace(repr(command.target), repr(command.session_name))


def _cancel_call(result: object, call: IDelayedCall) -> object:
    if call.active():
        call.cancel()
    return result


def _check_scope(command: commands.Command) -> None:
    """Check that the caller may send a command; starting a program is for no one session.

    :raises ForbiddenScope: the caller may not.
    """
    trait = TRAITS[command.type]
    current_caller.get().check(trait.scope, None if trait.starts else command.target)


def _internal_error(failure: Failure, command: commands.Command) -> Response:
    if not failure.check(CancelledError):
        log.failure("a command of the multiplexer failed", failure)
    return refusal(command, "The host met an internal error; its log has it.")
