"""Hosted sessions: started, told what to do, found again after a stop and after a kill."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from twisted.internet.defer import Deferred

from sxhost.agents.dependencies import Agents
from sxhost.agents.workdirs import WorkDirs
from sxhost.drivers.contracts import Started
from sxhost.errors import AgentFailed, BadField, NotHosted, SessionExists, TurnInProgress
from sxhost.model.event import NULL, EventQuery
from sxhost.model.event_types import (
    MessageDeltaEvent,
    MessageEvent,
    ThinkingDeltaEvent,
    ThinkingEvent,
    ToolOutputEvent,
    ToolStartEvent,
    UsageEvent,
)
from sxhost.model.message import MessageDraft, PullQuery
from sxhost.model.session import Registration
from sxhost.model.turn import Launch, Process, TurnDraft
from sxhost.process.contracts import ChildExit
from sxhost.testing import (
    MIDNIGHT_MS,
    FakeAgent,
    FakeDriver,
    FakeDrivers,
    HostInMemory,
    is_done,
    question,
    result_of,
    started,
)

DONE = {"status": "completed", "reason": "", "native": None}


@pytest.fixture
def host(lab: HostInMemory) -> HostInMemory:
    """A host with one hosted session, `a`, whose agent is idle."""
    started_in(lab)
    return lab


def started_in(lab: HostInMemory, **fields: Any) -> None:
    work = started(lab.service.start(Launch(agent="fake", id="a", **fields)))
    settle(lab)
    result_of(work)


def settle(lab: HostInMemory) -> None:
    """Let what is due now be done."""
    for _ in range(20):
        lab.clock.advance(0)
        lab.treq.flush()


class Remembering(FakeDriver):
    """A driver of agents whose stored conversations work in `place`."""

    place = "/usr"

    def directory_of(self, launch: Launch) -> str | None:
        return self.place if launch.resume == "native-old" else None


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"resume": "native-old"}, "/usr"),
        ({"resume": "native-old", "cwd": "/etc"}, "/etc"),
        ({"resume": "another"}, "/var"),
        ({}, "/var"),
    ],
    ids=str,
)
def test_resumed_conversation_keeps_its_directory(
    lab: HostInMemory, fields: dict[str, Any], expected: str
) -> None:
    roots = WorkDirs(default=Path("/var"))
    lab.agents = Agents(FakeDrivers(fake=Remembering()), roots)
    lab.restart()
    started_in(lab, **fields)
    assert result_of(lab.service.session("a")).cwd == expected


def test_resumed_conversation_stays_where_agents_may_work(
    lab: HostInMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.agents = Agents(FakeDrivers(fake=Remembering()), WorkDirs([Path("/etc")]))
    lab.restart()
    launch = Launch(agent="fake", id="a", resume="native-old")
    with pytest.raises(BadField, match="may not work in /usr"):
        result_of(lab.service.start(launch))
    monkeypatch.setattr(Remembering, "place", "/no/more")
    started_in(lab, resume="native-old")
    assert result_of(lab.service.session("a")).cwd == "/etc", "it is there no more"


def told(lab: HostInMemory, session: str = "a") -> list[tuple[str, Any]]:
    settle(lab)
    events = result_of(lab.service.events(session, EventQuery(after="0")))
    return [(event.event, event.value()) for event in events]


def names(lab: HostInMemory, session: str = "a") -> list[str]:
    return [name for name, _ in told(lab, session)]


def state(lab: HostInMemory, session: str = "a") -> str:
    settle(lab)
    return result_of(lab.service.session(session)).detail_state


def submit(lab: HostInMemory, text: str = "go", session: str = "a") -> Any:
    work = started(lab.service.submit(session, TurnDraft(input=text)))
    settle(lab)
    return result_of(work).turn


def send(lab: HostInMemory, text: str, mode: Any = "auto") -> int:
    message = result_of(lab.service.send("a", MessageDraft(content=text, mode=mode)))
    settle(lab)
    return message.id


def message_state(lab: HostInMemory, message_id: int) -> str:
    messages = result_of(lab.service.pull("a", PullQuery(peek=True)))
    return next(m.state for m in messages if m.id == message_id)


def reborn(lab: HostInMemory, *, kill: bool, resume: bool = False) -> None:
    """End the host, in order or not, and begin its next life on the same store."""
    if not kill:
        closing = started(lab.service._core.supervisor.close())
        settle(lab)
        result_of(closing)
    lab.agents = Agents(lab.drivers, resume_at_boot=resume)
    lab.restart()
    lab.service.startService()
    settle(lab)


class TestStarting:
    def test_session_starts_with_its_agent(self, host: HostInMemory) -> None:
        view = result_of(host.service.session("a"))
        assert (view.kind, view.agent, view.detail_state) == ("hosted", "fake", "idle")
        assert view.native_id == "native-1"
        assert names(host) == ["started"]

    def test_session_without_an_id_gets_one(self, lab: HostInMemory) -> None:
        work = started(lab.service.start(Launch(agent="fake")))
        settle(lab)
        assert result_of(work).session.id.startswith("fake-")

    def test_launch_with_a_prompt_runs_the_first_turn(self, lab: HostInMemory) -> None:
        started_in(lab, prompt="hello")
        assert lab.drivers.last.did == [("start", None), ("submit", "hello")]
        assert state(lab) == "working"

    def test_taken_session_id_is_refused(self, host: HostInMemory) -> None:
        with pytest.raises(SessionExists):
            started_in(host)
        assert names(host) == ["started"]

    def test_failed_start_leaves_no_session(self, lab: HostInMemory) -> None:
        lab.drivers("fake").refuse = AgentFailed("There is no such program.")
        with pytest.raises(AgentFailed, match="no such program"):
            started_in(lab)
        answer = lab.request("GET", "/sessions")
        assert answer.json() == []
        lab.drivers("fake").refuse = None
        started_in(lab)

    def test_missing_directory_is_refused(self, lab: HostInMemory) -> None:
        answer = lab.request("POST", "/sessions", {"agent": "fake", "cwd": "/no/such/place"})
        assert (answer.status, answer.json()["field"]) == (400, "cwd")

    def test_unknown_agent_is_refused(self, lab: HostInMemory) -> None:
        answer = lab.request("POST", "/sessions", {"agent": "clippy"})
        assert (answer.status, answer.json()["field"]) == (400, "agent")


class TestTurns:
    def test_turn_runs_and_ends(self, host: HostInMemory) -> None:
        turn = submit(host)
        assert (turn.id, turn.status, turn.native_id) == (1, "running", "t2")
        assert state(host) == "working"
        host.drivers.last.reports.report_event(MessageEvent(text="done"))
        host.drivers.last.reports.turn_ended("completed")
        assert state(host) == "idle"
        assert told(host)[1:] == [
            ("turn-started", {"turn": 1, "native_id": "t2"}),
            ("user-message", {"text": "go", "by": "turn", "turn": 1}),
            ("message", {"text": "done"}),
            ("complete", {"turn": 1, "native_id": "t2", **DONE}),
        ]
        turn = result_of(host.service.session("a")).turn
        assert turn is not None
        assert (turn.id, turn.status) == (1, "completed")

    def test_second_turn_is_refused_while_one_runs(self, host: HostInMemory) -> None:
        submit(host)
        with pytest.raises(TurnInProgress):
            submit(host)
        host.drivers.last.reports.turn_ended("completed")
        assert submit(host).id == 2

    def test_failed_turn_has_a_reason(self, host: HostInMemory) -> None:
        submit(host)
        host.drivers.last.reports.turn_ended("failed", "the model is gone")
        assert told(host)[-1][0] == "error"
        turn = result_of(host.service.session("a")).turn
        assert turn is not None
        assert (turn.status, turn.reason) == ("failed", "the model is gone")

    def test_turn_that_the_agent_refuses_did_not_begin(self, host: HostInMemory) -> None:
        host.drivers.last.refuse = AgentFailed("No.")
        with pytest.raises(AgentFailed):
            submit(host)
        assert names(host) == ["started"]
        host.drivers.last.refuse = None
        assert submit(host).id == 1

    def test_turn_begun_by_the_agent_is_recorded(self, host: HostInMemory) -> None:
        host.drivers.last.reports.turn_started("own")
        assert state(host) == "working"
        host.drivers.last.reports.turn_ended("completed")
        assert names(host)[1:] == ["turn-started", "complete"]

    def test_steer_and_interrupt_need_a_turn(self, host: HostInMemory) -> None:
        for verb, body in (("steer", {"input": "x"}), ("interrupt", {})):
            answer = host.request("POST", f"/sessions/a/{verb}", body)
            assert (answer.status, answer.json()["error"]) == (409, "no_turn")
        submit(host)
        work = host.begin("POST", "/sessions/a/steer", {"input": "left"})
        settle(host)
        assert result_of(work).status == 200
        assert host.request("POST", "/sessions/a/interrupt", {}).status == 200
        assert host.drivers.last.did[-2:] == [("steer", "left"), ("interrupt",)]

    def test_steer_of_an_attached_agent_becomes_a_message(self, lab: HostInMemory) -> None:
        result_of(lab.service.register("b", Registration()))
        assert lab.request("POST", "/sessions/b/steer", {"input": "left"}).status == 200
        (message,) = lab.request("GET", "/sessions/b/messages").json()
        assert (message["mode"], message["content"]) == ("interrupt", "left")
        with pytest.raises(NotHosted):
            submit(lab, session="b")


class TestMessages:
    def test_message_to_an_idle_agent_becomes_a_turn(self, host: HostInMemory) -> None:
        number = send(host, "hello")
        assert host.drivers.last.did[-1] == ("submit", "hello")
        assert message_state(host, number) == "delivered"

    @pytest.mark.parametrize(
        ("mode", "steers", "did"),
        [
            ("auto", True, ("steer", "more")),
            ("interrupt", True, ("steer", "more")),
            ("queue", True, None),
            ("auto", False, None),
            ("interrupt", False, ("interrupt",)),
        ],
    )
    def test_message_to_a_busy_agent_follows_the_delivery_mode(
        self, lab: HostInMemory, mode: str, steers: bool, did: tuple[str, ...] | None
    ) -> None:
        lab.drivers.by_agent["fake"] = FakeDriver(steer=steers)
        started_in(lab)
        submit(lab)
        before = list(lab.drivers.last.did)
        number = send(lab, "more", mode)
        assert lab.drivers.last.did == before + ([did] if did else [])
        lab.drivers.last.reports.turn_ended("completed")
        settle(lab)
        assert message_state(lab, number) == "delivered"
        assert lab.drivers.last.did[-1] in (("submit", "more"), ("steer", "more"))

    def test_urgent_message_goes_first(self, host: HostInMemory) -> None:
        driver = host.drivers.by_agent["fake"]
        driver.can = replace(driver.can, steer=False)
        host.drivers.last.can = driver.can
        submit(host)
        send(host, "later", "queue")
        send(host, "now", "interrupt")
        host.drivers.last.reports.turn_ended("interrupted")
        settle(host)
        assert host.drivers.last.did[-1] == ("submit", "now")
        host.drivers.last.reports.turn_ended("completed")
        settle(host)
        assert host.drivers.last.did[-1] == ("submit", "later")

    def test_messages_wait_while_a_question_is_open(self, host: HostInMemory) -> None:
        submit(host)
        host.drivers.last.reports.approval_requested(question())
        settle(host)
        number = send(host, "more")
        assert message_state(host, number) == "queued"
        answer_first(host, "approve")
        settle(host)
        assert message_state(host, number) == "delivered"

    def test_messages_of_a_hosted_agent_cannot_be_pulled(self, host: HostInMemory) -> None:
        submit(host)
        send(host, "more", "queue")
        answer = host.request("GET", "/sessions/a/messages")
        assert (answer.status, answer.json()["error"]) == (409, "unsupported")

    def test_message_that_the_agent_refuses_stays_queued(self, host: HostInMemory) -> None:
        host.drivers.last.refuse = AgentFailed("Not now.")
        number = send(host, "hello")
        assert message_state(host, number) == "queued"
        host.drivers.last.refuse = None
        send(host, "again")
        assert message_state(host, number) == "delivered"

    def test_message_restarts_an_ended_agent(self, host: HostInMemory) -> None:
        host.drivers.last.reports.exited(ChildExit(code=0, asked=True))
        assert state(host) == "ended"
        number = send(host, "hello")
        assert message_state(host, number) == "delivered"
        assert host.drivers.last.did == [("start", "native-1"), ("submit", "hello")]

    def test_messages_outlive_the_host(self, host: HostInMemory) -> None:
        submit(host)
        number = send(host, "after", "queue")
        reborn(host, kill=True)
        assert host.drivers.last.did == [("start", "native-1"), ("submit", "after")]
        assert message_state(host, number) == "delivered"


def answer_first(lab: HostInMemory, decision: str, session: str = "a") -> Any:
    (approval, *_) = lab.request("GET", f"/sessions/{session}/approvals").json()
    path = f"/sessions/{session}/approvals/{approval['id']}"
    return lab.request("POST", path, {"decision": decision})


def end(lab: HostInMemory, session: str = "a") -> Any:
    work = lab.begin("POST", f"/sessions/{session}/end")
    settle(lab)
    return result_of(work)


def rest(lab: HostInMemory, session: str = "a") -> str:
    settle(lab)
    return result_of(lab.service.session(session)).rest


def idle_for_long(lab: HostInMemory) -> None:
    settle(lab)
    lab.clock.advance(lab.limits.sleep_after)
    settle(lab)


class SlowToEnd(FakeAgent):
    """An agent whose end a test decides."""

    ending: Deferred[None]

    async def stop(self) -> None:
        self.ending = Deferred()
        await self.ending
        await super().stop()


class SlowToEndDriver(FakeDriver):
    def agent(self, launch: Launch, reports: Any) -> FakeAgent:
        return SlowToEnd(launch, reports, self)


class Forgetful(FakeAgent):
    """An agent that keeps no conversation without a turn, as Codex and Claude do."""

    kept: list[str]

    async def start(self) -> Started:
        unknown = self.launch.resume not in (None, *self.kept)
        self.refuse = AgentFailed("No such conversation.") if unknown else None
        return await super().start()

    async def submit(self, draft: TurnDraft) -> str | None:
        self.kept.append(f"native-{len(self._driver.agents)}")
        return await super().submit(draft)


class ForgetfulDriver(FakeDriver):
    def __init__(self) -> None:
        super().__init__()
        self.kept: list[str] = []

    def agent(self, launch: Launch, reports: Any) -> FakeAgent:
        agent = Forgetful(launch, reports, self)
        agent.kept = self.kept
        return agent


class TestRest:
    def test_message_wakes_an_agent_that_sleeps(self, host: HostInMemory) -> None:
        idle_for_long(host)
        assert host.drivers.last.did == [("start", None), ("stop",)]
        assert (state(host), rest(host), told(host)[-1]) == (
            "idle",
            "asleep",
            ("asleep", {"idle_s": 1800}),
        )
        number = send(host, "hello")
        assert host.drivers.last.did == [("start", "native-1"), ("submit", "hello")]
        assert (message_state(host, number), rest(host)) == ("delivered", "")

    def test_conversation_without_a_turn_may_begin_anew(self, lab: HostInMemory) -> None:
        lab.drivers.by_agent["fake"] = ForgetfulDriver()
        started_in(lab)
        for _ in range(2):
            idle_for_long(lab)
            assert submit(lab).status == "running"
            lab.drivers.last.reports.turn_ended("completed")
        starts = [agent.did[0][1] for agent in lab.drivers.by_agent["fake"].agents]
        assert starts == [None, "native-1", None, "native-3"]
        assert names(lab).count("started") == 3

    @pytest.mark.parametrize("resumes", [True, False])
    def test_conversation_that_is_lost_is_not_begun_anew(
        self, lab: HostInMemory, resumes: bool
    ) -> None:
        started_in(lab, resume="native-old" if resumes else None)
        if not resumes:
            submit(lab)
            lab.drivers.last.reports.turn_ended("completed")
        idle_for_long(lab)
        lab.drivers.by_agent["fake"].refuse = AgentFailed("It is lost.")
        before = len(lab.drivers.by_agent["fake"].agents)
        with pytest.raises(AgentFailed, match="lost"):
            submit(lab)
        assert len(lab.drivers.by_agent["fake"].agents) == before + 1

    @pytest.mark.parametrize("how", ["sleep", "crash", "host"])
    def test_usage_never_counts_down(self, lab: HostInMemory, how: str) -> None:
        driver = lab.drivers.by_agent["fake"] = FakeDriver()
        driver.can = replace(driver.can, counted_anew=frozenset({"input_tokens"}))
        started_in(lab)
        submit(lab)
        lab.drivers.last.reports.report_event(UsageEvent(input_tokens=10, total_tokens=9))
        lab.drivers.last.reports.turn_ended("completed")
        settle(lab)
        if how == "sleep":
            idle_for_long(lab)
        elif how == "crash":
            lab.drivers.last.reports.exited(ChildExit(code=1))
        else:
            reborn(lab, kill=True)
        submit(lab)
        lab.drivers.last.reports.report_event(UsageEvent(input_tokens=4, total_tokens=4))
        settle(lab)
        usage = result_of(lab.service.session("a")).usage
        assert isinstance(usage, dict)
        assert usage.pop("since_ms") == MIDNIGHT_MS, "it is the same conversation"
        assert usage == {"input_tokens": 14, "total_tokens": 9}

    def test_turn_wakes_an_agent_that_sleeps(self, host: HostInMemory) -> None:
        submit(host)
        host.drivers.last.reports.turn_ended("completed")
        idle_for_long(host)
        assert submit(host).id == 2
        assert host.drivers.last.did == [("start", "native-1"), ("submit", "go")]

    def test_agent_sleeps_again_after_each_turn(self, host: HostInMemory) -> None:
        for _ in range(3):
            idle_for_long(host)
            assert rest(host) == "asleep"
            submit(host)
            host.drivers.last.reports.turn_ended("completed")
        assert names(host).count("asleep") == 3

    def test_what_an_idle_agent_reports_keeps_it_awake(self, host: HostInMemory) -> None:
        host.clock.advance(host.limits.sleep_after - 1)
        host.drivers.last.reports.report_event(MessageEvent(text="still here"))
        host.clock.advance(host.limits.sleep_after - 1)
        assert rest(host) == ""
        host.clock.advance(1)
        assert rest(host) == "asleep"

    def test_busy_agent_is_not_put_to_sleep(self, host: HostInMemory) -> None:
        submit(host)
        idle_for_long(host)
        assert ("stop",) not in host.drivers.last.did

    def test_agent_that_asks_is_not_put_to_sleep(self, host: HostInMemory) -> None:
        host.drivers.last.reports.approval_requested(question())
        idle_for_long(host)
        assert ("stop",) not in host.drivers.last.did
        answer_first(host, "approve")
        idle_for_long(host)
        assert rest(host) == "asleep"
        assert "stalled" not in names(host)

    def test_agent_that_could_not_go_on_is_not_put_to_sleep(self, lab: HostInMemory) -> None:
        lab.drivers.by_agent["fake"] = FakeDriver(resume=False)
        started_in(lab)
        idle_for_long(lab)
        assert ("stop",) not in lab.drivers.last.did

    @pytest.mark.parametrize("how", ["turn", "message", "end", "delete"])
    def test_agent_is_wanted_again_while_it_ends(self, lab: HostInMemory, how: str) -> None:
        lab.drivers.by_agent["fake"] = SlowToEndDriver()
        started_in(lab)
        idle_for_long(lab)
        ending = lab.drivers.last
        assert isinstance(ending, SlowToEnd)
        requests = {
            "turn": ("POST", "/sessions/a/turns", {"input": "go"}),
            "message": ("POST", "/sessions/a/messages", {"content": "go"}),
            "end": ("POST", "/sessions/a/end", None),
            "delete": ("DELETE", "/sessions/a", None),
        }
        work = lab.begin(*requests[how])
        settle(lab)
        assert lab.drivers.last is ending, "two processes of one conversation"
        ending.ending.callback(None)
        settle(lab)
        assert result_of(work).status < 300
        if how == "delete":
            assert lab.request("GET", "/sessions").json() == []
        elif how == "end":
            assert (rest(lab), state(lab)) == ("ended", "ended")
        else:
            assert lab.drivers.last.did == [("start", "native-1"), ("submit", "go")]
            assert names(lab)[:3] == ["started", "asleep", "started"]
            assert (rest(lab), state(lab)) == ("", "working")

    def test_host_that_stops_waits_for_agents_that_end(self, lab: HostInMemory) -> None:
        lab.drivers.by_agent["fake"] = SlowToEndDriver()
        started_in(lab)
        idle_for_long(lab)
        agent = lab.drivers.last
        assert isinstance(agent, SlowToEnd)
        closing = started(lab.service._core.supervisor.close())
        assert not is_done(closing)
        agent.ending.callback(None)
        settle(lab)
        assert is_done(closing)

    def test_ended_agent_keeps_its_log_and_goes_on_when_asked(self, host: HostInMemory) -> None:
        submit(host)
        assert end(host).json() == {"ok": True}
        assert names(host)[-2:] == ["error", "ended"]
        assert (state(host), rest(host)) == ("ended", "ended")
        assert submit(host).id == 2
        assert host.drivers.last.did == [("start", "native-1"), ("submit", "go")]
        assert (state(host), rest(host)) == ("working", "")

    def test_ending_twice_is_harmless(self, host: HostInMemory) -> None:
        for _ in range(2):
            assert end(host).status == 200
        assert names(host) == ["started", "ended"]

    def test_agent_that_sleeps_can_be_ended(self, host: HostInMemory) -> None:
        idle_for_long(host)
        assert end(host).status == 200
        assert (state(host), rest(host)) == ("ended", "ended")
        assert names(host) == ["started", "asleep", "ended"]

    def test_attached_agent_cannot_be_ended(self, lab: HostInMemory) -> None:
        result_of(lab.service.register("b", Registration()))
        refused = end(lab, "b")
        assert (refused.status, refused.json()["error"]) == (409, "not_hosted")
        assert end(lab, "nobody").status == 404

    def test_messages_of_an_ended_agent_wait_for_the_next_one(self, host: HostInMemory) -> None:
        submit(host)
        number = send(host, "later", "queue")
        end(host)
        assert message_state(host, number) == "queued"
        reborn(host, kill=False)
        assert message_state(host, number) == "queued"
        send(host, "now")
        assert message_state(host, number) == "delivered"

    @pytest.mark.parametrize("kill", [True, False])
    def test_agents_at_rest_are_not_started_at_boot(
        self, host: HostInMemory, kill: bool
    ) -> None:
        idle_for_long(host)
        for session in ("b", "c"):
            work = started(host.service.start(Launch(agent="fake", id=session)))
            settle(host)
            result_of(work)
        end(host, "b")
        agents = host.drivers.by_agent["fake"].agents
        before = len(agents)
        reborn(host, kill=kill, resume=True)
        assert [agent.launch.id for agent in agents[before:]] == ["c"]

    def test_message_to_an_agent_asleep_outlives_the_host(self, host: HostInMemory) -> None:
        idle_for_long(host)
        host.drivers.by_agent["fake"].refuse = AgentFailed("Not now.")
        number = send(host, "hello")
        host.drivers.by_agent["fake"].refuse = None
        reborn(host, kill=True)
        assert message_state(host, number) == "delivered"

    def test_agent_asleep_makes_room_in_a_full_host(self) -> None:
        lab = HostInMemory(sessions=1)
        started_in(lab)
        idle_for_long(lab)
        result_of(lab.service.register("b", Registration()))
        assert [s["id"] for s in lab.request("GET", "/sessions").json()] == ["b"]


class TestApprovals:
    def test_question_waits_for_its_answer(self, host: HostInMemory) -> None:
        submit(host)
        host.drivers.last.reports.approval_requested(question(native={"id": 7}))
        assert state(host) == "waiting"
        (approval,) = host.request("GET", "/approvals").json()
        assert (approval["session"], approval["title"]) == ("a", "Run rm")
        assert approval["native"] == {"id": 7}
        assert answer_first(host, "approve").json()["state"] == "answered"
        assert host.drivers.last.did[-1] == ("answer", "q1", "approve")
        assert state(host) == "working"
        assert host.request("GET", "/approvals").json() == []

    def test_first_answer_counts(self, host: HostInMemory) -> None:
        submit(host)
        host.drivers.last.reports.approval_requested(question())
        settle(host)
        (approval,) = host.request("GET", "/approvals").json()
        answer_first(host, "deny")
        path = f"/sessions/a/approvals/{approval['id']}"
        late = host.request("POST", path, {"decision": "approve"})
        assert late.status == 409
        assert late.json()["error"] == "already_answered"
        assert (late.json()["by"], late.json()["decision"]) == ("own", "deny")
        assert host.drivers.last.did.count(("answer", "q1", "deny")) == 1

    def test_agent_may_withdraw_its_question(self, host: HostInMemory) -> None:
        submit(host)
        host.drivers.last.reports.approval_requested(question())
        settle(host)
        host.drivers.last.reports.approval_withdrawn("q1", "resolved elsewhere")
        settle(host)
        assert host.request("GET", "/approvals").json() == []
        assert told(host)[-1][0] == "approval-resolved"

    def test_end_of_the_turn_withdraws_its_questions(self, host: HostInMemory) -> None:
        submit(host)
        host.drivers.last.reports.approval_requested(question())
        settle(host)
        host.drivers.last.reports.turn_ended("interrupted")
        settle(host)
        (approval,) = host.request("GET", "/approvals?all=1").json()
        assert approval["state"] == "withdrawn"
        assert state(host) == "idle"

    def test_unanswered_question_is_denied(self, host: HostInMemory) -> None:
        submit(host)
        host.drivers.last.reports.approval_requested(question(expires_s=5.0))
        settle(host)
        host.clock.advance(5)
        settle(host)
        assert host.drivers.last.did[-1] == ("answer", "q1", "deny")
        (approval,) = host.request("GET", "/approvals?all=1").json()
        assert approval["state"] == "expired"

    def test_decision_that_is_no_choice_is_refused(self, host: HostInMemory) -> None:
        submit(host)
        host.drivers.last.reports.approval_requested(question())
        settle(host)
        refused = answer_first(host, "perhaps")
        assert (refused.status, refused.json()["field"]) == (400, "decision")
        assert len(host.request("GET", "/approvals").json()) == 1

    def test_question_repeated_after_a_resume_is_the_same_approval(
        self, host: HostInMemory
    ) -> None:
        submit(host)
        host.drivers.last.reports.approval_requested(question())
        settle(host)
        (first,) = host.request("GET", "/approvals").json()
        host.drivers.last.reports.exited(ChildExit(signal="SIGKILL"))
        settle(host)
        assert host.request("GET", "/approvals").json() == []
        submit(host)
        host.drivers.last.reports.approval_requested(question())
        settle(host)
        (again,) = host.request("GET", "/approvals").json()
        assert again["id"] == first["id"]


class TestEnds:
    def test_crash_fails_the_turn_and_restarts_the_agent(self, host: HostInMemory) -> None:
        submit(host)
        host.drivers.last.reports.exited(ChildExit(signal="SIGKILL", stderr="ouch"))
        assert state(host) == "ended"
        name, data = told(host)[-2]
        assert (name, data["reason"]) == ("error", "transport_closed_before_turn_completed")
        assert told(host)[-1][1]["reason"] == "the agent was killed by SIGKILL: ouch"
        host.clock.advance(1)
        assert state(host) == "idle"
        assert host.drivers.last.did == [("start", "native-1")]

    def test_restarts_back_off_and_give_up(self, make_lab: Any) -> None:
        lab = make_lab(restarts=3)
        started_in(lab)
        delays = []
        for _ in range(3):
            lab.drivers.last.reports.exited(ChildExit(code=1))
            settle(lab)
            (call,) = [c for c in lab.clock.getDelayedCalls() if "_now" in str(c.func)]
            delays.append(call.getTime() - lab.clock.seconds())
            lab.clock.advance(delays[-1])
            settle(lab)
        assert delays == [1, 2, 4]
        lab.drivers.last.reports.exited(ChildExit(code=1))
        settle(lab)
        assert not [c for c in lab.clock.getDelayedCalls() if "_now" in str(c.func)]

    def test_silent_turn_is_stalled(self, host: HostInMemory) -> None:
        submit(host)
        host.clock.advance(host.limits.stall_after)
        assert state(host) == "stalled"
        host.drivers.last.reports.report_event(ToolOutputEvent(text="."))
        assert state(host) == "working"

    def test_turn_waiting_for_a_decision_is_not_stalled(self, host: HostInMemory) -> None:
        submit(host)
        host.drivers.last.reports.approval_requested(question())
        settle(host)
        host.clock.advance(host.limits.stall_after * 3)
        assert state(host) == "waiting"

    def test_forgetting_a_session_ends_its_agent(self, host: HostInMemory) -> None:
        work = host.begin("DELETE", "/sessions/a")
        settle(host)
        assert result_of(work).status == 200
        assert host.drivers.last.did[-1] == ("stop",)
        assert host.request("GET", "/sessions").json() == []

    def test_stop_of_the_host_ends_agents(self, host: HostInMemory) -> None:
        submit(host)
        reborn(host, kill=False)
        assert state(host) == "ended"
        assert names(host)[-2:] == ["error", "ended"]

    def test_session_of_a_killed_host_is_not_shown_as_running(self, host: HostInMemory) -> None:
        reaped: list[Process] = []

        async def reap(left: Any) -> None:
            reaped.extend(left)

        submit(host)
        host.drivers.last.reports.approval_requested(question())
        settle(host)
        host.agents = Agents(host.drivers, reap=reap)
        host.restart()
        host.service.startService()
        assert state(host) == "ended"
        assert reaped == [Process(4242, 7)]
        assert [n for n, _ in told(host)][-3:] == ["approval-resolved", "error", "ended"]
        assert told(host)[-2][1]["reason"] == "host_ended_before_turn_completed"
        submit(host)
        assert host.drivers.last.did == [("start", "native-1"), ("submit", "go")]
        assert state(host) == "working"

    def test_what_a_killed_host_left_open_is_cut(self, host: HostInMemory) -> None:
        submit(host)
        reports = host.drivers.last.reports
        reports.report_event(MessageDeltaEvent(item="old", text="of the turn before"))
        reports.report_event(MessageEvent(item="old", text="of the turn before"))
        reports.turn_ended("completed")
        settle(host)
        submit(host)
        reports.report_event(ToolStartEvent(item="t", tool="Bash", title="Bash", input=NULL))
        reports.report_event(ToolOutputEvent(item="t", text="some "))
        reports.report_event(ToolOutputEvent(item="t", text="output"))
        reports.report_event(ThinkingDeltaEvent(item="h", text="deep"))
        reports.report_event(ThinkingEvent(item="h", text="deep"))
        for text in ("half ", "a word"):
            reports.report_event(MessageDeltaEvent(item="m", text=text))
        host.clock.advance(1)
        settle(host)
        host.restart()
        host.service.startService()
        settle(host)
        done, said, failed = [data for _, data in told(host)[-4:-1]]
        assert (done["item"], done["status"], done["output"]) == ("t", "cut", "some output")
        assert said == {"item": "m", "text": "half a word", "cut": True}
        assert failed["reason"] == "host_ended_before_turn_completed"
        host.clock.advance(61)  # until the next sweep
        settle(host)
        left = host.request("GET", "/sessions/a/events?pieces=1").lines()
        assert not {line["event"] for line in left} & {"message-delta", "tool-output"}

    @pytest.mark.parametrize("kill", [True, False])
    def test_agents_resume_at_boot_if_configured(self, host: HostInMemory, kill: bool) -> None:
        reborn(host, kill=kill, resume=True)
        assert state(host) == "idle"
        assert host.drivers.last.did == [("start", "native-1")]

    def test_turn_numbers_continue_after_a_restart(self, host: HostInMemory) -> None:
        submit(host)
        reborn(host, kill=True)
        assert submit(host).id == 2

    def test_agent_that_cannot_resume_is_reported(self, lab: HostInMemory) -> None:
        lab.drivers = FakeDrivers(fake=FakeDriver(resume=False))
        lab.agents = Agents(lab.drivers)
        lab.restart()
        started_in(lab)
        reborn(lab, kill=True)
        with pytest.raises(AgentFailed, match="cannot go on"):
            submit(lab)

    def test_concurrent_callers_wait_for_the_same_start(self, host: HostInMemory) -> None:
        host.drivers.last.reports.exited(ChildExit(code=0, asked=True))
        settle(host)
        from twisted.internet.defer import Deferred

        slow = host.drivers("fake").slow = Deferred()
        first = started(host.service.submit("a", TurnDraft(input="one")))
        second = started(host.service.compact("a"))
        assert not is_done(first)
        assert not is_done(second)
        slow.callback(None)
        settle(host)
        assert is_done(first)
        assert is_done(second)
        assert len(host.drivers("fake").agents) == 2

    def test_failed_restart_is_retried_later(self, host: HostInMemory) -> None:
        driver = host.drivers("fake")
        host.drivers.last.reports.exited(ChildExit(signal="SIGKILL"))
        driver.refuse = AgentFailed("Not yet.")
        host.clock.advance(1)
        settle(host)
        assert state(host) == "ended"
        driver.refuse = None
        host.clock.advance(2)
        assert state(host) == "idle"

    def test_question_withdrawn_while_it_is_being_opened_is_closed(
        self, host: HostInMemory
    ) -> None:
        submit(host)
        reports = host.drivers.last.reports
        reports.approval_requested(question())
        reports.approval_withdrawn("q1", "resolved at once")
        settle(host)
        assert host.request("GET", "/approvals").json() == []
        assert state(host) == "working"


def test_agent_is_started_once_orphans_were_looked_for() -> None:
    """It has the mark by which these are found, and would be ended as one of them."""
    looking: Deferred[None] = Deferred()

    async def reap(_left: object) -> None:
        await looking

    lab = HostInMemory(drivers=FakeDrivers(fake=FakeDriver()))
    lab.agents = lab.agents._replace(reap=reap)
    lab.restart()
    lab.service.startService()
    asked = lab.begin("POST", "/sessions", {"agent": "fake"})
    assert not lab.drivers.by_agent["fake"].agents
    looking.callback(None)
    lab.treq.flush()
    assert result_of(asked).status == 201
