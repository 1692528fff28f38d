"""A JSON-RPC connection over the lines of a child process, for codex and for ACP agents."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count
from typing import Any, Protocol

from msgspec import Raw, json
from twisted.internet.defer import Deferred

from sxhost.codec import jsonrpc
from sxhost.codec.jsonrpc import Id, RPCError, RPCNotification, RPCRequest, RPCResponse
from sxhost.errors import AgentFailed, CommandRefused
from sxhost.logs import logger
from sxhost.process.contracts import Child, ChildExit

__all__ = ["CallRefused", "Peer", "PeerListener"]

log = logger(__name__)

STRANGE_LINES = 20
"""How many lines that are no JSON-RPC are logged for each agent; a broken one may print on."""


class CallRefused(CommandRefused):
    """The agent answered a call with an error; `number` is JSON-RPC's error code."""

    def __init__(self, method: str, refusal: RPCError) -> None:
        message = f"The agent refused {method}: {refusal.message.rstrip('.')}."
        super().__init__(message, refusal.message)
        self.number = refusal.code
        self.refusal = refusal


class PeerListener(Protocol):
    """What a driver does with the messages of its agent that are no answers."""

    def notification_received(self, method: str, params: Raw) -> None:
        """Handle a notification, which has no answer."""

    def request_received(self, number: Id, method: str, params: Raw) -> bool:
        """Handle a request; return whether it will be answered by `Peer.respond`.

        Where it returns False, the agent is told at once that there is no such method.
        """

    def process_exited(self, how: ChildExit) -> None:
        """Handle the end of the process; all pending calls have failed before."""


class Peer:
    """The host's end of a JSON-RPC connection over a child's lines: a `ChildListener`.

    `extra_fields` go into each message: ACP wants ``"jsonrpc": "2.0"``, codex leaves it out.
    """

    def __init__(
        self, listener: PeerListener, extra_fields: Mapping[str, Any] | None = None
    ) -> None:
        self._listener = listener
        self._extra_fields = dict(extra_fields or {})
        self._ids = count(1)
        self._pending: dict[Id, tuple[str, Deferred[Raw]]] = {}
        self._invalid_lines = 0
        self._child: Child | None = None
        self._exit: ChildExit | None = None

    def attach_child(self, child: Child) -> None:
        """Send to this child from now on."""
        self._child = child

    @property
    def exited(self) -> bool:
        """Whether the child has ended."""
        return self._exit is not None

    # Sending.

    async def call(self, method: str, params: Any, kind: Any = Any) -> Any:
        """Call a method, and return its result decoded into `kind`.

        :raises Refused: the agent answered with an error.
        :raises AgentFailed: it ended before it answered, or its result is no `kind`.
        """
        number = next(self._ids)
        result = self.send_call(number, method, params)
        try:
            return json.decode(await result, type=kind)
        except (ValueError, RecursionError) as error:
            raise AgentFailed(f"The agent's answer to {method} is wrong: {error}.") from None
        finally:  # a call that was cancelled (a timeout) must not wait for a late answer
            self._pending.pop(number, None)

    def send_call(self, number: int, method: str, params: Any) -> Deferred[Raw]:
        """Send a call; the Deferred fires with the result, undecoded."""
        result: Deferred[Raw] = Deferred()
        if self._exit is not None:
            result.errback(AgentFailed(f"There is nobody to ask: {self._exit.sentence}."))
            return result
        self._pending[number] = method, result
        self._send(jsonrpc.encode_request(method, params, number, **self._extra_fields))
        return result

    def notify(self, method: str, *params: Any) -> None:
        """Send a notification."""
        self._send(jsonrpc.encode_request(method, *params, **self._extra_fields))

    def respond(self, number: Id, value: Any) -> None:
        """Answer a request of the agent with a result."""
        self._send(jsonrpc.encode_response(number, value, **self._extra_fields))

    def respond_error(self, number: Id, code: int, message: str) -> None:
        """Answer a request of the agent with an error."""
        self._send(jsonrpc.encode_error(number, code, message, **self._extra_fields))

    def _send(self, line: bytes) -> None:
        if self._child is not None:
            self._child.send(line)

    # Receiving.

    def line_received(self, line: bytes) -> None:
        """Handle a line of the child; one that is no JSON-RPC is logged and passed over.

        Agents print other things on stdout as well (a warning of their runtime, say).
        """
        if not line.strip():
            return
        try:
            message = jsonrpc.decode_message(line)
        except jsonrpc.InvalidMessage as error:
            self._log_invalid(line, str(error))
            return
        match message:
            case RPCNotification():
                self._listener.notification_received(message.method, message.params)
            case RPCRequest():
                self._request_received(message)
            case _:
                self._answer_received(message)

    def child_exited(self, how: ChildExit) -> None:
        """Fail every pending call, then tell the listener."""
        self._exit = how
        pending, self._pending = self._pending, {}
        for method, result in pending.values():
            result.errback(AgentFailed(f"No answer to {method}: {how.sentence}."))
        self._listener.process_exited(how)

    def _request_received(self, request: RPCRequest) -> None:
        if not self._listener.request_received(request.id, request.method, request.params):
            text = f"This client does not know {request.method}."
            self.respond_error(request.id, jsonrpc.METHOD_NOT_FOUND, text)

    def _answer_received(self, answer: RPCResponse | RPCError) -> None:
        pending = None if answer.id is None else self._pending.pop(answer.id, None)
        if pending is None:
            self._log_invalid(repr(answer).encode(), "nobody asked for this answer")
            return
        method, result = pending
        if isinstance(answer, RPCResponse):
            result.callback(answer.result)
        else:
            result.errback(CallRefused(method, answer))

    def _log_invalid(self, line: bytes, why: str) -> None:
        self._invalid_lines += 1
        if self._invalid_lines <= STRANGE_LINES:
            log.warn("an agent said {line!r}: {why}", line=line[:200], why=why)
