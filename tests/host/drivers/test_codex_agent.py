"""The verbs of an agent, as calls of an app server."""

from __future__ import annotations

from typing import Any

import pytest

from sxhost.drivers.codex.agent import STOP_S
from sxhost.drivers.kit.jsonrpc_peer import CallRefused
from sxhost.errors import AgentFailed, Unsupported
from sxhost.model.approval import Answer
from sxhost.model.turn import ModelDraft, Text, TurnDraft
from sxhost.testing import is_done, result_of, started
from tests.support.agents.fake_app_server import AppServer
from tests.support.fake_children import FakeReports

HELLO = TurnDraft(input="hello")
REFUSED = {"code": -32600, "message": "no"}


class Running:
    """An agent that is started."""

    def __init__(self, **launch: Any) -> None:
        self.server, self.reports = AppServer(), FakeReports()
        self.it = self.server.agent(self.reports, **launch)
        self.begun = result_of(self.it.start())

    def turn(self) -> None:
        """Begin a turn."""
        result_of(self.it.submit(HELLO))
        self.server.tell("turn/started", threadId="t1", turn={"id": "u1"})

    def end(self, status: str = "completed") -> None:
        turn = {"id": "u1", "status": status}
        self.server.tell("turn/completed", threadId="t1", turn=turn)

    @property
    def ends(self) -> list[Any]:
        return [told[1:] for told in self.reports.told if told[0] == "turn_ended"]


def test_what_it_says_of_itself() -> None:
    begun = Running().begun
    assert (begun.native_id, begun.model, begun.provider, begun.title) == ("t1", "m", "p", "")
    assert begun.native["thread"]["id"] == "t1"


def test_the_process_is_no_conversations_own() -> None:
    running = Running(env={"A": "b"})
    command = running.server.child.command
    assert (command.cwd, command.env) == ("/", {"A": "b"})
    assert list(command.argv) == ["codex", "app-server"]
    assert running.server.said("thread/start") == [{"cwd": "/w"}]


def test_an_agent_that_runs_does_not_start() -> None:
    running = Running()
    with pytest.raises(AgentFailed, match="runs already"):
        result_of(running.it.start())


def test_an_answer_that_makes_no_sense_fails_the_start() -> None:
    server = AppServer()
    server.answers["thread/start"] = {"thread": "?"}
    with pytest.raises(AgentFailed, match="answer to thread/start is wrong"):
        result_of(server.agent().start())
    assert server.child.ended


async def verbs(it: Any, verb: str) -> None:
    given = {
        "submit": (HELLO,),
        "steer": ([Text(text="x")],),
        "set_model": (ModelDraft(model="m"),),
        "answer": (None, Answer(decision="approve")),
    }
    await getattr(it, verb)(*given.get(verb, ()))


@pytest.mark.parametrize(
    "verb", ["submit", "steer", "interrupt", "compact", "set_model", "answer"]
)
def test_no_verb_without_a_start(verb: str) -> None:
    agent = AppServer().agent()
    with pytest.raises(AgentFailed, match="not running"):
        result_of(verbs(agent, verb))


def test_an_agent_that_never_began_stops_at_once() -> None:
    server = AppServer()
    result_of(server.agent().stop())
    assert not server.spawn.children


def test_the_effort_of_the_launch_goes_with_the_first_turn() -> None:
    running = Running(effort="high")
    result_of(running.it.submit(HELLO))
    result_of(running.it.submit(HELLO))
    said = running.server.said("turn/start")
    assert [params.get("effort") for params in said] == ["high", None]


def test_a_sandbox_of_codexs_own_goes_with_the_first_turn_of_a_process() -> None:
    policy = {"type": "workspaceWrite", "networkAccess": True}
    running = Running(native={"sandboxPolicy": policy})
    result_of(running.it.submit(HELLO))
    result_of(running.it.submit(HELLO))
    said = running.server.said("turn/start")
    assert [params.get("sandboxPolicy") for params in said] == [policy, None]


def test_a_refused_turn_keeps_what_was_to_be_told() -> None:
    running = Running(effort="high")
    running.server.answers["turn/start"] = [REFUSED, {"turn": {"id": "u1"}}]
    with pytest.raises(CallRefused):
        result_of(running.it.submit(HELLO))
    result_of(running.it.submit(HELLO))
    said = running.server.said("turn/start")
    assert [params.get("effort") for params in said] == ["high", "high"]


