"""Dialogs of pi's extensions: each as a question, and a decision as its response."""

from __future__ import annotations

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
    match request.method:
        case "confirm":
            choices, encode_answer = ["approve", "deny"], _confirmation
            detail = {"message": request.message}
        case "select":
            choices = list(dict.fromkeys([*_labels(request), "cancel"]))
            encode_answer, detail = partial(_selection, request), {}
        case "input" | "editor":
            choices, encode_answer = ["approve", "cancel"], _text
            texts = {"placeholder": request.placeholder, "prefill": request.prefill}
            detail = {name: text for name, text in texts.items() if text is not None}
        case _:
            return None
    question = Question(
        key=request.id,
        kind="dialog",
        title=request.title or request.message,
        detail=detail,
        choices=choices,
        inquiries=[Inquiry(id=INQUIRY, text=request.title)] if encode_answer is _text else [],
        native=native,
        expires_s=request.timeout / 1000 if request.timeout else None,
    )
    return AgentRequest(
        id=request.id, question=question, encode_answer=encode_answer, cancelled=CANCELLED
    )


def _labels(request: DialogRequest) -> dict[str, Any]:
    """Return the options by the decisions that pick them."""
    return {str(option)[:LONGEST] or "(nothing)": option for option in request.options}


# Decisions as responses.


def _confirmation(answer: Answer) -> dict[str, Any]:
    return {"confirmed": answer.decision == "approve"}


def _selection(request: DialogRequest, answer: Answer) -> dict[str, Any]:
    value = _labels(request).get(answer.decision)
    return CANCELLED if value is None else {"value": value}


def _text(answer: Answer) -> dict[str, Any]:
    value = (answer.answers or {}).get(INQUIRY)
    if answer.decision == "cancel" or value is None:
        return CANCELLED
    return {"value": value if isinstance(value, str) else "\n".join(value)}
