"""One hosted session: its agent, its turns, and what the agent reports for the log."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

from msgspec import Raw
from msgspec.structs import replace
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from sxhost.agents.dependencies import Dependencies
from sxhost.agents.event_writer import EventWriter, fitting
from sxhost.agents.lifecycle import Named, new_life
from sxhost.agents.questions import SessionQuestions
from sxhost.agents.settings import PERSISTENT_FIELDS, apply_turn
from sxhost.agents.turns import HeldReports, TurnLog
from sxhost.agents.watchdog import Watchdog
from sxhost.drivers.contracts import Agent, Driver, NativeCommands, Started
from sxhost.errors import AgentFailed, HostError, Unsupported
from sxhost.logs import logger
from sxhost.model.approval import Answer, Question
from sxhost.model.event_types import AgentEvent, encode_data
from sxhost.model.session import Hosting
from sxhost.model.turn import (
    AgentStatus,
    CutReason,
    Input,
    Launch,
    ModelDraft,
    Process,
    Turn,
    TurnDraft,
    TurnStatus,
    input_text,
    items,
)
from sxhost.process.contracts import ChildExit
from sxhost.waiting import Signal, background

__all__ = ["HostedSession"]

log = logger(__name__)


class HostedSession:
    """A session whose agent we run (the `Reports` of that agent).

    `on_free` is called whenever the agent could take something: it is ready, or a turn is over.
    """

    def __init__(
        self,
        session_id: str,
        launch: Launch,
        driver: Driver,
        dependencies: Dependencies,
        on_free: Callable[[], object],
        *,
        turn: Turn | None = None,
    ) -> None:
        self.id = session_id
        self.launch = launch
        self.life = new_life(Named(session_id))
        self.agent: Agent = driver.agent(launch, self)
        self._driver = driver
        self._dependencies = dependencies
        self._on_free = on_free
        self._writer = EventWriter(
            session_id,
            dependencies.append,
            dependencies.clock,
            most=dependencies.limits.event_size,
            hold=dependencies.hold,
        )
        self._turns = TurnLog(self._writer, dependencies.wall_ms, turn)
        self._turn_over = Signal()
        self._reports = HeldReports()
        self._questions = SessionQuestions(
            session_id,
            dependencies,
            self._writer,
            answer=self._answer_agent,
            on_wait=self._wait_for_decision,
            on_resume=self._resume_turn,
        )
        self._watchdog = Watchdog(
            dependencies.clock, dependencies.limits, self._stalled, self._restart
        )
        self._ending = False
        self._starting: Signal | None = None
        """Fires when the start that goes on now has come to its end."""

    @property
    def turn(self) -> Turn | None:
        """The turn that runs, or the last one."""
        return self._turns.turn

    @property
    def status(self) -> AgentStatus:
        """The agent as it is now."""
        return AgentStatus(state=self.life.name(), turn=self.turn, effort=self.launch.effort)

    # Its life.

    @property
    def lives(self) -> bool:
        """Whether the agent is there, or will be without anybody asking for it."""
        is_there = self.life.name() != "gone" or self._starting is not None
        return is_there or self._watchdog.restart_pending

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
        self._watchdog.cancel_restart()
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
        await self._dependencies.note(
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
        self._watchdog.started()
        self.report_event(
            "started", {"agent": self.launch.agent, "native_id": started.native_id}
        )
        self.life.ready()
        self._on_free()

    async def end(self) -> None:
        """End the agent; it is not started again."""
        self._ending = True
        self._watchdog.cancel_restart()
        if self.life.name() != "gone":
            self.life.stop()
            await self.agent.stop()
        if self._starting is not None:
            with suppress(HostError):
                await self.start()  # what goes on comes to its end
        await self._writer.finish()

    # Its verbs.

    async def submit(self, draft: TurnDraft, by: str = "turn") -> Turn:
        """Begin a turn; return it once the log has it."""
        self.life.begin()
        before, turn = self.turn, self._turns.begin()
        self._reports.hold()
        self._watchdog.watch()
        try:
            native_id = await self._submit_to_agent(draft)
        except BaseException:
            self._turns.revert(before)
            self.life.over()
            self._watchdog.pause()
            raise
        else:
            self._turns.set_native_id(native_id)
            self._turns.announce()
            self.record_input(draft.input, by, turn.id)
        finally:
            self._reports.release()
        await self._writer.flushed()
        return self.turn or turn

    async def _submit_to_agent(self, draft: TurnDraft) -> str | None:
        """Submit a turn; the settings that it changes are kept before the agent has them."""
        before = {name: getattr(self.launch, name) for name in PERSISTENT_FIELDS}
        try:
            await self._keep(apply_turn(self.launch, draft))
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
            await self._dependencies.note(self.id, noted)

    async def steer(self, given: Input, by: str = "steer") -> None:
        """Add to the running turn."""
        self.life.meddle()
        if not self.agent.can.steer:
            raise Unsupported(f"{self.launch.agent} cannot be steered; send a message instead.")
        await self.agent.steer(items(given))
        self.record_input(given, by, self._turns.number or None)
        await self._writer.flushed()

    async def wait_for_turn(self, turn: int) -> Turn | None:
        """Return a turn once it is over and its end is in the log.

        None: it is forgotten since another one runs, or never began.
        """
        while not self._is_over(turn):
            await self._turn_over.wait()
        await self.flushed()
        return self.turn if self.turn and self.turn.id == turn else None

    def _is_over(self, turn: int) -> bool:
        turns = self._turns
        ended = turns.number == turn and not turns.runs
        return turns.number > turn or ended or self.life.name() == "gone"

    async def flushed(self) -> None:
        """Return once all that was reported is in the log."""
        await self._writer.flushed()

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
        await self.model_changed(draft.model, draft.provider, draft.effort)

    async def native_command(self, name: str, params: Mapping[str, Any]) -> Raw:
        """Send the agent a command of its own protocol; return its result.

        What it changes holds for a restart as well.

        :raises Unsupported: this kind of agent takes none.
        :raises CommandRefused: the agent refused it.
        """
        if not isinstance(self.agent, NativeCommands):
            raise Unsupported(f"{self.launch.agent} takes no commands of its own protocol.")
        answer = await self.agent.native_command(name, params)
        if answer.native_id is not None:
            await self.conversation_changed(answer.native_id)
        if (answer.model, answer.provider, answer.effort) != (None, None, None):
            await self.model_changed(answer.model, answer.provider, answer.effort)
        return answer.result

    async def conversation_changed(self, native_id: str) -> None:
        """The agent goes on with another conversation: a restart will, too."""
        self.launch = replace(self.launch, resume=native_id)
        noted = Hosting(native_id=native_id, launch=self.launch)
        await self._dependencies.note(self.id, noted)

    async def model_changed(
        self, model: str | None = None, provider: str | None = None, effort: str | None = None
    ) -> None:
        """The agent uses another model, or thinks more or less: a restart will, too."""
        given = {"model": model, "provider": provider, "effort": effort}
        self.launch = replace(self.launch, **{k: v for k, v in given.items() if v is not None})
        noted = Hosting(model=model, provider=provider, launch=self.launch)
        await self._dependencies.note(self.id, noted)

    def record_input(self, given: Input, by: str, turn: int | None) -> None:
        """Have the log tell what the agent was told."""
        self._writer.put("user-message", {"text": input_text(given), "by": by, "turn": turn})

    # What the agent reports.

    def report_event(self, event: AgentEvent | str, data: object = None) -> None:
        """Pass an event on to the log; a name with data until all drivers report values."""
        if not isinstance(event, str):
            data = encode_data(event)
        name = event if isinstance(event, str) else event.name
        if self._reports.holding:
            fit = fitting(data, self._dependencies.limits.event_size)
            self._reports.add(partial(self.report_event, name, fit))
            return
        self._watchdog.note_activity()
        self._turns.announce()
        self._writer.put(name, data)

    def spawned(self, process: Process) -> None:
        """Note which process runs."""
        self._background(self._dependencies.note(self.id, Hosting(process=process)))

    def approval_requested(self, question: Question) -> None:
        """Open an approval, after all that was reported before it."""
        if self._reports.holding:
            self._reports.add(partial(self.approval_requested, question))
            return
        self._questions.open(question)

    def approval_withdrawn(self, key: str, why: str) -> None:
        """Close the approval of a question that the agent asks no longer."""
        self._questions.close(key, why)

    async def _answer_agent(self, question: Question, answer: Answer) -> None:
        await self.agent.answer(question, answer)

    def _wait_for_decision(self) -> None:
        self._watchdog.pause()
        self.life.asked()

    def _resume_turn(self) -> None:
        self.life.answered()
        self._watchdog.watch()
        self._dependencies.clock.callLater(0, self._on_free)

    def turn_started(self, native_id: str | None) -> None:
        """Learn the agent's name for a turn, or of one that it began by itself."""
        if self.life.name() == "idle":
            self.life.begin()
            self._turns.begin()
            self._watchdog.watch()
        self._turns.set_native_id(native_id)
        if not self._reports.holding:
            self._turns.announce()

    def turn_ended(self, status: TurnStatus, reason: str = "", native: Any = None) -> None:
        """The turn is over: the agent is free for more."""
        if self._reports.holding:
            self._reports.add(partial(self.turn_ended, status, reason, native))
        elif self._turns.runs:
            self._withdraw_questions("the turn is over")
            self._turns.end(status, reason, native)
            self.life.over()
            self._watchdog.pause()
            self._dependencies.clock.callLater(0, self._on_free)
            self._turn_over.fire()

    def gone(self, how: ChildExit) -> None:
        """The agent's process is no more: its turn has failed, it may be started again."""
        wanted = self._ending or self.life.name() == "stopping"
        starting = self.life.name() == "starting"
        if not starting:
            why = CutReason.AGENT_ENDED if wanted else CutReason.PROCESS_ENDED
            self.turn_ended("failed", why)
            self._withdraw_questions(how.sentence)
        self.life.gone()
        self._turn_over.fire()
        self._watchdog.pause()
        if not starting:
            self.report_event("ended", {**_exit(how), "reason": how.sentence})
            self._background(self._dependencies.note(self.id, Hosting(process=Process(0))))
        if not (wanted or starting or how.asked):
            self._restart_later(how.sentence)

    # Whether it is well.

    def _restart_later(self, why: str) -> None:
        """Start the agent again, where it can go on with its conversation."""
        if self.agent.can.resume:
            delay = self._watchdog.schedule_restart()
            plan = (
                "it failed too often and rests now" if delay is None else f"again in {delay} s"
            )
            log.warn("{session}: {why}; {plan}", session=self.id, why=why, plan=plan)

    def _restart(self) -> None:
        self._background(self._start_again())

    async def _start_again(self) -> None:
        try:
            await self.start()
        except AgentFailed as error:
            if not self._ending:
                self._restart_later(error.message)

    def _stalled(self, silent: float) -> None:
        data = {"silent_s": round(silent), "turn": self._turns.number or None}
        self._writer.put("stalled", data)

    # How it is done.

    def _withdraw_questions(self, why: str) -> None:
        if self._questions.withdraw_all(why):
            self.life.answered()

    def _background(self, work: Awaitable[object]) -> None:
        background(work, log, self.id, (HostError,))


def _exit(how: ChildExit) -> dict[str, Any]:
    return {"code": how.code, "signal": how.signal, "stderr": how.stderr[-4096:]}
