"""Claude Code's requests for permission to use a tool: as questions, decisions as responses.

Claude sends the control request ``can_use_tool``.  A response that allows must repeat the
tool's input, changed or not; questions to the user (the tool ``AskUserQuestion``) are answered
by ``answers`` in that input.  ``permission_suggestions`` are rules that would make further
requests needless: ``approve_session`` accepts them, for this session only.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from msgspec import Raw

from sxhost.codec.shorten import fold
from sxhost.drivers.claude.messages import ControlRequest, ToolRequest
from sxhost.drivers.kit.changes import file_change
from sxhost.drivers.kit.pending_questions import AgentRequest
from sxhost.errors import BadField
from sxhost.model.approval import Answer, ApprovalKind, Inquiry, Option, Question

__all__ = ["agent_request", "permission_result", "question_of"]

KINDS: Final[Mapping[str, ApprovalKind]] = {
    "Bash": "command",
    "PowerShell": "command",
    "Edit": "file-change",
    "MultiEdit": "file-change",
    "NotebookEdit": "file-change",
    "Write": "file-change",
    "AskUserQuestion": "question",
    "EnterPlanMode": "permission",
    "ExitPlanMode": "permission",
}
"""The kind of question, by the tool's name; of all others it is ``tool``."""

PATHS: Final = ("file_path", "notebook_path", "path")
CONTENTS: Final = ("content", "new_source")
"""Fields of a file's new text, or a notebook cell's."""

SHOWN: Final = frozenset({"command", "description", "plan", *PATHS})
"""Fields of a tool's input that a question's detail has under names of their own."""

UNSANDBOXED: Final = "dangerouslyDisableSandbox"
"""A field of a command's input: it wants to run outside of the sandbox."""

DENIED: Final = "The user does not want this to be done."
CANCELLED: Final = "The user has stopped this turn."
"""What the model reads where the person gave no reason."""


def agent_request(control_request: ControlRequest, native: Raw) -> AgentRequest:
    """Return a request ``can_use_tool`` as a question; `native` is Claude's line."""
    return AgentRequest(
        id=control_request.request_id,
        question=question_of(control_request, native),
        encode_answer=partial(permission_result, control_request),
    )


# Requests as questions.


def question_of(control_request: ControlRequest, native: Raw) -> Question:
    """Return a request as a question; `native` is Claude's line."""
    request = control_request.request
    return Question(
        key=request.tool_use_id or control_request.request_id,
        kind=_kind(request),
        title=_title(request),
        detail=_detail(request),
        choices=_choices(request),
        inquiries=_inquiries(request.input),
        native=native,
        outlives_turn=request.agent_id is not None,
    )


def _title(request: ToolRequest) -> str:
    """Return what is wanted, never only what the agent calls it, in one line."""
    name = request.display_name or request.tool_name or "a tool"
    inquiries = _inquiries(request.input)
    asked = inquiries[0].text if inquiries else None
    subject = asked or _command(request.input) or _first_path(request)
    if subject is None and request.title:
        return fold(request.title)
    subject = subject or request.description
    return fold(f"{name}: {subject}" if subject else name)


def _command(arguments: Mapping[str, Any]) -> str | None:
    command = arguments.get("command")
    if isinstance(command, list):
        return shlex.join(str(word) for word in command)
    return command if isinstance(command, str) and command else None


def _paths(request: ToolRequest) -> list[str]:
    named = [request.input.get(name) for name in PATHS]
    paths = [path for path in named if isinstance(path, str)]
    if request.blocked_path and request.blocked_path not in paths:
        paths.append(request.blocked_path)
    return paths


def _first_path(request: ToolRequest) -> str | None:
    return next(iter(_paths(request)), None)


def _changes(request: ToolRequest) -> list[dict[str, Any]]:
    """Return the changes that a tool for files would make, as far as its input says."""
    arguments, path = request.input, _first_path(request) or ""
    edits = [arguments, *_listed(arguments.get("edits"))]
    changes = [
        file_change(path, edit["old_string"], edit["new_string"])
        for edit in edits
        if isinstance(edit.get("old_string"), str) and isinstance(edit.get("new_string"), str)
    ]
    written = [arguments[name] for name in CONTENTS if isinstance(arguments.get(name), str)]
    return changes + [file_change(path, None, text) for text in written]


