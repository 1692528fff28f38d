"""Requests of ``codex app-server``: each as a question, and its answer as codex's result."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final
from zlib import crc32

from msgspec import DecodeError, Raw, Struct, ValidationError, convert, json
from msgspec.structs import replace

from sxhost.codec.jsonrpc import Id
from sxhost.drivers.kit.forms import ELICITATION_ACTIONS, Form
from sxhost.drivers.kit.pending_questions import AgentRequest
from sxhost.model.approval import Answer, ApprovalKind, Inquiry, Option, Question

__all__ = ["FORMS", "ApprovalForm", "FileChanges", "Request", "agent_request"]

DECISIONS: Final = {
    "approve": "accept",
    "approve_session": "acceptForSession",
    "deny": "decline",
    "cancel": "cancel",
}
"""The host's decisions and codex's.  It takes each, also those that it does not offer:
``availableDecisions`` leaves out decline and acceptForSession, which work.
"""

REVIEWS: Final = {
    "approve": "approved",
    "approve_session": "approved_for_session",
    "cancel": "abort",
}
"""Decisions of the older requests; a denial has a shape of its own (`_review`)."""

SCOPES: Final = {"approve": "turn", "approve_session": "session"}
"""How long granted permissions last, by decision."""

EncodeAnswer = Callable[[Answer], Any]
FileChanges = Callable[[str], list[Any]]


class ApprovalForm(Struct, frozen=True):
    """A question (its key is still empty), and what encodes an answer to it for codex."""

    question: Question
    encode_answer: EncodeAnswer


class Request(Struct, frozen=True, kw_only=True, rename="camel"):
    """The params of a request; which fields it has depends on its method."""

    thread_id: str | None = None
    turn_id: str | None = None
    item_id: str | None = None
    call_id: str | None = None
    approval_id: str | None = None
    elicitation_id: str | None = None
    command: str | list[str] | None = None
    cwd: str | None = None
    reason: str | None = None
    grant_root: str | None = None
    available_decisions: list[Any] | None = None
    network_approval_context: Any = None
    additional_permissions: Any = None
    permissions: Any = None
    file_changes: dict[str, Any] = {}
    questions: list[Any] = []
    auto_resolution_ms: float | None = None
    server_name: str = ""
    mode: str | None = None
    message: str | None = None
    url: str | None = None
    title: str | None = None
    description: str | None = None
    requested_schema: Any = None

    def about(self, number: Id, params: bytes) -> str:
        """Return an id of what it is about, which is the same after a resume."""
        known = self.approval_id or self.item_id or self.call_id or self.elicitation_id
        where = self.turn_id or self.thread_id or ""
        return known or f"{where}:{number}:{crc32(params):x}"


class _Choice(Struct, frozen=True):
    label: str
    description: str | None = None


class _Query(Struct, frozen=True, rename="camel"):
    id: str
    question: str = ""
    header: str | None = None
    is_other: bool = False
    is_secret: bool = False
    options: list[_Choice] | None = None


def _form(
    encode_answer: EncodeAnswer,
    kind: ApprovalKind,
    title: str,
    choices: Iterable[str],
    detail: Mapping[str, Any],
    **more: Any,
) -> ApprovalForm:
    detail = {name: value for name, value in detail.items() if value is not None}
    question = Question(
        key="", kind=kind, title=title, choices=list(choices), detail=detail, **more
    )
    return ApprovalForm(question, encode_answer)


# Commands and files.


def _command(request: Request, _changes: FileChanges) -> ApprovalForm:
    offers = dict(_offers(request.available_decisions or []))
    native = {**DECISIONS, **offers}
    detail = {
        "command": request.command,
        "cwd": request.cwd,
        "reason": request.reason,
        "network": request.network_approval_context,
        "permissions": request.additional_permissions,
        "offers": offers or None,
    }
    return _form(
        lambda answer: {"decision": native[answer.decision]},
        "command",
        _command_title(request),
        native,
        detail,
    )


def _offers(available: list[Any]) -> Iterator[tuple[str, Any]]:
    """Yield codex's own decisions by a name; of two with one name the second has a number."""
    seen: dict[str, int] = {}
    for offer in available:
        if isinstance(offer, dict) and len(offer) == 1:
            name = str(next(iter(offer)))
        elif isinstance(offer, str) and offer not in DECISIONS.values():
            name = offer
        else:
            continue
        seen[name] = seen.get(name, 0) + 1
        yield (name if seen[name] == 1 else f"{name}:{seen[name]}"), offer


def _command_title(request: Request) -> str:
    if isinstance(request.command, str):
        return request.command
    if isinstance(request.command, list):
        return shlex.join(request.command)
    network = request.network_approval_context
    host = network.get("host") if isinstance(network, dict) else None
    return f"Connect to {host}" if host else request.reason or "Run a command"


