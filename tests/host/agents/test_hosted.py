"""One hosted session: its turns in order, its questions, its ends, whatever comes between."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import pytest
from msgspec.json import decode, encode
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from sxhost.agents.approvals import ApprovalBroker
from sxhost.agents.dependencies import Dependencies
from sxhost.agents.event_writer import FINISH_S
from sxhost.agents.session import HostedSession
from sxhost.agents.turns import EARLY
from sxhost.errors import (
    AgentFailed,
    HostError,
    NoTurn,
    QuestionLimit,
    StoreUnavailable,
    Unsupported,
)
from sxhost.model.approval import Answer, Question
from sxhost.model.event import EventDraft
from sxhost.model.event_types import BackgroundEvent, MessageEvent, NativeEvent, raw_json
from sxhost.model.limits import Limits
from sxhost.model.session import BackgroundTask, Hosting
from sxhost.model.turn import CutReason, Launch, ModelDraft, Process, Turn, TurnDraft
from sxhost.process.contracts import ChildExit
from sxhost.testing import FakeAgent, FakeDriver, is_done, question, result_of, started


class FakeApprovals:
    """Approvals that keep what is opened and closed; `slow` delays that."""

    def __init__(self) -> None:
        self.open: dict[str, Any] = {}
        self.settled: list[tuple[str, str]] = []
        self.withdrawn: list[str] = []
        self.full: QuestionLimit | None = None
        self.slow: Deferred[None] | None = None

    async def open_approval(self, _session_id: str, asked: Question, tell: Any) -> None:
        if self.slow is not None:
            await self.slow
        if self.full is not None:
            raise self.full
        self.open[asked.key] = tell

    async def close_question(self, _session_id: str, key: str, why: str) -> None:
        if self.open.pop(key, None) is not None:
            self.settled.append((key, why))

    async def withdraw(self, _session_id: str, why: str, _by: str) -> None:
        self.withdrawn.append(why)
        self.settled += [(key, why) for key in self.open]
        self.open.clear()


class Rig:
    """A hosted session on dependencies of the test's own."""

    def __init__(self, turn: Turn | None = None, **can: bool) -> None:
        self.clock = Clock()
        self.driver = FakeDriver(**can)
        self.approvals = FakeApprovals()
        self.log: list[tuple[str, Any]] = []
        self.notes: list[Hosting] = []
        self.refuse: HostError | None = None
        self.noting: Deferred[None] | None = None
        self.free = 0
        self.sleepy: list[float] = []
        dependencies = Dependencies(
            self.clock,
            lambda: int(self.clock.seconds() * 1000),
            Limits(stall_after=10, restart_after=1),
            cast("ApprovalBroker", self.approvals),
            self._append,
            self._note,
            lambda _hold: None,
        )
        launch = Launch(agent="fake", cwd="/", prompt="first")
        self.session = HostedSession(
            "a",
            launch,
            self.driver,
            dependencies,
            self._free,
            on_sleepy=self.sleepy.append,
            turn=turn,
        )

    def _free(self) -> None:
        self.free += 1

    async def _append(self, _session_id: str, drafts: Sequence[EventDraft]) -> None:
        if self.refuse is not None:
            raise self.refuse
        self.log += [(draft.event, decode(encode(draft.data))) for draft in drafts]

    async def _note(self, _session_id: str, noted: Hosting) -> None:
        if self.noting is not None:
            await self.noting
        if self.refuse is not None:
            raise self.refuse
        self.notes.append(noted)

    @property
    def agent(self) -> FakeAgent:
        return self.driver.agents[-1]

    @property
    def state(self) -> str:
        return self.session.life.name()

    def settle(self) -> None:
        for _ in range(5):
            self.clock.advance(0)

    def names(self) -> list[str]:
        self.settle()
        return [name for name, _ in self.log]

    def do(self, work: Any) -> Any:
        doing = started(work)
        self.settle()
        return result_of(doing)

    def submit(self, text: str = "go") -> Turn:
        return cast("Turn", self.do(self.session.submit(TurnDraft(input=text))))

    def asked(self, key: str = "q1") -> None:
        self.agent.reports.approval_requested(question(key))
        self.settle()

    def answer(self, key: str, decision: str) -> None:
        tell = self.approvals.open.pop(key)
        self.do(tell(question(key), Answer(decision=decision)))


