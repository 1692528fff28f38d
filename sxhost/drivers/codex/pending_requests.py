"""Requests of ``codex app-server`` that wait for a decision, and their answers.

A question's key is the id of the item that it is about, not the request's number: after a
resume codex asks again under another number, and the question must be the same one.
"""

from __future__ import annotations

from typing import Any

from msgspec import DecodeError, Raw, Struct, ValidationError, json
from msgspec.structs import replace

from sxhost.codec.jsonrpc import Id
from sxhost.drivers.codex.approvals import REQUEST_FORMS, ApprovalForm, FileChanges, Request
from sxhost.drivers.contracts import Reports
from sxhost.errors import BadField
from sxhost.model.approval import Answer

__all__ = ["PendingRequests"]


class _Pending(Struct, frozen=True):
    """A request that waits: its JSON-RPC id, and the id of what it is about."""

    number: Id
    about: str
    form: ApprovalForm


class PendingRequests:
    """The open requests of one conversation; `changes` looks up an item's file changes."""

    def __init__(self, reports: Reports, changes: FileChanges) -> None:
        self._reports = reports
        self._changes = changes
        self._pending: dict[str, _Pending] = {}
        self._closed: dict[str, int] = {}

    def request_received(self, number: Id, method: str, params: Raw) -> bool:
        """Report a request as a question; return False if nobody here can answer it."""
        form_of = REQUEST_FORMS.get(method)
        if form_of is None:
            return False
        try:
            request = json.decode(params, type=Request)
            about = request.about(number, bytes(params))
            form = form_of(request, self._changes)
        except (ValidationError, DecodeError, RecursionError):
            return False
        self._open_request(_Pending(number, about, form), method, params)
        return True

    def _open_request(self, pending: _Pending, method: str, params: Raw) -> None:
        key = self._key(pending)
        self._pending[key] = pending
        native = {"method": method, "id": pending.number, "params": params}
        self._reports.approval_requested(replace(pending.form.question, key=key, native=native))

    def _key(self, pending: _Pending) -> str:
        """Return the question's key; a second request about the same item gets a number."""
        for key, known in self._pending.items():
            if known.number == pending.number:
                return key
        others = sum(known.about == pending.about for known in self._pending.values())
        before = self._closed.get(pending.about, 0) + others
        return f"{pending.about}:{before + 1}" if before else pending.about

    def take_answer(self, key: str, answer: Answer) -> tuple[Id, Any] | None:
        """Close a request; return its id and the result for codex, None if it is not open.

        :raises BadField: the decision is none of its choices.
        """
        pending = self._pending.get(key)
        if pending is None:
            return None
        if answer.decision not in pending.form.question.choices:
            known = ", ".join(pending.form.question.choices)
            raise BadField("decision", f"The agent understands {known}.")
        result = pending.form.encode_answer(answer)
        self._close(key)
        return pending.number, result

    def request_resolved(self, number: Id) -> None:
        """Withdraw a question that codex waits for no longer; not one that was answered."""
        for key, pending in list(self._pending.items()):
            if pending.number == number:
                self._close(key)
                self._reports.approval_withdrawn(key, "the agent does not wait for it any more")

    def _close(self, key: str) -> None:
        about = self._pending.pop(key).about
        self._closed[about] = self._closed.get(about, 0) + 1
