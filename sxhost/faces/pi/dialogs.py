"""What agents ask a person, as pi's extensions ask it; and what they are answered."""

from __future__ import annotations

from typing import Any

import msgspec

from sxhost.faces.pi.fields import DialogAnswer
from sxhost.model.approval import Answer, Approval

__all__ = ["as_answer", "as_request", "is_meant"]

_PASSED = ("method", "title", "message", "options", "placeholder", "prefill", "timeout")


def as_request(data: msgspec.Raw) -> dict[str, Any] | None:
    """Return an approval, as the log has it, as an ``extension_ui_request``; None: it is none.

    :param data: the event's; a log of an older host may have what anybody said.
    """
    try:
        approval = msgspec.json.decode(data, type=Approval)
    except msgspec.DecodeError:
        return None
    name = approval.key or str(approval.id)
    head = {"type": "extension_ui_request", "requestId": name, "id": name}
    native = approval.native
    if approval.kind == "dialog" and isinstance(native, dict) and "method" in native:
        said = {key: native[key] for key in _PASSED if key in native}
        return {**head, **_patience(approval), **said}
    return {**head, **_patience(approval), **_shape(approval)}


def _patience(approval: Approval) -> dict[str, Any]:
    """Return the milliseconds after which it is a no."""
    opened, expires = approval.opened_ms, approval.expires_ms
    return {"timeout": expires - opened} if opened and expires else {}


def _shape(approval: Approval) -> dict[str, Any]:
    """Return what an agent asks that has no extensions: a choice, or some questions."""
    said = {"title": approval.title, "kind": approval.kind, "detail": approval.detail}
    if approval.inquiries:
        return {"method": "interview", **said, "questions": approval.inquiries}
    return {"method": "select", **said, "options": approval.choices}


def is_meant(approval: Approval, request_id: str) -> bool:
    """Tell whether a request is this approval."""
    return request_id in (approval.key, str(approval.id))


def as_answer(said: DialogAnswer, approval: Approval) -> Answer:
    """Return what was answered as a decision."""
    choices = approval.choices
    no = next((word for word in ("cancel", "deny") if word in choices), choices[-1])
    if said.method == "cancelled":
        return Answer(decision=no)
    if said.method == "confirm":
        refused = "deny" if "deny" in choices else no
        return Answer(decision="approve" if said.confirmed else refused)
    if said.method == "select":
        return Answer(decision=said.value or no)
    answers: dict[str, Any] = dict(said.responses)
    if said.method != "interview":
        answers = {inquiry.id: said.value for inquiry in approval.inquiries[:1]}
    return Answer(decision="approve", answers=answers)
