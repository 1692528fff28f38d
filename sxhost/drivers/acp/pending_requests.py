"""Requests of an ACP agent that wait for a decision: each gets exactly one answer."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from msgspec import Raw, Struct
from twisted.internet.interfaces import IReactorTime

from sxhost.codec.jsonrpc import INVALID_PARAMS, Id
from sxhost.drivers.acp.approvals import (
    CANCEL,
    ToolPermission,
    elicitation_request,
    permission_request,
)
from sxhost.drivers.acp.events import UpdateTranslator
from sxhost.drivers.acp.messages import ElicitationParams, PermissionParams
from sxhost.drivers.contracts import Reports
from sxhost.drivers.kit.jsonrpc_peer import Peer
from sxhost.drivers.kit.pending_questions import PendingQuestions
from sxhost.model.approval import Answer, Question

__all__ = ["PendingRequests"]

REQUEST_CANCELLED = -32800
"""JSON-RPC's error code (LSP's) for a request that its sender has cancelled."""


class PendingRequests:
    """The open requests of a conversation, reported as `questions`."""

    def __init__(
        self, peer: Peer, updates: UpdateTranslator, reports: Reports, clock: IReactorTime
    ) -> None:
        self._peer = peer
        self._updates = updates
        self.questions = PendingQuestions(reports, clock, peer.respond, lambda: peer.cut)

    def request_received(self, number: Id, method: str, params: Raw) -> bool:
        """Report a request as a question; return False if its method is not known."""
        try:
            match method:
                case "session/request_permission":
                    permission = msgspec.json.decode(params, type=PermissionParams)
                    call = self._updates.permission_requested(permission.tool_call, params)
                    request = permission_request(number, permission, call, params)
                case "elicitation/create":
                    elicitation = msgspec.json.decode(params, type=ElicitationParams)
                    request = elicitation_request(number, elicitation, params)
                case _:
                    return False
            self.questions.open(request)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            text = f"This is not understood: {error}."
            self._peer.respond_error(number, INVALID_PARAMS, text)
        return True

    def answer(self, question: Question, answer: Answer, stop: Callable[[], None]) -> None:
        """Answer the request of a question; `stop` cancels the turn.

        :raises AgentFailed: it is not open (any more).
        :raises BadField: the decision, or an answer to a field, is none that the agent knows.
        """
        request, result = self.questions.take(question.key, answer)
        permission: ToolPermission | None = request.native
        if permission is not None and answer.decision == CANCEL:
            stop()  # ACP means by it that the turn was cancelled
        self._peer.respond(request.id, result)
        if permission is not None and permission.is_rejected_by(answer):
            self._updates.tools.call_declined(permission.tool)

    def request_cancelled(self, params: Raw) -> None:
        """Withdraw a question whose request the agent has cancelled itself."""
        try:
            number = msgspec.json.decode(params, type=_CancelParams).request_id
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return
        key = self.questions.find(number)
        if key is not None:
            self._peer.respond_error(number, REQUEST_CANCELLED, "The request was cancelled.")
            self.questions.withdraw(key, "the agent took it back")


class _CancelParams(Struct, frozen=True, rename="camel"):
    request_id: Id