@pytest.fixture
def rig() -> Rig:
    rig = Rig()
    rig.do(rig.session.start())
    return rig


class TestStart:
    def test_native_id_and_process_of_the_agent_are_stored(self, rig: Rig) -> None:
        assert rig.state == "idle"
        assert rig.notes[-1].native_id == "native-1"
        launch = rig.notes[-1].launch
        assert launch is not None
        assert (launch.resume, launch.prompt) == ("native-1", None)
        assert rig.free == 1

    def test_callers_during_a_start_wait_for_it(self) -> None:
        rig = Rig()
        rig.driver.slow = Deferred()
        starts = [started(rig.session.start()) for _ in range(3)]
        assert not any(map(is_done, starts))
        rig.driver.slow.callback(None)
        for start in starts:
            result_of(start)
        assert len(rig.driver.agents) == 1

    def test_failed_start_fails_for_every_caller(self) -> None:
        rig = Rig()
        rig.driver.slow, rig.driver.refuse = Deferred(), AgentFailed("No disk.")
        starts = [started(rig.session.start()) for _ in range(3)]
        rig.driver.slow.callback(None)
        for start in starts:
            with pytest.raises(AgentFailed, match="No disk"):
                result_of(start)
        assert rig.state == "gone"
        rig.driver.refuse = rig.driver.slow = None
        rig.do(rig.session.start())
        assert rig.state == "idle"

    def test_agent_that_cannot_be_stored_is_ended(self) -> None:
        rig = Rig()
        rig.refuse = StoreUnavailable("The disk is full.")
        with pytest.raises(StoreUnavailable):
            rig.do(rig.session.start())
        assert rig.agent.did[-1] == ("stop",)
        assert rig.state == "gone"
        rig.refuse = None
        rig.do(rig.session.start())
        assert rig.state == "idle"

    def test_agent_that_exits_while_it_is_stored_has_not_started(self) -> None:
        rig = Rig()
        noting: Deferred[None] = Deferred()
        rig.noting = noting
        start = started(rig.session.start())
        rig.agent.reports.exited(ChildExit(signal="SIGKILL"))
        rig.noting = None
        noting.callback(None)
        with pytest.raises(AgentFailed, match="has gone"):
            result_of(start)
        assert rig.state == "gone"
        assert rig.names() == []

    def test_end_during_a_start_leaves_nothing(self) -> None:
        rig = Rig()
        rig.driver.slow = Deferred()
        start = started(rig.session.start())
        end = started(rig.session.end())
        rig.driver.slow.callback(None)
        rig.settle()
        with pytest.raises(AgentFailed):
            result_of(start)
        result_of(end)
        assert rig.agent.did == [("start", None), ("stop",)]
        assert rig.state == "gone"
        assert "started" not in rig.names()
        with pytest.raises(AgentFailed, match="was ended"):
            rig.do(rig.session.start())

    def test_end_during_an_uncancellable_start_leaves_nothing(self) -> None:
        rig = Rig()
        rig.driver.slow = Deferred()
        start = started(rig.session.start())
        stop, stops = rig.agent.stop, []

        async def first_nothing() -> None:
            stops.append(rig.state)
            if len(stops) > 1:
                await stop()

        rig.agent.stop = first_nothing  # type: ignore[method-assign]
        end = started(rig.session.end())
        assert not is_done(end)
        rig.driver.slow.callback(None)
        rig.settle()
        result_of(end)
        with pytest.raises(AgentFailed):
            result_of(start)
        assert stops == ["stopping", "stopping"]
        assert rig.state == "gone"


