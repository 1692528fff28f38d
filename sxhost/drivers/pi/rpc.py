"""Commands to pi: each waits for its answer; pi's other lines go to the agent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from msgspec import Raw, json
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from sxhost.drivers.kit.line_client import LineClient
from sxhost.drivers.kit.pending_calls import decode_answer
from sxhost.drivers.pi.decoder import DecodedLine, parse
from sxhost.drivers.pi.messages import Response
from sxhost.errors import CommandRefused
from sxhost.process.contracts import ChildExit

__all__ = ["RpcClient"]

T = TypeVar("T")


def refusal(command: str, reason: str) -> CommandRefused:
    """Return the error for a command that pi has refused; `reason` is pi's, maybe empty."""
    sentence = f"pi refused {command}: {reason.rstrip('.') or 'no reason given'}."
    return CommandRefused(sentence, reason)


class RpcClient(LineClient[DecodedLine]):
    """Sends commands to pi, and passes on all lines that are no answers to them.

    `on_line` is called with each, `on_exit` once when pi has ended.
    """

    def __init__(
        self,
        clock: IReactorTime,
        on_line: Callable[[DecodedLine], object],
        on_exit: Callable[[ChildExit], object],
    ) -> None:
        super().__init__("pi", clock, on_exit)
        self._on_line = on_line

    def send_command(
        self,
        command: str,
        fields: Mapping[str, Any] | None = None,
        limit_s: float | None = None,
    ) -> Deferred[Raw]:
        """Send a command; the Deferred fires with the ``data`` of its answer, undecoded.

        It fails with `CommandRefused` if pi refuses, with `AgentFailed` if pi has ended or
        takes longer than `limit_s` seconds.
        """
        command_id, answer = self.calls.open(command, limit_s, prefix="r")
        self.send_message({**(fields or {}), "id": command_id, "type": command})
        return answer

    async def query(self, command: str, kind: type[T]) -> T:
        """Send a command; return the ``data`` of its answer as a `kind`.

        :raises AgentFailed: pi refused, has ended, or its answer is of another shape.
        """
        answer: T = decode_answer(command, await self.send_command(command), kind)
        return answer

    def send_message(self, message: Mapping[str, Any]) -> None:
        """Send a message that has no answer."""
        self.send(json.encode(message))

    def decode(self, line: bytes) -> DecodedLine:
        """Return a line as a message; see `LineClient`."""
        return parse(line)

    def message_received(self, message: DecodedLine, line: bytes) -> None:
        """End the command that an answer is for; pass on all other lines."""
        if not isinstance(message.message, Response):
            self._on_line(message)
            return
        response = message.message
        # where old pi does not know a command, its answer has no id: it is the first so named
        unnamed = response.id is None
        command_id = self.calls.first_named(response.command) if unnamed else str(response.id)
        command = self.calls.name_of(command_id)
        if command_id is None or command is None:
            self.log_strange(line, "nobody asked for this answer")
        elif response.success:
            self.calls.succeed(command_id, response.data)
        else:
            self.calls.refuse(command_id, refusal(command, response.error))
