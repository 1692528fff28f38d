"""Codexd's face over HTTP: every route, every message."""

from __future__ import annotations

import json
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from sxhost.errors import AgentFailed
from sxhost.faces.codexd.describe import description_of
from sxhost.model.event_types import MessageDeltaEvent, MessageEvent
from sxhost.model.turn import CutReason
from sxhost.process.contracts import ChildExit
from sxhost.testing import (
    BufferedResponse,
    FakeDriver,
    FakeDrivers,
    HostInMemory,
    is_done,
    result_of,
)
from tests.host.agents.test_agent_supervisor import settle
from tests.host.http.test_site import Wire

SESSIONS, TURN, STATUS = "/v1/codexd/sessions", "/v1/codexd/turn", "/v1/codexd/status"


@pytest.fixture
def host() -> HostInMemory:
    """A host whose codex does what a test tells it."""
    return HostInMemory(drivers=FakeDrivers(codex=FakeDriver(), pi=FakeDriver()))


def ask(
    host: HostInMemory, method: str, path: str, body: Any = None, **headers: str
) -> BufferedResponse:
    asked = host.begin(method, path, body, **headers)
    settle(host)
    return result_of(asked)


def value(answer: BufferedResponse, status: int = 200) -> Any:
    """Return what an answer says, once its shape is seen to be codexd's."""
    body = json.loads(answer.body)
    assert answer.status == status, body
    assert answer.body == json.dumps(body, indent=2, ensure_ascii=False).encode() + b"\n"
    assert answer.header("content-type") == "application/json; charset=utf-8"
    assert answer.header("cache-control") == "no-store"
    assert answer.length == len(answer.body)
    return body


def data(answer: BufferedResponse, status: int = 200) -> Any:
    body = value(answer, status)
    assert list(body) == ["data", "ok"]
    assert body["ok"] is True
    return body["data"]


def refusal(answer: BufferedResponse, status: int) -> str:
    body = value(answer, status)
    code = "internal_error" if status >= 500 else "bad_request"
    assert list(body) == ["error", "message", "ok"]
    assert (body["error"], body["ok"]) == (code, False)
    return str(body["message"])


def begin(host: HostInMemory, **fields: Any) -> Any:
    return data(ask(host, "POST", SESSIONS, fields), 201)["session"]


def turn(
    host: HostInMemory, session: str, given: Any = "go", **fields: Any
) -> BufferedResponse:
    return ask(host, "POST", TURN, {"sessionId": session, "input": given, **fields})


def read(host: HostInMemory, session: str) -> Any:
    return data(ask(host, "GET", f"{SESSIONS}/{session}"))


# What looks.


@pytest.mark.parametrize("slashes", ["", "/", "///", "/?x=1"])
def test_healthz_answers(host: HostInMemory, slashes: str) -> None:
    url = "127.0.0.1:7432"
    assert value(ask(host, "GET", f"/healthz{slashes}")) == {
        "ok": True,
        "service": {
            "configuredBaseUrl": f"http://{url}",
            "eventStreamPath": "/v1/codexd/events",
            "eventStreamUrl": f"ws://{url}/v1/codexd/events",
            "listening": True,
            "resolvedBaseUrl": f"http://{url}",
            "websocketClients": 0,
        },
        "status": "ok",
    }


def test_describe_answers(host: HostInMemory) -> None:
    answer = ask(host, "GET", "/describe//")
    assert value(answer) == json.loads(json.dumps(description_of("http://127.0.0.1:7432")))
    answer = ask(host, "GET", "/describe", Host="agents.test")
    assert value(answer)["base_url"] == "http://agents.test"


def test_status_has_codexds_shape(host: HostInMemory) -> None:
    session = begin(host)
    shown = data(ask(host, "GET", f"{STATUS}///", b"ignored"))
    assert list(shown) == ["service", "snapshot"]
    snapshot = shown["snapshot"]
    assert snapshot["daemon"]["child"]["status"] == "running"
    assert snapshot["daemon"]["child"]["pid"] == 4242
    assert snapshot["sessionRegistry"]["sessions"] == [session]
    assert [event["type"] for event in snapshot["recentEvents"]["events"]] == [
        "session.registered"
    ]
    assert snapshot["runRegistry"]["runs"] == []


def test_status_has_the_latest_50_events_without_deltas(host: HostInMemory) -> None:
    begin(host)
    for number in range(60):
        host.drivers.last.reports.report_event(MessageDeltaEvent(text="x"))
        host.drivers.last.reports.report_event(MessageEvent(text=f"{number}"))
    settle(host)
    events = data(ask(host, "GET", STATUS))["snapshot"]["recentEvents"]["events"]
    assert [event["message"] for event in events] == [str(n) for n in range(10, 60)]