class TestTurns:
    def test_turn_start_is_reported_before_its_events(self, rig: Rig) -> None:
        submit = rig.agent.submit

        async def chatty(draft: TurnDraft) -> str | None:
            rig.agent.reports.turn_started("native")
            rig.agent.reports.report_event(MessageEvent(text="hi"))
            rig.agent.reports.approval_requested(question())
            rig.agent.reports.approval_withdrawn("q1", "never mind")
            rig.agent.reports.turn_ended("completed")
            return await submit(draft)

        rig.agent.submit = chatty  # type: ignore[method-assign]
        turn = rig.submit()
        assert (turn.id, turn.status) == (1, "completed")
        names = rig.names()
        assert names[1:4] == ["turn-started", "user-message", "message"]
        assert names[-1] == "complete"
        assert rig.state == "idle"

    def test_late_words_say_which_turn_they_are_of(self, rig: Rig) -> None:
        reports = rig.agent.reports
        for number, words in ((1, "before"), (2, "between")):
            rig.submit()
            reports.turn_started(f"native-{number}")
            reports.turn_ended("completed")
            reports.report_event(MessageEvent(text=words))
        submit = rig.agent.submit

        async def chatty(draft: TurnDraft) -> str | None:
            reports.report_event(MessageEvent(text="while the third is taken"))
            reports.turn_started("native-3")
            return await submit(draft)

        rig.agent.submit = chatty  # type: ignore[method-assign]
        rig.submit()
        reports.report_event(MessageEvent(text="of the first"), "native-1")
        reports.report_event(MessageEvent(text="of the third"))
        rig.settle()
        told = [data for name, data in rig.log if name == "message"]
        assert [(data["text"], data.get("turn")) for data in told] == [
            ("before", 1),
            ("between", 2),
            ("while the third is taken", 2),
            ("of the first", 1),
            ("of the third", None),
        ]

    def test_events_outside_a_turn_do_not_wait_for_it(self, rig: Rig) -> None:
        submit = rig.agent.submit

        async def flooding(draft: TurnDraft) -> str | None:
            for number in range(10 * EARLY):
                rig.agent.reports.report_event(NativeEvent(native=raw_json(number)))
            rig.clock.advance(1)
            assert len([1 for name, _ in rig.log if name == "native"]) == 10 * EARLY
            return await submit(draft)

        rig.agent.submit = flooding  # type: ignore[method-assign]
        rig.submit()
        assert rig.names()[1:3] == ["turn-started", "native"]

    def test_turn_numbers_continue_from_an_earlier_life(self) -> None:
        rig = Rig(turn=Turn(id=7, status="failed"))
        rig.do(rig.session.start())
        assert rig.submit().id == 8

    def test_agent_that_never_answers_is_stalled(self, rig: Rig) -> None:
        slow: Deferred[None] = Deferred()

        async def never(_draft: TurnDraft) -> str | None:
            await slow
            return None

        rig.agent.submit = never  # type: ignore[method-assign, assignment]
        turn = started(rig.session.submit(TurnDraft(input="go")))
        rig.clock.advance(10)
        assert rig.names()[-1] == "stalled"
        slow.errback(AgentFailed("It has gone."))
        with pytest.raises(AgentFailed):
            result_of(turn)
        rig.clock.advance(100)
        assert rig.names().count("stalled") == 1

    def test_agent_may_exit_during_a_submit(self, rig: Rig) -> None:
        async def dies(_draft: TurnDraft) -> str | None:
            rig.agent.reports.exited(ChildExit(code=1))
            raise AgentFailed("It has gone.")

        rig.agent.submit = dies  # type: ignore[method-assign, assignment]
        with pytest.raises(AgentFailed):
            rig.submit()
        assert rig.names()[-1] == "ended"
        assert rig.state == "gone"
        rig.clock.advance(1)
        assert rig.submit().id == 1

    def test_late_end_does_not_end_the_next_turn(self, rig: Rig) -> None:
        rig.submit()
        rig.agent.reports.turn_ended("completed")
        rig.agent.reports.turn_ended("failed", "again")
        assert rig.names().count("error") == 0
        assert rig.submit().id == 2

    def test_unsupported_command_is_refused(self) -> None:
        rig = Rig(steer=False, compact=False)
        rig.do(rig.session.start())
        rig.submit()
        session = rig.session
        for work in (
            session.steer("x"),
            session.compact(),
            session.set_model(ModelDraft(model="m")),
        ):
            with pytest.raises(Unsupported):
                rig.do(work)

    def test_steer_and_interrupt_without_a_turn_are_refused(self, rig: Rig) -> None:
        for work in (rig.session.steer("x"), rig.session.interrupt()):
            with pytest.raises(NoTurn):
                rig.do(work)
        assert rig.agent.did == [("start", None)]

    def test_changed_model_is_stored_for_the_next_start(self) -> None:
        rig = Rig(set_model=True)
        rig.do(rig.session.start())
        rig.do(rig.session.set_model(ModelDraft(model="large", effort="high")))
        launch = rig.notes[-1].launch
        assert launch is not None
        assert (launch.model, launch.effort) == ("large", "high")


