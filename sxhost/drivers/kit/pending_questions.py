"""Requests of an agent that wait for a decision: each gets exactly one response, or none.

A request is reported as a question.  It is over when it is answered, withdrawn by the agent,
cancelled by the driver (a turn that ends, say), or forgotten with the program; whatever comes
later finds nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from msgspec import Struct
from msgspec.structs import replace
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from sxhost.codec.jsonrpc import Id
from sxhost.drivers.contracts import Reports
from sxhost.errors import AgentFailed, BadField
from sxhost.model.approval import Answer, Question
from sxhost.model.event_types import WarningEvent

__all__ = ["AgentRequest", "PendingQuestions"]


class AgentRequest(Struct, frozen=True, kw_only=True):
    """A request of an agent, with the question that it is to a person."""

    id: Id
    """The request's id in the agent's protocol."""
    question: Question
    """Its `key` names what is asked about.  A second request about the same is another
    question: `PendingQuestions` gives it a number.
    """
    encode_answer: Callable[[Answer], Any]
    """Returns the response in the agent's protocol; it may raise `BadField`."""
    cancelled: Any = None
    """The response if nobody will decide; None if the agent needs none."""
    native: Any = None
    """What the driver wants to know of it later."""


class PendingQuestions:
    """The open requests of one conversation; `respond` sends a response to the agent.

    `missing` returns the size of a request of which a part was lost on its way, else 0: nobody
    can decide on what nobody can see.
    """

    def __init__(
        self,
        reports: Reports,
        clock: IReactorTime,
        respond: Callable[[Id, Any], object],
        missing: Callable[[], int] = lambda: 0,
    ) -> None:
        self._reports = reports
        self._clock = clock
        self._respond = respond
        self._missing = missing
        self._open: dict[str, AgentRequest] = {}
        self._timers: dict[str, IDelayedCall] = {}
        self._uses = Counter[str]()

    def open(self, request: AgentRequest, lapses_s: float | None = None) -> None:
        """Report a request as a question.

        `lapses_s` is after how many seconds the agent gives up and says nothing of it.
        """
        if size := self._missing():
            text = f"The agent has asked something of {size} bytes, too large to be shown: no."
            self._reports.report_event(WarningEvent(text=text))
            self._respond(request.id, _refusal(request, text))
            return
        key = self._key(request)
        question = replace(request.question, key=key)
        self._open[key] = replace(request, question=question)
        if lapses_s is not None:
            why = "the agent waits no longer"
            self._timers[key] = self._clock.callLater(lapses_s, self.withdraw, key, why)
        self._reports.approval_requested(question)

    def _key(self, request: AgentRequest) -> str:
        for key, known in self._open.items():
            if known.id == request.id:  # it is the same request once more
                return key
        subject = request.question.key
        self._uses[subject] += 1
        uses = self._uses[subject]
        return subject if uses == 1 else f"{subject}:{uses}"

    def take(self, key: str, answer: Answer) -> tuple[AgentRequest, Any]:
        """Close a question; return its request and the response, which is not sent yet.

        :raises AgentFailed: it is not open (any more).
        :raises BadField: the decision is none of its choices, or an answer is of a wrong type.
        """
        request = self._open.get(key)
        if request is None:
            raise AgentFailed("The agent does not wait for this decision any more.")
        if answer.decision not in request.question.choices:
            known = ", ".join(request.question.choices)
            raise BadField("decision", f"The agent understands these decisions: {known}.")
        response = request.encode_answer(answer)
        self._close(key)
        return request, response

    def answer(self, question: Question, answer: Answer) -> None:
        """Send the agent a decision; see `take`."""
        request, response = self.take(question.key, answer)
        self._respond(request.id, response)

    def find(self, request_id: Id) -> str | None:
        """Return the key of the question of an open request."""
        return next((k for k, known in self._open.items() if known.id == request_id), None)

    def withdraw(self, key: str | None, why: str) -> None:
        """Withdraw a question that the agent waits for no longer, if it is open."""
        if key in self._open:
            self._close(key)
            self._reports.approval_withdrawn(key, why)

    def withdraw_where(self, which: Callable[[Question], bool], why: str) -> None:
        """Withdraw the questions that the agent waits for no longer."""
        for key, request in list(self._open.items()):
            if which(request.question):
                self.withdraw(key, why)

    def cancel_all(self, why: str) -> None:
        """Withdraw all questions, and tell the agent that nobody will decide."""
        for key, request in list(self._open.items()):
            if request.cancelled is not None:
                self._respond(request.id, request.cancelled)
            self.withdraw(key, why)

    def forget_all(self) -> None:
        """Forget all requests: the program has ended, and the host withdraws the questions."""
        for key in list(self._open):
            self._close(key)

    def _close(self, key: str) -> None:
        del self._open[key]
        timer = self._timers.pop(key, None)
        if timer is not None and timer.active():
            timer.cancel()


def _refusal(request: AgentRequest, reason: str) -> Any:
    """Return the response that says no."""
    known = (word for word in ("deny", "cancel") if word in request.question.choices)
    decision = next(known, None)
    if decision is None:
        return request.cancelled
    return request.encode_answer(Answer(decision=decision, reason=reason))
