"""Who may say what: each field and each event's name, on every face, as each kind of caller."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sxhost.agents.rules import Rules
from sxhost.errors import ForbiddenScope, Reserved
from sxhost.faces.codex_sse.routes import CodexMessage
from sxhost.faces.codexd.requests import TurnInput
from sxhost.faces.codexd.requests_to_host import SPOKEN
from sxhost.faces.pi.commands import COMMANDS
from sxhost.faces.pi.scheduling import TRAITS
from sxhost.model.auth import AuditQuery
from sxhost.model.caller import HOST, Caller, current_caller
from sxhost.model.event import EventDraft, EventQuery
from sxhost.model.event_types import StalledEvent
from sxhost.model.message import MessageDraft
from sxhost.model.rights import (
    APPROVAL_EVENTS,
    CODEXD_TURN_SCOPES,
    HOST_EVENTS,
    REGISTRATION_SCOPES,
    TURN_SCOPES,
    check_registration,
)
from sxhost.model.session import Registration
from sxhost.model.session_state import _STATE_AFTER, MESSAGE_EVENTS
from sxhost.model.turn import Launch, ModelDraft, OSProcess, SteerDraft, TurnDraft
from sxhost.process.contracts import ChildExit
from sxhost.testing import FakeDriver, FakeDrivers, HostInMemory, question, result_of, started
from tests.host.agents.test_agent_supervisor import names, settle, state, told
from tests.support.multiplexer_in_memory import Peer
from tests.support.places import TOP

API = TOP / "docs" / "api.md"
SENDER = Caller(frozenset({"send"}), token="5e4d")
NARROW = Caller(frozenset({"send"}), session="a", token="7a44")
ADMIN = Caller(frozenset({"admin"}), token="ad31")
LAUNCH = Launch(
    agent="codex",
    id="a",
    approval_policy="untrusted",
    sandbox="read-only",
    labels={"stage": "prod"},
    cwd="/usr",
)


@pytest.fixture
def host() -> HostInMemory:
    """A host with a hosted session, `a`, and two that are attached: `b` is the sender's."""
    lab = HostInMemory(drivers=FakeDrivers(codex=FakeDriver(set_model=True)))
    work = started(lab.service.start(LAUNCH))
    settle(lab)
    result_of(work)
    for session, whose in (("b", SENDER), ("c", ADMIN)):
        told_as(lab, whose, session, labels={"stage": "prod"}, cwd="/w", agent="x")
    return lab


def told_as(lab: HostInMemory, caller: Caller, session: str, **fields: Any) -> None:
    token = current_caller.set(caller)
    try:
        result_of(lab.service.register(session, Registration(**fields)))
    finally:
        current_caller.reset(token)


def post(lab: HostInMemory, caller: Caller, path: str, body: Any, **headers: str) -> Any:
    """Ask as somebody; return the answer once it is there."""
    lab.caller = caller
    answer = lab.begin("POST", path, body, **headers)
    settle(lab)
    lab.caller = HOST
    return result_of(answer)


def audited(lab: HostInMemory) -> list[tuple[str, str]]:
    return [(one.what, one.detail) for one in result_of(lab.service.audit(AuditQuery()))]


def told_of(lab: HostInMemory) -> tuple[str | None, str | None, str]:
    shown = result_of(lab.service.session("a"))
    return shown.approval_policy, shown.sandbox, shown.cwd


# Turns.

OTHER: dict[str, Any] = {
    "input": "go",
    "model": "other",
    "effort": "high",
    "cwd": "/etc",
    "approval_policy": "never",
    "sandbox": "danger-full-access",
    "native": {"sandboxPolicy": {"type": "dangerFullAccess"}},
}
CODEXD_OTHER: dict[str, Any] = {
    "sessionId": "a",
    "input": [{"type": "text", "text": "go"}],
    "expectedTurnId": None,
    "model": "other",
    "effort": "high",
    "outputSchema": {"type": "object"},
    "personality": "friendly",
    "serviceTier": "fast",
    "summary": "auto",
    "approvalPolicy": "never",
    "collaborationMode": {"mode": "default", "settings": {"developer_instructions": "x"}},
    "cwd": "/etc",
    "sandboxPolicy": {"type": "dangerFullAccess"},
}


