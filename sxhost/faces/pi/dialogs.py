"""Approvals in the form of pi's extension dialogs, and the answers to them as decisions."""

from __future__ import annotations

from typing import cast

import msgspec

from sxhost.codec.approval_text import approval_details
from sxhost.codec.json import encode
from sxhost.faces.pi.fields import DialogAnswer
from sxhost.model.approval import Answer, Approval

__all__ = ["decision_of", "extension_ui_request", "has_request_id", "with_server_names"]

_PASSED_ON = ("method", "title", "message", "options", "placeholder", "prefill", "timeout")


def extension_ui_request(data: msgspec.Raw) -> dict[str, object] | None:
    """Return pi's ``extension_ui_request`` for an approval.

    :param data: of the event ``approval-requested``; attached agents may have put anything
        there, for which the result is None.
    """
    try:
        approval = msgspec.json.decode(data, type=Approval)
    except msgspec.DecodeError:
        return None
    request_id = approval.key or str(approval.id)
    head = {"type": "extension_ui_request", "requestId": request_id, "id": request_id}
    native = approval.native
    if approval.kind == "dialog" and isinstance(native, dict) and "method" in native:
        dialog = {key: native[key] for key in _PASSED_ON if key in native}
    else:
        dialog = _dialog(approval)
    opened, expires = approval.opened_ms, approval.expires_ms
    timeout = {"timeout": expires - opened} if opened and expires else {}
    return {**head, **timeout, **dialog}


def with_server_names(native: bytes) -> bytes:
    """Return what an extension shows with pi-app-server's names of its fields beside pi's own.

    :param native: pi's line.
    """
    try:
        fields = msgspec.json.decode(native, type=dict[str, msgspec.Raw])
    except msgspec.DecodeError:
        return native
    named = {new: fields[name] for name, new in _SERVER_NAMES.items() if name in fields}
    return encode({**fields, **named})


_SERVER_NAMES = {
    "id": "requestId",
    "statusKey": "key",
    "statusText": "text",
    "widgetKey": "key",
    "widgetLines": "content",
    "widgetPlacement": "placement",
}
"""Pi's names of the fields of a notice, and those of pi-app-server."""


def _dialog(approval: Approval) -> dict[str, object]:
    """Return the dialog for an agent without extensions: a choice, or some questions."""
    fields = {"title": approval.title, "kind": approval.kind, "detail": approval.detail}
    if approval.inquiries:
        return {"method": "interview", **fields, "questions": approval.inquiries}
    details = "\n".join(approval_details(approval))
    message = {"message": details} if details else {}
    return {"method": "select", **fields, **message, "options": approval.choices}


def has_request_id(approval: Approval, request_id: str) -> bool:
    """Tell whether a client's request id stands for this approval."""
    return request_id in (approval.key, str(approval.id))


def decision_of(response: DialogAnswer, approval: Approval) -> Answer:
    """Return the decision that a response to a dialog is."""
    choices = approval.choices
    cancel = next((choice for choice in ("cancel", "deny") if choice in choices), choices[-1])
    if response.method == "cancelled":
        return Answer(decision=cancel)
    if response.method == "confirm":
        deny = "deny" if "deny" in choices else cancel
        return Answer(decision="approve" if response.confirmed else deny)
    if response.method == "select":
        return Answer(decision=response.value or cancel)
    answers = cast("dict[str, str | list[str]]", response.responses)
    if response.method != "interview":
        answers = {inquiry.id: response.value for inquiry in approval.inquiries[:1]}
    return Answer(decision="approve", answers=answers)
