"""Agents' hooks, posted to a whole host in memory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred

from sxhost.codec.json import encode
from sxhost.codec.shorten import shorten_to_fit
from sxhost.hooks.deadline import ALONGSIDE_S, BEFORE_S
from sxhost.hooks.payload import Hook
from sxhost.hooks.questions import LOST_S
from sxhost.model.turn import Launch
from sxhost.testing import BufferedResponse, HostInMemory, is_done, result_of

SESSION = "0b1f0b9e-2f37-4ac6-a4c1-000000000001"
BASH: dict[str, Any] = {
    "tool_name": "Bash",
    "tool_input": {"command": "ls -l"},
    "tool_use_id": "t1",
}
RULE = {"type": "addRules", "rules": [{"toolName": "Bash", "ruleContent": "ls *"}]}


def say(
    lab: HostInMemory, name: str, query: str = "", agent: str = "claude", **more: Any
) -> Any:
    answer = lab.request("POST", f"/hooks/{agent}{query}", hook(name, **more))
    assert answer.status == 200, answer.body
    return answer.json()


def hook(name: str, **more: Any) -> dict[str, Any]:
    return {"session_id": SESSION, "cwd": "/nowhere", "hook_event_name": name, **more}


def begin(
    lab: HostInMemory, name: str, query: str = "", agent: str = "claude", **more: Any
) -> Deferred[BufferedResponse]:
    return lab.begin("POST", f"/hooks/{agent}{query}", hook(name, **more))


def events(lab: HostInMemory) -> list[tuple[str, Any]]:
    lines = lab.request("GET", f"/sessions/{SESSION}/events").lines()
    return [(line["event"], line["data"]) for line in lines]


def send(lab: HostInMemory, content: str, mode: str = "auto") -> None:
    lab.request("POST", f"/sessions/{SESSION}/messages", {"content": content, "mode": mode})


def messages(lab: HostInMemory) -> list[tuple[str, str]]:
    found = lab.request("GET", f"/sessions/{SESSION}/messages?peek=1").json()
    return [(each["content"], each["state"]) for each in found]


def approvals(lab: HostInMemory) -> Any:
    return lab.request("GET", "/approvals").json()


def decide(lab: HostInMemory, decision: str, **more: Any) -> None:
    (approval,) = approvals(lab)
    path = f"/sessions/{SESSION}/approvals/{approval['id']}"
    assert lab.request("POST", path, {"decision": decision, **more}).status == 200
    lab.treq.flush()


def test_hook_registers_its_session(lab: HostInMemory, tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
    assert say(lab, "SessionStart", cwd=str(tmp_path), source="startup", model="opus") == {}
    shown = lab.request("GET", f"/sessions/{SESSION}").json()
    assert (shown["agent"], shown["provider"], shown["model"]) == (
        "claude",
        "anthropic",
        "opus",
    )
    assert (shown["cwd"], shown["git_branch"]) == (str(tmp_path), "main")
    assert (shown["kind"], shown["detail_state"]) == ("attached", "idle")


HEARD: list[tuple[str, dict[str, Any], list[tuple[str, Any]]]] = [
    (
        "SessionStart",
        {"source": "resume"},
        [("started", {"agent": "claude", "reason": "resume"})],
    ),
    ("UserPromptSubmit", {"prompt": "hi"}, [("user-message", {"text": "hi", "by": "prompt"})]),
    (
        "PreToolUse",
        BASH,
        [
            (
                "tool-start",
                {
                    "item": "t1",
                    "tool": "Bash",
                    "title": "Bash: ls -l",
                    "input": {"command": "ls -l"},
                },
            )
        ],
    ),
    (
        "PostToolUse",
        {**BASH, "tool_response": {"stdout": "a", "stderr": "b"}},
        [
            (
                "tool-done",
                {"item": "t1", "tool": "Bash", "status": "completed", "output": "a\nb"},
            )
        ],
    ),
    (
        "PostToolUseFailure",
        {**BASH, "error": "no"},
        [("tool-done", {"item": "t1", "tool": "Bash", "status": "failed", "output": "no"})],
    ),
    (
        "Notification",
        {"message": "m", "notification_type": "idle_prompt"},
        [("idle", {"text": "m", "type": "idle_prompt"})],
    ),
    ("Notification", {"message": "m"}, [("notification", {"text": "m", "type": ""})]),
    (
        "Stop",
        {"last_assistant_message": "done"},
        [("message", {"text": "done"}), ("complete", {})],
    ),
    ("StopFailure", {"error": "rate"}, [("error", {"reason": "rate"})]),
    (
        "SubagentStart",
        {"agent_id": "s1", "agent_type": "Explore"},
        [("subagent-start", {"agent_id": "s1", "agent_type": "Explore", "parent": "s1"})],
    ),
    (
        "SubagentStop",
        {"agent_id": "s1"},
        [("subagent-done", {"agent_id": "s1", "parent": "s1"})],
    ),
    ("PreCompact", {"trigger": "auto"}, [("compact", {"trigger": "auto"})]),
    ("PostCompact", {"trigger": "auto"}, [("post-compact", {"trigger": "auto"})]),
    ("SessionEnd", {"reason": "exit"}, [("ended", {"agent": "claude", "reason": "exit"})]),
    ("TaskCreated", {"task": 1}, [("task-created", {"task": 1})]),
    ("Über!", {"x": 1}, [("hook", {"x": 1, "hook_event_name": "Über!"})]),
]


@pytest.mark.parametrize(("name", "more", "message"), HEARD)
def test_hook_becomes_an_event(
    lab: HostInMemory, name: str, more: dict[str, Any], message: list[tuple[str, Any]]
) -> None:
    assert say(lab, name, **more) == {}
    assert events(lab) == message


@pytest.mark.parametrize(
    ("message", "status"),
    [
        ({}, 400),
        ({"hook_event_name": "Stop"}, 400),
        ({"session_id": 7, "hook_event_name": []}, 400),
    ],
)
def test_malformed_hook_is_refused(lab: HostInMemory, message: Any, status: int) -> None:
    assert lab.request("POST", "/hooks/claude", message).status == status


@pytest.mark.parametrize("body", [b"", b"[]", b"\xff", b"{", b"null", b"[" * 1000])
def test_random_hook_body_is_refused(lab: HostInMemory, body: bytes) -> None:
    assert lab.request("POST", "/hooks/claude", body).status == 400


def test_hook_over_the_body_limit_is_refused(lab: HostInMemory) -> None:
    answer = lab.request("POST", "/hooks/claude", hook("Stop", text="x" * 17_000_000))
    assert (answer.status, answer.json()["error"]) == (413, "body_too_large")
    assert lab.request("GET", "/sessions").json() == []


LARGE: dict[str, Any] = {
    "one text": {"stdout": "x" * 3_000_000},
    "CJK": [{"type": "text", "text": "漢字" * 150_000}] * 3,
    "many texts": ["text"] * 250_000,
    "many lists": [[]] * 150_000,
    "a picture": [{"type": "image", "source": {"data": "QUJD" * 700_000}}],
    "depth": json.loads("[" * 90 + "]" * 90),
}


@pytest.mark.parametrize("output", LARGE.values(), ids=LARGE)
def test_result_of_any_size_ends_its_call(lab: HostInMemory, output: Any) -> None:
    say(lab, "PreToolUse", **BASH)
    say(lab, "PostToolUse", **BASH, tool_response=output)
    name, done = events(lab)[-1]
    assert (name, done["item"], done["status"]) == ("tool-done", "t1", "completed")
    assert len(encode(done)) < 256 * 1024


def test_question_that_was_cut_can_only_be_refused(lab: HostInMemory) -> None:
    deep: dict[str, Any] = {"command": "ls", "list": [[]] * 150_000}
    asked = begin(lab, "PermissionRequest", "?wait=60", tool_name="Bash", tool_input=deep)
    (approval,) = approvals(lab)
    assert "approve" not in approval["choices"]
    assert "can only be refused" in approval["detail"]["cut"]
    place = f"/sessions/{SESSION}/approvals/{approval['id']}"
    assert lab.request("POST", place, {"decision": "approve"}).status == 400
    decide(lab, "deny")
    assert result_of(asked).json()["hookSpecificOutput"]["decision"]["behavior"] == "deny"


anything = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)
NAMES = [
    "SessionStart",
    "PreToolUse",
    "PermissionRequest",
    "PostToolUse",
    "Stop",
    "Notification",
    "agent-turn-complete",
    "X",
]
FIELDS = [
    "tool_name",
    "tool_input",
    "tool_response",
    "permission_suggestions",
    "cwd",
    "model",
    "prompt",
    "agent_id",
    "error",
    "tool_use_id",
]


@given(
    st.sampled_from(NAMES), st.dictionaries(st.sampled_from(FIELDS), anything), st.booleans()
)
@settings(max_examples=60, suppress_health_check=list(HealthCheck))
def test_hook_of_any_shape_is_accepted(
    name: str, message: dict[str, Any], claude: bool
) -> None:
    one = Hook("claude" if claude else "codex", {"hook_event_name": name, **message})
    for draft in one.events():
        assert encode(draft)
    assert encode(one.registration)
    if one.can_ask:
        assert encode(one.question(60))


LONG = ["x" * 90_000, "ü" * 120_000, ["é" * 49_000] * 9]


@given(st.dictionaries(st.text(max_size=3), anything | st.sampled_from(LONG), max_size=3))
@settings(max_examples=15, suppress_health_check=list(HealthCheck))
def test_long_hook_field_is_shortened(data: dict[str, Any]) -> None:
    assert len(encode(shorten_to_fit(data))) <= 250_000


def test_long_hook_answer_is_shortened_with_a_note(lab: HostInMemory) -> None:
    say(lab, "PostToolUse", **BASH, tool_response="x" * 300_000)
    ((_, data),) = events(lab)
    assert data["output"].endswith("… (252000 characters more)")


# Messages.


def test_message_blocks_the_stop_of_the_agent(lab: HostInMemory) -> None:
    say(lab, "SessionStart")
    send(lab, "and now the tests")
    shown = say(lab, "Stop", last_assistant_message="done")
    assert shown == {"decision": "block", "reason": "and now the tests"}
    assert events(lab)[1:] == [
        ("message", {"text": "done"}),
        ("user-message", {"text": "and now the tests", "by": "message"}),
    ]
    assert messages(lab) == [("and now the tests", "delivered")]
    assert say(lab, "Stop") == {}


@pytest.mark.parametrize("name", ["UserPromptSubmit", "PostToolUse"])
def test_message_reaches_the_agent_after_a_tool(lab: HostInMemory, name: str) -> None:
    say(lab, "SessionStart")
    send(lab, "use pytest")
    send(lab, "later", mode="queue")
    specific = say(lab, name, **BASH)["hookSpecificOutput"]
    assert specific["hookEventName"] == name
    assert specific["additionalContext"].endswith("working:\n\nuse pytest")
    assert messages(lab) == [("use pytest", "delivered"), ("later", "queued")]
    assert say(lab, "Stop")["reason"] == "later"


def test_hook_of_a_deleted_session_registers_it_again(lab: HostInMemory) -> None:
    say(lab, "SessionStart")
    lab.request("DELETE", f"/sessions/{SESSION}")
    assert say(lab, "Stop") == {}
    assert events(lab) == [("complete", {})]
    assert lab.request("GET", f"/sessions/{SESSION}").json()["agent"] == "claude"


def test_subagent_gets_no_messages(lab: HostInMemory) -> None:
    say(lab, "SessionStart")
    send(lab, "x")
    assert say(lab, "PostToolUse", **BASH, agent_id="s1") == {}
    assert messages(lab) == [("x", "queued")]


# Approvals.


def test_permission_request_is_approved(lab: HostInMemory) -> None:
    asked = begin(lab, "PermissionRequest", **BASH)
    (approval,) = approvals(lab)
    assert (approval["kind"], approval["title"]) == ("command", "Bash: ls -l")
    assert approval["detail"]["cwd"] == "/nowhere"
    assert lab.request("GET", f"/sessions/{SESSION}").json()["detail_state"] == "waiting"
    decide(lab, "approve")
    assert result_of(asked).json() == {
        "hookSpecificOutput": {
            "hookEventName": "PermissionRequest",
            "decision": {"behavior": "allow"},
        }
    }


@pytest.mark.parametrize(
    ("decision", "message"),
    [
        ("deny", {"behavior": "deny", "message": "not here"}),
        ("cancel", {"behavior": "deny", "message": "not here", "interrupt": True}),
    ],
)
def test_permission_request_is_denied(lab: HostInMemory, decision: str, message: Any) -> None:
    asked = begin(lab, "PermissionRequest", **BASH)
    decide(lab, decision, reason="not here")
    assert result_of(asked).json()["hookSpecificOutput"]["decision"] == message


def test_permission_for_the_session_applies_the_suggested_rules(
    lab: HostInMemory,
) -> None:
    asked = begin(lab, "PermissionRequest", **BASH, permission_suggestions=[RULE])
    decide(lab, "approve_session")
    decision = result_of(asked).json()["hookSpecificOutput"]["decision"]
    assert decision["updatedPermissions"] == [{**RULE, "destination": "session"}]


def test_ask_user_question_is_answered(lab: HostInMemory) -> None:
    given = {"questions": [{"question": "Which?", "options": [{"label": "A"}]}]}
    asked = begin(lab, "PermissionRequest", tool_name="AskUserQuestion", tool_input=given)
    decide(lab, "approve", answers={"q1": "A"})
    decision = result_of(asked).json()["hookSpecificOutput"]["decision"]
    assert decision["updatedInput"] == {**given, "answers": {"Which?": "A"}}


def test_tool_use_asks_only_if_so_installed(lab: HostInMemory) -> None:
    assert say(lab, "PreToolUse", **BASH) == {}
    asked = begin(lab, "PreToolUse", "?ask=1", **BASH)
    decide(lab, "deny", reason="no")
    assert result_of(asked).json() == {
        "hookSpecificOutput": {
            "hookEventName": "PreToolUse",
            "permissionDecision": "deny",
            "permissionDecisionReason": "no",
        }
    }
    asked = begin(lab, "PreToolUse", "?ask=1", **BASH)
    decide(lab, "approve")
    assert result_of(asked).json()["hookSpecificOutput"]["permissionDecision"] == "allow"
    asked = begin(lab, "PreToolUse", "?ask=1", **BASH)
    decide(lab, "cancel")
    assert result_of(asked).json()["continue"] is False


def test_codex_gets_its_own_answer_format(lab: HostInMemory) -> None:
    asked = begin(
        lab, "PermissionRequest", agent="codex", **BASH, permission_suggestions=[RULE]
    )
    assert approvals(lab)[0]["choices"] == ["approve", "deny"]
    decide(lab, "deny", reason="no")
    decision = result_of(asked).json()["hookSpecificOutput"]["decision"]
    assert decision == {"behavior": "deny", "message": "no"}
    asked = begin(lab, "PreToolUse", "?ask=1", agent="codex", **BASH)
    decide(lab, "approve")
    assert result_of(asked).json() == {}


def closed(lab: HostInMemory) -> tuple[str, str, str]:
    """Return how the only approval has ended: the decision, by whom, the reason."""
    (one,) = lab.request("GET", "/approvals?all=1").json()
    how = one["resolution"]
    return how["decision"], how["by"], how["reason"]


def test_who_asks_waits_whatever_else_goes_on(lab: HostInMemory) -> None:
    say(lab, "UserPromptSubmit", prompt="x")
    asked = begin(lab, "PermissionRequest", **BASH)
    say(lab, "PostToolUse", tool_name="Read", tool_input={})
    assert state(lab)[:2] == ("waiting", "approval-requested")
    decide(lab, "approve")
    assert is_done(asked)
    assert state(lab)[0] == "working"


def test_undecided_permission_is_left_to_the_agents_dialog(lab: HostInMemory) -> None:
    asked = begin(lab, "PermissionRequest", "?wait=20", **BASH)
    lab.clock.advance(19)
    assert not is_done(asked)
    lab.clock.advance(2)
    lab.treq.flush()
    assert result_of(asked).json() == {}
    (left,) = approvals(lab)
    assert left["at_terminal_ms"] is not None
    assert state(lab)[0] == "waiting"
    path = f"/sessions/{SESSION}/approvals/{left['id']}"
    refused = lab.request("POST", path, {"decision": "approve"})
    assert (refused.status, refused.json()["error"]) == (409, "only_at_terminal")
    say(lab, "PostToolUse", **BASH)
    assert closed(lab) == ("approve", "terminal", "answered at the terminal")
    assert state(lab)[0] == "working"


@pytest.mark.parametrize(
    ("agent", "more", "wait_s"),
    [
        ("claude", {}, ALONGSIDE_S),
        ("claude", {"agent_id": "s1"}, BEFORE_S),
        ("codex", {}, BEFORE_S),
    ],
)
def test_a_hook_waits_as_long_as_its_agents_user_is_asked_too(
    lab: HostInMemory, agent: str, more: dict[str, Any], wait_s: float
) -> None:
    asked = begin(lab, "PermissionRequest", agent=agent, **BASH, **more)
    (approval,) = approvals(lab)
    assert approval["expires_ms"] is None
    lab.clock.advance(wait_s - 1)
    assert not is_done(asked)
    lab.clock.advance(1)
    lab.treq.flush()
    assert result_of(asked).json() == {}
    assert state(lab)[0] == "waiting"


@pytest.mark.parametrize(
    ("name", "end"),
    [
        ("PostToolUse", ("approve", "terminal", "answered at the terminal")),
        ("PermissionDenied", ("deny", "terminal", "denied at the terminal")),
        ("Stop", ("answered", "terminal", "answered at the terminal")),
        ("SessionEnd", ("cancel", "agent", "its agent has ended")),
    ],
)
def test_permission_decided_at_the_agent_is_closed(
    lab: HostInMemory, name: str, end: tuple[str, str, str]
) -> None:
    asked = begin(lab, "PermissionRequest", **BASH)
    say(lab, "PostToolUse", tool_name="Read", tool_input={})
    say(lab, "Stop", agent_id="s1")
    assert not is_done(asked)
    say(lab, name, **BASH)
    lab.treq.flush()
    assert result_of(asked).json() == {}
    assert approvals(lab) == []
    assert closed(lab) == end


def test_a_yes_in_codexs_dialog_is_known_by_the_command(lab: HostInMemory) -> None:
    asked = {**BASH, "tool_input": {"command": "ls -l", "description": "the tests want it"}}
    begin(lab, "PermissionRequest", "?wait=1", agent="codex", **asked)
    lab.clock.advance(1)
    say(lab, "PostToolUse", agent="codex", **BASH)
    assert closed(lab) == ("approve", "terminal", "answered at the terminal")


def restart(lab: HostInMemory) -> None:
    lab.restart()
    lab.service.startService()


def test_a_hook_that_asks_again_hears_what_was_decided_meanwhile(lab: HostInMemory) -> None:
    begin(lab, "PermissionRequest", "?key=k", **BASH)
    decide(lab, "deny", reason="no")
    restart(lab)  # before the answer was read
    decision = say(lab, "PermissionRequest", "?key=k", **BASH)["hookSpecificOutput"]["decision"]
    assert decision == {"behavior": "deny", "message": "no"}
    assert say(lab, "PermissionRequest", "?key=k", **BASH)


def test_a_hook_that_asks_again_after_its_user_has_answered_is_let_go(
    lab: HostInMemory,
) -> None:
    begin(lab, "PermissionRequest", "?key=k", **BASH)
    restart(lab)
    say(lab, "PostToolUse", **BASH)
    assert say(lab, "PermissionRequest", "?key=k", **BASH) == {}
    assert closed(lab)[1] == "terminal"


def lose(lab: HostInMemory) -> None:
    """Ask, and lose the connection."""
    asked = begin(lab, "PermissionRequest", "?key=k", **BASH)
    asked.cancel()
    asked.addErrback(lambda _: None)
    lab.treq.flush()
    (left,) = approvals(lab)
    assert left["at_terminal_ms"] is not None


def test_a_connection_that_is_lost_late_takes_no_question_along(lab: HostInMemory) -> None:
    first = begin(lab, "PermissionRequest", "?key=k", **BASH)
    begin(lab, "PermissionRequest", "?key=k", **BASH)
    first.addErrback(lambda _: None)
    first.cancel()
    lab.treq.flush()
    lab.clock.advance(LOST_S)
    (approval,) = approvals(lab)
    assert approval["at_terminal_ms"] is None


def test_a_lost_hook_of_an_agent_elsewhere_may_ask_again_for_a_while(lab: HostInMemory) -> None:
    lose(lab)
    lab.clock.advance(LOST_S / 2)
    begin(lab, "PermissionRequest", "?key=k", **BASH)
    lab.clock.advance(LOST_S)
    (approval,) = approvals(lab)
    assert approval["at_terminal_ms"] is None
    restart(lab)
    lose(lab)
    lab.clock.advance(LOST_S)
    assert closed(lab) == ("cancel", "agent", "its agent no longer waits")


SUBAGENT = {"id": "s1", "type": "subagent", "status": "running", "description": "look"}


def state(lab: HostInMemory) -> tuple[str, str, Any]:
    shown = lab.request("GET", f"/sessions/{SESSION}").json()
    return shown["detail_state"], shown["reason"], shown["background"]


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("Stop", {"background_tasks": [SUBAGENT]}),
        ("Stop", {}),
        ("StopFailure", {}),
        ("UserPromptSubmit", {}),
        ("PostToolUse", BASH),
        ("SubagentStop", {"agent_id": "s2"}),
    ],
)
def test_main_agent_does_not_settle_its_subagents_question(
    lab: HostInMemory, name: str, more: dict[str, Any]
) -> None:
    asked = begin(lab, "PermissionRequest", **BASH, agent_id="s1")
    say(lab, name, **more)
    assert not is_done(asked)
    decide(lab, "approve")
    answer = result_of(asked).json()["hookSpecificOutput"]
    assert answer["decision"]["behavior"] == "allow"


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("Stop", {"background_tasks": []}),
        ("Stop", {"background_tasks": [{**SUBAGENT, "status": "completed"}]}),
        ("SessionEnd", {}),
        ("SubagentStop", {"agent_id": "s1"}),
        ("PostToolUse", {**BASH, "agent_id": "s1"}),
    ],
)
def test_subagents_question_is_settled_with_its_subagent(
    lab: HostInMemory, name: str, more: dict[str, Any]
) -> None:
    asked = begin(lab, "PermissionRequest", **BASH, agent_id="s1")
    say(lab, name, **more)
    lab.treq.flush()
    assert result_of(asked).json() == {}
    assert approvals(lab) == []


def test_stop_with_something_in_the_background_is_no_end(lab: HostInMemory) -> None:
    say(lab, "UserPromptSubmit", prompt="x")
    server = {"id": "b1", "type": "shell", "status": "running", "command": "npm run dev"}
    say(lab, "Stop", background_tasks=[SUBAGENT, server, {**server, "status": "completed"}, 7])
    tasks = [{"id": "s1", "kind": "subagent", "title": "look"}, {"id": "b1", "kind": "command"}]
    assert events(lab)[-1] == ("complete", {"background": tasks})
    assert state(lab) == ("working", "background", tasks)
    asked = begin(lab, "PermissionRequest", **BASH, agent_id="s1")
    assert state(lab)[0] == "waiting"
    decide(lab, "deny")
    assert is_done(asked)
    assert state(lab)[:2] == ("working", "background")
    say(lab, "PreToolUse", **BASH, agent_id="s1")
    assert state(lab)[:2] == ("working", "background")
    say(lab, "Stop", background_tasks=[])
    assert state(lab) == ("idle", "complete", [])


def test_hook_without_wait_returns_at_once(lab: HostInMemory) -> None:
    assert say(lab, "PreToolUse", "?wait=0&ask=1", **BASH) == {}
    assert approvals(lab) == []
    assert say(lab, "PermissionRequest", "?wait=0", **BASH) == {}
    (approval,) = approvals(lab)
    assert approval["at_terminal_ms"] is not None
    assert state(lab)[0] == "waiting"
    say(lab, "PostToolUse", **BASH)
    assert closed(lab)[0] == "approve"


def test_stop_of_the_host_releases_waiting_hooks(lab: HostInMemory) -> None:
    asked = begin(lab, "PermissionRequest", **BASH)
    again = begin(lab, "PermissionRequest", "?key=k", **BASH)
    lab.notifier.close()
    lab.treq.flush()
    assert result_of(asked).json() == {}
    assert result_of(again).status == 503


def test_a_question_of_an_earlier_host_life_stands(lab: HostInMemory) -> None:
    begin(lab, "PermissionRequest", "?key=k", **BASH)
    restart(lab)
    say(lab, "PostToolUse", tool_name="Read", tool_input={})
    assert state(lab)[0] == "waiting"
    (left,) = approvals(lab)
    begin(lab, "PermissionRequest", "?key=k", **BASH)
    (again,) = approvals(lab)
    assert (again["id"], again["at_terminal_ms"]) == (left["id"], None)
    say(lab, "UserPromptSubmit", prompt="x")
    assert approvals(lab) == []


# Others.


def test_hook_of_a_hosted_agent_makes_no_event(lab: HostInMemory) -> None:
    made = result_of(lab.service.start(Launch(agent="fake", cwd="/")))
    native = result_of(lab.service.session(made.session.id)).native_id
    sent = {**hook("PermissionRequest", **BASH), "session_id": native}
    assert lab.request("POST", "/hooks/claude", sent).json() == {}
    assert lab.request("GET", f"/sessions/{native}").status == 404


def test_codex_notification_after_its_hook_makes_no_event(lab: HostInMemory) -> None:
    say(lab, "Stop", agent="codex", turn_id="u1", last_assistant_message="done")
    sent = {
        "type": "agent-turn-complete",
        "thread-id": SESSION,
        "turn-id": "u1",
        "cwd": "/nowhere",
    }
    sent["last-assistant-message"] = "done"
    assert lab.request("POST", "/hooks/codex", sent).json() == {}
    assert events(lab) == [("message", {"text": "done"}), ("complete", {})]
    lab.request("POST", "/hooks/codex", {**sent, "turn-id": "u2"})
    assert len(events(lab)) == 4


def test_continued_codex_turn_has_several_answers(lab: HostInMemory) -> None:
    say(lab, "SessionStart", agent="codex")
    send(lab, "go on")
    say(lab, "Stop", agent="codex", turn_id="u1", last_assistant_message="first")
    say(lab, "Stop", agent="codex", turn_id="u1", last_assistant_message="second")
    reported = [data["text"] for name, data in events(lab) if name == "message"]
    assert reported == ["first", "second"]


NOTICE = {"type": "agent-turn-complete", "turn-id": "u1", "cwd": "/nowhere"}


def notify(lab: HostInMemory, session: str, **more: Any) -> None:
    sent = {**NOTICE, "thread-id": session, **more}
    assert lab.request("POST", "/hooks/codex", sent).json() == {}


def sessions(lab: HostInMemory) -> list[str]:
    return [each["id"] for each in lab.request("GET", "/sessions").json()]


def test_codex_title_request_registers_no_session(lab: HostInMemory) -> None:
    say(lab, "SessionStart", agent="codex")
    notify(lab, "title-1")
    assert sessions(lab) == [SESSION]
    notify(lab, SESSION)
    notify(lab, "elsewhere", cwd="/elsewhere")
    assert sorted(sessions(lab)) == sorted([SESSION, "elsewhere"])


def test_codex_without_hooks_is_seen_by_its_notifications(
    lab: HostInMemory,
) -> None:
    for session in ("s-1", "s-2"):
        notify(lab, session)
    assert sorted(sessions(lab)) == ["s-1", "s-2"]


def test_openapi_describes_the_hooks(lab: HostInMemory) -> None:
    document = lab.request("GET", "/openapi.json").json()
    assert "post" in document["paths"]["/hooks/claude"]
    assert json.dumps(document)