def test_every_turn_field_has_a_scope() -> None:
    assert set(TURN_SCOPES) == set(TurnDraft.__struct_fields__) == set(OTHER)
    fields = {field.encode_name for field in msgspec.structs.fields(TurnInput)}
    assert set(CODEXD_TURN_SCOPES) == fields == set(CODEXD_OTHER)
    assert {CODEXD_TURN_SCOPES[name] for name in SPOKEN} == {"send"}


def rows(first: str) -> list[list[list[str]]]:
    """Return the rows of a table of the document, each cell as the words in it."""
    table = API.read_text().partition(f"| {first} |")[2].partition("\n\n")[0]
    return [
        [re.findall(r"\w+", cell) for cell in line.strip("|").split("|")]
        for line in table.splitlines()[2:]
    ]


def test_documented_scopes_equal_the_code() -> None:
    told = rows("field of a [turn](#turn)")
    assert {name: scope for names, _, (scope,) in told for name in names} == TURN_SCOPES
    codexds = {name: scope for _, names, (scope,) in told for name in names}
    assert codexds == {**CODEXD_TURN_SCOPES, "prompt": "send"}
    whose = rows("field | one's own | another's")
    assert {
        name: tuple(None if scope == "nobody" else scope for (scope,) in scopes)
        for names, *scopes in whose
        for name in names
    } == REGISTRATION_SCOPES


def test_other_requests_to_an_agent_have_no_privileged_field() -> None:
    """A new field has to be decided on."""
    speaks = {
        SteerDraft: "input",
        ModelDraft: "model provider effort",
        MessageDraft: "content mode key sender ttl_s",
        CodexMessage: "type message work_dir id decision approved approval_id answers",
    }
    for kind, fields in speaks.items():
        assert set(kind.__struct_fields__) == set(fields.split()), kind


@pytest.mark.parametrize("caller", [SENDER, NARROW], ids=["send", "narrow"])
@pytest.mark.parametrize("field", TURN_SCOPES)
def test_turn_with_privileged_fields_needs_more_than_send(
    host: HostInMemory, caller: Caller, field: str
) -> None:
    before = told_of(host)
    answer = post(host, caller, "/sessions/a/turns", {"input": "x", field: OTHER[field]})
    if TURN_SCOPES[field] == "send":
        assert answer.status == 202
    else:
        assert (answer.status, answer.json()["error"]) == (403, "forbidden_scope")
        assert answer.json()["field"] == field
        assert [did for did, *_ in host.drivers.last.did] == ["start"]
    assert told_of(host) == before


@pytest.mark.parametrize("field", CODEXD_TURN_SCOPES)
def test_codexd_turn_with_privileged_fields_needs_more_than_send(
    host: HostInMemory, field: str
) -> None:
    body = {"sessionId": "a", "input": "x", field: CODEXD_OTHER[field]}
    answer = post(host, SENDER, "/v1/codexd/turn", body)
    assert answer.status == (202 if CODEXD_TURN_SCOPES[field] == "send" else 403), answer.body
    assert post(host, ADMIN, "/v1/codexd/turn", body).status in (202, 409)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/sessions", {"agent": "codex"}),
        ("/messages", {"type": "user_message", "message": "x"}),
        ("/v1/codexd/sessions", {"sandbox": "danger-full-access"}),
    ],
)
def test_starting_an_agent_needs_more_than_send(
    host: HostInMemory, path: str, body: Any
) -> None:
    assert post(host, SENDER, path, body).status == 403


def test_unchanged_privileged_fields_are_allowed(host: HostInMemory) -> None:
    same = {"cwd": "/usr", "approval_policy": "untrusted", "sandbox": "read-only"}
    assert post(host, SENDER, "/sessions/a/turns", {"input": "x", **same}).status == 202
    host.drivers.last.reports.turn_ended("completed")
    theirs = {"sandboxPolicy": {"type": "readOnly"}, "approvalPolicy": "untrusted"}
    body = {"sessionId": "a", "input": "x", **theirs}
    assert post(host, SENDER, "/v1/codexd/turn", body).status == 202


