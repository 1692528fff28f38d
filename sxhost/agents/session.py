"""One hosted session: its agent, its turns, and what the agent reports for the log."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from functools import partial

from msgspec import Raw
from msgspec.structs import replace

from sxhost.agents.dependencies import Dependencies
from sxhost.agents.event_turns import EventTurns
from sxhost.agents.event_writer import EventWriter, fitting
from sxhost.agents.launch_record import LaunchRecord
from sxhost.agents.lifecycle import Context, new_life
from sxhost.agents.questions import SessionQuestions
from sxhost.agents.turns import HeldReports, TurnLog
from sxhost.agents.usage import UsageTotals
from sxhost.agents.watchdog import Watchdog
from sxhost.drivers.contracts import Agent, Driver, NativeCommands, Started
from sxhost.errors import AgentFailed, HostError, Unsupported
from sxhost.logs import logger
from sxhost.model.approval import Answer, Question
from sxhost.model.event_types import (
    AgentEvent,
    AsleepEvent,
    BackgroundEvent,
    CustomEvent,
    EndedEvent,
    StalledEvent,
    StartedEvent,
    UsageEvent,
    UserMessageEvent,
    encode_data,
)
from sxhost.model.pictures import pictures_of
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
from sxhost.waiting import SharedRun, Signal, background

__all__ = ["HostedSession"]

log = logger(__name__)

STDERR = 4096
"""Characters of the end of its stderr that the log keeps of an agent that has ended."""


class HostedSession:
    """A session whose agent we run (the `Reports` of that agent).

    `on_free` is called whenever the agent could take something: it is ready, or a turn is over;
    `on_sleepy` when its process may end until it is needed again, with the seconds of idleness.
    """

    def __init__(
        self,
        session_id: str,
        launch: Launch,
        driver: Driver,
        dependencies: Dependencies,
        on_free: Callable[[], object],
        *,
        on_sleepy: Callable[[float], object],
        turn: Turn | None = None,
        fresh: bool = False,
        usage: object = None,
    ) -> None:
        self.id = session_id
        self.record = LaunchRecord(session_id, launch, dependencies.set_hosting, fresh=fresh)
        self.life = new_life(Context(session_id))
        self._usage = UsageTotals(usage, dependencies.wall_ms())
        self.agent: Agent = driver.agent(launch, self)
        self._driver = driver
        self._dependencies = dependencies
        self._on_free = on_free
        self._on_sleepy = on_sleepy
        clock, limits = dependencies.clock, dependencies.limits
        writer = self._writer = EventWriter(
            session_id,
            dependencies.append,
            clock,
            most=limits.event_size,
            hold=dependencies.hold,
        )
        self._turns = TurnLog(writer, dependencies.wall_ms, turn)
        self._event_turns = EventTurns()
        self._turn_changed = Signal()
        """Fires when a turn has begun by itself, when one is over, when the agent is."""
        self._reports = HeldReports()
        self._questions = SessionQuestions(
            session_id,
            dependencies,
            writer,
            answer=self._answer_agent,
            on_wait=self._wait_for_decision,
            on_resume=self._resume_turn,
        )
        self._watchdog = Watchdog(clock, limits, self._stalled, self._restart, self._sleepy)
        self._ending = False
        self._in_background = False
        """Whether the agent has something running that outlives its turns."""
        self._idle_s: float | None = None
        """The seconds of idleness for which the agent is being ended, if it is for that."""
        self._starting = SharedRun(self._start)

    @property
    def turn(self) -> Turn | None:
        """The turn that runs, or the last one."""
        return self._turns.turn

    @property
    def launch(self) -> Launch:
        """How the agent was started, and is started again."""
        return self.record.launch

    @property
    def status(self) -> AgentStatus:
        """The agent as it is now."""
        return AgentStatus(state=self.life.name(), turn=self.turn, effort=self.launch.effort)

    # Its life.

    @property
    def lives(self) -> bool:
        """Whether the agent is there, or will be without anybody asking for it."""
        is_there = self.life.name() != "gone" or self._starting.runs
        return is_there or self._watchdog.restart_pending

    async def start(self) -> None:
        """Start the agent; whoever else wants it meanwhile waits for the same start.

        :raises AgentFailed: it cannot be started, or is ended already.
        """
        if self._starting.runs or self.life.name() == "gone":
            await self._starting()

    async def _start(self) -> None:
        self._watchdog.cancel_restart()
        try:
            started = await self._start_agent(self.launch)
        except AgentFailed:
            if not self.record.fresh or self.launch.resume is None:
                raise
            started = await self._start_agent(replace(self.launch, resume=None))
        try:
            await self._started(started)
        except BaseException:
            if self.life.name() != "gone":
                await self.agent.stop()
                self.life.process_ended()
            raise

    async def _start_agent(self, launch: Launch) -> Started:
        if self._ending:
            raise AgentFailed(f"The agent of {self.id!r} was ended.")
        self.agent = self._driver.agent(launch, self)
        self._usage.process_starts()
        self._event_turns = EventTurns()
        self.life.start()
        try:
            return await self.agent.start()
        except BaseException:
            self.life.process_ended()
            raise

    async def _started(self, started: Started) -> None:
        await self.record.started(started)
        if self.life.name() != "starting":
            raise AgentFailed(f"The agent of {self.id!r} has gone while it was started.")
        self._watchdog.started()
        self.report_event(StartedEvent(agent=self.launch.agent, native_id=started.native_id))
        self.life.ready()
        self._watch()
        self._on_free()

    @property
    def can_sleep(self) -> bool:
        """Whether the agent does nothing, and could go on in a new process."""
        busy = self._questions.any_open or self._in_background
        return self.life.name() == "idle" and not busy and self.agent.can.resume

    async def end(self, idle_s: float | None = None) -> None:
        """End the agent; this object does not start it again.

        :param idle_s: the seconds of idleness, if that is why.
        """
        self._ending, self._idle_s = True, idle_s
        self._watchdog.cancel_restart()
        self._watchdog.pause()
        if self.life.name() != "gone":
            self.life.stop()
            await self.agent.stop()
        if self._starting.runs:
            with suppress(HostError):
                await self.start()  # what goes on comes to its end
        await self._writer.finish()

    # Its verbs.

    async def submit(self, draft: TurnDraft, by: str = "turn") -> Turn:
        """Begin a turn; return it once the log has it."""
        self.life.begin_turn()
        before, turn = self.turn, self._turns.begin()
        self._reports.hold()
        self._watchdog.watch()
        try:
            native_id = await self._submit_to_agent(draft)
        except BaseException:
            self._turns.revert(before)
            self.life.end_turn()
            self._watch()
            raise
        else:
            self._turns.set_native_id(native_id)
            self._turns.announce()
            self._background(self.record.turn_began())
            self.record_input(draft.input, by, turn.id)
        finally:
            self._reports.release()
        await self._writer.flushed()
        return self.turn or turn

    async def _submit_to_agent(self, draft: TurnDraft) -> str | None:
        """Submit a turn; the settings that it changes are kept before the agent has them."""
        before = self.record.settings
        try:
            await self.record.apply_turn(draft)
            return await self.agent.submit(draft)
        except HostError:
            with suppress(HostError):
                await self.record.restore(before)
            raise

    async def steer(self, given: Input, by: str = "steer") -> None:
        """Add to the running turn."""
        self.life.check_turn_runs()
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
            await self._turn_changed.wait()
        await self._writer.flushed()
        return self.turn if self.turn and self.turn.id == turn else None

    async def wait_for_turn_start(self, turn: int) -> None:
        """Return once a turn has begun, or the agent is no more."""
        while self._turns.number < turn and self.life.name() != "gone":
            await self._turn_changed.wait()

    def _is_over(self, turn: int) -> bool:
        turns = self._turns
        ended = turns.number == turn and not turns.runs
        return turns.number > turn or ended or self.life.name() == "gone"

    async def flushed(self) -> None:
        """Return once all that was reported is in the log."""
        await self._writer.flushed()

    async def interrupt(self) -> None:
        """Stop the running turn, or what the agent can stop in the background."""
        if not self._in_background:
            self.life.check_turn_runs()
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
        await self.record.keep(draft)

    async def native_command(self, name: str, params: Mapping[str, object]) -> Raw:
        """Send the agent a command of its own protocol; return its result.

        What it changes holds for a restart as well.

        :raises Unsupported: this kind of agent takes none.
        :raises CommandRefused: the agent refused it.
        """
        if not isinstance(self.agent, NativeCommands):
            raise Unsupported(f"{self.launch.agent} takes no commands of its own protocol.")
        answer = await self.agent.native_command(name, params)
        if answer.native_id not in (None, self.launch.resume):
            now = self._dependencies.wall_ms()
            self._usage = UsageTotals(None, now)  # another conversation
        await self.record.keep(answer)
        return answer.result

    def record_input(self, given: Input, by: str, turn: int | None) -> None:
        """Have the log tell what the agent was told."""
        text, images = input_text(given), pictures_of(given)
        self._writer.put(UserMessageEvent(text=text, images=images, by=by, turn=turn))

    # What the agent reports.

    def report_event(self, event: AgentEvent, turn: str | None = None) -> None:
        """Pass an event on to the log; one that is late says which turn it belongs to."""
        if isinstance(event, UsageEvent):
            event = self._usage.total(event, self.agent.can)
        late = self._event_turns.late_turn_of(event, turn)
        if late is not None:
            event = replace(event, turn=late)
        if self._reports.holding:
            fit = fitting(encode_data(event), self._dependencies.limits.event_size)
            self._reports.add(partial(self.report_event, CustomEvent(event.name, fit)))
            return
        if isinstance(event, BackgroundEvent):
            self._in_background = bool(event.tasks)
        self._watchdog.note_activity()
        self._turns.announce()
        self._writer.put(event)

    def spawned(self, process: Process) -> None:
        """Note which process runs."""
        self._background(self.record.process_changed(process))

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
        # not `agent.answer` itself: a restart makes another agent
        await self.agent.answer(question, answer)

    def _wait_for_decision(self) -> None:
        self._watchdog.pause()
        self.life.ask_for_decision()

    def _resume_turn(self) -> None:
        self.life.resume_turn()
        self._watch()
        self._dependencies.clock.callLater(0, self._on_free)

    def turn_started(self, native_id: str | None) -> None:
        """Learn the agent's name for a turn, or of one that it began by itself."""
        if self.life.name() == "idle":
            self.life.begin_turn()
            self._turns.begin()
            self._background(self.record.turn_began())
            self._watchdog.watch()
            self._turn_changed.fire()
        self._event_turns.turn_began(self._turns.number, native_id)
        self._turns.set_native_id(native_id)
        if not self._reports.holding:
            self._turns.announce()

    def turn_ended(self, status: TurnStatus, reason: str = "", native: object = None) -> None:
        """The turn is over: the agent is free for more."""
        self._event_turns.turn_ended()
        if self._reports.holding:
            self._reports.add(partial(self._end_turn, status, reason, native))
        else:
            self._end_turn(status, reason, native)

    def _end_turn(self, status: TurnStatus, reason: str, native: object) -> None:
        if self._turns.runs:
            self._questions.withdraw_turn("the turn is over")
            self._turns.end(status, reason, native)
            self.life.end_turn()
            self._watch()
            self._dependencies.clock.callLater(0, self._on_free)
            self._turn_changed.fire()

    def exited(self, how: ChildExit) -> None:
        """The agent's process is no more: its turn has failed, it may be started again."""
        wanted = self._ending or self.life.name() == "stopping"
        starting = self.life.name() == "starting"
        if not starting:
            why = CutReason.AGENT_ENDED if wanted else CutReason.PROCESS_ENDED
            self.turn_ended("failed", why)
            self._questions.withdraw_all(how.sentence)
        self._in_background = False
        self.life.process_ended()
        self._turn_changed.fire()
        self._watchdog.pause()
        if not starting:
            self.report_event(self._end_event(how))
            self._background(self.record.process_changed(Process(0)))
        if not (wanted or starting or how.asked):
            self._restart_later(how.sentence)

    def _end_event(self, how: ChildExit) -> AgentEvent:
        if self._idle_s is not None:
            return AsleepEvent(idle_s=round(self._idle_s))
        return EndedEvent(
            code=how.code, signal=how.signal, stderr=how.stderr[-STDERR:], reason=how.sentence
        )

    # Whether it is well.

    def _watch(self) -> None:
        """Watch the agent as its state wants it."""
        match self.life.name():
            case "running":
                self._watchdog.watch()
            case "idle":
                self._watchdog.watch_idle()
            case _:
                self._watchdog.pause()

    def _sleepy(self, idle_s: float) -> None:
        if self.can_sleep:
            self._on_sleepy(idle_s)
        else:
            self._watch()

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
        turn = self._turns.number or None
        self._writer.put(StalledEvent(silent_s=round(silent), turn=turn))

    # How it is done.

    def _background(self, work: Awaitable[object]) -> None:
        background(work, log, self.id, (HostError,))