def test_sessions_are_listed(host: HostInMemory) -> None:
    assert data(ask(host, "GET", SESSIONS)) == {"sessions": []}
    sessions = [begin(host, purpose="worker"), begin(host)]
    found = data(ask(host, "GET", f"{SESSIONS}//"))["sessions"]
    assert sorted(found, key=lambda s: s["threadId"]) == sessions


def test_sessions_made_on_other_faces_appear(host: HostInMemory) -> None:
    launch = {"agent": "codex", "id": "x", "approval_policy": "never", "metadata": {"n": 7}}
    ask(host, "POST", "/sessions", launch)
    ask(host, "POST", "/sessions", {"agent": "pi", "id": "y"})
    ask(host, "POST", "/sessions/z/register", {"agent": "codex"})
    (session,) = data(ask(host, "GET", SESSIONS))["sessions"]
    assert (session["sessionId"], session["approvalPolicy"]) == ("x", "never")
    assert session["metadata"] == {"n": "7"}
    assert refusal(turn(host, "y"), 404) == 'Unknown codexd session "y".'
    assert refusal(turn(host, "z"), 404) == 'Unknown codexd session "z".'


def test_sessions_made_here_appear_on_other_faces(host: HostInMemory) -> None:
    session = begin(host, cwd="/tmp", metadata={"k": "v"}, sandbox="read-only")
    view = ask(host, "GET", f"/sessions/{session['sessionId']}").json()
    assert (view["agent"], view["kind"], view["cwd"]) == ("codex", "hosted", "/tmp")
    assert (view["metadata"]["k"], view["sandbox"]) == ("v", "read-only")


def test_session_is_shown_with_its_events(host: HostInMemory) -> None:
    first, second = begin(host), begin(host)
    shown = read(host, first["sessionId"])
    assert list(shown) == ["recentEvents", "session"]
    assert shown["session"] == first
    assert [event["detail"]["threadId"] for event in shown["recentEvents"]] == ["native-1"]
    assert first["sessionId"] != second["sessionId"]


@pytest.mark.parametrize(
    ("name", "shown"), [("x", "x"), ("a%20b", "a b"), ("-%C3%A9", "-é"), ("%22", '"')]
)
def test_unknown_session_is_404(host: HostInMemory, name: str, shown: str) -> None:
    answer = ask(host, "GET", f"{SESSIONS}/{name}/")
    assert refusal(answer, 404) == f'Unknown codexd session "{shown}".'
    assert refusal(turn(host, shown), 404) == f'Unknown codexd session "{shown}".'


# Sessions.


def test_session_is_started(host: HostInMemory) -> None:
    session = begin(host, cwd=" /tmp ", model=" m ", metadata={" k ": " v "}, unknown=7)
    assert (session["cwd"], session["model"], session["metadata"]) == ("/tmp", "m", {"k": "v"})
    assert (session["threadId"], session["status"]) == ("native-1", "active")
    assert (session["purpose"], session["currentTurnId"]) == ("duplex", None)


@pytest.mark.parametrize("kind", ["", "text/plain", "application/x-www-form-urlencoded"])
def test_content_type_does_not_matter(host: HostInMemory, kind: str) -> None:
    headers = {"Content_Type": kind} if kind else {}
    answer = ask(host, "POST", SESSIONS, b'{"purpose":"smoke"}', **headers)
    assert data(answer, 201)["session"]["purpose"] == "smoke"


def test_missing_body_is_an_empty_object(host: HostInMemory) -> None:
    assert data(ask(host, "POST", f"{SESSIONS}//"), 201)["session"]["purpose"] == "duplex"


def test_start_fields_reach_codex(host: HostInMemory) -> None:
    begin(host, ephemeral=True, config={"a": 1}, approvalPolicy="never", personality="p")
    launch = host.drivers.last.launch
    assert launch.native == {
        "approvalPolicy": "never", "config": {"a": 1}, "ephemeral": True, "personality": "p",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        (b"nonsense", "Request body must be valid JSON."),
        (b"[]", "Request body must be a JSON object."),
        (b'{"purpose":"x"}', 'Unsupported session purpose "x".'),
        (b'{"metadata":{"a":7}}', "Expected a string map."),
        (b'{"cwd":"/no/such/place"}', "There is no directory /no/such/place."),
        (b'{"cwd":"here"}', "The field `cwd` is wrong: expected an absolute path."),
    ],
)
def test_malformed_start_is_refused(host: HostInMemory, sent: bytes, message: str) -> None:
    assert refusal(ask(host, "POST", SESSIONS, sent), 400) == message
    assert not host.drivers("codex").agents