def _detail(request: ToolRequest) -> dict[str, Any]:
    arguments = request.input
    rest = {name: value for name, value in arguments.items() if name not in SHOWN}
    detail = {
        "tool": request.tool_name,
        "command": _command(arguments),
        "paths": _paths(request) or None,
        "changes": (_changes(request) or None) if _kind(request) == "file-change" else None,
        "input": (rest or None) if _kind(request) != "question" else None,
        "plan": arguments.get("plan"),
        "description": arguments.get("description") or request.description,
        "reason": request.decision_reason,
        "permissions": [UNSANDBOXED] if arguments.get(UNSANDBOXED) else None,
        "session": [t for rule in _session_rules(request) for t in _rule_texts(rule)] or None,
        "agent": request.agent_id,
    }
    return {name: value for name, value in detail.items() if value is not None}


def _session_rules(request: ToolRequest) -> list[dict[str, Any]]:
    """Return the suggested rules that ``approve_session`` accepts.

    Claude also offers to accept all edits from now on when a command makes a directory;
    that is more than was asked for.
    """
    edits = _kind(request) == "file-change"
    rules = request.permission_suggestions or []
    return [rule for rule in rules if edits or rule.get("type") != "setMode"]


def _kind(request: ToolRequest) -> ApprovalKind:
    return KINDS.get(request.tool_name, "tool")


def _rule_texts(rule: Mapping[str, Any]) -> list[str]:
    """Return what a rule allows, for a person."""
    texts = [
        f"{r.get('toolName')}({r.get('ruleContent') or '*'})"
        for r in _listed(rule.get("rules"))
    ]
    directories = rule.get("directories")
    if isinstance(directories, list):
        texts += [f"directory {directory}" for directory in directories]
    return [*texts, f"mode {rule['mode']}"] if "mode" in rule else texts


def _choices(request: ToolRequest) -> list[str]:
    session = ["approve_session"] if _session_rules(request) else []
    return ["approve", *session, "deny", "cancel"]


def _inquiries(arguments: Mapping[str, Any]) -> list[Inquiry]:
    questions = [each for each in _listed(arguments.get("questions")) if each.get("question")]
    return [_inquiry(number, each) for number, each in enumerate(questions, 1)]


def _inquiry(number: int, question: Mapping[str, Any]) -> Inquiry:
    options = [each for each in _listed(question.get("options")) if each.get("label")]
    return Inquiry(
        id=f"q{number}",
        text=str(question["question"]),
        header=str(question.get("header") or ""),
        options=[Option(str(o["label"]), str(o.get("description") or "")) for o in options],
        multiple=question.get("multiSelect") is True,
    )


def _listed(value: Any) -> list[Mapping[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


# Decisions as responses.


def permission_result(control_request: ControlRequest, answer: Answer) -> dict[str, Any]:
    """Return a decision as the response to ``can_use_tool``.

    :raises BadField: the decision is none of the choices.
    """
    request = control_request.request
    if answer.decision not in _choices(request):
        offered = ", ".join(_choices(request))
        raise BadField("decision", f"Claude understands these decisions: {offered}.")
    if answer.decision == "deny":
        return {"behavior": "deny", "message": answer.reason or DENIED}
    if answer.decision == "cancel":
        message = answer.reason or CANCELLED
        return {"behavior": "deny", "message": message, "interrupt": True}
    allowed = {"behavior": "allow", "updatedInput": _updated(request.input, answer)}
    if answer.decision == "approve":
        return allowed
    rules = [{**rule, "destination": "session"} for rule in _session_rules(request)]
    return {**allowed, "updatedPermissions": rules}


def _updated(arguments: Mapping[str, Any], answer: Answer) -> dict[str, Any]:
    """Return a tool's input with the answers to its questions; Claude keys them by text."""
    texts = {inquiry.id: inquiry.text for inquiry in _inquiries(arguments)}
    if not texts:
        return dict(arguments)
    answers = {
        texts[name]: value if isinstance(value, str) else ", ".join(value)
        for name, value in (answer.answers or {}).items()
        if name in texts
    }
    return {**arguments, "answers": answers}
