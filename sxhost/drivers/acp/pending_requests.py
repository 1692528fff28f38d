"""Where the questions of an agent over ACP wait: put to the host, answered once, withdrawn."""

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


class PendingQuestions:
    """The questions that are open; each is answered to the agent exactly once."""

    def __init__(self, peer: Peer, story: UpdateTranslator, reports: Reports) -> None:
        self._peer = peer
        self._story = story
        self._reports = reports
        self._open: dict[str, PendingRequest] = {}
        self._times: dict[str, int] = {}

    def request_received(self, number: Id, method: str, params: Raw) -> bool:
        """Take a request of the agent; return whether it is one that will be answered."""
        read = _READ.get(method)
        if read is None:
            return False
        try:
            ask, question = read(self, number, params)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            self._peer.respond_error(
                number, INVALID_PARAMS, f"This is not understood: {error}."
            )
            return True
        self._open[ask.key] = ask
        self._reports.asked(question)
        return True

    def answer(self, key: str, answer: Answer, stop: Callable[[], None]) -> None:
        """Tell the agent; a key that nothing waits under (any more) is passed over.

        `stop` is called first where the decision is to stop the turn, too.

        :raises BadField: the decision, or a word of it, is none that the agent knows.
        """
        ask = self._open.get(key)
        if ask is None:
            return
        result = ask.result(answer)
        del self._open[key]
        if ask.stops_turn(answer):
            stop()
        self._peer.respond(ask.number, result)
        if ask.declines_tool(answer):
            self._story.tools.call_declined(ask.tool)

    def cancel_all(self, why: str) -> None:
        """Answer all that is open with nothing, and say so."""
        asks, self._open = self._open, {}
        for ask in asks.values():
            self._peer.respond(ask.number, ask.cancelled_result)
            self._reports.settled(ask.key, why)

    def request_cancelled(self, params: Raw) -> None:
        """The agent cancels a request of its own."""
        try:
            number = msgspec.json.decode(params, type=_Cancelled).request_id
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return
        ask = next((ask for ask in self._open.values() if ask.number == number), None)
        if ask is not None:
            del self._open[ask.key]
            self._peer.respond_error(number, REQUEST_CANCELLED, "The request was cancelled.")
            self._reports.settled(ask.key, "the agent took it back")

    def _leave(self, number: Id, params: Raw) -> tuple[PendingRequest, Question]:
        asked = msgspec.json.decode(params, type=PermissionParams)
        leave = ToolPermission(number, self._key(asked.tool_call.tool_call_id), asked)
        return leave, leave.question(
            self._story.permission_requested(asked.tool_call, params), params
        )

    def _form(self, number: Id, params: Raw) -> tuple[PendingRequest, Question]:
        asked = msgspec.json.decode(params, type=ElicitationParams)
        form = ElicitationForm(number, self._key("elicitation"), asked)
        return form, form.question(params)

    def _key(self, name: str) -> str:
        """Return a new key: each request is a question of its own, whatever it is about."""
        times = self._times[name] = self._times.get(name, 0) + 1
        return name if times == 1 else f"{name}.{times}"


class _Cancelled(Struct, frozen=True, rename="camel"):
    request_id: Id


_READ: Mapping[str, Callable[[PendingQuestions, Id, Raw], tuple[PendingRequest, Question]]] = {
    "session/request_permission": PendingQuestions._leave,
    "elicitation/create": PendingQuestions._form,
}
