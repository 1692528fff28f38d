"""The client's verbs on hosted agents, against a host in memory."""

from __future__ import annotations

from typing import Any

import pytest

from sxhost.errors import AlreadyAnswered, BadField, NoTurn, SessionExists, UnknownSession
from sxhost.model.approval import Answer, ApprovalQuery
from sxhost.model.turn import Image, Launch, ModelDraft, SteerDraft, Text, TurnDraft
from sxhost.testing import FakeDriver, HostInMemory, question, result_of, started

ALL = ApprovalQuery(all=True)


def do(lab: HostInMemory, work: Any) -> Any:
    doing = started(work)
    for _ in range(20):
        lab.clock.advance(0)
        lab.treq.flush()
    return result_of(doing)


@pytest.fixture
def host(lab: HostInMemory) -> HostInMemory:
    """A host with one hosted session, `a`, that was started by the client."""
    lab.drivers.by_agent["fake"] = FakeDriver(set_model=True)
    launch = Launch(agent="fake", id="a", labels={"k": "v"}, title="A title")
    made = do(lab, lab.client.start(launch))
    assert (made.session.id, made.session.kind, made.turn) == ("a", "hosted", None)
    assert made.session.labels == {"k": "v"}
    return lab


def test_start_with_a_prompt_returns_the_first_turn(lab: HostInMemory) -> None:
    launch = Launch(agent="fake", prompt=[Text(text="hi"), Image(data="eA==")])
    made = do(lab, lab.client.start(launch))
    assert made.turn.status == "running"
    assert lab.drivers.last.did[-1] == ("submit", "hi\n[image]")


def test_every_verb_for_agents_reaches_the_host(host: HostInMemory) -> None:
    client = host.client
    begun = do(host, client.submit("a", TurnDraft(input="go", effort="high")))
    assert (begun.turn.id, begun.turn.status) == (1, "running")
    for work in (
        client.steer("a", SteerDraft(input="left")),
        client.interrupt("a"),
        client.compact("a"),
        client.set_model("a", ModelDraft(model="large")),
        client.end("a"),
    ):
        assert do(host, work).ok
    reported = [name for name, *_ in host.drivers.last.did]
    assert reported == ["start", "submit", "steer", "interrupt", "compact", "set_model", "stop"]


def test_approvals(host: HostInMemory) -> None:
    client = host.client
    do(host, client.submit("a", TurnDraft(input="go")))
    host.drivers.last.reports.approval_requested(question())
    (one,) = do(host, client.approvals(ApprovalQuery()))
    assert do(host, client.session_approvals("a", ApprovalQuery())) == [one]
    closed = do(host, client.answer("a", one.id, Answer(decision="deny", reason="no")))
    assert (closed.state, closed.resolution.reason) == ("answered", "no")
    assert do(host, client.approvals(ApprovalQuery())) == []
    assert do(host, client.approvals(ALL)) == [closed]
    with pytest.raises(AlreadyAnswered) as caught:
        do(host, client.answer("a", one.id, Answer(decision="approve")))
    assert caught.value.details["by"] == "own"


def test_refusals_are_raised_as_their_classes(host: HostInMemory) -> None:
    client = host.client
    for error, work in (
        (SessionExists, client.start(Launch(agent="fake", id="a"))),
        (BadField, client.start(Launch(agent="clippy"))),
        (NoTurn, client.interrupt("a")),
        (UnknownSession, client.interrupt("nobody")),
        (BadField, client.interrupt("a/../b")),
    ):
        with pytest.raises(error):
            do(host, work)
