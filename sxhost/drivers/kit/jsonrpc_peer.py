"""A JSON-RPC connection over the lines of a child process, for codex and for ACP agents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from msgspec import Raw
from twisted.internet.interfaces import IReactorTime

from sxhost.codec import jsonrpc
from sxhost.codec.jsonrpc import Id, RPCError, RPCNotification, RPCRequest, RPCResponse
from sxhost.drivers.kit.line_client import LineClient
from sxhost.drivers.kit.pending_calls import decode_answer
from sxhost.errors import CommandRefused
from sxhost.process.contracts import ChildExit

__all__ = ["CallRefused", "Peer", "PeerListener"]

Message = RPCRequest | RPCNotification | RPCResponse | RPCError


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


class Peer(LineClient[Message]):
    """The host's end of a JSON-RPC connection.

    `extra_fields` go into each message: ACP wants ``"jsonrpc": "2.0"``, codex leaves it out.
    """

    def __init__(
        self,
        listener: PeerListener,
        clock: IReactorTime,
        extra_fields: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__("The agent", clock, listener.process_exited)
        self._listener = listener
        self._extra_fields = dict(extra_fields or {})

    # Sending.

    async def call(
        self, method: str, params: Any, kind: Any = Any, limit_s: float | None = None
    ) -> Any:
        """Call a method, and return its result decoded into `kind`.

        :raises CallRefused: the agent answered with an error.
        :raises AgentFailed: it ended before it answered, it took longer than `limit_s`
            seconds, or its result is no `kind`.
        """
        number, result = self.calls.open(method, limit_s)
        self.send(jsonrpc.encode_request(method, params, number, **self._extra_fields))
        return decode_answer(method, await result, kind)

    def notify(self, method: str, *params: Any) -> None:
        """Send a notification."""
        self.send(jsonrpc.encode_request(method, *params, **self._extra_fields))

    def respond(self, number: Id, value: Any) -> None:
        """Answer a request of the agent with a result."""
        self.send(jsonrpc.encode_response(number, value, **self._extra_fields))

    def respond_error(self, number: Id, code: int, message: str) -> None:
        """Answer a request of the agent with an error."""
        self.send(jsonrpc.encode_error(number, code, message, **self._extra_fields))

    # Receiving.

    def decode(self, line: bytes) -> Message:
        """Return a line as a message; see `LineClient`."""
        return jsonrpc.decode_message(line)

    def message_received(self, message: Message, line: bytes) -> None:
        """Pass a notification or a request on; an answer goes to the call that waits."""
        match message:
            case RPCNotification(method=method, params=params):
                self._listener.notification_received(method, params)
            case RPCRequest(id=number, method=method, params=params):
                if not self._listener.request_received(number, method, params):
                    text = f"This client does not know {method}."
                    self.respond_error(number, jsonrpc.METHOD_NOT_FOUND, text)
            case RPCResponse(id=number, result=result) if self.calls.name_of(number):
                self.calls.succeed(number, result)
            case RPCError(id=int() | str() as number) if name := self.calls.name_of(number):
                self.calls.refuse(number, CallRefused(name, message))
            case _:
                self.log_strange(line, "nobody asked for this answer")