class TestQuestions:
    def test_turn_resumes_once_all_questions_are_answered(self, rig: Rig) -> None:
        rig.submit()
        rig.asked("q1")
        rig.asked("q2")
        assert rig.state == "waiting"
        rig.answer("q1", "approve")
        assert rig.state == "waiting"
        rig.answer("q2", "deny")
        assert rig.state == "running"
        assert rig.agent.did[-2:] == [("answer", "q1", "approve"), ("answer", "q2", "deny")]

    def test_question_withdrawn_while_it_is_opened_is_closed(self, rig: Rig) -> None:
        rig.submit()
        rig.approvals.slow = Deferred()
        rig.asked()
        rig.agent.reports.approval_withdrawn("q1", "never mind")
        rig.settle()
        rig.approvals.slow.callback(None)
        rig.settle()
        assert rig.approvals.open == {}
        assert rig.state == "running"

    def test_questions_over_the_limit_are_denied(self, rig: Rig) -> None:
        rig.submit()
        most = Limits().open_questions
        for number in range(1200):
            rig.agent.reports.approval_requested(question(f"q{number}"))
        rig.clock.advance(0)
        assert list(rig.approvals.open) == [f"q{number}" for number in range(most)]
        reported = [did for did in rig.agent.did if did[0] == "answer"]
        assert reported == [("answer", f"q{number}", "deny") for number in range(most, 1200)]
        rig.clock.advance(1)
        (warning, *more) = [data for name, data in rig.log if name == "warning"]
        assert warning["text"].startswith("Run rm: As many questions are open as may be: 128")
        assert len(more) == 1200 - most - 1
        rig.agent.reports.exited(ChildExit(signal="SIGKILL"))
        assert rig.approvals.withdrawn == ["the turn is over"]
        assert rig.approvals.open == {}

    def test_question_without_room_for_its_approval_is_denied(self, rig: Rig) -> None:
        rig.approvals.full = QuestionLimit("bytes in all", 7)
        rig.submit()
        rig.asked()
        rig.clock.advance(0)
        assert rig.agent.did[-1] == ("answer", "q1", "deny")
        assert rig.session.life.name() == "running"

    def test_question_of_an_agent_that_exits_meanwhile_is_closed(self, rig: Rig) -> None:
        rig.submit()
        rig.approvals.slow = Deferred()
        rig.asked()
        rig.agent.reports.exited(ChildExit(code=1))
        rig.settle()
        rig.approvals.slow.callback(None)
        rig.settle()
        assert rig.approvals.open == {}

    def test_answer_after_the_end_of_the_turn_starts_no_watchdog(self, rig: Rig) -> None:
        rig.submit()
        rig.asked()
        tell = rig.approvals.open["q1"]
        rig.agent.reports.turn_ended("completed")
        rig.do(tell(question("q1"), Answer(decision="approve")))
        rig.clock.advance(100)
        assert "stalled" not in rig.names()
        assert rig.state == "idle"

    def test_waiting_for_a_decision_is_no_silence(self, rig: Rig) -> None:
        rig.submit()
        rig.asked()
        rig.clock.advance(100)
        rig.answer("q1", "approve")
        assert "stalled" not in rig.names()
        rig.clock.advance(10)
        assert rig.names()[-1] == "stalled"


