"""The source's four invariants, whatever many clients say in whatever order."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from sxhost.faces.pi.translator import Translator
from sxhost.model.event import Event
from sxhost.model.event_types import MessageDeltaEvent, MessageEvent
from sxhost.process.contracts import ChildExit
from sxhost.testing import FakeAgent, HostInMemory, question
from tests.support.multiplexer_in_memory import Peer

NAMES = st.sampled_from("abc")
PEERS = st.integers(0, 2)
READS = st.sampled_from(["get_state", "get_messages", "get_session_stats", "get_tree"])
CONTROLS = st.sampled_from(["abort", "get_state", "get_last_assistant_text", "abort_bash"])
ENDS = st.sampled_from(["completed", "interrupted", "failed"])


class Machine(RuleBasedStateMachine):
    """Three clients, three sessions; agents that end their turns at any time, or die."""

    def __init__(self) -> None:
        super().__init__()
        self.lab = HostInMemory(mux_rate=10**6, mux_rate_all=10**6)
        self.peers = [Peer(self.lab) for _ in range(3)]
        self.said: list[list[str]] = [[], [], []]
        self.seen = [0, 0, 0]
        self.read = 0
        self.logs: dict[str, list[Event]] = {}
        """What sessions' logs had at any time: pieces leave them."""

    @initialize()
    def some_sessions(self) -> None:
        for name in "ab":
            self.say(0, "create_session", name, agent="fake")
        self.say(1, "switch_session", "a")

    def say(self, peer: int, kind: str, session: str | None = None, **fields: Any) -> None:
        number = f"{peer}-{len(self.said[peer])}"
        self.said[peer].append(number)
        target = {} if session is None else {"sessionId": session}
        command = {"type": kind, "id": number, **target, **fields}
        self.peers[peer].client.receive(json.dumps(command).encode())

    # What clients say.

    @rule(peer=PEERS, name=NAMES)
    def create(self, peer: int, name: str) -> None:
        self.say(peer, "create_session", name, agent="fake")

    @rule(peer=PEERS, name=NAMES)
    def delete(self, peer: int, name: str) -> None:
        self.say(peer, "delete_session", name)

    @rule(peer=PEERS, name=NAMES, kind=st.sampled_from(["switch_session", "unsubscribe"]))
    def switch(self, peer: int, name: str, kind: str) -> None:
        self.say(peer, kind, name)

    @rule(peer=PEERS, name=NAMES, kind=CONTROLS)
    def control(self, peer: int, name: str, kind: str) -> None:
        self.say(peer, kind, name)

    @rule(peer=PEERS, name=NAMES, behavior=st.sampled_from([None, "steer", "followUp"]))
    def prompt(self, peer: int, name: str, behavior: str | None) -> None:
        more = {} if behavior is None else {"streamingBehavior": behavior}
        self.say(peer, "prompt", name, message="go", **more)

    @rule(peer=PEERS, name=NAMES, kind=st.sampled_from(["steer", "follow_up"]))
    def add(self, peer: int, name: str, kind: str) -> None:
        self.say(peer, kind, name, message="left")

    @rule(peer=PEERS, name=NAMES, version=st.integers(0, 3))
    def set_model(self, peer: int, name: str, version: int) -> None:
        how = {"provider": "p", "modelId": "m", "ifSessionVersion": version}
        self.say(peer, "set_model", name, **how)

    @rule(peer=PEERS, other=PEERS, name=NAMES)
    def depend(self, peer: int, other: int, name: str) -> None:
        if self.said[other]:
            self.say(peer, "get_state", name, dependsOn=[self.said[other][-1]])

    @rule(peer=PEERS)
    def look(self, peer: int) -> None:
        self.say(peer, "list_sessions")

    # What else happens.

    @rule(seconds=st.sampled_from([0.0, 0.005, 1.0, 31.0]))
    def time_passes(self, seconds: float) -> None:
        self.lab.clock.advance(seconds)

    @property
    def running(self) -> list[FakeAgent]:
        agents = self.lab.drivers.by_agent["fake"].agents
        return [agent for agent in agents if self._hosted(agent) in ("running", "waiting")]

    def _hosted(self, agent: FakeAgent) -> str:
        reports: Any = agent.reports
        return str(reports.life.name()) if reports.agent is agent else "gone"

    @precondition(lambda self: self.running)
    @rule(which=st.integers(0, 9), status=ENDS)
    def a_turn_ends(self, which: int, status: Any) -> None:
        agent = self.running[which % len(self.running)]
        agent.reports.report_event(MessageEvent(item="1", text="done"))
        agent.reports.turn_ended(status, "so it is")

    @precondition(lambda self: self.running)
    @rule(which=st.integers(0, 9), item=st.sampled_from("12"))
    def an_agent_says(self, which: int, item: str) -> None:
        agent = self.running[which % len(self.running)]
        agent.reports.report_event(MessageDeltaEvent(item=item, text="so "))
        self.lab.clock.advance(0.06)

    @precondition(lambda self: self.running)
    @rule(which=st.integers(0, 9))
    def an_agent_dies(self, which: int) -> None:
        self.running[which % len(self.running)].reports.exited(ChildExit(code=1))

    @precondition(lambda self: self.running)
    @rule(which=st.integers(0, 9))
    def an_agent_asks(self, which: int) -> None:
        self.running[which % len(self.running)].reports.approval_requested(question())

    @rule(peer=PEERS)
    def a_client_is_behind_or_not(self, peer: int) -> None:
        here = self.peers[peer]
        here.paused = not here.paused
        if here.paused:
            here.client.pause_subscriptions()
        else:
            here.client.resume_subscriptions()

    # What always holds.

    @invariant()
    def logs_are_read(self) -> None:
        """Read on before a second has passed, after which pieces that are there whole leave."""
        recent = self.lab.store.recent
        fresh = recent.since(None, self.read)
        assert fresh is not None
        self.read = recent.position
        for event in fresh:
            log = [] if event.seq == 1 else self.logs[event.session]
            self.logs[event.session] = [*log, event]

    @invariant()
    def no_command_has_two_answers(self) -> None:
        for said, peer in zip(self.said, self.peers, strict=True):
            numbers = [one["id"] for one in peer.answers]
            assert len(numbers) == len(set(numbers))
            assert set(numbers) <= set(said)

    @invariant()
    def events_are_of_sessions_that_are_there(self) -> None:
        for number, peer in enumerate(self.peers):
            fresh = peer.frames[self.seen[number] :]
            self.seen[number] = len(peer.frames)
            deleted = {
                one["data"]["sessionId"] for one in fresh if one["type"] == "session_deleted"
            }
            for one in fresh:
                if one["type"] == "event":
                    known = self.lab.service.knows(one["sessionId"])
                    assert known or one["sessionId"] in deleted or peer.paused or deleted

    @invariant()
    def a_session_has_one_agent(self) -> None:
        agents = self.lab.drivers.by_agent["fake"].agents
        live = [a.launch.id for a in agents if self._hosted(a) not in ("gone", "stopping")]
        assert len(live) == len(set(live))

    @invariant()
    def subscriptions_are_to_sessions(self) -> None:
        for peer in self.peers:
            assert all(map(self.lab.service.knows, peer.client.subscriptions))

    def teardown(self) -> None:
        """In the end each command has its answer."""
        self.all_turns_end()
        for _ in range(12):
            self.lab.clock.advance(31)
            self.logs_are_read()
        self.all_turns_end()
        for said, peer in zip(self.said, self.peers, strict=True):
            assert {one["id"] for one in peer.answers} == set(said)
        for name in filter(self.lab.service.knows, "abc"):
            self.all_were_told_the_same(name)

    def all_turns_end(self) -> None:
        for _ in range(20):
            for agent in self.running:
                agent.reports.turn_ended("completed")
            self.lab.clock.advance(0.01)
            self.logs_are_read()

    def all_were_told_the_same(self, name: str) -> None:
        """Whoever came when and where was told what who has read the whole log is told."""
        runs = Translator(self.lab.limits, lambda _: "fake")
        told: dict[tuple[str, int], list[Any]] = {}
        for event in self.logs.get(name, ()):
            frames = [json.loads(one) for one in runs.translate(event)]
            place = f"{self.lab.store.epoch}:{event.id - 1}", event.seq
            told.setdefault(place, []).extend(frames[:-1])
            told[f"{self.lab.store.epoch}:{event.id}", event.seq] = frames[-1:]
        for peer in self.peers:
            heard = [one for one in peer.frames if one["type"] == "event"]
            for one in heard:
                place = one["cursor"], one["seq"]
                if one["sessionId"] == name and place in told:
                    assert one["event"] in told[place]


TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=30, stateful_step_count=30)
