"""One hosted session: its agent, its turns, and what the agent reports for the log."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Any

from msgspec.structs import replace
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from sxhost.agents.approvals import no_of
from sxhost.agents.dependencies import Dependencies
from sxhost.agents.event_writer import EventWriter, fitting
from sxhost.agents.lifecycle import Named, new_life
from sxhost.agents.settings import HOLDS, applied
from sxhost.agents.watchdog import Watchdog
from sxhost.drivers.contracts import Agent, Driver, Started
from sxhost.errors import AgentFailed, HostError, QuestionLimit, Unsupported
from sxhost.logs import logger
from sxhost.model.approval import Answer, Question
from sxhost.model.session import Hosting
from sxhost.model.turn import (
    Input,
    Launch,
    ModelDraft,
    Process,
    Turn,
    TurnDraft,
    TurnStatus,
    items,
    text_of,
)
from sxhost.process.contracts import Exit
from sxhost.waiting import Signal, background

__all__ = ["CUT_SHORT", "HostedSession"]

log = logger(__name__)

CUT_SHORT = "transport_closed_before_turn_completed"
"""Why a turn failed whose process went away in the middle of it."""

EARLY = 256
"""Reports that wait for a turn to be told first: an agent that begins in haste makes a few."""

TITLE = 200
"""Characters of the title of a question that is refused."""

NOT_ASKED = "the agent does not wait for it any more"


class HostedSession:
    """A session whose agent we run (the `Reports` of that agent).

    `free` is called whenever the agent could take something: it is ready, or a turn is over.
    """

    def __init__(
        self,
        session_id: str,
        launch: Launch,
        driver: Driver,
        ground: Dependencies,
        free: Callable[[], object],
        *,
        turn: Turn | None = None,
    ) -> None:
        self.id = session_id
        self.launch = launch
        self.turn = turn
        """The turn that runs, or the last one."""
        self.life = new_life(Named(session_id))
        self.agent: Agent = driver.agent(launch, self)
        self._driver = driver
        self._ground = ground
        self._free = free
        self._outlet = EventWriter(
            session_id,
            ground.append,
            ground.clock,
            most=ground.limits.event_size,
            hold=ground.hold,
        )
        self._care = Watchdog(ground.clock, ground.limits, self._stalled, self._restart)
        self._told = True
        self._early: list[Callable[[], None]] | None = None
        """What was reported while a turn was being submitted: first comes the turn itself."""
        self._open: set[str] = set()
        self._turn_over = Signal()
        self._ending = False
        self._starting: Signal | None = None
        """Fires when the start that goes on now has come to its end."""

    # Its life.

    @property
    def lives(self) -> bool:
        """Whether the agent is there, or will be without anybody asking for it."""
        return self.life.name() != "gone" or self._starting is not None or self._care.restarts

    async def start(self) -> None:
        """Start the agent; whoever else wants it meanwhile waits for the same start.

        :raises AgentFailed: it cannot be started, or is ended already.
        """
        if self._starting is not None:
            await self._starting.wait()
        elif self.life.name() == "gone":
            starting = self._starting = Signal()
            outcome = starting.wait()

            def over(failure: Failure | None) -> None:
                self._starting = None
                starting.fire(failure)

            Deferred.fromCoroutine(self._start()).addBoth(over)
            await outcome

    async def _start(self) -> None:
        if self._ending:
            raise AgentFailed(f"The agent of {self.id!r} was ended.")
        self._care.no_restart()
        self.agent = self._driver.agent(self.launch, self)
        self.life.start()
        try:
            started = await self.agent.start()
        except BaseException:
            self.life.gone()
            raise
        try:
            await self._started(started)
        except BaseException:
            if self.life.name() != "gone":
                await self.agent.stop()
                self.life.gone()
            raise

    async def _started(self, started: Started) -> None:
        self.launch = replace(self.launch, resume=started.native_id, prompt=None)
        await self._ground.note(
            self.id,
            Hosting(
                native_id=started.native_id,
                model=started.model or None,
                provider=started.provider or None,
                title=started.title or None,
                launch=self.launch,
            ),
        )
        if self.life.name() != "starting":
            raise AgentFailed(f"The agent of {self.id!r} has gone while it was started.")
        self._care.started()
        self.event("started", {"agent": self.launch.agent, "native_id": started.native_id})
        self.life.ready()
        self._free()

    async def end(self) -> None:
        """End the agent; it is not started again."""
        self._ending = True
        self._care.no_restart()
        if self.life.name() != "gone":
            self.life.stop()
            await self.agent.stop()
        if self._starting is not None:
            with suppress(HostError):
                await self.start()  # what goes on comes to its end
        await self._outlet.finish()

    # Its verbs.

    async def submit(self, draft: TurnDraft, by: str = "turn") -> Turn:
        """Begin a turn; return it once the log has it."""
        self.life.begin()
        before, turn = self.turn, self._next_turn()
        self._early = []
        self._care.watch()
        try:
            native_id = await self._submitted(draft)
        except BaseException:
            self._take_back(before)
            raise
        else:
            self._name(native_id)
            self._tell_turn()
            self.said(draft.input, by, turn.id)
        finally:
            self._report_early()
        await self._outlet.flushed()
        return self.turn or turn

    async def _submitted(self, draft: TurnDraft) -> str | None:
        """Tell the agent; what holds from then on is noted before it can be so."""
        before = {name: getattr(self.launch, name) for name in HOLDS}
        try:
            await self._keep(applied(self.launch, draft))
            return await self.agent.submit(draft)
        except HostError:
            with suppress(HostError):
                await self._keep(replace(self.launch, **before))
            raise

    async def _keep(self, launch: Launch) -> None:
        """Note how the agent is started again, if that has changed."""
        if launch != self.launch:
            self.launch = launch
            noted = Hosting(model=launch.model, cwd=launch.cwd, launch=launch)
            await self._ground.note(self.id, noted)

    def _take_back(self, before: Turn | None) -> None:
        """Forget a turn that did not begin."""
        self.turn, self._told = before, True
        self.life.over()
        self._care.rest()

    def _next_turn(self) -> Turn:
        number = self.turn.id + 1 if self.turn else 1
        self.turn, self._told = Turn(id=number, start_ms=self._ground.wall_ms()), False
        return self.turn

    async def steer(self, given: Input, by: str = "steer") -> None:
        """Add to the running turn."""
        self.life.meddle()
        if not self.agent.can.steer:
            raise Unsupported(f"{self.launch.agent} cannot be steered; send a message instead.")
        await self.agent.steer(items(given))
        self.said(given, by, self.turn.id if self.turn else None)
        await self._outlet.flushed()

    async def over(self, turn: int) -> Turn | None:
        """Return a turn once it is over and its end is in the log.

        None: it is forgotten since another one runs, or never began.
        """
        while not self._is_over(turn):
            await self._turn_over.wait()
        await self.written()
        return self.turn if self.turn and self.turn.id == turn else None

    def _is_over(self, turn: int) -> bool:
        now = self.turn.id if self.turn else 0
        running = self.turn is not None and self.turn.status == "running"
        return now > turn or (now == turn and not running) or self.life.name() == "gone"

    async def written(self) -> None:
        """Return once all that was reported is in the log."""
        await self._outlet.flushed()

    async def interrupt(self) -> None:
        """Stop the running turn."""
        self.life.meddle()
        await self.agent.interrupt()

    async def compact(self) -> None:
        """Shorten the conversation."""
        if not self.agent.can.compact:
            raise Unsupported(f"{self.launch.agent} cannot be told to compact.")
        await self.agent.compact()

    async def set_model(self, draft: ModelDraft) -> None:
        """Use another model from now on, also after a restart."""
        if not self.agent.can.set_model:
            raise Unsupported(f"{self.launch.agent} cannot change its model.")
        await self.agent.set_model(draft)
        await self.uses(draft.model, draft.provider, draft.effort)

    async def moved(self, native_id: str) -> None:
        """The agent goes on with another conversation: a restart will, too."""
        self.launch = replace(self.launch, resume=native_id)
        noted = Hosting(native_id=native_id, launch=self.launch)
        await self._ground.note(self.id, noted)

    async def uses(
        self, model: str | None = None, provider: str | None = None, effort: str | None = None
    ) -> None:
        """The agent uses another model, or thinks more or less: a restart will, too."""
        given = {"model": model, "provider": provider, "effort": effort}
        self.launch = replace(self.launch, **{k: v for k, v in given.items() if v is not None})
        noted = Hosting(model=model, provider=provider, launch=self.launch)
        await self._ground.note(self.id, noted)

    def said(self, given: Input, by: str, turn: int | None) -> None:
        """Have the log tell what the agent was told."""
        self._outlet.put("user-message", {"text": text_of(given), "by": by, "turn": turn})

    # What the agent reports.

    def event(self, name: str, data: Any) -> None:
        """Pass an event on to the log."""
        if self._early is not None:
            fit = fitting(data, self._ground.limits.event_size)
            self._put_off(self._early, partial(self.event, name, fit))
            return
        self._care.hear()
        self._tell_turn()
        self._outlet.put(name, data)

    def _put_off(self, early: list[Callable[[], None]], report: Callable[[], None]) -> None:
        """Wait with a report until the log has its turn; too many do not wait for that."""
        early.append(report)
        if len(early) > EARLY:
            self._report_early()

    def _report_early(self) -> None:
        early, self._early = self._early or [], None
        for report in early:
            report()

    def spawned(self, process: Process) -> None:
        """Note which process runs."""
        self._later(self._ground.note(self.id, Hosting(process=process)))

    def asked(self, question: Question) -> None:
        """Take a question to the desk, after what was told before it."""
        if self._early is not None:
            self._put_off(self._early, partial(self.asked, question))
            return
        most = self._ground.limits.open_questions
        if len(self._open) >= most and question.key not in self._open:
            self._refuse(question, QuestionLimit("of one session", most))
            return
        self._care.rest()
        self._open.add(question.key)
        self.life.asked()
        self._later(self._ask(question))

    async def _ask(self, question: Question) -> None:
        await self._outlet.flushed()
        if question.key in self._open:
            try:
                await self._ground.desk.ask(self.id, question, self._tell)
            except QuestionLimit as error:
                self._closed(question.key)
                self._refuse(question, error)
                return
        if question.key not in self._open:  # meanwhile the agent has thought better of it
            await self._ground.desk.settle(self.id, question.key, NOT_ASKED)

    def _refuse(self, question: Question, error: QuestionLimit) -> None:
        """Say no at once, also in the log; the agent, which asks just now, hears it next."""
        self._outlet.put("warning", {"text": f"{question.title[:TITLE]}: {error.message}"})
        answer = Answer(decision=no_of(question), reason=error.message)
        self._ground.clock.callLater(0, self._answer, question, answer)

    def _answer(self, question: Question, answer: Answer) -> None:
        self._later(self.agent.answer(question, answer))

    async def _tell(self, question: Any, answer: Any) -> None:
        self._closed(question.key)
        await self.agent.answer(question, answer)

    def settled(self, key: str, why: str) -> None:
        """Close a question that the agent asks no longer."""
        if key in self._open:
            self._closed(key)
            self._later(self._ground.desk.settle(self.id, key, why))

    def _closed(self, key: str) -> None:
        was_open = key in self._open
        self._open.discard(key)
        if was_open and not self._open:
            self.life.answered()
            self._care.watch()
            self._ground.clock.callLater(0, self._free)

    def turn_began(self, native_id: str | None) -> None:
        """Learn the agent's name for a turn, or of one that it began by itself."""
        if self.life.name() == "idle":
            self.life.begin()
            self._next_turn()
            self._care.watch()
        self._name(native_id)
        if self._early is None:
            self._tell_turn()

    def turn_ended(self, status: TurnStatus, reason: str = "", native: Any = None) -> None:
        """The turn is over: the agent is free for more."""
        if self._early is not None:
            self._put_off(self._early, partial(self.turn_ended, status, reason, native))
            return
        if self.turn is None or self.turn.status != "running":
            return
        self._tell_turn()
        self._withdraw("the turn is over")
        ids = {"turn": self.turn.id, "native_id": self.turn.native_id}
        told = {**ids, "status": status, "reason": reason, "native": native}
        self.event("error" if status == "failed" else "complete", told)
        self.turn = replace(self.turn, status=status, reason=reason)
        self.life.over()
        self._care.rest()
        self._ground.clock.callLater(0, self._free)
        self._turn_over.fire()

    def gone(self, how: Exit) -> None:
        """The agent's process is no more: its turn has failed, it may be started again."""
        wanted = self._ending or self.life.name() == "stopping"
        starting = self.life.name() == "starting"
        if not starting:
            self.turn_ended("failed", "the agent was ended" if wanted else CUT_SHORT)
            self._withdraw(how.sentence)
        self.life.gone()
        self._turn_over.fire()
        self._care.rest()
        if not starting:
            self.event("ended", {**_exit(how), "reason": how.sentence})
            self._later(self._ground.note(self.id, Hosting(process=Process(0))))
        if not (wanted or starting or how.asked):
            self._restart_later(how.sentence)

    # Whether it is well.

    def _restart_later(self, why: str) -> None:
        """Start the agent again, where it can go on with its conversation."""
        if self.agent.can.resume:
            delay = self._care.restart_later()
            plan = (
                "it failed too often and rests now" if delay is None else f"again in {delay} s"
            )
            log.warn("{session}: {why}; {plan}", session=self.id, why=why, plan=plan)

    def _restart(self) -> None:
        self._later(self._start_again())

    async def _start_again(self) -> None:
        try:
            await self.start()
        except AgentFailed as error:
            if not self._ending:
                self._restart_later(error.message)

    def _stalled(self, silent: float) -> None:
        told = {"silent_s": round(silent), "turn": self.turn.id if self.turn else None}
        self._outlet.put("stalled", told)

    # How it is done.

    def _name(self, native_id: str | None) -> None:
        if native_id and self.turn is not None:
            self.turn = replace(self.turn, native_id=native_id)

    def _tell_turn(self) -> None:
        """Have the log tell of the turn before anything that happens in it."""
        if self.turn is not None and not self._told:
            self._told = True
            told = {"turn": self.turn.id, "native_id": self.turn.native_id}
            self._outlet.put("turn-started", told)

    def _withdraw(self, why: str) -> None:
        keys, self._open = self._open, set()
        if keys:
            self._later(self._ground.desk.withdraw(self.id, why, "agent"))
            self.life.answered()

    def _later(self, work: Awaitable[object]) -> None:
        background(work, log, self.id, (HostError,))


def _exit(how: Exit) -> dict[str, Any]:
    return {"code": how.code, "signal": how.signal, "stderr": how.stderr[-4096:]}
