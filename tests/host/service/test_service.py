"""The façade: what it adds to the store and the notifier."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sxhost.errors import BadField, EventTooLarge, MessageTooLarge, SessionLimit
from sxhost.model.event import EventDraft, EventQuery
from sxhost.model.message import MessageDraft, PullQuery
from sxhost.model.session import Registration, SessionQuery, Summary
from sxhost.service import SessionService
from sxhost.testing import MIDNIGHT_MS, HostInMemory, is_done, result_of, started

MakeLab = Callable[..., HostInMemory]


@pytest.fixture
def service(lab: HostInMemory) -> SessionService:
    return lab.service


def fire(lab: HostInMemory, session_id: str, *names: str) -> None:
    for name in names:
        result_of(lab.service.fire(session_id, EventDraft(event=name)))


def listed(lab: HostInMemory, **query: object) -> list[str]:
    found = result_of(lab.service.sessions(SessionQuery(**query)))  # type: ignore[arg-type]
    return [summary.id for summary in found]


def summary(lab: HostInMemory, session_id: str) -> Summary:
    return result_of(lab.service.session(session_id))


class TestSessions:
    def test_status_summarizes_sessions_and_limits(self, lab: HostInMemory) -> None:
        fire(lab, "a", "thinking")
        fire(lab, "b", "thinking", "complete")
        lab.clock.advance(5)
        lab.service.port = 7432
        status = result_of(lab.service.status())
        assert (status.sessions, status.active, status.total_events) == (2, 1, 3)
        assert (status.uptime, status.port, status.store) == (5, 7432, "memory")
        assert status.epoch == lab.store.epoch

    def test_sessions_are_filtered_and_paged(self, lab: HostInMemory) -> None:
        register = lab.service.register
        result_of(register("a", Registration(labels={"team": "x"})))
        result_of(register("b", Registration(labels={"team": "y"})))
        fire(lab, "c", "thinking")
        fire(lab, "d", "ended")
        assert listed(lab) == ["a", "b", "c", "d"]
        assert listed(lab, state="active") == listed(lab, state="working") == ["c"]
        assert listed(lab, state="idle") == ["a", "b", "d"]
        assert listed(lab, state="ended") == ["d"]
        assert listed(lab, label="team:y") == ["b"]
        assert listed(lab, limit=2) == ["a", "b"]
        assert listed(lab, limit=2, after="b") == ["c", "d"]

    def test_sessions_are_filtered_by_agent_and_place(
        self, lab: HostInMemory, tmp_path: Path
    ) -> None:
        (tmp_path / "shop" / ".git").mkdir(parents=True)
        places = {"a": "shop", "b": "shop/web/src", "c": "shop-2", "d": "web"}
        for name, place in places.items():
            registration = Registration(cwd=str(tmp_path / place), agent=f"agent-{name}")
            result_of(lab.service.register(name, registration))
        result_of(lab.service.register("e", Registration(cwd="web", agent="agent-e")))
        result_of(lab.service.register("f", Registration(cwd="/x\0y")))
        fire(lab, "g", "idle")
        assert listed(lab, dir=str(tmp_path / "shop")) == ["a", "b"]
        assert listed(lab, dir=f"{tmp_path}/shop/web/") == ["b"]
        assert listed(lab, dir="/") == ["a", "b", "c", "d", "f"]
        assert listed(lab, project="shop") == ["a", "b"]
        assert listed(lab, project="web") == ["d", "e"]
        assert listed(lab, project="src") == []
        assert listed(lab, agent="agent-b") == ["b"]
        assert listed(lab, agent="agent") == []
        assert listed(lab, agent="agent-b", project="shop", state="working") == []

    def test_session_details_end_with_the_last_ten_events(self, lab: HostInMemory) -> None:
        fire(lab, "a", *(f"e{n}" for n in range(15)))
        detail = result_of(lab.service.session("a"))
        assert [event.seq for event in detail.events] == list(range(6, 16))

    def test_longest_ended_session_makes_room(self, make_lab: MakeLab) -> None:
        lab = make_lab(sessions=3)
        fire(lab, "a", "thinking")
        fire(lab, "b", "ended")
        lab.clock.advance(1)
        fire(lab, "c", "ended")
        fire(lab, "d", "thinking")
        assert listed(lab) == ["a", "c", "d"]
        result_of(lab.service.register("e", Registration()))
        assert listed(lab) == ["a", "d", "e"]
        with pytest.raises(SessionLimit):
            fire(lab, "f", "thinking")

    def test_lost_sessions_make_room(self, make_lab: MakeLab) -> None:
        lab = make_lab(sessions=1)
        fire(lab, "a", "thinking")
        lab.clock.advance(lab.limits.lost_after + 1)
        fire(lab, "b", "thinking")
        assert listed(lab) == ["b"]


class TestRoom:
    """A host is never full for ever."""

    def test_longest_silent_attached_session_makes_room(self, make_lab: MakeLab) -> None:
        lab = make_lab(sessions=3)
        for name in ("b", "a", "c"):
            fire(lab, name, "idle")
            lab.clock.advance(10)
        fire(lab, "b", "idle")
        lab.clock.advance(lab.limits.busy_within)
        fire(lab, "new", "idle")
        assert listed(lab) == ["b", "c", "new"]

    def test_recently_active_or_connected_session_makes_no_room(
        self, make_lab: MakeLab
    ) -> None:
        lab = make_lab(sessions=2)
        fire(lab, "a", "idle")
        fire(lab, "b", "idle")
        lab.clock.advance(lab.limits.busy_within - 1)
        with pytest.raises(SessionLimit):
            fire(lab, "new", "idle")
        waiting = started(lab.service.pull("a", PullQuery(wait=300)))
        fire(lab, "b", "idle")
        lab.clock.advance(2)
        with pytest.raises(SessionLimit):
            fire(lab, "new", "idle")
        assert not is_done(waiting)

    def test_session_with_waiting_messages_makes_room_last(self, make_lab: MakeLab) -> None:
        lab = make_lab(sessions=2)
        fire(lab, "a", "ended")
        result_of(lab.service.send("a", MessageDraft(content="hello")))
        fire(lab, "b", "idle")
        lab.clock.advance(lab.limits.busy_within + 1)
        fire(lab, "c", "idle")
        assert listed(lab) == ["a", "c"]
        fire(lab, "d", "idle")
        assert listed(lab) == ["c", "d"]

    def test_ended_sessions_make_room_before_silent_ones(self, make_lab: MakeLab) -> None:
        lab = make_lab(sessions=2)
        fire(lab, "silent", "idle")
        lab.clock.advance(lab.limits.busy_within + 1)
        fire(lab, "over", "ended")
        fire(lab, "new", "idle")
        assert listed(lab) == ["new", "silent"]


class TestSilence:
    def test_silent_session_is_stalled_then_lost_then_working_again(
        self, lab: HostInMemory
    ) -> None:
        fire(lab, "a", "thinking")
        lab.clock.advance(301)
        stalled = summary(lab, "a")
        assert (stalled.state, stalled.detail_state) == ("active", "stalled")
        assert stalled.reason == "silent for 301 s"
        lab.clock.advance(1500)
        assert (summary(lab, "a").state, summary(lab, "a").detail_state) == ("idle", "lost")
        fire(lab, "a", "tool-start")
        assert summary(lab, "a").detail_state == "working"

    def test_missed_heartbeat_is_noticed(self, lab: HostInMemory) -> None:
        result_of(lab.service.register("a", Registration(heartbeat_s=2)))
        lab.clock.advance(2)
        assert summary(lab, "a").detail_state == "idle"
        lab.clock.advance(1)
        assert summary(lab, "a").detail_state == "stalled"
        lab.clock.advance(4)
        assert summary(lab, "a").detail_state == "lost"

    @pytest.mark.parametrize("heard", ["pull", "register", "fire"])
    def test_every_request_of_the_agent_counts_as_a_heartbeat(
        self, lab: HostInMemory, heard: str
    ) -> None:
        result_of(lab.service.register("a", Registration(heartbeat_s=2)))
        lab.clock.advance(60)
        if heard == "pull":
            result_of(lab.service.pull("a", PullQuery()))
        elif heard == "register":
            result_of(lab.service.register("a", Registration()))
        else:
            fire(lab, "a", "custom")
        seen = summary(lab, "a")
        assert (seen.detail_state, seen.last_seen_ms) == ("idle", MIDNIGHT_MS + 60_000)

    def test_waiting_pull_counts_as_a_heartbeat(self, lab: HostInMemory) -> None:
        result_of(lab.service.register("a", Registration(heartbeat_s=2)))
        waiting = started(lab.service.pull("a", PullQuery(wait=60)))
        lab.clock.advance(59)
        assert summary(lab, "a").detail_state == "idle"
        lab.clock.advance(1)
        assert is_done(waiting)
        lab.clock.advance(3)
        assert summary(lab, "a").detail_state == "stalled"

    def test_heartbeat_promise_can_be_removed(self, lab: HostInMemory) -> None:
        result_of(lab.service.register("a", Registration(heartbeat_s=2)))
        result_of(lab.service.register("a", Registration(heartbeat_s=0)))
        lab.clock.advance(60)
        assert summary(lab, "a").detail_state == "idle"

    def test_peek_is_no_heartbeat(self, lab: HostInMemory) -> None:
        result_of(lab.service.register("a", Registration(heartbeat_s=2)))
        lab.clock.advance(60)
        result_of(lab.service.pull("a", PullQuery(peek=True)))
        assert summary(lab, "a").detail_state == "lost"


class TestEvents:
    def test_event_data_is_limited_in_bytes(self, make_lab: MakeLab) -> None:
        lab = make_lab(event_size=10)
        result_of(lab.service.fire("a", EventDraft.of("x", "x" * 8)))
        with pytest.raises(EventTooLarge):
            result_of(lab.service.fire("a", EventDraft.of("x", "x" * 9)))

    def test_the_log_says_which_event_was_too_large(self, make_lab: MakeLab) -> None:
        lab = make_lab(event_size=200)
        result_of(lab.service.fire("a", EventDraft(event="x")))
        for fire in (
            lab.service.fire("a", EventDraft.of("tool-done", "x" * 300)),
            lab.service.fire_batch("a", [EventDraft.of("tool-done", "x" * 300)]),
        ):
            with pytest.raises(EventTooLarge):
                result_of(fire)
        _, *said = result_of(lab.service.events("a", EventQuery()))
        text = "Refused (tool-done). The event's data has 302 bytes of JSON; 200 are possible."
        assert [(event.event, event.value()) for event in said] == [
            ("warning", {"text": text})
        ] * 2

    def test_batch_is_all_or_nothing(self, make_lab: MakeLab) -> None:
        lab = make_lab(event_size=10)
        drafts = [EventDraft(event="x"), EventDraft.of("y", "x" * 20)]
        with pytest.raises(EventTooLarge):
            result_of(lab.service.fire_batch("a", drafts))
        assert listed(lab) == []

    def test_batch_ending_in_a_duplicate_returns_the_last_number(
        self, lab: HostInMemory
    ) -> None:
        drafts = [EventDraft(event="x", key="k"), EventDraft(event="y")]
        result_of(lab.service.fire_batch("a", drafts))
        accepted = result_of(lab.service.fire_batch("a", [EventDraft(event="z"), drafts[0]]))
        assert (accepted.event_count, accepted.accepted) == (3, 2)

    def test_empty_batch_is_refused(self, service: SessionService) -> None:
        with pytest.raises(BadField):
            result_of(service.fire_batch("a", []))

    def test_event_may_have_its_own_time(self, lab: HostInMemory) -> None:
        result_of(lab.service.fire("a", EventDraft(event="x", ts=5)))
        fire(lab, "a", "y")
        times = [(e.ts, e.ts_ms) for e in result_of(lab.service.events("a", EventQuery()))]
        assert times == [(5, 5000), (MIDNIGHT_MS // 1000, MIDNIGHT_MS)]

    def test_cursor_of_another_epoch_is_a_gap(self, lab: HostInMemory) -> None:
        fire(lab, "b", "x")
        fire(lab, "a", "x", "y", "z")

        def after(cursor: str) -> list[int]:
            found = result_of(lab.service.events("a", EventQuery(after=cursor)))
            return [event.seq for event in found]

        assert after("2") == [3]
        assert after(f"{lab.store.epoch}:2") == [2, 3]
        assert after("0ther:99") == [1, 2, 3]


class TestMessages:
    @pytest.fixture(autouse=True)
    def _session(self, lab: HostInMemory) -> None:
        result_of(lab.service.register("a", Registration()))

    def send(self, lab: HostInMemory, content: str = "hello") -> int:
        return result_of(lab.service.send("a", MessageDraft(content=content))).id

    def test_message_limit_is_in_utf8_bytes(self, service: SessionService) -> None:
        result_of(service.send("a", MessageDraft(content="é" * 4096)))
        with pytest.raises(MessageTooLarge):
            result_of(service.send("a", MessageDraft(content="é" * 4097)))

    def test_pull_waits_for_a_message(self, lab: HostInMemory) -> None:
        waiting = started(lab.service.pull("a", PullQuery(wait=30)))
        assert not is_done(waiting)
        self.send(lab)
        assert [m.content for m in result_of(waiting)] == ["hello"]
        assert not lab.notifier.topics.watched("inbox:a")

    def test_pull_times_out(self, lab: HostInMemory) -> None:
        waiting = started(lab.service.pull("a", PullQuery(wait=30)))
        lab.clock.advance(30)
        assert result_of(waiting) == []

    def test_pull_waits_no_longer_than_the_limit(self, lab: HostInMemory) -> None:
        waiting = started(lab.service.pull("a", PullQuery(wait=1e9)))
        lab.clock.advance(lab.limits.wait)
        assert result_of(waiting) == []

    def test_one_of_two_waiting_pulls_gets_the_message(self, lab: HostInMemory) -> None:
        pulls = [started(lab.service.pull("a", PullQuery(wait=30))) for _ in range(2)]
        self.send(lab)
        assert sum(pull.called for pull in pulls) == 1
        lab.clock.advance(30)
        assert sorted(len(result_of(pull)) for pull in pulls) == [0, 1]

    def test_expired_lease_wakes_a_waiting_pull(self, lab: HostInMemory) -> None:
        self.send(lab)
        result_of(lab.service.pull("a", PullQuery(lease=10)))
        waiting = started(lab.service.pull("a", PullQuery(wait=30)))
        lab.clock.advance(10)
        assert [m.content for m in result_of(waiting)] == ["hello"]

    def test_nack_wakes_a_waiting_pull(self, lab: HostInMemory) -> None:
        message = self.send(lab)
        result_of(lab.service.pull("a", PullQuery(lease=10)))
        waiting = started(lab.service.pull("a", PullQuery(wait=30)))
        result_of(lab.service.nack("a", message))
        assert is_done(waiting)

    def test_cancelled_pull_takes_nothing(self, lab: HostInMemory) -> None:
        waiting = started(lab.service.pull("a", PullQuery(wait=30)))
        waiting.addErrback(lambda _: None)
        waiting.cancel()
        self.send(lab)
        assert len(result_of(lab.service.pull("a", PullQuery()))) == 1
        assert lab.clock.getDelayedCalls() == []

    def test_forgetting_a_session_ends_its_pulls(self, lab: HostInMemory) -> None:
        from sxhost.errors import UnknownSession

        waiting = started(lab.service.pull("a", PullQuery(wait=30)))
        result_of(lab.service.forget("a"))
        with pytest.raises(UnknownSession):
            result_of(waiting)

    def test_stop_ends_waiting_pulls(self, lab: HostInMemory) -> None:
        waiting = started(lab.service.pull("a", PullQuery(wait=30)))
        result_of(lab.service.close())
        assert result_of(waiting) == []


def test_stop_calls_on_stop(lab: HostInMemory) -> None:
    asked: list[bool] = []
    lab.service.on_stop = lambda: asked.append(True)
    result_of(lab.service.stop())
    assert asked == [True]