def test_a_steer_names_the_turn() -> None:
    running = Running()
    running.turn()
    result_of(running.it.steer([Text(text="faster")]))
    assert running.server.said("turn/steer") == [
        {
            "threadId": "t1",
            "expectedTurnId": "u1",
            "input": [{"type": "text", "text": "faster"}],
        }
    ]


def test_an_interrupt_ends_commands_too() -> None:
    running = Running()
    running.turn()
    result_of(running.it.interrupt())
    assert running.server.said("turn/interrupt") == [{"threadId": "t1", "turnId": "u1"}]
    assert running.server.said("thread/backgroundTerminals/clean") == [{"threadId": "t1"}]
    assert not running.ends, "codex tells it"


def test_an_interrupt_without_a_turn_ends_commands() -> None:
    running = Running()
    result_of(running.it.interrupt())
    assert not running.server.said("turn/interrupt")
    assert running.server.said("thread/backgroundTerminals/clean")


def test_an_interrupt_of_a_turn_that_codex_does_not_know_ends_it() -> None:
    running = Running()
    running.turn()
    running.server.answers["turn/interrupt"] = REFUSED
    running.server.answers["thread/backgroundTerminals/clean"] = REFUSED
    result_of(running.it.interrupt())
    assert [end[0] for end in running.ends] == ["interrupted"]
    running.end()
    assert len(running.ends) == 1


def test_an_interrupt_waits_for_a_turn_to_begin() -> None:
    running = Running()
    result_of(running.it.submit(HELLO))
    early = started(running.it.interrupt())
    assert not running.server.said("turn/interrupt"), "codex would refuse it"
    running.server.tell("turn/started", threadId="t1", turn={"id": "u1"})
    assert running.server.said("turn/interrupt")
    assert is_done(early)


def test_an_interrupt_that_comes_too_late_changes_nothing() -> None:
    running = Running()
    running.turn()
    running.server.answers["turn/interrupt"] = None
    late = started(running.it.interrupt())
    running.end()
    number = running.server.child.said[-1]["id"]
    running.server.child.say({"id": number, "error": REFUSED})
    assert is_done(late)
    assert [end[0] for end in running.ends] == ["completed"]


def test_another_model() -> None:
    running = Running()
    result_of(running.it.set_model(ModelDraft(model="n", provider="p", effort="low")))
    said = running.server.said("thread/settings/update")
    assert said == [{"threadId": "t1", "model": "n", "effort": "low"}]
    result_of(running.it.submit(HELLO))
    assert "model" not in running.server.said("turn/start")[0]


def test_an_older_codex_is_told_the_model_with_the_turn() -> None:
    running = Running()
    running.server.answers["thread/settings/update"] = REFUSED
    result_of(running.it.set_model(ModelDraft(model="n", effort="low")))
    result_of(running.it.submit(HELLO))
    result_of(running.it.submit(HELLO))
    said = running.server.said("turn/start")
    assert [params.get("model") for params in said] == ["n", None]
    assert [params.get("effort") for params in said] == ["low", None]


def test_another_provider_is_another_conversation() -> None:
    running = Running()
    with pytest.raises(Unsupported, match=r"its provider \(p\)"):
        result_of(running.it.set_model(ModelDraft(model="n", provider="q")))


def test_a_stop_leaves_nothing() -> None:
    running = Running()
    running.turn()
    result_of(running.it.stop())
    told = [message.get("method") for message in running.server.child.said[-3:]]
    assert told == ["turn/interrupt", "thread/backgroundTerminals/clean", "thread/unsubscribe"]
    assert running.server.child.ended
    assert running.ends == [("interrupted", "the agent was stopped")]
    assert running.reports.told[-1][0] == "gone"
    result_of(running.it.stop())


def test_a_stop_does_not_wait_for_ever() -> None:
    running = Running()
    running.turn()
    running.server.answers["turn/interrupt"] = None
    stop = started(running.it.stop())
    running.server.clock.advance(STOP_S)
    assert is_done(stop)
    assert running.server.child.ended


def test_a_death_while_it_stops_is_told_once() -> None:
    running = Running()
    running.turn()
    running.server.answers["turn/interrupt"] = None
    stop = started(running.it.stop())
    told_at_end: list[str] = []
    stop.addCallback(lambda _: told_at_end.extend(told[0] for told in running.reports.told))
    running.server.child.die()
    assert told_at_end[-2:] == ["turn_ended", "gone"]
    assert told_at_end.count("gone") == 1