def test_native_fields_cannot_hide_privileged_ones(host: HostInMemory) -> None:
    native = {"input": [{"type": "text", "text": "rm -rf /"}]}
    answer = post(host, SENDER, "/sessions/a/turns", {"input": "hello", "native": native})
    assert answer.json()["field"] == "native"


class TestInForce:
    def test_changes_by_a_turn_are_shown_stored_and_reported(self, host: HostInMemory) -> None:
        more = {name: OTHER[name] for name in ("approval_policy", "sandbox", "cwd", "model")}
        assert post(host, ADMIN, "/sessions/a/turns", {"input": "x", **more}).status == 202
        assert told_of(host) == ("never", "danger-full-access", "/etc")
        what, detail = audited(host)[-1]
        assert (what, detail) == (
            "turn",
            "turn 1: model=other, cwd=/etc, approval_policy=never, sandbox=danger-full-access",
        )
        launch = host.service._core.supervisor.get("a").launch  # type: ignore[union-attr]
        assert (launch.sandbox, launch.model, launch.cwd) == (
            *("danger-full-access", "other", "/etc"),
        )
        stored = host.store.known.get("a")
        assert stored is not None
        assert stored.launch == launch
        shown = msgspec.json.decode(host.request("GET", "/v1/codexd/sessions/a").body)
        session = shown["data"]["session"]
        assert (session["approvalPolicy"], session["sandbox"]) == (
            *("never", "danger-full-access"),
        )

    def test_turn_without_changes_reports_none(self, host: HostInMemory) -> None:
        post(host, SENDER, "/sessions/a/turns", {"input": "x"})
        assert audited(host)[-1] == ("turn", "turn 1")

    def test_native_objects_of_codex_are_shown(self, host: HostInMemory) -> None:
        policy = {"type": "workspaceWrite", "networkAccess": True}
        body = {"sessionId": "a", "input": "x", "sandboxPolicy": policy}
        assert post(host, ADMIN, "/v1/codexd/turn", body).status == 202
        assert told_of(host)[1] == '{"type":"workspaceWrite","networkAccess":true}'
        assert "networkAccess" in audited(host)[-1][1]
        host.drivers.last.reports.turn_ended("completed")
        post(host, ADMIN, "/sessions/a/turns", {"input": "x", "sandbox": "read-only"})
        assert told_of(host)[1] == "read-only"

    def test_refused_turn_changes_nothing(self, host: HostInMemory) -> None:
        before = told_of(host)
        host.drivers.last.refuse = Reserved("a", field="x")
        answer = post(host, ADMIN, "/sessions/a/turns", {"input": "x", "cwd": "/etc"})
        assert (answer.status, told_of(host)) == (403, before)

    def test_launch_settings_are_reported(self, host: HostInMemory) -> None:
        text = "codex: approval_policy=untrusted, sandbox=read-only, cwd=/usr"
        assert audited(host)[0] == ("start", text)

    def test_changed_model_is_reported(self, host: HostInMemory) -> None:
        assert (
            post(host, SENDER, "/sessions/a/model", {"model": "m", "effort": "low"}).status
            == 200
        )
        assert audited(host)[-1] == ("set model", "model=m, effort=low")


# Registrations.

NEW: dict[str, Any] = {
    "title": "new",
    "git_branch": "new",
    "metadata": {"new": 1},
    "model": "new",
    "provider": "new",
    "labels": {"stage": "test"},
    "cwd": "/new",
    "agent": "new",
    "pid": 7,
    "heartbeat_s": 1.0,
    "inbox": "pull",
    "os_process": OSProcess(pid=7, started=1, boot="b", namespace="n"),
}
WHOSE = {"b": "owned", "c": "foreign", "a": "hosted"}


def test_every_registration_field_has_scopes() -> None:
    assert set(REGISTRATION_SCOPES) == set(Registration.__struct_fields__) == set(NEW)


