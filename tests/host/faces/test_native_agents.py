"""The routes to hosted agents: which verb, which status, which scope, what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred

from sxhost.faces.native.agents import routes
from sxhost.model.turn import Launch
from sxhost.testing import HostInMemory, is_done, question, result_of, started

JSON = dict[str, Any]


@pytest.fixture
def host(lab: HostInMemory) -> HostInMemory:
    """A host with one hosted session, `a`."""
    assert settled(lab, "POST", "/sessions", {"agent": "fake", "id": "a"}).status == 201
    return lab


def settled(lab: HostInMemory, method: str, path: str, body: Any = None) -> Any:
    answer = lab.begin(method, path, body)
    for _ in range(20):
        lab.clock.advance(0)
        lab.treq.flush()
    return result_of(answer)


SCOPES = {
    "/sessions": "admin",
    "/sessions/<session_id>/turns": "send",
    "/sessions/<session_id>/steer": "send",
    "/sessions/<session_id>/interrupt": "send",
    "/sessions/<session_id>/end": "send",
    "/sessions/<session_id>/compact": "send",
    "/sessions/<session_id>/model": "send",
    "/approvals": "read",
    "/sessions/<session_id>/approvals": "read",
    "/sessions/<session_id>/approvals/<approval_id>": "approve",
    "/policy": "approve",
    "/policy/propose": "approve",
}


def test_agent_routes_need_their_scopes(lab: HostInMemory) -> None:
    found = {route.path: route.needs for route in routes(lab.service)}
    assert found == SCOPES


def test_agent_routes_answer_with_their_result(host: HostInMemory) -> None:
    begun = settled(host, "POST", "/sessions/a/turns", {"input": "go"})
    assert (begun.status, begun.json()["turn"]["status"]) == (202, "running")
    done = {"ok": True}
    assert settled(host, "POST", "/sessions/a/steer", {"input": "left"}).json() == done
    assert settled(host, "POST", "/sessions/a/interrupt", {}).json() == done
    assert settled(host, "POST", "/sessions/a/compact", {}).json() == done
    assert host.drivers.last.did[1:] == [
        ("submit", "go"),
        ("steer", "left"),
        ("interrupt",),
        ("compact",),
    ]


def test_approval_is_listed_and_decided(host: HostInMemory) -> None:
    settled(host, "POST", "/sessions/a/turns", {"input": "go"})
    host.drivers.last.reports.approval_requested(question())
    (one,) = settled(host, "GET", "/sessions/a/approvals").json()
    assert settled(host, "GET", "/approvals").json() == [one]
    path = f"/sessions/a/approvals/{one['id']}"
    answer = settled(host, "POST", path, {"decision": "approve", "reason": "fine"})
    assert (answer.status, answer.json()["resolution"]["reason"]) == (200, "fine")
    assert settled(host, "GET", "/approvals").json() == []
    (closed,) = settled(host, "GET", "/approvals?all=1").json()
    assert closed == answer.json()
    late = settled(host, "POST", path, {"decision": "deny"})
    assert (late.status, late.json()["by"]) == (409, "own")


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/sessions", {}, "agent"),
        ("/sessions", {"agent": "Fake!"}, "agent"),
        ("/sessions", {"agent": "fake", "id": "a/b"}, "id"),
        ("/sessions", {"agent": "fake", "cwd": "relative"}, "cwd"),
        ("/sessions", {"agent": "fake", "command": []}, "command"),
        ("/sessions", {"agent": "fake", "prompt": ""}, "prompt"),
        ("/sessions", {"agent": "fake", "env": {"A": 7}}, "env"),
        ("/sessions/a/turns", {}, "input"),
        ("/sessions/a/turns", {"input": []}, "input"),
        ("/sessions/a/turns", {"input": [{"type": "smell"}]}, "input"),
        ("/sessions/a/steer", {"input": 7}, "input"),
        ("/sessions/a/model", {"model": None}, "model"),
        ("/sessions/a/approvals/1", {"decision": ""}, "decision"),
        ("/sessions/a/approvals/one", {"decision": "deny"}, "approval_id"),
    ],
)
def test_wrong_field_is_named(host: HostInMemory, path: str, body: JSON, field: str) -> None:
    answer = settled(host, "POST", path, body)
    assert (answer.status, answer.json()["error"]) == (400, "bad_field")
    assert answer.json()["field"].startswith(field)


@pytest.mark.parametrize(
    ("path", "body", "error"),
    [
        ("/sessions/nobody/turns", {"input": "x"}, (404, "unknown_session")),
        ("/sessions/nobody/interrupt", {}, (404, "unknown_session")),
        ("/sessions/a/approvals/9", {"decision": "deny"}, (404, "unknown_approval")),
        ("/sessions/a/steer", {"input": "x"}, (409, "no_turn")),
        ("/sessions/a/model", {"model": "m"}, (409, "unsupported")),
        ("/sessions", {"agent": "fake", "id": "a"}, (409, "session_exists")),
    ],
)
def test_impossible_requests_are_refused(
    host: HostInMemory, path: str, body: JSON, error: tuple[int, str]
) -> None:
    answer = settled(host, "POST", path, body)
    assert (answer.status, answer.json()["error"]) == error


def test_disconnect_during_a_start_leaves_no_agent(lab: HostInMemory) -> None:
    slow: Deferred[None] = Deferred()
    lab.drivers("fake").slow = slow
    start = started(lab.service.start(Launch(agent="fake", id="b")))
    start.addErrback(lambda failure: failure.trap(CancelledError))
    start.cancel()
    slow.callback(None)
    for _ in range(5):
        lab.clock.advance(0)
    assert is_done(start)
    assert lab.drivers.last.did == [("start", None), ("stop",)]
    assert lab.request("GET", "/sessions/b").status == 404