class TestEnds:
    def test_question_that_outlives_its_turn_stays_open(self, rig: Rig) -> None:
        rig.submit()
        rig.asked("main")
        rig.agent.reports.approval_requested(question("sub", outlives_turn=True))
        rig.settle()
        rig.agent.reports.turn_ended("completed")
        rig.settle()
        assert list(rig.approvals.open) == ["sub"]
        assert rig.approvals.withdrawn == []
        assert rig.state == "idle"
        rig.clock.advance(100)
        rig.answer("sub", "approve")
        assert ("answer", "sub", "approve") in rig.agent.did
        rig.clock.advance(100)
        assert "stalled" not in rig.names()

    def test_agent_with_something_in_the_background_does_not_sleep(self, rig: Rig) -> None:
        rig.submit()
        task = BackgroundTask(id="b1")
        rig.agent.reports.report_event(BackgroundEvent(tasks=[task]))
        rig.agent.reports.turn_ended("completed")
        assert not rig.session.can_sleep
        rig.do(rig.session.interrupt())
        assert rig.agent.did[-1] == ("interrupt",)
        rig.agent.reports.report_event(BackgroundEvent(tasks=[]))
        assert rig.session.can_sleep

    def test_lasting_question_ends_with_the_process(self, rig: Rig) -> None:
        rig.submit()
        rig.agent.reports.approval_requested(question("sub", outlives_turn=True))
        rig.agent.reports.turn_ended("completed")
        rig.settle()
        rig.agent.reports.exited(ChildExit(code=1))
        rig.settle()
        assert rig.approvals.withdrawn == ["the agent ended with code 1"]

    def test_agents_death_fails_the_turn_and_withdraws_its_questions(self, rig: Rig) -> None:
        rig.submit()
        rig.asked()
        rig.agent.reports.exited(ChildExit(signal="SIGKILL"))
        assert rig.names()[-2:] == ["error", "ended"]
        assert rig.log[-2][1]["reason"] == CutReason.PROCESS_ENDED
        assert [key for key, _ in rig.approvals.settled] == ["q1"]
        assert rig.notes[-1].process == Process(0)

    @pytest.mark.parametrize("resume", [True, False])
    def test_resumable_agent_is_restarted(self, resume: bool) -> None:
        rig = Rig(resume=resume)
        rig.do(rig.session.start())
        rig.agent.reports.exited(ChildExit(code=1))
        rig.clock.advance(1)
        assert rig.state == ("idle" if resume else "gone")

    def test_agent_ended_on_request_is_not_restarted(self, rig: Rig) -> None:
        rig.submit()
        rig.do(rig.session.end())
        assert rig.names()[-2:] == ["error", "ended"]
        assert rig.log[-2][1]["reason"] == "the agent was ended"
        rig.clock.advance(1000)
        assert rig.state == "gone"
        assert rig.clock.getDelayedCalls() == []

    def test_end_cancels_the_next_restart(self, rig: Rig) -> None:
        rig.agent.reports.exited(ChildExit(code=1))
        rig.do(rig.session.end())
        rig.clock.advance(1000)
        assert len(rig.driver.agents) == 1

    def test_refusing_store_does_not_delay_the_end(self, rig: Rig) -> None:
        rig.refuse = StoreUnavailable("The disk is full.")
        end = started(rig.session.end())
        rig.clock.pump([0.5] * int(2 * FINISH_S))
        result_of(end)
        rig.clock.pump([1.0] * 5)
        assert rig.clock.getDelayedCalls() == []