@pytest.mark.parametrize("caller", [SENDER, ADMIN], ids=["send", "admin"])
@pytest.mark.parametrize("session", WHOSE)
@pytest.mark.parametrize("field", REGISTRATION_SCOPES)
def test_registration_fields_by_scope_and_owner(
    host: HostInMemory, caller: Caller, session: str, field: str
) -> None:
    before = result_of(host.service.session(session))
    answer = post(host, caller, f"/sessions/{session}/register", {field: NEW[field]})
    scope = getattr(REGISTRATION_SCOPES[field], WHOSE[session])
    allowed = scope is not None and scope in (
        *caller.scopes,
        *("send",) * ("admin" in caller.scopes),
    )
    now = getattr(result_of(host.service.session(session)), field)
    if allowed:
        assert (answer.status, now) == (200, NEW[field])
    else:
        error = "reserved" if scope is None else "forbidden_scope"
        assert (answer.status, answer.json()["error"]) == (403, error)
        assert (answer.json()["field"], now) == (field, getattr(before, field))


def test_session_token_owns_its_session(host: HostInMemory) -> None:
    narrow = Caller(frozenset({"send"}), session="c", token="7a44")
    assert post(host, narrow, "/sessions/c/register", {"labels": {}}).status == 200


def test_first_registration_owns_a_session_begun_by_an_event(
    host: HostInMemory,
) -> None:
    assert post(host, SENDER, "/sessions/d/events", {"event": "idle"}).status == 200
    assert post(host, SENDER, "/sessions/d/register", {"labels": {"a": "b"}}).status == 200
    other = Caller(frozenset({"send"}), token="07e4")
    assert post(host, other, "/sessions/d/register", {"labels": {"a": "b"}}).status == 200
    refused = post(host, other, "/sessions/d/register", {"labels": {"a": "c"}})
    assert refused.json()["error"] == "forbidden_scope"


def test_refused_registration_changes_nothing(host: HostInMemory) -> None:
    body = {"title": "new", "labels": {"stage": "test"}}
    assert post(host, SENDER, "/sessions/a/register", body).status == 403
    assert result_of(host.service.session("a")).title == ""


def test_hosted_session_keeps_its_labels(host: HostInMemory) -> None:
    post(host, ADMIN, "/sessions/a/register", {"labels": {"stage": "test"}, "title": "new"})
    stored = host.store.known.get("a")
    assert stored is not None
    assert stored.launch is not None
    assert (stored.launch.labels, stored.launch.title) == ({"stage": "test"}, "new")
    assert host.service._core.supervisor.get("a").launch == stored.launch  # type: ignore[union-attr]


def test_registration_needs_the_send_scope(host: HostInMemory) -> None:
    known = host.store.known.get("b")
    assert known is not None
    with pytest.raises(ForbiddenScope):
        check_registration(Caller(frozenset({"read"})), known, Registration(title="x"))


# Events.


def test_every_host_event_name_is_reserved() -> None:
    assert set(_STATE_AFTER) <= HOST_EVENTS
    assert MESSAGE_EVENTS <= HOST_EVENTS


@pytest.mark.parametrize("caller", [SENDER, NARROW, ADMIN, HOST], ids=lambda c: c.token)
@pytest.mark.parametrize("name", sorted(HOST_EVENTS))
def test_host_events_of_a_hosted_session_cannot_be_fired(
    host: HostInMemory, caller: Caller, name: str
) -> None:
    before = names(host)
    for body, headers in (
        ({"event": name}, {}),
        (
            b'{"event":"note"}\n{"event":"%s"}' % name.encode(),
            {"Content_Type": "application/x-ndjson"},
        ),
    ):
        answer = post(host, caller, "/sessions/a/events", body, **headers)
        assert (answer.status, answer.json()["error"]) == (403, "reserved")
        assert answer.json()["event"] == name
    assert names(host) == before


@pytest.mark.parametrize("name", sorted(HOST_EVENTS))
def test_approval_events_of_an_attached_session_cannot_be_fired(
    host: HostInMemory, name: str
) -> None:
    answer = post(host, SENDER, "/sessions/b/events", {"event": name})
    assert answer.status == (403 if name in APPROVAL_EVENTS else 200)
    new = post(host, SENDER, "/sessions/new/events", {"event": name})
    assert new.status == answer.status


