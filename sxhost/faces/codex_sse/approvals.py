"""Approvals as Codex's request frames, and decisions from Codex's names to the host's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from msgspec import DecodeError, Raw, ValidationError, json

from sxhost.codec.approval_text import approval_details
from sxhost.codec.json import encode
from sxhost.faces.codex_sse.fields import (
    Conversation,
    NativeNotice,
    changes_by_path,
    split_command,
)
from sxhost.model.approval import Approval, Inquiry
from sxhost.model.event import Event

__all__ = ["DECISIONS", "approval_frame", "call_id_of"]

Frame = tuple[str, dict[str, object]] | None

DECISIONS: Final = {
    "approved": "approve",
    "approved_for_session": "approve_session",
    "denied": "deny",
    "abort": "cancel",
}
"""The host's decisions by their names in Codex."""

_CODEX_DECISIONS: Final = {ours: theirs for theirs, ours in DECISIONS.items()}


def approval_frame(event: Event, conversation: Conversation) -> Frame:
    """Return the frame of an ``approval-requested`` event; None if it cannot be decoded."""
    try:
        approval = json.decode(event.data, type=Approval)
    except (ValidationError, DecodeError, RecursionError):
        return None
    native = _native_of(approval)
    name, fields = _BY_KIND.get(approval.kind, _permissions)(approval, native)
    common = {
        "call_id": call_id_of(approval, native),
        "approval_id": str(approval.id),
        "turn_id": native.params.turn_id or "",
        "available_decisions": [
            _CODEX_DECISIONS.get(choice, choice) for choice in approval.choices
        ],
    }
    if "cwd" in fields:
        fields["cwd"] = fields["cwd"] or conversation.cwd
    return name, {**common, **fields}


def call_id_of(approval: Approval, native: NativeNotice | None = None) -> str:
    """Return the agent's own id of the call that needs the approval."""
    params = (native or _native_of(approval)).params
    return params.item_id or params.call_id or approval.key


def _native_of(approval: Approval) -> NativeNotice:
    return NativeNotice.of(Raw(encode(approval.native)))


NamedFields = tuple[str, dict[str, object]]


def _command(approval: Approval, native: NativeNotice) -> NamedFields:
    detail, params = approval.detail, native.params
    optional = {
        "reason": detail.get("reason"),
        "network_approval_context": params.network_approval_context,
        "proposed_execpolicy_amendment": params.proposed_execpolicy_amendment,
    }
    command = detail.get("command") or approval.title
    return "exec_approval_request", {
        "command": split_command(command),
        "cwd": detail.get("cwd"),
        **{name: value for name, value in optional.items() if value is not None},
        "parsed_cmd": [],
    }


def _patch(approval: Approval, _native: NativeNotice) -> NamedFields:
    detail = approval.detail
    optional = {"reason": detail.get("reason"), "grant_root": detail.get("grant_root")}
    return "apply_patch_approval_request", {
        "changes": changes_by_path(detail.get("changes")),
        **{name: value for name, value in optional.items() if value is not None},
    }


def _permissions(approval: Approval, _native: NativeNotice) -> NamedFields:
    detail = approval.detail
    permissions = detail.get("permissions") or {}
    reason = detail.get("reason") or approval.title
    if not permissions:  # a tool of another agent: codex has no other place to say what it does
        reason = "\n".join([approval.title, *approval_details(approval)])
    return "request_permissions", {"reason": reason, "permissions": permissions}


def _question(approval: Approval, native: NativeNotice) -> NamedFields:
    questions = native.params.questions
    if not isinstance(questions, list):
        questions = [_question_of(inquiry) for inquiry in approval.inquiries]
    return "request_user_input", {"questions": questions}


def _question_of(inquiry: Inquiry) -> dict[str, object]:
    options = [{"label": o.label, "description": o.description} for o in inquiry.options]
    return {
        "id": inquiry.id,
        "header": inquiry.header,
        "question": inquiry.text,
        "isOther": inquiry.other,
        "isSecret": inquiry.secret,
        "options": options or None,
    }


def _dialog(approval: Approval, native: NativeNotice) -> NamedFields:
    return "elicitation_request", {
        "server_name": approval.detail.get("server") or "",
        "elicitation_id": approval.key if native.id is None else native.id,
        "message": approval.title,
        "questions": [_question_of(inquiry) for inquiry in approval.inquiries],
    }


_BY_KIND: Final[Mapping[str, Callable[[Approval, NativeNotice], NamedFields]]] = {
    "command": _command,
    "file-change": _patch,
    "permission": _permissions,
    "question": _question,
    "dialog": _dialog,
}
"""How each kind of approval is translated; any other asks for permissions."""
