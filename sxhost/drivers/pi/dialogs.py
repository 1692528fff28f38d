"""Dialogs of pi's extensions: each as a question, and a decision as its response."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Raw
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from sxhost.drivers.contracts import Reports
from sxhost.drivers.pi.messages import DialogRequest
from sxhost.model.approval import Answer, Inquiry, Question

__all__ = ["PendingDialogs"]

LONGEST = 512
"""Characters of an option's label: it is a decision, and the host's have a limit."""

SHOWS = frozenset({"notify", "setStatus", "setWidget", "setTitle", "set_editor_text"})
"""Methods that show something and want no response."""

INQUIRY = "value"
"""The id of the one inquiry that ``input`` and ``editor`` have."""


class PendingDialogs:
    """The open dialogs; `send` writes a message to pi."""

    def __init__(
        self,
        reports: Reports,
        clock: IReactorTime,
        send: Callable[[Mapping[str, Any]], object],
    ) -> None:
        self._reports = reports
        self._clock = clock
        self._send_message = send
        self._open: dict[str, tuple[DialogRequest, IDelayedCall | None]] = {}
        self.refusing = False
        """Whether dialogs are cancelled at once: the turn is being interrupted."""

    def request_received(self, request: DialogRequest, native: Raw) -> bool:
        """Report a dialog as a question; return False if its method is not known."""
        fields_of = _QUESTION_FIELDS.get(request.method)
        if fields_of is None or self.refusing:
            if request.method not in SHOWS:
                self._send(request.id, {"cancelled": True})  # or pi would wait for ever
            return fields_of is not None
        expires_s = request.timeout / 1000 if request.timeout else None
        timer = expires_s and self._clock.callLater(expires_s, self._timed_out, request.id)
        self._open[request.id] = request, timer or None
        self._reports.approval_requested(
            _question(request, fields_of(request), native, expires_s)
        )
        return True

    def answer(self, key: str, answer: Answer) -> bool:
        """Respond to a dialog; return False if it is not open any more."""
        if key not in self._open:
            return False
        request = self._close(key)
        self._send(key, _RESPONSES[request.method](request, answer))
        return True

    def withdraw(self, key: str, reason: str) -> None:
        """Withdraw the question of a dialog that needs no response any more."""
        if key in self._open:
            self._close(key)
            self._reports.approval_withdrawn(key, reason)

    def cancel_all(self, reason: str) -> None:
        """Cancel all open dialogs: pi does not end a turn while one is open."""
        for key in list(self._open):
            self._send(key, {"cancelled": True})
            self.withdraw(key, reason)

    def _timed_out(self, key: str) -> None:
        request, _ = self._open[key]
        self._open[key] = request, None
        self.withdraw(key, "the extension waits no longer")

    def _close(self, key: str) -> DialogRequest:
        request, timer = self._open.pop(key)
        if timer is not None:
            timer.cancel()
        return request

    def _send(self, key: str, response: Mapping[str, Any]) -> None:
        self._send_message({"type": "extension_ui_response", "id": key, **response})


def _question(
    request: DialogRequest, fields: Mapping[str, Any], native: Raw, expires_s: float | None
) -> Question:
    return Question(
        key=request.id,
        kind="dialog",
        title=request.title or request.message,
        native=native,
        expires_s=expires_s,
        **fields,
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
    if answer.decision == "cancel":
        return {"cancelled": True}
    return {"confirmed": answer.decision in {"approve", "approve_session"}}


def _select_response(request: DialogRequest, answer: Answer) -> dict[str, Any]:
    value = _labels(request).get(answer.decision)
    return {"cancelled": True} if value is None else {"value": value}


def _text_response(_request: DialogRequest, answer: Answer) -> dict[str, Any]:
    value = (answer.answers or {}).get(INQUIRY)
    if answer.decision in {"cancel", "deny"} or value is None:
        return {"cancelled": True}
    return {"value": value if isinstance(value, str) else "\n".join(value)}


_RESPONSES: Mapping[str, Callable[[DialogRequest, Answer], dict[str, Any]]] = {
    "confirm": _confirm_response,
    "select": _select_response,
    "input": _text_response,
    "editor": _text_response,
}
