"""What Claude Code asks before it uses a tool, as a `Question`, and a decision as its answer.

It asks by the control request ``can_use_tool``.  An answer that allows repeats the tool's
input, changed or not; questions to the user (the tool ``AskUserQuestion``) are answered by
putting ``answers`` into that input.  ``permission_suggestions`` are rules that would save
asking again: ``approve_session`` takes them, for this session only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from msgspec import Raw

from sxhost.drivers.claude.messages import Asked, ControlCancelRequest, Request
from sxhost.drivers.contracts import Reports
from sxhost.errors import AgentFailed, BadField
from sxhost.model.approval import Answer, ApprovalKind, Inquiry, Option, Question

__all__ = ["PendingApprovals", "question", "reply"]

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
"""What using a tool is, by its name; of all others it is ``tool``."""

PATHS: Final = ("file_path", "notebook_path", "path")
UNSANDBOXED: Final = "dangerouslyDisableSandbox"
TITLE: Final = 200
"""Characters of a title."""

DENIED: Final = "The user does not want this to be done."
CANCELLED: Final = "The user has stopped this turn."


class PendingApprovals:
    """What Claude waits for; `say` writes a message."""

    def __init__(self, reports: Reports, say: Callable[[Any], None]) -> None:
        self._reports = reports
        self._say = say
        self._open: dict[str, Asked] = {}

    def request_received(self, said: Asked, line: bytes) -> None:
        """Hear a question; one of a kind that we do not know is refused."""
        if said.request.subtype == "can_use_tool":
            asked = question(said, Raw(line))
            self._open[asked.key] = said
            self._reports.asked(asked)
        else:
            text = f"This host does not answer {said.request.subtype or 'this'}."
            self._respond({"subtype": "error", "request_id": said.request_id, "error": text})

    def request_cancelled(self, said: ControlCancelRequest) -> None:
        """Hear that Claude no longer waits for an answer."""
        keys = [key for key, a in self._open.items() if a.request_id == said.request_id]
        for key in keys:
            del self._open[key]
            self._reports.settled(key, "Claude no longer waits for it.")

    def answer(self, key: str, answer: Answer) -> None:
        """Tell Claude what was decided.

        :raises AgentFailed: it does not wait for this any more.
        :raises BadField: it does not understand the decision.
        """
        asked = self._open.get(key)
        if asked is None:
            raise AgentFailed("Claude no longer waits for this decision.")
        said = reply(asked, answer)
        del self._open[key]
        self._respond({"subtype": "success", "request_id": asked.request_id, "response": said})

    def clear(self) -> None:
        """Nobody waits any more."""
        self._open.clear()

    def _respond(self, response: Mapping[str, Any]) -> None:
        self._say({"type": "control_response", "response": response})


# What Claude asks, in the host's words.


def question(asked: Asked, native: Raw) -> Question:
    """Return what Claude asks."""
    request = asked.request
    return Question(
        key=request.tool_use_id or asked.request_id,
        kind=_kind(request),
        title=_title(request),
        detail=_detail(request),
        choices=_choices(request),
        inquiries=_inquiries(request.input),
        native=native,
    )


def _title(request: Request) -> str:
    name = request.display_name or request.tool_name or "a tool"
    inquiries = _inquiries(request.input)
    what = inquiries[0].text if inquiries else request.description
    title = request.title or (f"{name}: {what}" if what else name)
    return title.partition("\n")[0][:TITLE]


def _detail(request: Request) -> dict[str, Any]:
    given = request.input
    paths = [given[name] for name in PATHS if isinstance(given.get(name), str)]
    if request.blocked_path and request.blocked_path not in paths:
        paths.append(request.blocked_path)
    detail = {
        "tool": request.tool_name,
        "command": given.get("command") or None,
        "paths": paths or None,
        "plan": given.get("plan"),
        "description": given.get("description") or request.description,
        "reason": request.decision_reason,
        "permissions": [UNSANDBOXED] if given.get(UNSANDBOXED) else None,
        "session": [text for rule in _lasting(request) for text in _allowed(rule)] or None,
        "agent": request.agent_id,
    }
    return {name: value for name, value in detail.items() if value is not None}


def _lasting(request: Request) -> list[dict[str, Any]]:
    """Return the rules that ``approve_session`` takes.

    Claude also offers to accept all edits from now on when a command makes a directory;
    that is more than was asked for.
    """
    edits = _kind(request) == "file-change"
    rules = request.permission_suggestions or []
    return [rule for rule in rules if edits or rule.get("type") != "setMode"]


def _kind(request: Request) -> ApprovalKind:
    return KINDS.get(request.tool_name, "tool")


def _allowed(rule: Mapping[str, Any]) -> list[str]:
    """Return a rule in words."""
    named = [
        f"{r.get('toolName')}({r.get('ruleContent') or '*'})"
        for r in _listed(rule.get("rules"))
    ]
    places = rule.get("directories")
    where = [f"directory {place}" for place in places] if isinstance(places, list) else []
    return [*named, *where, *([f"mode {rule['mode']}"] if "mode" in rule else [])]


def _choices(request: Request) -> list[str]:
    lasting = ["approve_session"] if _lasting(request) else []
    return ["approve", *lasting, "deny", "cancel"]


def _inquiries(given: Mapping[str, Any]) -> list[Inquiry]:
    asked = [each for each in _listed(given.get("questions")) if each.get("question")]
    return [_inquiry(number, each) for number, each in enumerate(asked, 1)]


def _inquiry(number: int, asked: Mapping[str, Any]) -> Inquiry:
    options = [each for each in _listed(asked.get("options")) if each.get("label")]
    return Inquiry(
        id=f"q{number}",
        text=str(asked["question"]),
        header=str(asked.get("header") or ""),
        options=[Option(str(o["label"]), str(o.get("description") or "")) for o in options],
        multiple=asked.get("multiSelect") is True,
    )


def _listed(given: Any) -> list[Mapping[str, Any]]:
    return [each for each in given if isinstance(each, dict)] if isinstance(given, list) else []


# What was decided, in Claude's words.


def reply(asked: Asked, answer: Answer) -> dict[str, Any]:
    """Return a decision as Claude understands it.

    :raises BadField: it does not.
    """
    make = _REPLIES.get(answer.decision)
    if make is None or answer.decision not in _choices(asked.request):
        offered = ", ".join(_choices(asked.request))
        raise BadField("decision", f"Claude understands these decisions: {offered}.")
    return make(asked.request, answer)


def _allow(request: Request, answer: Answer) -> dict[str, Any]:
    return {"behavior": "allow", "updatedInput": _updated(request.input, answer)}


def _allow_session(request: Request, answer: Answer) -> dict[str, Any]:
    lasting = [{**rule, "destination": "session"} for rule in _lasting(request)]
    return {**_allow(request, answer), "updatedPermissions": lasting}


def _deny(_request: Request, answer: Answer) -> dict[str, Any]:
    return {"behavior": "deny", "message": answer.reason or DENIED}


def _cancel(_request: Request, answer: Answer) -> dict[str, Any]:
    message = answer.reason or CANCELLED
    return {"behavior": "deny", "message": message, "interrupt": True}


def _updated(given: Mapping[str, Any], answer: Answer) -> dict[str, Any]:
    """Return a tool's input with the answers to its questions, by their words."""
    texts = {inquiry.id: inquiry.text for inquiry in _inquiries(given)}
    if not texts:
        return dict(given)
    told = {name: said for name, said in (answer.answers or {}).items() if name in texts}
    return {**given, "answers": {texts[name]: _words(said) for name, said in told.items()}}


def _words(said: str | list[str]) -> str:
    return said if isinstance(said, str) else ", ".join(said)


_REPLIES: Final = {
    "approve": _allow,
    "approve_session": _allow_session,
    "deny": _deny,
    "cancel": _cancel,
}