def test_failed_start_is_an_error(host: HostInMemory) -> None:
    host.drivers("codex").refuse = AgentFailed("There is no such program.")
    assert refusal(ask(host, "POST", SESSIONS), 502) == "There is no such program."
    assert data(ask(host, "GET", SESSIONS)) == {"sessions": []}


def test_thread_is_resumed(host: HostInMemory) -> None:
    session = begin(host, threadId=" thread ")
    assert session["threadId"] == "thread"
    assert host.drivers.last.did == [("start", "thread")]


def test_thread_has_one_session(host: HostInMemory) -> None:
    first = begin(host, threadId="thread")
    assert begin(host, threadId="thread", model="another") == first
    own = begin(host)
    assert begin(host, threadId=own["threadId"]) == own
    assert len(host.drivers("codex").agents) == 2


def test_concurrent_resumes_of_a_thread_share_a_session(host: HostInMemory) -> None:
    host.drivers("codex").slow = slow = Deferred[None]()
    asked = [host.begin("POST", SESSIONS, {"threadId": "thread"}) for _ in range(2)]
    settle(host)
    assert not any(map(is_done, asked))
    slow.callback(None)
    settle(host)
    first, second = (data(result_of(answer), 201)["session"] for answer in asked)
    assert first["sessionId"] == second["sessionId"]
    assert len(host.drivers("codex").agents) == 1


def test_failed_resume_can_be_retried(host: HostInMemory) -> None:
    host.drivers("codex").refuse = AgentFailed("no rollout found.")
    answer = ask(host, "POST", SESSIONS, {"threadId": "thread"})
    assert refusal(answer, 502) == "no rollout found."
    host.drivers("codex").refuse = None
    assert begin(host, threadId="thread")["threadId"] == "thread"


# Turns.


def test_turn_is_started_and_read_back(host: HostInMemory) -> None:
    session = begin(host)["sessionId"]
    assert data(turn(host, f" {session} "), 202) == {
        "accepted": True, "sessionId": session, "threadId": "native-1", "turnId": "t2",
    }  # fmt: skip
    now = read(host, session)["session"]
    assert (now["currentTurnId"], now["lastTurnId"]) == ("t2", "t2")
    assert now["lastTurnStatus"] == "inProgress"
    host.drivers.last.reports.turn_ended("completed")
    settle(host)
    shown = read(host, session)
    now = shown["session"]
    assert (now["currentTurnId"], now["lastTurnId"]) == (None, "t2")
    assert now["lastTurnStatus"] == "completed"
    kinds = [event["type"] for event in shown["recentEvents"]]
    assert kinds[1:] == [
        "app-server.turn.started", "session.user-message", "app-server.turn.completed",
    ]  # fmt: skip
    assert {event["detail"]["turnId"] for event in shown["recentEvents"][1:]} == {"t2"}


def test_turn_of_input_items(host: HostInMemory) -> None:
    session = begin(host)["sessionId"]
    items = [{"type": "text", "text": "look"}, {"type": "skill", "name": "s"}]
    data(turn(host, session, items), 202)
    assert host.drivers.last.did[-1] == ("submit", "look\n[skill]")


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        ({"input": 7}, "turn requires input as a string or item array."),
        ({"input": "x"}, "sessionId must be a non-empty string."),
        ({"input": "x", "sessionId": " "}, "sessionId must be a non-empty string."),
        ([], "Request body must be a JSON object."),
    ],
)
def test_malformed_turn_is_refused(host: HostInMemory, sent: Any, message: str) -> None:
    assert refusal(ask(host, "POST", TURN, sent), 400) == message


def test_turn_during_a_turn_is_refused(host: HostInMemory) -> None:
    session = begin(host)["sessionId"]
    turn(host, session)
    assert refusal(turn(host, session), 409).startswith("A turn is running in ")


def test_turn_refused_by_codex_is_an_error(host: HostInMemory) -> None:
    session = begin(host)["sessionId"]
    host.drivers.last.refuse = AgentFailed("The agent refused turn/start: no.")
    assert refusal(turn(host, session), 502) == "The agent refused turn/start: no."


