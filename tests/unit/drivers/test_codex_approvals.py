"""Each request of codex as a question, and answers as codex's decisions."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw, convert, json

from sxhost.drivers.codex.approvals import FORMS, ApprovalForm, Request, agent_request
from sxhost.drivers.kit.pending_questions import AgentRequest
from sxhost.model.approval import Answer, Inquiry, Option

ALL = ["approve", "approve_session", "deny", "cancel"]
CHANGES = [{"path": "/w/a"}, {"path": "/w/b"}, "rubbish"]


def ask(method: str, **params: Any) -> ApprovalForm:
    return FORMS[method](convert(params, Request), lambda name: CHANGES if name == "i" else [])


def wire(it: ApprovalForm, decision: str, **more: Any) -> Any:
    return it.encode_answer(Answer(decision=decision, **more))


def test_a_command() -> None:
    it = ask(
        "item/commandExecution/requestApproval",
        command="rm x",
        cwd="/w",
        reason="tidy",
        availableDecisions=["accept", "cancel"],
    )
    assert (it.question.kind, it.question.title) == ("command", "rm x")
    assert it.question.detail == {"command": "rm x", "cwd": "/w", "reason": "tidy"}
    assert it.question.choices == ALL
    said = [wire(it, choice)["decision"] for choice in ALL]
    assert said == ["accept", "acceptForSession", "decline", "cancel"]


def test_codex_own_decisions_keep_their_names() -> None:
    allow = {"acceptWithExecpolicyAmendment": {"execpolicy_amendment": ["rm"]}}
    hosts = [
        {"applyNetworkPolicyAmendment": {"network_policy_amendment": {"action": action}}}
        for action in ("allow", "deny")
    ]
    offered = ["accept", "shrug", allow, *hosts, 5, {}, "cancel"]
    it = ask("item/commandExecution/requestApproval", availableDecisions=offered)
    network = "applyNetworkPolicyAmendment"
    names = ["shrug", "acceptWithExecpolicyAmendment", network, f"{network}:2"]
    assert it.question.choices == [*ALL, *names]
    assert [wire(it, name)["decision"] for name in names] == ["shrug", allow, *hosts]
    offers = it.question.detail["offers"]
    assert isinstance(offers, dict)
    assert offers[f"{network}:2"] == hosts[1]


@pytest.mark.parametrize(
    ("params", "title"),
    [
        ({"networkApprovalContext": {"host": "example.org"}}, "Connect to example.org"),
        ({"reason": "because"}, "because"),
        ({}, "Run a command"),
    ],
)
def test_a_command_without_words(params: dict[str, Any], title: str) -> None:
    assert ask("item/commandExecution/requestApproval", **params).question.title == title


def test_a_change_of_files() -> None:
    it = ask("item/fileChange/requestApproval", itemId="i", grantRoot="/w")
    assert (it.question.kind, it.question.title) == ("file-change", "/w/a, /w/b")
    detail = it.question.detail
    assert detail == {"paths": ["/w/a", "/w/b"], "changes": CHANGES, "grant_root": "/w"}
    assert [wire(it, choice)["decision"] for choice in ALL] == [
        *("accept", "acceptForSession", "decline", "cancel"),
    ]
    unknown = ask("item/fileChange/requestApproval", itemId="j").question
    assert (unknown.title, unknown.detail) == ("Change files", {"paths": []})


def test_permissions() -> None:
    wanted = {"fileSystem": {"write": ["/w"]}}
    it = ask(
        "item/permissions/requestApproval", permissions=wanted, reason="to build", cwd="/w"
    )
    assert (it.question.kind, it.question.title) == ("permission", "to build")
    assert it.question.choices == ["approve", "approve_session", "deny"]
    assert it.question.detail["permissions"] == wanted
    assert wire(it, "approve") == {"permissions": wanted, "scope": "turn"}
    assert wire(it, "approve_session") == {"permissions": wanted, "scope": "session"}
    assert wire(it, "deny") == {"permissions": {}, "scope": "turn"}


def test_questions_of_the_model() -> None:
    it = ask(
        "item/tool/requestUserInput",
        questions=[
            {
                "id": "db",
                "header": "DB",
                "question": "Which?",
                "options": [{"label": "pg", "description": "big"}, {"label": "lite"}],
            },
            {"id": "key", "question": "The key?", "isSecret": True},
        ],
        autoResolutionMs=1500,
    )
    assert (it.question.kind, it.question.title) == ("question", "Which?; The key?")
    assert it.question.expires_s == 1.5
    options = [Option("pg", "big"), Option("lite")]
    first = Inquiry(id="db", text="Which?", header="DB", options=options, other=False)
    assert it.question.inquiries == [first, Inquiry(id="key", text="The key?", secret=True)]
    given = {"db": "pg", "key": ["a", "b"]}
    assert wire(it, "approve", answers=given) == {
        "answers": {"db": {"answers": ["pg"]}, "key": {"answers": ["a", "b"]}}
    }
    assert wire(it, "approve") == {"answers": {}}
    assert wire(it, "deny", answers=given) == {"answers": {}}


FORM = {"type": "object", "properties": {"n": {"type": "integer", "title": "How many"}}}


def test_a_form_of_a_tool_server() -> None:
    it = ask(
        "mcpServer/elicitation/request",
        serverName="shop",
        mode="form",
        message="How many?",
        requestedSchema=FORM,
    )
    assert (it.question.kind, it.question.title) == ("dialog", "How many?")
    assert it.question.choices == ["approve", "deny", "cancel"]
    assert [inquiry.id for inquiry in it.question.inquiries] == ["n"]
    accepted = {"action": "accept", "content": {"n": 3}}
    assert wire(it, "approve", answers={"n": "3"}) == accepted
    assert wire(it, "deny", answers={"n": "3"}) == {"action": "decline", "content": None}
    assert wire(it, "cancel") == {"action": "cancel", "content": None}


def test_a_page_to_open() -> None:
    method = "mcpServer/elicitation/request"
    it = ask(method, serverName="s", mode="url", message="Log in", url="https://x/")
    assert it.question.detail == {"server": "s", "mode": "url", "url": "https://x/"}
    assert wire(it, "approve") == {"action": "accept", "content": None}


def test_a_proof_that_only_a_device_has_can_be_refused_only() -> None:
    method = "mcpServer/elicitation/request"
    it = ask(method, serverName="s", mode="openai/userVerification", title="Prove it")
    assert (it.question.title, it.question.choices) == ("Prove it", ["deny", "cancel"])


def test_older_requests() -> None:
    it = ask("execCommandApproval", command=["rm", "x"], cwd="/w")
    assert (it.question.kind, it.question.title) == ("command", "rm x")
    assert wire(it, "approve") == {"decision": "approved"}
    assert wire(it, "approve_session") == {"decision": "approved_for_session"}
    assert wire(it, "cancel") == {"decision": "abort"}
    denied = {"decision": {"denied": {"rejection": "no"}}}
    assert wire(it, "deny", reason="no") == denied
    patch = ask("applyPatchApproval", fileChanges={"/w/a": {"type": "add", "content": ""}})
    assert (patch.question.kind, patch.question.title) == ("file-change", "/w/a")
    assert wire(patch, "approve") == {"decision": "approved"}


# Requests as a whole.

COMMAND = "item/commandExecution/requestApproval"
DIALOG = "mcpServer/elicitation/request"


def request(number: int | str, method: str = COMMAND, **params: Any) -> AgentRequest | None:
    return agent_request(number, method, Raw(json.encode(params)), lambda _: [])


def key(number: int, method: str = COMMAND, **params: Any) -> str:
    found = request(number, method, **params)
    assert found is not None
    return found.question.key


def test_the_request_goes_along_whole() -> None:
    found = request(7, itemId="a", command="ls", extra=1)
    assert found is not None
    params = {"itemId": "a", "command": "ls", "extra": 1}
    native = json.decode(json.encode(found.question.native))
    assert native == {"method": COMMAND, "id": 7, "params": params}


def test_a_key_names_what_is_asked_about() -> None:
    assert key(1, itemId="item", approvalId="sub", command="ls") == "sub"
    assert key(2, itemId="item", command="ls") == "item"
    assert key(3, "execCommandApproval", callId="call", command=["ls"]) == "call"
    assert key(4, DIALOG, serverName="s", elicitationId="e", mode="url", message="m") == "e"


def test_without_an_id_the_params_make_the_key() -> None:
    params = {"serverName": "s", "threadId": "t", "mode": "form", "message": "Who?"}
    assert key(4, DIALOG, **params) == key(4, DIALOG, **params)
    assert key(4, DIALOG, **params) != key(5, DIALOG, **params)


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("item/unheard/of", {"itemId": "a"}),
        (COMMAND, {"itemId": 5}),
        (COMMAND, {"itemId": "a", "command": {"ls": 1}}),
        ("item/tool/requestUserInput", {"itemId": "a", "questions": [5]}),
    ],
)
def test_a_request_that_makes_no_sense_is_no_question(
    method: str, params: dict[str, Any]
) -> None:
    assert request(1, method, **params) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
FIELDS = (
    *("itemId", "command", "availableDecisions", "permissions", "fileChanges", "questions"),
    *("requestedSchema", "networkApprovalContext", "autoResolutionMs", "mode", "message"),
)
SCHEMAS = st.dictionaries(st.just("properties"), st.dictionaries(st.text(max_size=3), JSON))


@given(
    st.sampled_from(sorted(FORMS)),
    st.dictionaries(st.sampled_from(FIELDS), JSON | SCHEMAS | st.lists(JSON, max_size=3))
    | JSON,
)
def test_no_request_breaks_it(method: str, params: Any) -> None:
    found = agent_request(1, method, Raw(json.encode(params)), lambda _: [])
    if found is not None:
        json.encode(found.question)
        found.encode_answer(Answer(decision=found.question.choices[0]))
