"""The routes to hosted agents: which verb, which status, which scope, what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred

from sxhost.faces.native.agents import routes
from sxhost.model.approval import AnswerBatch, NamedAnswer
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
    "POST /sessions": "admin",
    "POST /sessions/<session_id>/turns": "send",
    "POST /sessions/<session_id>/steer": "send",
    "POST /sessions/<session_id>/interrupt": "send",
    "POST /sessions/<session_id>/end": "send",
    "POST /sessions/<session_id>/handover": "admin",
    "POST /sessions/<session_id>/compact": "send",
    "POST /sessions/<session_id>/model": "send",
    "GET /agents": "read",
    "GET /approvals": "read",
    "POST /approvals": "approve",
    "GET /sessions/<session_id>/approvals": "read",
    "POST /sessions/<session_id>/approvals/<approval_id>": "approve",
    "GET /policy": "approve",
    "POST /policy/propose": "approve",
}


def test_agent_routes_need_their_scopes(lab: HostInMemory) -> None:
    found = {f"{route.method} {route.path}": route.needs for route in routes(lab.service)}
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


def test_named_approvals_are_answered_each_by_itself(host: HostInMemory) -> None:
    settled(host, "POST", "/sessions/a/turns", {"input": "go"})
    for key in ("q1", "q2", "q3"):
        host.drivers.last.reports.approval_requested(question(key))
    first, second, third = settled(host, "GET", "/approvals").json()
    named = [
        {"session": "a", "id": first["id"], "decision": "approve"},
        {"session": "a", "id": first["id"], "decision": "deny"},
        {"session": "b", "id": second["id"], "decision": "approve"},
        {"session": "a", "id": second["id"], "decision": "never"},
        {"session": "a", "id": 999, "decision": "approve"},
        {"session": "a", "id": second["id"], "decision": "deny", "reason": "not now"},
    ]
    results = settled(host, "POST", "/approvals", {"answers": named}).json()["results"]
    told = [(one["ok"], (one["error"] or {}).get("error")) for one in results]
    assert told == [
        (True, None),
        (False, "already_answered"),
        (False, "unknown_session"),
        (False, "bad_field"),
        (False, "unknown_approval"),
        (True, None),
    ]
    assert results[0]["approval"]["resolution"]["decision"] == "approve"
    assert results[1]["error"]["decision"] == "approve"
    assert results[3]["error"]["field"] == "decision"
    assert results[5]["approval"]["resolution"]["reason"] == "not now"
    assert settled(host, "GET", "/approvals").json() == [third]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"answers": []},
        {"answers": [{"session": "a", "decision": "approve"}]},
        {"answers": [{"id": 1, "decision": "approve"}]},
        {"answers": [{"session": "a", "id": 1}]},
        {"answers": [{"session": "a", "id": 1, "decision": "approve"}] * 101},
        {"answers": "all"},
    ],
)
def test_a_batch_without_names_is_refused(host: HostInMemory, body: Any) -> None:
    refused = settled(host, "POST", "/approvals", body)
    assert (refused.status, refused.json()["error"]) == (400, "bad_field")


def test_the_client_answers_many(host: HostInMemory) -> None:
    settled(host, "POST", "/sessions/a/turns", {"input": "go"})
    host.drivers.last.reports.approval_requested(question())
    (one,) = settled(host, "GET", "/approvals").json()
    named = NamedAnswer(session="a", id=one["id"], decision="deny")
    work = started(host.client.answer_batch(AnswerBatch(answers=[named])))
    for _ in range(20):
        host.clock.advance(0)
        host.treq.flush()
    (result,) = result_of(work).results
    assert result.approval is not None
    assert (result.ok, result.approval.state) == (True, "answered")


def test_changes_are_listed_as_one_diff(host: HostInMemory) -> None:
    settled(host, "POST", "/sessions/a/turns", {"input": "go"})
    changes = [{"path": "x", "kind": {"type": "add"}, "diff": "a\n"}]
    asked = question(kind="file-change", detail={"changes": changes})
    host.drivers.last.reports.approval_requested(asked)
    (one,) = settled(host, "GET", "/approvals").json()
    assert one["detail"] == {
        "changes": changes,
        "diff": "--- /dev/null\n+++ b/x\n@@ -0,0 +1,1 @@\n+a",
    }
