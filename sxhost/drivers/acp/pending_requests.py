"""Requests of an ACP agent that wait for a decision: each gets exactly one answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec
from msgspec import Raw, Struct

from sxhost.codec.jsonrpc import INVALID_PARAMS, Id
from sxhost.drivers.acp.approvals import ElicitationForm, PendingRequest, ToolPermission
from sxhost.drivers.acp.events import UpdateTranslator
from sxhost.drivers.acp.messages import ElicitationParams, PermissionParams
from sxhost.drivers.contracts import Reports
from sxhost.drivers.jsonrpc_peer import Peer
from sxhost.model.approval import Answer, Question

__all__ = ["PendingQuestions"]

REQUEST_CANCELLED = -32800
"""JSON-RPC's error code (LSP's) for a request that its sender has cancelled."""


class PendingQuestions:
    """The open requests of a conversation, reported as questions."""

    def __init__(self, peer: Peer, updates: UpdateTranslator, reports: Reports) -> None:
        self._peer = peer
        self._updates = updates
        self._reports = reports
        self._open: dict[str, PendingRequest] = {}
        self._uses: dict[str, int] = {}

    def request_received(self, number: Id, method: str, params: Raw) -> bool:
        """Report a request as a question; return False if its method is not known."""
        open_request = _OPENERS.get(method)
        if open_request is None:
            return False
        try:
            request, question = open_request(self, number, params)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            self._peer.respond_error(
                number, INVALID_PARAMS, f"This is not understood: {error}."
            )
            return True
        self._open[request.key] = request
        self._reports.approval_requested(question)
        return True

    def answer(self, key: str, answer: Answer, stop: Callable[[], None]) -> None:
        """Answer the request of a question; do nothing if it is not open (any more).

        `stop` cancels the turn; it is called first where the decision says so.

        :raises BadField: the decision, or an answer to a field, is none that the agent knows.
        """
        request = self._open.get(key)
        if request is None:
            return
        result = request.result(answer)
        del self._open[key]
        if request.stops_turn(answer):
            stop()
        self._peer.respond(request.number, result)
        if request.declines_tool(answer):
            self._updates.tools.call_declined(request.tool)

    def cancel_all(self, reason: str) -> None:
        """Answer all open requests as cancelled, and withdraw their questions."""
        requests, self._open = self._open, {}
        for request in requests.values():
            self._peer.respond(request.number, request.cancelled_result)
            self._reports.approval_withdrawn(request.key, reason)

    def request_cancelled(self, params: Raw) -> None:
        """Withdraw a question whose request the agent has cancelled itself."""
        try:
            number = msgspec.json.decode(params, type=_CancelParams).request_id
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return
        request = next(
            (request for request in self._open.values() if request.number == number), None
        )
        if request is not None:
            del self._open[request.key]
            self._peer.respond_error(number, REQUEST_CANCELLED, "The request was cancelled.")
            self._reports.approval_withdrawn(request.key, "the agent took it back")

    def _open_permission(self, number: Id, params: Raw) -> tuple[PendingRequest, Question]:
        wanted = msgspec.json.decode(params, type=PermissionParams)
        call = self._updates.permission_requested(wanted.tool_call, params)
        request = ToolPermission(number, self._key(wanted.tool_call.tool_call_id), wanted)
        return request, request.question(call, params)

    def _open_form(self, number: Id, params: Raw) -> tuple[PendingRequest, Question]:
        wanted = msgspec.json.decode(params, type=ElicitationParams)
        request = ElicitationForm(number, self._key("elicitation"), wanted)
        return request, request.question(params)

    def _key(self, name: str) -> str:
        """Return a new key: a second request about the same call is another question."""
        uses = self._uses[name] = self._uses.get(name, 0) + 1
        return name if uses == 1 else f"{name}.{uses}"


class _CancelParams(Struct, frozen=True, rename="camel"):
    request_id: Id


_OPENERS: Mapping[
    str, Callable[[PendingQuestions, Id, Raw], tuple[PendingRequest, Question]]
] = {
    "session/request_permission": PendingQuestions._open_permission,
    "elicitation/create": PendingQuestions._open_form,
}
