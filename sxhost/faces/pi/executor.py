"""The executor: takes a command to its one response.

The steps: admit (scope, idempotency, rate limit) → wait in the session's lane → check
``dependsOn`` and ``ifSessionVersion`` → handle, within a time limit → respond, and store the
response for replays.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import count
from typing import Any

from msgspec import UNSET, UnsetType
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.defer import TimeoutError as DeferredTimeout
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from sxhost.errors import ForbiddenScope, HostError
from sxhost.faces.pi.commands import RESERVED, Command, Prompt, SessionCommand
from sxhost.faces.pi.dispatch import CommandHandler
from sxhost.faces.pi.idempotency import IdempotencyStore, StoredResponse, fingerprint
from sxhost.faces.pi.lanes import Lanes, Priority, Ticket
from sxhost.faces.pi.rate_limits import CommandRates
from sxhost.faces.pi.responses import (
    CommandFailed,
    Response,
    lifecycle_notification,
    refusal,
    replay,
)
from sxhost.faces.pi.scheduling import TRAITS
from sxhost.logs import logger
from sxhost.model.caller import current_caller
from sxhost.model.limits import Limits
from sxhost.waiting import background

__all__ = ["CommandExecutor"]

log = logger(__name__)

SERVER_CONTROL = frozenset({"delete_session", "switch_session", "unsubscribe"})
"""Commands for a session that are rate limited apart, so that a busy one can be tidied up."""

GRACE_S = 10.0
"""Seconds that aborted work may keep its lane before it is cancelled."""

Respond = Callable[[Response], object]


class Execution:
    """A command that is being executed.

    :param fallback_id: its id in notifications if the client gave none.
    :param respond: called once, before anything that waits for the command goes on.
    """

    def __init__(self, command: Command, fallback_id: str, respond: Respond) -> None:
        self.command = command
        self.id = fallback_id if command.id is UNSET else command.id
        self.respond = respond
        self.lane = "server" if command.target is None else f"session:{command.target}"
        self.fingerprint = ""
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
    """Executes commands, each once.

    :param broadcast: sends a notification to all clients; it is about a session or None.
    """

    def __init__(
        self,
        clock: IReactorTime,
        limits: Limits,
        handler: CommandHandler,
        broadcast: Callable[[bytes, str | None], object],
    ) -> None:
        self.idempotency = IdempotencyStore(clock, limits)
        self.rates = CommandRates(clock, limits)
        self.lanes = Lanes()
        self.session_versions: dict[str, int] = {}
        self.stopping = False
        self.counts: Counter[str] = Counter()
        self._clock = clock
        self._limits = limits
        self._handler = handler
        self._broadcast = broadcast
        self._numbers = count(1)
        self._started_ms = int(clock.seconds() * 1000)

    # Admission.

    async def execute(self, command: Command, frame: bytes, respond: Respond) -> None:
        """Execute a command and respond to it; `frame` is the JSON that it was decoded from."""
        if self.stopping:
            respond(refusal(command, "Server is shutting down"))
            return
        try:
            _check_scope(command)  # before a replay: the response may be another client's
        except ForbiddenScope as error:
            respond(refusal(command, str(error)))
            return
        replayable = command.id is not UNSET or command.idempotency_key is not UNSET
        fallback_id = f"{RESERVED}{self._started_ms}:{next(self._numbers)}"
        execution = Execution(command, fallback_id, respond)
        found = None
        if replayable:
            execution.fingerprint = fingerprint(frame)
            found = self.idempotency.find(command, execution.fingerprint)
        if isinstance(found, StoredResponse):
            self._finish(execution, replay(await found.wait(), command))
        elif found is not None:
            self._finish(execution, found)
        else:
            await self._admit(execution, replayable=replayable)

    async def _admit(self, execution: Execution, *, replayable: bool) -> None:
        command = execution.command
        excess = self._rate_limit(command)
        if excess is not None:
            self._finish(execution, refusal(command, excess))
            return
        stored = None
        if replayable:
            stored = StoredResponse(command, execution.fingerprint, execution.lane, Deferred())
            if not self.idempotency.add_running(stored):
                busy = "Server busy - too many concurrent commands. Please retry."
                self._finish(execution, refusal(command, busy))
                return
        self._notify("accepted", execution)
        self.counts["executed"] += 1
        response = await self._run_within_limit(execution)
        self._finish(execution, response)
        if stored is not None:
            self.idempotency.store_response(stored, response)
        execution.leave_lane()

    def _rate_limit(self, command: Command) -> str | None:
        """Count a command; return why it is refused if there were too many."""
        target = command.target or "server"
        if command.type in SERVER_CONTROL:
            target = f"control:{target}"
        elif not isinstance(command, SessionCommand):
            target = "server"
        excess = self.rates.refusal_of(target, answers=command.type == "extension_ui_response")
        if excess is not None:
            self.counts["refused"] += 1
        return excess

    def _finish(self, execution: Execution, response: Response) -> None:
        self._notify("finished", execution, response)
        execution.respond(response)

    def _notify(
        self, phase: str, execution: Execution, response: Response | None = None
    ) -> None:
        """Notify all clients of a command's phase: accepted, started or finished."""
        command = execution.command
        frame = lifecycle_notification(phase, command, execution.id, response)
        self._broadcast(frame, command.target)

    # The time limit.

    async def _run_within_limit(self, execution: Execution) -> Response:
        """Run a command; respond that it timed out, and drop its result, if it takes longer."""
        command = execution.command
        ticket = execution.ticket = self.lanes.enter(execution.lane, _priority(command))
        work = Deferred.fromCoroutine(self._run_in_lane(execution, ticket))
        work.addBoth(_leave_lane, execution)
        time_limit = TRAITS[command.type].time_limit
        if time_limit is None or work.called:
            return await work.addErrback(self._internal_error, execution)
        seconds = self._limits.mux_read if time_limit == "short" else self._limits.mux_work
        outcome: Deferred[Response] = Deferred()
        timer = self._clock.callLater(
            seconds, self._time_out, execution, work, outcome, seconds
        )

        def done(response: Any) -> None:
            if timer.active():
                timer.cancel()
                outcome.callback(response)

        work.addErrback(self._internal_error, execution).addCallback(done)
        return await outcome

    def _time_out(
        self,
        execution: Execution,
        work: Deferred[Any],
        outcome: Deferred[Response],
        seconds: float,
    ) -> None:
        self.counts["late"] += 1
        command = execution.command
        error = f"Command '{command.type}' timed out after {round(seconds * 1000)}ms"
        aborted = background(
            self._abort(execution, work), log, "aborting a command", (HostError,)
        )
        aborted.addCallback(lambda _: outcome.callback(refusal(command, error, timed_out=True)))

    async def _abort(self, execution: Execution, work: Deferred[Any]) -> None:
        """Have the agent stop what takes too long, or cancel it if the agent cannot."""
        if execution.started and await self._handler.abort(execution.command):
            self._clock.callLater(GRACE_S, work.cancel)
        else:
            work.cancel()

    def _internal_error(self, failure: Failure, execution: Execution) -> Response:
        if not failure.check(CancelledError):
            log.failure("a command of the multiplexer failed", failure)
        error = "The host met an internal error; its log has it."
        return refusal(execution.command, error)

    # In the lane.

    async def _run_in_lane(self, execution: Execution, ticket: Ticket) -> Response:
        """Wait for a command's turn, then check and handle it."""
        command = execution.command
        if ticket.admitted is not None:
            await ticket.admitted
        execution.started = True
        self._notify("started", execution)
        try:
            await self._check_preconditions(execution)
            data = await self._handler.handle(command, ticket.work_started)
        except (CommandFailed, HostError) as error:
            return refusal(command, str(error))
        version = self._next_version(command, data)
        return Response(
            id=command.id,
            command=command.type,
            success=True,
            data=data,
            session_version=version,
        )

    async def _check_preconditions(self, execution: Execution) -> None:
        """Check ``dependsOn``, ``ifSessionVersion``, and the caller's scope at this moment.

        :raises CommandFailed: a condition of the command is not met.
        :raises ForbiddenScope: the caller may not.
        """
        command = execution.command
        if command.depends_on:
            await self._await_dependencies(execution, command.depends_on)
        expected, target = command.if_session_version, command.target
        if expected is not UNSET and target is not None:
            if not self._handler.has_session(target):
                missing = f"Session {target} not found for ifSessionVersion={expected}"
                raise CommandFailed(missing)
            version = self.session_versions.get(target, 0)
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
        stored = self.idempotency.get(command_id)
        if stored is None:
            raise CommandFailed(f"Dependency '{command_id}' is unknown")
        if stored.response is None and stored.lane == lane:  # it would wait for us in turn
            queued = "is queued in the same lane and cannot be awaited from this command"
            raise CommandFailed(f"Dependency '{command_id}' {queued}")
        waiting = Deferred.fromCoroutine(stored.wait())
        seconds = self._limits.mux_read
        try:
            return await waiting.addTimeout(seconds, self._clock)
        except DeferredTimeout:
            late = f"timed out after {round(seconds * 1000)}ms"
            raise CommandFailed(f"Command 'dependsOn:{command_id}' {late}") from None

    def _next_version(self, command: Command, data: Any) -> int | UnsetType:
        """Return the session's version after a command that succeeded with `data`."""
        if command.type in ("create_session", "load_session"):
            self.session_versions[data["sessionId"]] = 0
            return 0
        target = command.target
        if target is None:
            return UNSET
        if command.type == "delete_session":
            self.session_versions.pop(target, None)
            return UNSET
        version = self.session_versions.get(target, 0) + TRAITS[command.type].mutates
        self.session_versions[target] = version
        return version


def _check_scope(command: Command) -> None:
    """Check that the caller may send a command; starting a program is for no one session.

    :raises ForbiddenScope: the caller may not.
    """
    trait = TRAITS[command.type]
    current_caller.get().check(trait.scope, None if trait.starts else command.target)


def _leave_lane(result: Any, execution: Execution) -> Any:
    execution.leave_lane()
    return result


def _priority(command: Command) -> Priority:
    """Return a command's priority in its lane; one with ``dependsOn`` overtakes nothing."""
    trait = TRAITS[command.type]
    if command.depends_on:
        return "in_order"
    if trait.exclusive:
        return "exclusive"
    steers = isinstance(command, Prompt) and command.streaming_behavior is not UNSET
    return "overtakes" if steers or trait.overtakes else "in_order"
