"""The face of the Codex SSE server over a host in memory: streams, verbs, errors."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred

from sxhost.errors import AgentFailed
from sxhost.faces.codex_sse.names import session_id_of
from sxhost.model.caller import Caller
from sxhost.model.turn import TurnDraft
from sxhost.process.contracts import ChildExit
from sxhost.testing import BufferedResponse, is_done
from tests.host.faces.test_native_events import header
from tests.support.codex_sse_in_memory import Client, Stage

BEGINNING = ["session_configured", "task_started", "user_message"]


@pytest.fixture
def stage() -> Stage:
    return Stage()


# A conversation.


def test_conversation_streams_codexs_frames(stage: Stage) -> None:
    client = stage.begin(work_dir="/tmp")
    assert (client.status, header(client.it, "Content-Type")) == (200, "text/event-stream")
    stage.tell("message-delta", item="m", text="hel")
    stage.tell("message", item="m", text="hello")
    before = client.over
    stage.end()
    assert (before, client.over) == (False, True)
    assert client.types == [*BEGINNING, "agent_message_delta", "agent_message", "task_complete"]
    assert {frame["id"] for frame in client.frames} == {"r"}
    assert (client.frames[0]["session_id"], client.frames[0]["cwd"]) == ("native-1", "/tmp")
    assert client.frames[2]["message"] == "go"
    assert client.frames[-1]["last_agent_message"] == "hello"
    assert stage.site.connections  # the answer has ended, the connection has not


def test_conversation_is_a_session_on_every_face(stage: Stage) -> None:
    client = stage.begin()
    session = stage.lab.request("GET", "/sessions/messages-r").json()
    assert (session["agent"], session["kind"], session["metadata"]) == (
        "codex", "hosted", {"request_id": "r"},
    )  # fmt: skip
    assert client.frames[0]["session"] == "messages-r"


def test_each_message_begins_a_conversation(stage: Stage) -> None:
    first, second = (stage.say(type="user_message", message="go") for _ in range(2))
    assert first.frames[0]["id"] != second.frames[0]["id"]
    assert len(stage.codex.agents) == 2
    stage.end()
    assert (first.over, second.over) == (False, True)


@pytest.mark.parametrize("name", ["r", "req:1.a", "a b", "naïve", "x" * 200, "1/2", "-"])
def test_any_client_id_names_a_conversation(stage: Stage, name: str) -> None:
    client = stage.begin(id=name)
    assert client.frames[0]["id"] == name
    assert client.frames[0]["session"] == session_id_of(name)
    assert stage.say(type="user_cancel", id=name).body["id"] == name


def test_deltas_can_be_left_out(stage: Stage) -> None:
    client = stage.begin("?deltas=0")
    for name in ("message-delta", "thinking-delta", "tool-output", "message"):
        stage.tell(name, item="m", text="x")
    stage.end()
    assert client.types == [*BEGINNING, "agent_message", "task_complete"]
    assert stage.again(query="?deltas=0").types == client.types
    assert len(stage.again().types) == len(client.types) + 3


@pytest.mark.parametrize(
    ("status", "reason", "frame"),
    [
        ("completed", "", {"type": "task_complete", "last_agent_message": None}),
        ("interrupted", "", {"type": "turn_aborted", "reason": "interrupted"}),
        ("failed", "no", {"type": "error", "message": "no", "codex_error_info": None}),
        ("failed", "", {"type": "error", "message": "The turn has failed.",
                        "codex_error_info": None}),
    ],
)  # fmt: skip
def test_every_turn_end_ends_the_stream(
    stage: Stage, status: str, reason: str, frame: Any
) -> None:
    client = stage.begin()
    stage.end(status, reason)
    assert client.over
    assert client.frames[-1] == {"id": "r", **frame}


def test_agents_exit_ends_the_stream(stage: Stage) -> None:
    client = stage.begin()
    stage.agent.reports.exited(ChildExit(code=1, stderr="oh"))
    assert client.over
    assert client.frames[-1]["type"] == "error"


def test_fired_event_does_not_end_the_stream(stage: Stage) -> None:
    client = stage.begin()
    for data in ("done", {"turn": "1"}, None, {}, [1]):
        for name in ("error", "complete"):
            draft = {"event": name, "data": data}
            stage.lab.request("POST", "/sessions/messages-r/events", draft)
    stage.settle()
    assert (client.over, client.types) == (False, BEGINNING)


def test_stream_sends_pings(stage: Stage) -> None:
    client = stage.begin()
    for _ in range(30):
        stage.lab.clock.advance(1)
    assert client.text.count("event: ping\ndata: ping\n\n") == 2


def test_stop_of_the_host_ends_the_stream(stage: Stage) -> None:
    client = stage.begin()
    stage.lab.notifier.close()
    assert client.over
    assert client.types == BEGINNING
    assert ":" not in {line[:1] for line in client.text.splitlines()}, "no comments"


def test_forgotten_session_ends_the_stream(stage: Stage) -> None:
    client = stage.begin()
    stage.client(b"DELETE /sessions/messages-r HTTP/1.1\r\nHost: x\r\n\r\n")
    assert client.over
    assert client.frames[-1]["type"] == "error"


def test_slow_client_pauses_the_stream(stage: Stage) -> None:
    client = stage.begin()
    before = client.types
    client.pause()
    stage.tell("message", item="m", text="hello")
    stage.end()
    assert (client.types, client.over) == (before, False)
    client.resume()
    assert client.types == [*before, "agent_message", "task_complete"]
    assert client.over


# Coming back.


def test_turn_continues_after_a_disconnect(stage: Stage) -> None:
    client = stage.begin()
    client.it.release()
    stage.tell("message", item="m", text="hello")
    stage.end()
    assert stage.again().types == [*BEGINNING, "agent_message", "task_complete"]
    assert stage.lab.notifier.subscribers == 0


def test_turn_begins_although_the_client_disconnects(stage: Stage) -> None:
    stage.codex.slow = Deferred()
    client = stage.begin()
    client.it.release()
    watching = stage.again()
    stage.codex.slow.callback(None)
    assert watching.types == BEGINNING
    stage.end()
    assert watching.over


def test_failed_start_without_a_client_is_logged(stage: Stage) -> None:
    stage.codex.slow, stage.codex.refuse = Deferred(), AgentFailed("no codex")
    client = stage.begin()
    client.it.release()
    watching = stage.again()
    stage.codex.slow.callback(None)
    assert watching.frames[-1]["type"] == "error"
    assert watching.over
    assert stage.again().status == 404


def talk(stage: Stage) -> Client:
    client = stage.begin()
    for name in ("message-delta", "native", "thinking", "message", "stalled"):
        stage.tell(name, item="m", text=name)
    return client


def test_client_resumes_at_every_cursor(stage: Stage) -> None:
    client = talk(stage)
    stage.end()
    assert len(client.ids) == len(client.frames) == 8
    for number, place in enumerate(client.ids[:-1], 1):
        assert stage.again(last=place).frames == client.frames[number:]
        assert stage.again(query=f"?after={place}").frames == client.frames[number:]
    assert stage.again().frames == client.frames


def test_client_resumes_during_the_turn(stage: Stage) -> None:
    client = talk(stage)
    backs = [stage.again(last=place) for place in client.ids]
    stage.end()
    for number, back in enumerate(backs, 1):
        assert back.frames == client.frames[number:]
        assert back.over
    assert client.frames[-1]["last_agent_message"] == "message"


def test_finished_stream_tells_the_browser_not_to_reconnect(stage: Stage) -> None:
    client = stage.begin()
    stage.end()
    back = stage.again(last=client.ids[-1])
    assert back.status == 204


def test_two_clients_follow_one_conversation(stage: Stage) -> None:
    first = stage.begin()
    second = stage.again()
    third = stage.again("messages-r", "?deltas=0")
    stage.tell("message-delta", item="m", text="hel")
    stage.tell("message", item="m", text="hello")
    stage.end()
    assert first.frames == second.frames
    assert [f for f in first.frames if f["type"] != "agent_message_delta"] == third.frames
    assert [client.over for client in (first, second, third)] == [True] * 3


def test_conversation_is_found_after_a_restart(stage: Stage) -> None:
    client = stage.begin(id="a b")
    stage.reborn()
    back = stage.again("a%20b", last=client.ids[-1])
    assert (back.types, back.over) == (["error"], True)
    assert back.frames[0]["id"] == "a b"


def test_events_dropped_by_retention_are_a_warning() -> None:
    stage = Stage(retain=5, events=2)
    client = stage.begin()
    for number in range(10):
        stage.tell("message", item="m", text=f"{number}")
    stage.end()
    back = stage.again(last=client.ids[0])
    assert back.types[0] == "warning"
    assert back.types[-1] == "task_complete"
    assert client.types.count("agent_message") == 10


def test_session_of_another_face_can_be_followed(stage: Stage) -> None:
    launch = {"agent": "codex", "id": "mine"}
    work = stage.lab.begin("POST", "/sessions", launch)
    stage.settle()
    assert is_done(work)
    client = stage.again("mine")
    assert client.types == ["session_configured"]
    assert stage.say(type="user_edit", id="mine", message="go").body["turn"]["id"] == 1
    stage.end()
    assert client.over
    assert {frame["id"] for frame in client.frames} == {"mine"}


def test_head_has_headers_only(stage: Stage) -> None:
    stage.begin()
    answer = stage.client(b"HEAD /messages/r HTTP/1.1\r\nHost: x\r\n\r\n")
    assert answer.status == 200
    assert answer.it.got.endswith(b"\r\n\r\n")


# Answering.


def test_waiting_approval_is_approved(stage: Stage) -> None:
    client = stage.begin()
    stage.ask(detail={"command": "rm -rf 'a b'", "cwd": "/tmp"})
    asked = client.frames[-1]
    assert (asked["type"], asked["command"]) == ("exec_approval_request", ["rm", "-rf", "a b"])
    answer = stage.say(type="user_confirm", id="r").body
    assert (answer["ok"], answer["id"], answer["session"]) == (True, "r", "messages-r")
    assert answer["approval"]["resolution"]["decision"] == "approve"
    assert stage.did()[-1] == ("answer", "q1", "approve")
    assert not client.over


@pytest.mark.parametrize(
    ("fields", "decision"),
    [
        ({"approved": True}, "approve"),
        ({"approved": False}, "deny"),
        ({"decision": "deny"}, "deny"),
        ({"decision": "cancel", "approved": True}, "cancel"),
        ({"decision": "approved"}, "approve"),
        ({"decision": "approved_for_session"}, "approve_session"),
        ({"decision": "denied"}, "deny"),
        ({"decision": "abort"}, "cancel"),
    ],
)
def test_decision_in_old_or_new_words(stage: Stage, fields: Any, decision: str) -> None:
    stage.begin()
    stage.ask()
    answer = stage.say(type="user_confirm", id="messages-r", message="because", **fields).body
    assert answer["approval"]["resolution"]["decision"] == decision
    assert answer["approval"]["resolution"]["reason"] == "because"


def test_one_of_several_approvals_is_answered_by_its_id(stage: Stage) -> None:
    client = stage.begin()
    for key in ("q1", "q2", "q3"):
        stage.ask(key, native={"method": "x", "params": {"itemId": f"call-{key}"}})
    refused = stage.say(type="user_confirm", id="r").body
    assert (refused["error"], refused["field"]) == ("bad_field", "approval_id")
    assert [frame["call_id"] for frame in client.frames[-3:]] == [
        "call-q1", "call-q2", "call-q3",
    ]  # fmt: skip
    names: list[Any] = [2, "call-q3"]
    for name in names:
        assert stage.say(type="user_confirm", id="r", approval_id=name).body["ok"] is True
    assert stage.say(type="user_confirm", id="r").body["approval"]["key"] == "q1"
    keys = [did[1] for did in stage.did() if did[0] == "answer"]
    assert keys == ["q2", "q3", "q1"]


def test_late_decision_is_refused(stage: Stage) -> None:
    stage.begin()
    stage.ask()
    stage.say(type="user_confirm", id="r")
    late = stage.say(type="user_confirm", id="r", approval_id="1", approved=False)
    assert (late.status, late.body["error"]) == (409, "already_answered")
    nothing = stage.say(type="user_confirm", id="r")
    assert (nothing.status, nothing.body["error"]) == (404, "unknown_approval")
    unknown = stage.say(type="user_confirm", id="r", approval_id=7)
    assert (unknown.status, unknown.body["error"]) == (404, "unknown_approval")


def test_unknown_decision_is_refused(stage: Stage) -> None:
    stage.begin()
    stage.ask()
    refused = stage.say(type="user_confirm", id="r", decision="maybe").body
    assert (refused["error"], refused["field"]) == ("bad_field", "decision")


# Cancelling and editing.


def test_it_is_cancelled(stage: Stage) -> None:
    client = stage.begin()
    assert stage.say(type="user_cancel", id="r").body["ok"] is True
    assert stage.did()[-1] == ("interrupt",)
    stage.end("interrupted")
    assert client.over
    refused = stage.say(type="user_cancel", id="r")
    assert (refused.status, refused.body["error"]) == (409, "no_turn")


def test_edit_steers_the_running_turn(stage: Stage) -> None:
    client = stage.begin()
    answer = stage.say(type="user_edit", id="r", message="not that way").body
    assert (answer["ok"], answer["turn"]) == (True, None)
    assert stage.did()[-1] == ("steer", "not that way")
    assert client.frames[-1] == {"id": "r", "type": "user_message", "message": "not that way"}


def test_edit_after_the_end_begins_another_turn(stage: Stage) -> None:
    first = stage.begin()
    stage.tell("message", item="m", text="one")
    stage.end()
    assert stage.say(type="user_edit", id="r", message="more").body["turn"]["id"] == 2
    second, whole = stage.again(last=first.ids[-1]), stage.again()
    assert second.types == ["task_started", "user_message"]
    stage.end()
    assert [second.over, whole.over] == [True, True]
    assert second.frames[-1]["last_agent_message"] is None
    assert whole.frames == [*first.frames, *second.frames]


# What is refused.


@pytest.mark.parametrize(
    ("message", "field"),
    [
        ({}, "type"),
        ({"type": "agent_message", "message": "x"}, "type"),
        ({"type": "what"}, "type"),
        ({"type": "user_message"}, "message"),
        ({"type": "user_message", "message": ""}, "message"),
        ({"type": "user_message", "message": 1}, "message"),
        ({"type": "user_message", "message": "x", "id": ""}, "id"),
        ({"type": "user_message", "message": "x", "work_dir": "here"}, "work_dir"),
        ({"type": "user_message", "message": "x", "work_dir": "/not/there"}, "work_dir"),
        ({"type": "user_confirm"}, "id"),
        ({"type": "user_cancel"}, "id"),
        ({"type": "user_edit", "message": "x"}, "id"),
    ],
)
def test_wrong_field_is_refused(stage: Stage, message: Any, field: str) -> None:
    refused = stage.say(**message)
    assert (refused.status, refused.body["error"]) == (400, "bad_field")
    assert refused.body["field"] == field
    assert header(refused.it, "Content-Type") == "application/json"
    assert stage.lab.request("GET", "/sessions").json() == []


def test_empty_edit_is_refused(stage: Stage) -> None:
    stage.begin()
    assert stage.say(type="user_edit", id="r").body["field"] == "message"


@pytest.mark.parametrize("kind", ["user_confirm", "user_cancel", "user_edit"])
def test_unknown_conversation_is_refused(stage: Stage, kind: str) -> None:
    refused = stage.say(type=kind, id="x", message="y")
    assert (refused.status, refused.body["error"]) == (404, "unknown_session")
    assert stage.again("x").status == 404


def test_impossible_session_id_is_refused(stage: Stage) -> None:
    refused = stage.again("a%20b")
    assert (refused.status, refused.body["error"]) == (404, "unknown_session")


def test_attached_session_is_refused(stage: Stage) -> None:
    stage.lab.request("POST", "/sessions/a/register")
    for refused in (stage.again("a"), stage.say(type="user_cancel", id="a")):
        assert (refused.status, refused.body["error"]) == (409, "not_hosted")


def test_request_id_is_used_once(stage: Stage) -> None:
    stage.begin()
    refused = stage.begin()
    assert (refused.status, refused.body["error"]) == (409, "session_exists")


@pytest.mark.parametrize("last", ["x", "a:b", "another:1"])
def test_a_place_that_no_stream_gave_out_is_answered_from_the_beginning(
    stage: Stage, last: str
) -> None:
    client = talk(stage)
    stage.end()
    warning, *frames = stage.again(last=last).frames
    assert warning["message"] == "Frames are missing: another epoch."
    assert frames == client.frames


def test_an_unreadable_cursor_in_the_query_is_refused(stage: Stage) -> None:
    stage.begin()
    refused = stage.again(query="?after=x")
    assert (refused.status, refused.body["field"]) == (400, "after")


def test_missing_codex_is_an_error(stage: Stage) -> None:
    stage.codex.refuse = AgentFailed("There is no codex.")
    refused = stage.begin()
    assert (refused.status, refused.body["error"]) == (502, "agent_failed")
    assert stage.lab.request("GET", "/sessions").json() == []


def test_refused_turn_is_an_error(stage: Stage) -> None:
    async def refuse(_draft: TurnDraft) -> str | None:
        raise AgentFailed("No.")

    stage.codex.slow = Deferred()
    client = stage.begin()
    setattr(stage.agent, "submit", refuse)  # noqa: B010 - mypy would mind
    stage.codex.slow.callback(None)
    stage.settle()
    assert (client.status, client.body["error"]) == (502, "agent_failed")
    assert stage.lab.request("GET", "/sessions").json() == []


# Who may.

KINDS = ("user_message", "user_confirm", "user_cancel", "user_edit")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("scopes", "kinds"),
    [
        ({"read"}, ()),
        ({"approve"}, ()),
        ({"send"}, ("user_cancel", "user_edit")),
        ({"send", "approve"}, ("user_confirm", "user_cancel", "user_edit")),
        ({"admin"}, KINDS),
    ],
)
def test_routes_need_their_scopes(stage: Stage, kind: str, scopes: Any, kinds: Any) -> None:
    stage.begin()
    stage.ask()
    stage.lab.caller = Caller(frozenset(scopes))
    body = {"type": kind, "id": "messages-r", "message": "x"}
    answers: list[BufferedResponse] = []
    stage.lab.begin("POST", "/messages", body).addCallback(answers.append)
    stage.settle()
    refused = [answer for answer in answers if answer.status == 403]
    assert bool(refused) == (kind not in kinds)


def test_cross_origin_page_begins_nothing(stage: Stage) -> None:
    body = b'{"type":"user_message","message":"go"}'
    for kind in (b"application/json", b"text/plain"):
        head = b"POST /messages HTTP/1.1\r\nHost: x\r\nOrigin: http://evil.test\r\n"
        size = b"Content-Type: %s\r\nContent-Length: %d\r\n\r\n" % (kind, len(body))
        refused = stage.client(head + size + body)
        assert (refused.status, refused.body["error"]) == (403, "forbidden_origin")
        assert b"Access-Control" not in refused.it.got
    assert stage.codex.agents == []


# How its agents are started.


def test_bypass_option_asks_nobody() -> None:
    stage = Stage(bypass=True)
    client = stage.begin()
    launch = stage.agent.launch
    assert (launch.approval_policy, launch.sandbox) == ("never", "danger-full-access")
    assert client.frames[0]["sandbox_policy"] == {"type": "danger-full-access"}


def test_without_options_codexs_settings_apply(stage: Stage) -> None:
    client = stage.begin()
    assert (stage.agent.launch.approval_policy, stage.agent.launch.sandbox) == (None, None)
    assert "approval_policy" not in client.frames[0]


def test_codex_driver_is_needed() -> None:
    stage = Stage()
    stage.lab.drivers.by_agent.clear()
    refused = stage.begin()
    assert (refused.status, refused.body["field"]) == (400, "agent")