def test_custom_events_in_a_hosted_session_change_no_state(host: HostInMemory) -> None:
    host.drivers.last.reports.report_event(StalledEvent(silent_s=0, turn=None))
    settle(host)
    assert post(host, SENDER, "/sessions/a/events", {"event": "note"}).status == 200
    assert (names(host)[-1], state(host)) == ("note", "stalled")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/hooks/claude", {"hook_event_name": "PermissionRequest", "tool_name": "Bash"}),
        ("/hooks/claude", {"hook_event_name": "SessionEnd"}),
        ("/hooks/claude", {"hook_event_name": "SessionStart", "cwd": "/etc", "model": "x"}),
        ("/hooks/codex", {"hook_event_name": "Stop"}),
    ],
)
def test_hook_cannot_report_for_a_hosted_agent(
    host: HostInMemory, path: str, body: Any
) -> None:
    host.drivers.last.reports.approval_requested(question())
    settle(host)
    before = told(host)
    answer = post(host, SENDER, path, {"session_id": "a", **body})
    assert (answer.status, answer.body) == (200, b"{}")
    assert told(host) == before
    assert state(host) == "waiting"


def test_telemetry_cannot_report_for_a_hosted_agent() -> None:
    lab = HostInMemory(drivers=FakeDrivers(codex=FakeDriver()))
    work = started(lab.service.start(Launch(agent="codex", id="telemetry:x")))
    settle(lab)
    result_of(work)
    answer = post(lab, SENDER, "/telemetry", {"session_id": "x", "type": "error"})
    assert answer.json()["error"] == "reserved"


# Rules.

DEPLOYS = """
[[rule]]
name = "tests may be deployed"
label = "stage:test"
command = "make deploy"
decision = "allow"

[[rule]]
name = "so may what another agent has in its place"
agent = "new"
cwd = "/new"
command = "make deploy"
decision = "allow"
"""


@pytest.fixture
def policed(tmp_path: Path, host: HostInMemory) -> HostInMemory:
    """The same host, with rules."""
    file = tmp_path / "policy.toml"
    file.write_text(DEPLOYS)
    host.service._core.approvals._decide = Rules(file)
    return host


def asks_to_deploy(lab: HostInMemory) -> str:
    detail = {"command": "make deploy"}
    lab.drivers.last.reports.approval_requested(question(detail=detail))
    settle(lab)
    (one,) = msgspec.json.decode(lab.request("GET", "/approvals?all=1").body)
    return str(one["state"])


@pytest.mark.parametrize("field", REGISTRATION_SCOPES)
def test_registration_cannot_make_a_policy_allow(policed: HostInMemory, field: str) -> None:
    for caller in (SENDER, NARROW):
        post(policed, caller, "/sessions/a/register", {field: NEW[field]})
    assert asks_to_deploy(policed) == "pending"


def test_labels_of_an_older_host_cannot_make_a_policy_allow(policed: HostInMemory) -> None:
    """Rules read what a session was launched with, not what it shows."""
    shown = Registration(**{name: NEW[name] for name in REGISTRATION_SCOPES})
    result_of(policed.store.register("a", shown, 0))
    assert asks_to_deploy(policed) == "pending"


def test_admin_may_change_labels_that_policies_see(
    policed: HostInMemory,
) -> None:
    post(policed, ADMIN, "/sessions/a/register", {"labels": {"stage": "test"}})
    assert asks_to_deploy(policed) == "answered"


# Commands.

GIVEN: dict[str, Any] = {
    "sessionId": "a",
    "sessionPath": "/x.jsonl",
    "requestId": "1",
    "response": {"method": "cancelled"},
    "message": "x",
    "provider": "p",
    "modelId": "m",
    "level": "low",
    "enabled": True,
    "command": "id > f",
    "name": "n",
    "entryId": "e",
    "targetId": "t",
}
WIDENS = {
    *("bash", "create_session", "delete_session", "export_html", "fork", "load_session"),
    *("new_session", "switch_session_file"),
}
"""Commands that run programs, end or replace conversations, or write files."""


def wanted(name: str) -> dict[str, Any]:
    fields = msgspec.structs.fields(COMMANDS[name])
    return {f.encode_name: GIVEN[f.encode_name] for f in fields if f.required}


def refused(lab: HostInMemory, caller: Caller, name: str, **more: Any) -> bool:
    peer = Peer(lab, caller)
    peer.say(name, **{**wanted(name), **more})
    text = " ".join(str(one.get("error")) for one in peer.answers)
    return "The token does not allow this" in text


