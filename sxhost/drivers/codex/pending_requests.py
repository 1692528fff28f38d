"""What ``codex app-server`` waits for: its requests become questions, answers go back."""

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


class _Waiting(Struct, frozen=True):
    """A request that waits: its number on the wire, and the item that it is about."""

    number: Id
    about: str
    ask: ApprovalForm


class PendingRequests:
    """The requests of one conversation.  `changes` looks up what an item does to files."""

    def __init__(self, reports: Reports, changes: FileChanges) -> None:
        self._reports = reports
        self._changes = changes
        self._open: dict[str, _Waiting] = {}
        self._closed: dict[str, int] = {}

    def request_received(self, number: Id, method: str, params: Raw) -> bool:
        """Ask the host; return whether it is a question that a person can answer."""
        make = REQUEST_FORMS.get(method)
        if make is None:
            return False
        try:
            request = json.decode(params, type=Request)
            about = request.about(number, bytes(params))
            ask = make(request, self._changes)
        except (ValidationError, DecodeError, RecursionError):
            return False
        self._put(_Waiting(number, about, ask), method, params)
        return True

    def _put(self, waiting: _Waiting, method: str, params: Raw) -> None:
        key = self._key(waiting)
        self._open[key] = waiting
        native = {"method": method, "id": waiting.number, "params": params}
        self._reports.asked(replace(waiting.ask.question, key=key, native=native))

    def _key(self, waiting: _Waiting) -> str:
        """Name a request by what it is about; a second one about the same has a number."""
        for key, known in self._open.items():
            if known.number == waiting.number:
                return key
        others = sum(known.about == waiting.about for known in self._open.values())
        before = self._closed.get(waiting.about, 0) + others
        return f"{waiting.about}:{before + 1}" if before else waiting.about

    def take_answer(self, key: str, answer: Answer) -> tuple[Id, Any] | None:
        """Close a request; return its number and what to send, or None if none is open.

        :raises BadField: the request knows no such decision.
        """
        waiting = self._open.get(key)
        if waiting is None:
            return None
        if answer.decision not in waiting.ask.question.choices:
            known = ", ".join(waiting.ask.question.choices)
            raise BadField("decision", f"The agent understands {known}.")
        sent = waiting.ask.wire(answer)
        self._close(key)
        return waiting.number, sent

    def request_resolved(self, number: Id) -> None:
        """Tell the host that codex does not wait any more, unless it was answered."""
        for key, waiting in list(self._open.items()):
            if waiting.number == number:
                self._close(key)
                self._reports.settled(key, "the agent does not wait for it any more")

    def _close(self, key: str) -> None:
        about = self._open.pop(key).about
        self._closed[about] = self._closed.get(about, 0) + 1
