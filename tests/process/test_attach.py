"""An agent's session against a whole host in memory, which comes, hangs, refuses and goes."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from treq.client import HTTPClient
from treq.testing import StubTreq
from twisted.internet.defer import Deferred, fail
from twisted.internet.error import ConnectionLost, ConnectionRefusedError
from twisted.python.failure import Failure
from twisted.web.client import ResponseFailed
from twisted.web.resource import Resource
from twisted.web.server import Request

from sxhost.attach import agent as attach
from sxhost.attach.agent import AgentSession
from sxhost.client.host import HostClient
from sxhost.model.message import Message
from sxhost.testing import URL, HostInMemory, is_done, result_of
from tests.conftest import FailureLog
from tests.support.daemons import clean_environ
from tests.support.hosts import PATIENCE, Host
from tests.support.places import TOP


class Net:
    """The way to a host in memory; `mood` says how it is."""

    def __init__(self, lab: HostInMemory) -> None:
        self.lab = lab
        self.mood = "well"
        self.asked: list[str] = []

    def request(self, method: str, url: str, **how: Any) -> Deferred[Any]:
        self.asked.append(f"{method} {url.removeprefix(URL)}")
        return MOODS[self.mood](self, method, url, how)

    def deliver(self, method: str, url: str, how: Any) -> Deferred[Any]:
        return cast("Deferred[Any]", self.lab.treq.request(method, url, **how))

    def client(self) -> HostClient:
        return HostClient(URL, cast(HTTPClient, self), self.lab.clock)


def lost_answer(net: Net, method: str, url: str, how: Any) -> Deferred[Any]:
    """Have the host do it, but not the agent hear of it."""
    broken = ResponseFailed([Failure(ConnectionLost())])
    return net.deliver(method, url, how).addCallback(lambda _: Failure(broken))


def wrong_path(net: Net, method: str, _url: str, how: Any) -> Deferred[Any]:
    return net.deliver(method, f"{URL}/nonsense", how)


class Canned(Resource):
    """Answers everything with the same."""

    isLeaf = True

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__()
        self._answer = status, body

    def render(self, request: Request) -> bytes:
        request.setResponseCode(self._answer[0])
        return self._answer[1]


def says(status: int, body: bytes) -> Callable[..., Deferred[Any]]:
    treq: Any = StubTreq(Canned(status, body))

    def answer(_net: Net, method: str, url: str, how: Any) -> Deferred[Any]:
        answering = cast("Deferred[Any]", treq.request(method, url, **how))
        treq.flush()
        return answering

    return answer


REFUSED = b'{"ok":false,"error":"%s","message":"No."}'
ILL: dict[str, Callable[..., Deferred[Any]]] = {
    "away": lambda *_: fail(ConnectionRefusedError()),
    "dies": lambda *_: fail(ResponseFailed([Failure(ConnectionLost())])),
    "deaf": lost_answer,
    "other": wrong_path,
    "broken": says(500, REFUSED % b"internal_error"),
    "a proxy's": says(502, b"<html>Bad gateway</html>"),
    "locked": says(401, REFUSED % b"unauthorized"),
    "busy": says(429, REFUSED % b"rate_limited"),
    "garbage": says(200, b"\xff<html>"),
    "empty": says(200, b""),
}
MOODS = {"well": Net.deliver, "hangs": lambda *_: Deferred(), **ILL}


@pytest.fixture
def net() -> Net:
    return Net(HostInMemory(events=1000))


def session(net: Net, **how: Any) -> AgentSession:
    given = {"session_id": "a", "cwd": "/nowhere", "now": lambda: 1.0, **how}
    return AgentSession(net.lab.clock, find=net.client, jitter=lambda: 1.0, **given)


def events(net: Net) -> list[tuple[str, Any]]:
    lines = net.lab.request("GET", "/sessions/a/events").lines()
    return [(line["event"], line["data"]) for line in lines]


def about(net: Net) -> Any:
    return net.lab.request("GET", "/sessions/a").json()


def run(net: Net, seconds: float) -> None:
    """Let time pass, and answers that come late arrive."""
    net.lab.treq.flush()
    for _ in range(int(seconds / 0.05)):
        net.lab.clock.advance(0.05)
        net.lab.treq.flush()


def end(net: Net, ours: AgentSession) -> None:
    closing = ours.close()
    run(net, attach.CLOSE_WITHIN + 0.1)
    assert is_done(closing)


def send(net: Net, content: str) -> None:
    net.lab.request("POST", "/sessions/a/messages", {"content": content})
    net.lab.treq.flush()


def test_a_session_registers_and_its_events_arrive_in_order(net: Net, tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
    ours = session(net, model="gpt", provider="openai", cwd=str(tmp_path), agent="mine")
    ours.start()
    assert ours.attached
    for number in range(3):
        ours.fire("thinking", number)
    assert events(net) == [("thinking", 0), ("thinking", 1), ("thinking", 2)]
    shown = about(net)
    assert (shown["model"], shown["provider"], shown["agent"]) == ("gpt", "openai", "mine")
    assert (shown["cwd"], shown["git_branch"], shown["pid"]) == (
        str(tmp_path),
        "main",
        os.getpid(),
    )
    result_of(ours.complete("done"))
    assert events(net)[-1] == ("complete", "done")


def test_without_a_host_nothing_raises_and_events_are_spooled_until_it_comes(net: Net) -> None:
    net.mood = "away"
    ours = session(net)
    ours.start(print)
    for number in range(700):
        ours.fire("thinking", number)
    run(net, 30)
    assert not ours.attached
    net.mood = "well"
    run(net, 6)
    kept = net.lab.request("GET", "/sessions/a/events?after=0").lines()
    assert [line["data"] for line in kept] == list(range(700))
    assert sum(asked.startswith("POST /sessions/a/events") for asked in net.asked) == 2
    end(net, ours)


@pytest.mark.parametrize("mood", ILL)
@pytest.mark.parametrize("begun", [True, False])
def test_events_arrive_once_after_any_failed_answer(net: Net, mood: str, begun: bool) -> None:
    received: list[Message] = []
    ours = session(net)
    if not begun:
        net.mood = mood
    ours.start(received.append)
    ours.fire("thinking", 0)
    net.mood = mood
    for number in range(1, 30):
        ours.fire("thinking", number)
        run(net, 0.2)
    net.mood = "well"
    run(net, 6)
    assert [data for name, data in events(net) if name == "thinking"] == list(range(30))
    send(net, "x")
    run(net, 1)
    assert [message.content for message in received] == ["x"]
    end(net, ours)


def test_absent_host_is_retried_with_back_off(net: Net) -> None:
    net.mood = "away"
    ours = session(net)
    ours.start(print)
    run(net, 60)
    assert len(net.asked) < 20
    end(net, ours)


def test_lost_answer_does_not_duplicate_an_event(net: Net) -> None:
    ours = session(net)
    ours.start()
    net.mood = "deaf"
    ours.fire("thinking", "once")
    run(net, 3)
    net.mood = "well"
    run(net, 6)
    assert events(net) == [("thinking", "once")]
    end(net, ours)


def test_overflowing_spool_reports_how_many_events_are_lost(
    net: Net,
) -> None:
    net.mood = "away"
    ours = session(net)
    ours.outbox.spool._most_events = 10
    ours.start()
    for number in range(15):
        ours.fire("thinking", number)
    net.mood = "well"
    run(net, 6)
    assert [data for name, data in events(net) if name == "thinking"] == list(range(6, 15))
    text = dict(events(net))["warning"]["text"]
    assert text == "5 events were lost while no host was there"
    end(net, ours)


def test_malformed_event_is_dropped_and_never_raised(net: Net) -> None:
    ours = session(net)
    ours.start()
    ours.fire("No Event")
    ours.fire("thinking", object())
    ours.fire("thinking", "\ud800")
    ours.fire("thinking", "fine")
    assert events(net)[-1] == ("thinking", "fine")
    assert ours.outbox.refused >= 2
    end(net, ours)


def test_refused_event_does_not_hold_up_the_others(net: Net) -> None:
    net.mood = "away"
    ours = session(net)
    ours.start()
    ours.fire("thinking", 1)
    ours.fire("approval-requested", {"id": 1, "title": "ls -la"})
    ours.fire("thinking", 2)
    net.mood = "well"
    run(net, 6)
    assert events(net) == [("thinking", 1), ("thinking", 2)]
    assert ours.outbox.refused == 1
    end(net, ours)


@pytest.mark.parametrize(
    ("data", "mark"),
    [
        ("x" * 300_000, "252000 characters more"),
        ("漢字" * 300_000, "552000 characters more"),
        ({"item": "a", "output": "x" * 3_000_000}, "2952000 characters more"),
        ({"item": "a", "output": ["text"] * 300_000}, "bytes)"),
        (["text"] * 300_000, "bytes"),
        ({"item": "a", "output": "\ud800" * 300_000}, "characters more"),
    ],
    ids=["text", "CJK", "field", "many texts", "list", "half characters"],
)
def test_event_of_any_size_is_cut_before_it_is_sent(net: Net, data: Any, mark: str) -> None:
    ours = session(net)
    ours.start()
    ours.fire("tool-done", data)
    run(net, 1)
    ((name, cut),) = events(net)
    assert name == "tool-done"
    assert mark in json.dumps(cut)
    assert ours.outbox.refused == 0
    end(net, ours)


def test_messages_are_delivered_in_order_and_acknowledged(net: Net) -> None:
    received: list[Message] = []
    ours = session(net)
    ours.start(received.append)
    assert not received
    send(net, "run the tests")
    assert [message.content for message in received] == ["run the tests"]
    (seen,) = net.lab.request("GET", "/sessions/a/messages?peek=1").json()
    assert seen["state"] == "delivered"
    end(net, ours)


def test_message_is_acknowledged_only_after_its_callback(net: Net) -> None:
    busy: Deferred[None] = Deferred()
    ours = session(net)
    ours.start(lambda _: busy)
    send(net, "x")
    (seen,) = net.lab.request("GET", "/sessions/a/messages?peek=1").json()
    assert seen["state"] == "leased"
    busy.callback(None)
    run(net, 0.1)
    (seen,) = net.lab.request("GET", "/sessions/a/messages?peek=1").json()
    assert seen["state"] == "delivered"
    end(net, ours)


def test_failing_callback_gets_the_message_again(net: Net, failure_log: FailureLog) -> None:
    received: list[str] = []

    def take(message: Message) -> None:
        received.append(message.content)
        if len(received) == 1:
            raise RuntimeError("not now")

    ours = session(net)
    ours.start(take)
    send(net, "x")
    assert len(failure_log.flush()) == 1
    for _ in range(int(attach.LEASE / 10) + 1):
        net.lab.clock.advance(10)
        net.lab.treq.flush()
    assert received == ["x", "x"]
    end(net, ours)


def test_without_waiting_pulls_come_every_two_seconds(net: Net) -> None:
    received: list[Message] = []
    ours = session(net, poll=2.0)
    ours.start(received.append)
    send(net, "x")
    run(net, 1.5)
    assert not received
    run(net, 1)
    assert [message.content for message in received] == ["x"]
    pulls = [asked for asked in net.asked if asked.startswith("GET")]
    run(net, 10)
    assert set(pulls) == {"GET /sessions/a/messages"}
    assert len([asked for asked in net.asked if asked.startswith("GET")]) == len(pulls) + 5
    end(net, ours)


def test_forgotten_session_registers_again(net: Net) -> None:
    ours = session(net, model="gpt")
    ours.start(print)
    net.lab.request("DELETE", "/sessions/a")
    run(net, 3)
    assert about(net)["model"] == "gpt"
    end(net, ours)


def test_changed_fields_are_registered_again(net: Net) -> None:
    ours = session(net, model="gpt")
    ours.start()
    ours.register(model="better", title="Work")
    assert (about(net)["model"], about(net)["title"]) == ("better", "Work")
    end(net, ours)


@pytest.mark.parametrize("mood", ["away", "hangs", "deaf", "other"])
def test_close_waits_for_two_seconds_at_most(net: Net, mood: str) -> None:
    ours = session(net)
    ours.start(print)
    net.mood = mood
    closing = ours.complete()
    run(net, attach.CLOSE_WITHIN + 0.1)
    assert is_done(closing)
    assert not [call for call in net.lab.clock.getDelayedCalls() if call.getTime() > 1e9]


def test_session_that_never_began_closes_at_once(net: Net) -> None:
    assert result_of(session(net).complete()) is None


def test_context_manager_reports_how_its_body_ended(net: Net) -> None:
    async def work() -> None:
        async with session(net) as ours:
            ours.fire("thinking")
            raise KeyError("broken")

    with pytest.raises(KeyError):
        result_of(work())
    assert events(net) == [("thinking", None), ("error", "'broken'")]


def test_unencodable_fields_are_left_out(net: Net) -> None:
    ours = session(net, model="x" * 10_000, agent="mine", nonsense=1)
    ours.start()
    assert (about(net)["model"], about(net)["agent"]) == ("", "mine")
    end(net, ours)


def test_invalid_url_turns_reporting_off(lab: HostInMemory) -> None:
    ours = AgentSession(lab.clock, "ftp://nowhere", jitter=random.random)
    ours.start(print)
    ours.fire("thinking")
    lab.clock.pump([0.1] * 50)
    assert not ours.attached
    closing = ours.close()
    lab.clock.pump([0.1] * 50)
    assert is_done(closing)


def example() -> str:
    text = (TOP / "docs" / "attach.md").read_text("utf-8")
    return text.split("```python\n", 1)[1].split("```", 1)[0]


def test_documented_example_is_short_and_works(running_host: Host, tmp_path: Path) -> None:
    assert len(example().splitlines()) <= 30
    (tmp_path / "agent.py").write_text(example())
    environ = {**clean_environ(tmp_path), "SXHOST_URL": running_host.url}
    command = [sys.executable, "agent.py"]
    with subprocess.Popen(
        command, cwd=tmp_path, env=environ, stdout=subprocess.PIPE, text=True
    ) as agent:
        assert agent.stdout is not None
        name = agent.stdout.readline().split()[-1]
        send = [sys.executable, "-m", "sxhost", "send", name, "hello there"]
        subprocess.run(send, env=environ, check=True, stdout=subprocess.DEVNULL)
        assert agent.stdout.readline() == "told: hello there\n"
        assert agent.wait(PATIENCE) == 0
    events = [sys.executable, "-m", "sxhost", "events", name]
    output = subprocess.run(events, env=environ, check=True, capture_output=True, text=True)
    assert [line.split()[2] for line in output.stdout.splitlines()][:3] == [
        "idle",
        "user-message",
        "complete",
    ]
