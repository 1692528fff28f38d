"""From a command to its one answer: admitted, in its lane, in time, remembered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import count
from typing import Any, Protocol

from msgspec import UNSET, UnsetType
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.defer import TimeoutError as TookTooLong
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from sxhost.errors import ForbiddenScope, HostError
from sxhost.faces.pi.commands import RESERVED, Command, Prompt, SessionCommand
from sxhost.faces.pi.idempotency import IdempotencyStore, StoredResponse, fingerprint
from sxhost.faces.pi.lanes import Lanes, Ticket, Way
from sxhost.faces.pi.rate_limits import CommandRates
from sxhost.faces.pi.responses import Response, again, lifecycle, refusal
from sxhost.faces.pi.scheduling import TRAITS
from sxhost.logs import logger
from sxhost.model.caller import current
from sxhost.model.limits import Limits

__all__ = ["CommandHandler", "Engine", "Refusal"]

log = logger(__name__)

SERVER = frozenset({"delete_session", "switch_session", "unsubscribe"})
"""What is for a session and counted apart, so that a busy one can be tidied up."""


Answer = Callable[[Response], object]


class Execution:
    """A command that is being executed, under the `number` that is told of it.

    `answer` is called once, before anything that waits for the command goes on.
    """

    def __init__(self, command: Command, number: str, answer: Answer) -> None:
        self.command = command
        self.number = number if command.id is UNSET else command.id
        self.answer = answer
        self.lane = "server" if command.target is None else f"session:{command.target}"
        self.print = ""
        self.ride: Ticket | None = None
        self.started = False
        self._left = 2

    def leave(self) -> None:
        """Let others go once the work is done and the answer is told: the second time."""
        self._left -= 1
        if not self._left and self.ride is not None:
            self.ride.leave()


GRACE_S = 10.0
"""Seconds that work which was aborted may keep its lane."""


class Refusal(Exception):
    """A command does not work; the sentence is the answer."""


class CommandHandler(Protocol):
    """Does what commands say."""

    async def do(self, command: Command, begun: Callable[[], None]) -> Any:
        """Do it; return what is answered, or UNSET.  `begun` lets control overtake.

        :raises Refusal: it does not work.
        :raises HostError: it does not work.
        """

    async def give_up(self, command: Command) -> bool:
        """Stop what takes too long; return False if nothing can stop it."""

    def knows(self, session_id: str) -> bool:
        """Tell whether there is such a session."""


class Engine:
    """Has commands done, each once.  `tell` tells everybody, about a session or none."""

    def __init__(
        self,
        clock: IReactorTime,
        limits: Limits,
        does: CommandHandler,
        tell: Callable[[bytes, str | None], object],
    ) -> None:
        self.replays = IdempotencyStore(clock, limits)
        self.rates = CommandRates(clock, limits)
        self.lanes = Lanes()
        self.versions: dict[str, int] = {}
        self.stopping = False
        self.counts: Counter[str] = Counter()
        self._clock = clock
        self._limits = limits
        self._does = does
        self._tell = tell
        self._numbers = count(1)
        self._began = int(clock.seconds() * 1000)

    async def execute(self, command: Command, said: bytes, answer: Answer) -> None:
        """Have a command done, and answered; `said` are its words."""
        if self.stopping:
            answer(refusal(command, "Server is shutting down"))
            return
        try:
            _check_scope(command)  # before a replay: its answer may be another client's
        except ForbiddenScope as error:
            answer(refusal(command, str(error)))
            return
        named = command.id is not UNSET or command.idempotency_key is not UNSET
        order = Execution(command, f"{RESERVED}{self._began}:{next(self._numbers)}", answer)
        found = None
        if named:
            order.print = fingerprint(said)
            found = self.replays.find(command, order.print)
        if isinstance(found, StoredResponse):
            self._finish(order, again(await found.answered(), command))
        elif found is not None:
            self._finish(order, found)
        else:
            await self._admit(order, named=named)

    async def _admit(self, order: Execution, *, named: bool) -> None:
        why = self._refused(order.command)
        if why is not None:
            self._finish(order, refusal(order.command, why))
            return
        known = None
        if named:
            known = StoredResponse(order.command, order.print, order.lane, Deferred())
            if not self.replays.begin(known):
                busy = "Server busy - too many concurrent commands. Please retry."
                self._finish(order, refusal(order.command, busy))
                return
        self._phase("accepted", order)
        self.counts["executed"] += 1
        response = await self._timed(order)
        self._finish(order, response)
        if known is not None:
            self.replays.end(known, response)
        order.leave()

    def _refused(self, command: Command) -> str | None:
        target = command.target or "server"
        if command.type in SERVER:
            target = f"control:{target}"
        elif not isinstance(command, SessionCommand):
            target = "server"
        why = self.rates.refuse(target, answers=command.type == "extension_ui_response")
        if why is not None:
            self.counts["refused"] += 1
        return why

    def _finish(self, order: Execution, response: Response) -> None:
        told = lifecycle("finished", order.command, order.number, response)
        self._tell(told, order.command.target)
        order.answer(response)

    def _phase(self, phase: str, order: Execution) -> None:
        self._tell(lifecycle(phase, order.command, order.number), order.command.target)

    # In time.

    async def _timed(self, order: Execution) -> Response:
        """Return the answer, or that it took too long: what comes later is not told."""
        order.ride = self.lanes.enter(order.lane, _way(order.command))
        work = Deferred.fromCoroutine(self._ride(order, order.ride)).addBoth(_left, order)
        patience = self._patience(order.command)
        if patience is None or work.called:
            return await work.addErrback(self._broken, order)
        outcome: Deferred[Response] = Deferred()
        timer = self._clock.callLater(patience, self._late, order, work, outcome, patience)

        def done(result: Any) -> None:
            if timer.active():
                timer.cancel()
                outcome.callback(result)

        work.addErrback(self._broken, order).addCallback(done)
        return await outcome

    def _patience(self, command: Command) -> float | None:
        limits, kind = self._limits, TRAITS[command.type].patience
        return {"short": limits.mux_read, "long": limits.mux_work, None: None}[kind]

    def _late(
        self,
        order: Execution,
        work: Deferred[Any],
        outcome: Deferred[Response],
        patience: float,
    ) -> None:
        self.counts["late"] += 1
        command = order.command
        text = f"Command '{command.type}' timed out after {round(patience * 1000)}ms"
        given_up = Deferred.fromCoroutine(self._give_up(order, work))
        given_up.addErrback(lambda failure: log.warn("{why}", why=failure.value))
        given_up.addCallback(lambda _: outcome.callback(refusal(command, text, late=True)))

    async def _give_up(self, order: Execution, work: Deferred[Any]) -> None:
        if order.started and await self._does.give_up(order.command):
            self._clock.callLater(GRACE_S, work.cancel)
        else:
            work.cancel()

    def _broken(self, failure: Failure, order: Execution) -> Response:
        if not failure.check(CancelledError):
            log.failure("a command of the multiplexer failed", failure)
        return refusal(order.command, "The host met an internal error; its log has it.")

    # In the lane.

    async def _ride(self, order: Execution, ride: Ticket) -> Response:
        if ride.go is not None:
            await ride.go
        order.started = True
        self._phase("started", order)
        return await self._run(order, ride)

    async def _run(self, order: Execution, ride: Ticket) -> Response:
        command = order.command
        try:
            await self._check(order)
            data = await self._does.do(command, ride.begun)
        except (Refusal, HostError) as error:
            return refusal(command, str(error))
        version = self._version(command, data)
        return Response(
            id=command.id,
            command=command.type,
            success=True,
            data=data,
            session_version=version,
        )

    async def _check(self, order: Execution) -> None:
        """Check what must be so before a command is done.

        :raises Refusal: it is not.
        :raises ForbiddenScope: whoever asks may not.
        """
        command = order.command
        if command.depends_on:
            await self._depend(order, command.depends_on)
        wanted, target = command.if_session_version, command.target
        if wanted is not UNSET and target is not None:
            if not self._does.knows(target):
                raise Refusal(f"Session {target} not found for ifSessionVersion={wanted}")
            now = self.versions.get(target, 0)
            if now != wanted:
                raise Refusal(f"Session version mismatch: expected {wanted}, got {now}")
        _check_scope(command)

    async def _depend(self, order: Execution, numbers: list[str]) -> None:
        if order.number in numbers:
            raise Refusal(f"Command '{order.number}' cannot depend on itself")
        for number in numbers:
            response = await self._awaited(number, order.lane)
            if not response.success:
                raise Refusal(f"Dependency '{number}' failed: {response.error}")

    async def _awaited(self, number: str, lane: str) -> Response:
        known = self.replays.get(number)
        if known is None:
            raise Refusal(f"Dependency '{number}' is unknown")
        if known.response is None and known.lane == lane:
            queued = "is queued in the same lane and cannot be awaited from this command"
            raise Refusal(f"Dependency '{number}' {queued}")
        waiting = Deferred.fromCoroutine(known.answered())
        seconds = self._limits.mux_read
        try:
            return await waiting.addTimeout(seconds, self._clock)
        except TookTooLong:
            late = f"timed out after {round(seconds * 1000)}ms"
            raise Refusal(f"Command 'dependsOn:{number}' {late}") from None

    def _version(self, command: Command, data: Any) -> int | UnsetType:
        """Return the version that a session has after a command."""
        if command.type in ("create_session", "load_session"):
            self.versions[data["sessionId"]] = 0
            return 0
        target = command.target
        if target is None:
            return UNSET
        if command.type == "delete_session":
            self.versions.pop(target, None)
            return UNSET
        now = self.versions.get(target, 0) + TRAITS[command.type].mutates
        self.versions[target] = now
        return now


def _check_scope(command: Command) -> None:
    """Check that whoever asks may; what starts a program is for no session that there is.

    :raises ForbiddenScope: they may not.
    """
    trait = TRAITS[command.type]
    current.get().check(trait.scope, None if trait.starts else command.target)


def _left(result: Any, order: Execution) -> Any:
    order.leave()
    return result


def _way(command: Command) -> Way:
    """Return whom a command need not wait for; what depends on others waits for all."""
    trait = TRAITS[command.type]
    if command.depends_on:
        return "last"
    if trait.rules:
        return "first"
    added = isinstance(command, Prompt) and command.streaming_behavior is not UNSET
    return "beside" if added or trait.overtakes else "last"