def test_steer_of_the_running_turn(host: HostInMemory) -> None:
    session = begin(host)["sessionId"]
    turn(host, session)
    steered = data(turn(host, session, "more", expectedTurnId="t2"), 202)
    assert (steered["accepted"], steered["turnId"]) == (True, "t2")
    assert host.drivers.last.did[-1] == ("steer", "more")


def test_steer_of_another_turn_is_refused(host: HostInMemory) -> None:
    session = begin(host)["sessionId"]
    message = f'Turn "t2" is not running in codexd session "{session}".'
    assert refusal(turn(host, session, expectedTurnId="t2"), 409) == message
    turn(host, session)
    assert refusal(turn(host, session, expectedTurnId="t9"), 409).startswith('Turn "t9"')
    host.drivers.last.reports.turn_ended("interrupted")
    assert refusal(turn(host, session, expectedTurnId="t2"), 409) == message


def test_turn_of_an_exited_process_fails(host: HostInMemory) -> None:
    session = begin(host)["sessionId"]
    turn(host, session)
    host.drivers.last.reports.exited(ChildExit(signal="SIGKILL"))
    settle(host)
    shown = read(host, session)
    assert shown["session"]["lastTurnStatus"] == "failed"
    assert shown["session"]["lastTurnError"] == CutReason.PROCESS_ENDED
    missing, closed = shown["recentEvents"][-2:]
    assert missing["type"] == "app-server.turn.completed.missing"
    assert missing["detail"]["failureClass"] == CutReason.PROCESS_ENDED
    assert (closed["type"], closed["level"]) == ("app-server.transport.closed", "warn")
    child = data(ask(host, "GET", STATUS))["snapshot"]["daemon"]["child"]
    assert (child["status"], child["signal"], child["pid"]) == ("failed", "SIGKILL", None)
    assert data(turn(host, session), 202)["turnId"] == "t2"
    assert host.drivers.last.did[0] == ("start", "native-1")


def test_forgotten_session_is_404(host: HostInMemory) -> None:
    session = begin(host)["sessionId"]
    ask(host, "DELETE", f"/sessions/{session}")
    assert refusal(turn(host, session), 404) == f'Unknown codexd session "{session}".'


# What is not there.


@pytest.mark.parametrize(
    ("method", "path", "shown"),
    [
        ("GET", "/v1/codexd", "/v1/codexd"),
        ("GET", "/v1/codexd/nope///?x=1", "/v1/codexd/nope"),
        ("POST", "/healthz/", "/healthz"),
        ("DELETE", "/describe", "/describe"),
        ("PUT", "/v1/codexd/status//", "/v1/codexd/status"),
        ("GET", "/v1/codexd/turn", "/v1/codexd/turn"),
        ("GET", "/v1/codexd/sessions/a/b", "/v1/codexd/sessions/a/b"),
        ("GET", "/v1/codexd/runs", "/v1/codexd/runs"),
        ("GET", "/v1/codexd/events", "/v1/codexd/events"),
        ("GET", "/healthz/%C3%A9", "/healthz/%C3%A9"),
    ],
)
def test_unknown_route_is_404(host: HostInMemory, method: str, path: str, shown: str) -> None:
    message = refusal(ask(host, method, path, b"{}"), 404)
    assert message == f"Unknown codexd route {method} {shown}."


@pytest.mark.parametrize("path", ["/v1/codexdx", "/healthzz", "/describes", "/v1"])
def test_similar_paths_get_the_hosts_error_format(host: HostInMemory, path: str) -> None:
    assert ask(host, "GET", path).json()["error"] == "unknown_route"


@pytest.mark.parametrize("length", [b"Content-Length: 101", b"Transfer-Encoding: chunked"])
def test_too_large_body_is_refused(length: bytes) -> None:
    client = Wire().connect(b"POST /v1/codexd/turn HTTP/1.1\r\nHost: x\r\n%s\r\n\r\n" % length)
    if b"chunked" in length:
        client.say(b"65\r\n" + b"x" * 101 + b"\r\n")
    assert client.status == 413
    assert client.body == {
        "error": "bad_request",
        "message": "The body is larger than 100 bytes.",
        "ok": False,
    }


def test_openapi_describes_codexd_answers(host: HostInMemory) -> None:
    contract = ask(host, "GET", "/openapi.json").json()
    sent = contract["paths"]["/v1/codexd/turn"]["post"]["requestBody"]
    assert sent["required"]
    schema = sent["content"]["application/json"]["schema"]
    fields = contract["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    assert {"sessionId", "input", "expectedTurnId"} <= fields["properties"].keys()
