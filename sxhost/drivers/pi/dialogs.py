"""What pi's extensions ask a person, and what they are told."""

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
"""Characters of a decision."""

SHOWS = frozenset({"notify", "setStatus", "setWidget", "setTitle", "set_editor_text"})
"""What is shown and not asked."""

INQUIRY = "value"
"""The id of the one thing that ``input`` and ``editor`` ask."""


class PendingDialogs:
    """The questions that are open; `tell` sends a message to pi."""

    def __init__(
        self,
        reports: Reports,
        clock: IReactorTime,
        tell: Callable[[Mapping[str, Any]], object],
    ) -> None:
        self._reports = reports
        self._clock = clock
        self._tell = tell
        self._open: dict[str, tuple[DialogRequest, IDelayedCall | None]] = {}
        self.refusing = False
        """Whether no question is put any more: the turn is being cut."""

    def request_received(self, said: DialogRequest, native: Raw) -> bool:
        """Put a question to the host; return False if it is none that we know."""
        shape = _SHAPES.get(said.method)
        if shape is None or self.refusing:
            if said.method not in SHOWS:
                self._send(said.id, {"cancelled": True})  # else pi would wait for ever
            return shape is not None
        patience = said.timeout / 1000 if said.timeout else None
        late = patience and self._clock.callLater(patience, self._late, said.id)
        self._open[said.id] = said, late or None
        self._reports.asked(_question(said, shape(said), native, patience))
        return True

    def answer(self, key: str, answer: Answer) -> bool:
        """Tell pi what was decided; return False if it asks no longer."""
        if key not in self._open:
            return False
        said = self._close(key)
        self._send(key, _TOLD[said.method](said, answer))
        return True

    def withdraw(self, key: str, why: str) -> None:
        """Somebody else has answered."""
        if key in self._open:
            self._close(key)
            self._reports.settled(key, why)

    def cancel_all(self, why: str) -> None:
        """Cancel all that is open: pi does not end a turn in which a question is."""
        for key in list(self._open):
            self._send(key, {"cancelled": True})
            self.withdraw(key, why)

    def _late(self, key: str) -> None:
        said, _ = self._open[key]
        self._open[key] = said, None
        self.withdraw(key, "the extension waits no longer")

    def _close(self, key: str) -> DialogRequest:
        said, late = self._open.pop(key)
        if late is not None:
            late.cancel()
        return said

    def _send(self, key: str, told: Mapping[str, Any]) -> None:
        self._tell({"type": "extension_ui_response", "id": key, **told})


def _question(
    said: DialogRequest, fields: Mapping[str, Any], native: Raw, patience: float | None
) -> Question:
    return Question(
        key=said.id,
        kind="dialog",
        title=said.title or said.message,
        native=native,
        expires_s=patience,
        **fields,
    )


# What each kind of dialog is to the host.


def _confirm(said: DialogRequest) -> dict[str, Any]:
    return {"choices": ["approve", "deny"], "detail": {"message": said.message}}


def _select(said: DialogRequest) -> dict[str, Any]:
    return {"choices": list(dict.fromkeys([*_labels(said), "cancel"]))}


def _words(said: DialogRequest) -> dict[str, Any]:
    told = {"placeholder": said.placeholder, "prefill": said.prefill}
    detail = {name: text for name, text in told.items() if text is not None}
    inquiry = Inquiry(id=INQUIRY, text=said.title)
    return {"choices": ["approve", "cancel"], "detail": detail, "inquiries": [inquiry]}


_SHAPES: Mapping[str, Callable[[DialogRequest], dict[str, Any]]] = {
    "confirm": _confirm,
    "select": _select,
    "input": _words,
    "editor": _words,
}


def _labels(said: DialogRequest) -> dict[str, Any]:
    """Return the options by what they are called as decisions."""
    return {str(option)[:LONGEST] or "(nothing)": option for option in said.options}


# What each kind of dialog is told.


def _confirmed(_said: DialogRequest, answer: Answer) -> dict[str, Any]:
    if answer.decision == "cancel":
        return {"cancelled": True}
    return {"confirmed": answer.decision in {"approve", "approve_session"}}


def _selected(said: DialogRequest, answer: Answer) -> dict[str, Any]:
    value = _labels(said).get(answer.decision)
    return {"cancelled": True} if value is None else {"value": value}


def _written(_said: DialogRequest, answer: Answer) -> dict[str, Any]:
    value = (answer.answers or {}).get(INQUIRY)
    if answer.decision in {"cancel", "deny"} or value is None:
        return {"cancelled": True}
    return {"value": value if isinstance(value, str) else "\n".join(value)}


_TOLD: Mapping[str, Callable[[DialogRequest, Answer], dict[str, Any]]] = {
    "confirm": _confirmed,
    "select": _selected,
    "input": _written,
    "editor": _written,
}