@pytest.mark.parametrize("name", COMMANDS)
def test_every_mux_command_needs_its_scope(host: HostInMemory, name: str) -> None:
    assert (TRAITS[name].scope == "admin") == (name in WIDENS)
    for scope in ("read", "send", "approve"):
        caller = Caller(frozenset({scope}), token="t")
        assert refused(host, caller, name) == (scope != TRAITS[name].scope)


@pytest.mark.parametrize("name", COMMANDS)
def test_session_token_commands_its_session_only(host: HostInMemory, name: str) -> None:
    for scopes in ({"admin"}, {"read", "send", "approve"}):
        elsewhere = Caller(frozenset(scopes), session="z", token="t")  # type: ignore[arg-type]
        assert refused(host, elsewhere, name)


@pytest.mark.parametrize("name", ["create_session", "load_session"])
def test_session_token_cannot_start_an_agent_under_its_id(
    host: HostInMemory, name: str
) -> None:
    narrow = Caller(frozenset({"admin"}), session="z", token="t")
    assert refused(host, narrow, name, sessionId="z")


def test_stored_answer_is_not_repeated_without_the_scope(host: HostInMemory) -> None:
    asked = {"type": "list_sessions", "id": "1"}
    text = msgspec.json.encode(asked)
    Peer(host).raw(text)
    narrow = Peer(host, NARROW)
    narrow.raw(text)
    (answer,) = narrow.answers
    assert (answer["success"], answer.get("data")) == (False, None)


def test_bash_command_is_audited(host: HostInMemory) -> None:
    Peer(host).say("bash", "a", command="make deploy " + "x" * 500)
    what, detail = audited(host)[-1]
    assert (what, detail) == ("bash", ("make deploy " + "x" * 500)[:200])


@pytest.mark.parametrize("name", sorted(name for name in COMMANDS if name not in WIDENS))
def test_read_scope_starts_no_agent(host: HostInMemory, name: str) -> None:
    host.drivers.last.reports.exited(ChildExit(code=0, asked=True))
    for kind, scopes in (("read", {"read"}), ("approve", {"read", "approve"})):
        Peer(host, Caller(frozenset(scopes), token=kind)).say(name, **wanted(name))  # type: ignore[arg-type]
        settle(host)
    assert len(host.drivers.by_agent["codex"].agents) == 1


@pytest.mark.parametrize("what", ["ack", "nack"])
def test_messages_of_a_hosted_session_cannot_be_taken(host: HostInMemory, what: str) -> None:
    answer = post(host, SENDER, f"/sessions/a/messages/1/{what}", {})
    assert (answer.status, answer.json()["error"]) == (409, "unsupported")


class TestEviction:
    def test_forged_end_event_frees_no_place(self) -> None:
        """Also one that stands in the log of an older host."""
        lab = HostInMemory(drivers=FakeDrivers(codex=FakeDriver()), sessions=1)
        work = started(lab.service.start(Launch(agent="codex", id="a")))
        settle(lab)
        result_of(work)
        forged = [EventDraft(event="ended")]
        result_of(lab.service._core.append("a", forged))
        assert state(lab) == "ended"
        answer = post(lab, SENDER, "/sessions/b/register", {})
        assert answer.json()["error"] == "session_limit"
        assert ("stop",) not in lab.drivers.last.did
        assert result_of(lab.service.events("a", EventQuery()))

    def test_session_waiting_for_a_restart_frees_no_place(self) -> None:
        lab = HostInMemory(drivers=FakeDrivers(codex=FakeDriver()), sessions=1)
        work = started(lab.service.start(Launch(agent="codex", id="a")))
        settle(lab)
        result_of(work)
        lab.drivers.last.reports.exited(ChildExit(code=1))
        settle(lab)
        assert state(lab) == "ended"
        assert post(lab, SENDER, "/sessions/b/register", {}).status == 429

    def test_ended_session_frees_its_place(self) -> None:
        lab = HostInMemory(drivers=FakeDrivers(codex=FakeDriver(resume=False)), sessions=1)
        work = started(lab.service.start(Launch(agent="codex", id="a")))
        settle(lab)
        result_of(work)
        lab.drivers.last.reports.exited(ChildExit(code=1))
        settle(lab)
        assert post(lab, SENDER, "/sessions/b/register", {}).status == 200
