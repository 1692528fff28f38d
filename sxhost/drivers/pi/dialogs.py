"""Dialogs of pi's extensions: each as a question, and a decision as its response."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from msgspec import Raw

from sxhost.drivers.kit.pending_questions import AgentRequest
from sxhost.drivers.pi.messages import DialogRequest
from sxhost.model.approval import Answer, Inquiry, Question

__all__ = ["CANCELLED", "SHOWS", "agent_request"]

CANCELLED = {"cancelled": True}
"""The response to a dialog that nobody answers."""

LONGEST = 512
"""Characters of an option's label: it is a decision, and the host's have a limit."""

SHOWS = frozenset({"notify", "setStatus", "setWidget", "setTitle", "set_editor_text"})
"""Methods that show something and want no response."""

INQUIRY = "value"
"""The id of the one inquiry that ``input`` and ``editor`` have."""


def agent_request(request: DialogRequest, native: Raw) -> AgentRequest | None:
    """Return a dialog as a question; None if its method is not known."""
    fields_of = _QUESTION_FIELDS.get(request.method)
    if fields_of is None:
        return None
    question = Question(
        key=request.id,
        kind="dialog",
        title=request.title or request.message,
        native=native,
        expires_s=request.timeout / 1000 if request.timeout else None,
        **fields_of(request),
    )
    return AgentRequest(
        id=request.id,
        question=question,
        encode_answer=partial(_RESPONSES[request.method], request),
        cancelled=CANCELLED,
    )


# Dialogs as questions, by method.


def _confirm_fields(request: DialogRequest) -> dict[str, Any]:
    return {"choices": ["approve", "deny"], "detail": {"message": request.message}}


def _select_fields(request: DialogRequest) -> dict[str, Any]:
    return {"choices": list(dict.fromkeys([*_labels(request), "cancel"]))}


def _text_fields(request: DialogRequest) -> dict[str, Any]:
    texts = {"placeholder": request.placeholder, "prefill": request.prefill}
    detail = {name: text for name, text in texts.items() if text is not None}
    inquiry = Inquiry(id=INQUIRY, text=request.title)
    return {"choices": ["approve", "cancel"], "detail": detail, "inquiries": [inquiry]}


_QUESTION_FIELDS: Mapping[str, Callable[[DialogRequest], dict[str, Any]]] = {
    "confirm": _confirm_fields,
    "select": _select_fields,
    "input": _text_fields,
    "editor": _text_fields,
}


def _labels(request: DialogRequest) -> dict[str, Any]:
    """Return the options by the decisions that pick them."""
    return {str(option)[:LONGEST] or "(nothing)": option for option in request.options}


# Decisions as responses, by method.


def _confirm_response(_request: DialogRequest, answer: Answer) -> dict[str, Any]:
    return {"confirmed": answer.decision == "approve"}


def _select_response(request: DialogRequest, answer: Answer) -> dict[str, Any]:
    value = _labels(request).get(answer.decision)
    return CANCELLED if value is None else {"value": value}


def _text_response(_request: DialogRequest, answer: Answer) -> dict[str, Any]:
    value = (answer.answers or {}).get(INQUIRY)
    if answer.decision == "cancel" or value is None:
        return CANCELLED
    return {"value": value if isinstance(value, str) else "\n".join(value)}


_RESPONSES: Mapping[str, Callable[[DialogRequest, Answer], dict[str, Any]]] = {
    "confirm": _confirm_response,
    "select": _select_response,
    "input": _text_response,
    "editor": _text_response,
}
