"""What an agent asks, as Codex asks it; and what a person says to it, in either's words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from msgspec import DecodeError, Raw, ValidationError, json

from sxhost.codec.json import encode
from sxhost.faces.codex_sse.fields import Conversation, NativeNotice, changes_of, words_of
from sxhost.model.approval import Approval
from sxhost.model.session import Event

__all__ = ["DECISIONS", "asked", "call_of"]

Frame = tuple[str, dict[str, Any]] | None

DECISIONS: Final = {
    "approved": "approve",
    "approved_for_session": "approve_session",
    "denied": "deny",
    "abort": "cancel",
}
"""Codex's decisions, and ours."""

_REVIEWS: Final = {ours: theirs for theirs, ours in DECISIONS.items()}


def asked(event: Event, about: Conversation) -> Frame:
    """Tell what an agent asks; None if the event does not say."""
    try:
        approval = json.decode(event.data, type=Approval)
    except (ValidationError, DecodeError, RecursionError):
        return None
    native = _native(approval)
    name, fields = _ASKED.get(approval.kind, _permissions)(approval, native)
    common = {
        "call_id": call_of(approval, native),
        "approval_id": str(approval.id),
        "turn_id": native.params.turn_id or "",
        "available_decisions": [_REVIEWS.get(word, word) for word in approval.choices],
    }
    if "cwd" in fields:
        fields["cwd"] = fields["cwd"] or about.cwd
    return name, {**common, **fields}


def call_of(approval: Approval, native: NativeNotice | None = None) -> str:
    """Return the agent's own name of the call that a question is about."""
    params = (native or _native(approval)).params
    return params.item_id or params.call_id or approval.key


def _native(approval: Approval) -> NativeNotice:
    return NativeNotice.of(Raw(encode(approval.native)))


Told = tuple[str, dict[str, Any]]


def _command(approval: Approval, native: NativeNotice) -> Told:
    detail, params = approval.detail, native.params
    given = {
        "reason": detail.get("reason"),
        "network_approval_context": params.network_approval_context,
        "proposed_execpolicy_amendment": params.proposed_execpolicy_amendment,
    }
    command = detail.get("command") or approval.title
    return "exec_approval_request", {
        "command": words_of(command),
        "cwd": detail.get("cwd"),
        **{name: value for name, value in given.items() if value is not None},
        "parsed_cmd": [],
    }


def _patch(approval: Approval, _native: NativeNotice) -> Told:
    detail = approval.detail
    given = {"reason": detail.get("reason"), "grant_root": detail.get("grant_root")}
    return "apply_patch_approval_request", {
        "changes": changes_of(detail.get("changes")),
        **{name: value for name, value in given.items() if value is not None},
    }


def _permissions(approval: Approval, _native: NativeNotice) -> Told:
    detail = approval.detail
    reason = detail.get("reason") or approval.title
    permissions = detail.get("permissions") or {}
    return "request_permissions", {"reason": reason, "permissions": permissions}


def _question(approval: Approval, native: NativeNotice) -> Told:
    questions = native.params.questions
    if not isinstance(questions, list):
        questions = [_asked(inquiry) for inquiry in approval.inquiries]
    return "request_user_input", {"questions": questions}


def _asked(inquiry: Any) -> dict[str, Any]:
    options = [{"label": o.label, "description": o.description} for o in inquiry.options]
    return {
        "id": inquiry.id,
        "header": inquiry.header,
        "question": inquiry.text,
        "isOther": inquiry.other,
        "isSecret": inquiry.secret,
        "options": options or None,
    }


def _dialog(approval: Approval, native: NativeNotice) -> Told:
    return "elicitation_request", {
        "server_name": approval.detail.get("server") or "",
        "elicitation_id": approval.key if native.id is None else native.id,
        "message": approval.title,
        "questions": [_asked(inquiry) for inquiry in approval.inquiries],
    }


_ASKED: Final[Mapping[str, Callable[[Approval, NativeNotice], Told]]] = {
    "command": _command,
    "file-change": _patch,
    "permission": _permissions,
    "question": _question,
    "dialog": _dialog,
}
"""Kinds of questions, and what Codex calls them."""