def _file_change(request: Request, changes: FileChanges) -> ApprovalForm:
    known = changes(request.item_id or "")
    paths = [str(c["path"]) for c in known if isinstance(c, dict) and "path" in c]
    return _files(
        request, paths, known, lambda answer: {"decision": DECISIONS[answer.decision]}
    )


def _files(
    request: Request, paths: list[str], changes: Any, encode_answer: EncodeAnswer
) -> ApprovalForm:
    title = ", ".join(paths) or request.reason or "Change files"
    detail = {
        "paths": paths,
        "changes": changes or None,
        "reason": request.reason,
        "grant_root": request.grant_root,
    }
    return _form(encode_answer, "file-change", title, DECISIONS, detail)


def _old_command(request: Request, _changes: FileChanges) -> ApprovalForm:
    title = _command_title(request)
    detail = {"command": title, "cwd": request.cwd, "reason": request.reason}
    return _form(_review, "command", title, DECISIONS, detail)


def _old_patch(request: Request, _changes: FileChanges) -> ApprovalForm:
    return _files(request, list(request.file_changes), request.file_changes, _review)


def _review(answer: Answer) -> Any:
    refusal = {"denied": {"rejection": answer.reason or "denied"}}
    return {"decision": REVIEWS.get(answer.decision, refusal)}


def _permissions(request: Request, _changes: FileChanges) -> ApprovalForm:
    wanted = request.permissions if isinstance(request.permissions, dict) else {}

    def encode_answer(answer: Answer) -> Any:
        scope = SCOPES.get(answer.decision)
        return {"permissions": wanted if scope else {}, "scope": scope or "turn"}

    detail = {"permissions": wanted, "reason": request.reason, "cwd": request.cwd}
    title = request.reason or "Grant permissions"
    return _form(encode_answer, "permission", title, [*SCOPES, "deny"], detail)


# Questions and dialogs.


def _user_input(request: Request, _changes: FileChanges) -> ApprovalForm:
    queries = convert(request.questions, list[_Query])
    patience = request.auto_resolution_ms
    return _form(
        _replies,
        "question",
        "; ".join(query.question for query in queries) or "The agent has a question",
        ["approve", "deny"],
        {},
        inquiries=[_inquiry(query) for query in queries],
        expires_s=None if patience is None else patience / 1000,
    )


def _inquiry(query: _Query) -> Inquiry:
    options = [Option(o.label, o.description or "") for o in query.options or []]
    return Inquiry(
        id=query.id,
        text=query.question,
        header=query.header or "",
        options=options,
        other=query.is_other or not options,
        secret=query.is_secret,
    )


def _replies(answer: Answer) -> Any:
    given = answer.answers or {} if answer.decision == "approve" else {}
    lists = {name: [a] if isinstance(a, str) else a for name, a in given.items()}
    return {"answers": {name: {"answers": reply} for name, reply in lists.items()}}


def _elicitation(request: Request, _changes: FileChanges) -> ApprovalForm:
    # a verification of the user is given by their device: nobody can approve it here
    proof = request.mode == "openai/userVerification"
    form = Form(request.requested_schema)

    def encode_answer(answer: Answer) -> Any:
        accepted = answer.decision == "approve" and request.requested_schema is not None
        content = form.content(answer) if accepted else None
        return {"action": ELICITATION_ACTIONS[answer.decision], "content": content}

    detail = {
        "server": request.server_name,
        "mode": request.mode,
        "url": request.url,
        "reason": request.description,
    }
    return _form(
        encode_answer,
        "dialog",
        request.message or request.title or f"{request.server_name} asks",
        ["deny", "cancel"] if proof else ELICITATION_ACTIONS,
        detail,
        inquiries=form.inquiries,
    )


FORMS: Final[Mapping[str, Callable[[Request, FileChanges], ApprovalForm]]] = {
    "item/commandExecution/requestApproval": _command,
    "item/fileChange/requestApproval": _file_change,
    "item/permissions/requestApproval": _permissions,
    "item/tool/requestUserInput": _user_input,
    "mcpServer/elicitation/request": _elicitation,
    "execCommandApproval": _old_command,
    "applyPatchApproval": _old_patch,
}
"""Requests that a person can answer, by their method; the host refuses all others."""


def agent_request(
    number: Id, method: str, params: Raw, changes: FileChanges
) -> AgentRequest | None:
    """Return a request as a question; None if no person can answer it.

    The question's key is the id of the item that it is about, not the request's number: after
    a resume codex asks again under another number, and the question must be the same one.
    `changes` looks up an open item's file changes, which the request does not repeat.
    """
    form_of = FORMS.get(method)
    if form_of is None:
        return None
    try:
        request = json.decode(params, type=Request)
        about = request.about(number, bytes(params))
        form = form_of(request, changes)
    except (ValidationError, DecodeError, RecursionError):
        return None
    native = {"method": method, "id": number, "params": params}
    question = replace(form.question, key=about, native=native)
    return AgentRequest(id=number, question=question, encode_answer=form.encode_answer)
