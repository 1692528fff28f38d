"""Commands to pi: each waits for its answer; pi's other lines go to the agent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import count
from typing import Any, TypeVar

from msgspec import DecodeError, Raw, json
from twisted.internet.defer import Deferred

from sxhost.drivers.pi.decoder import DecodedLine, NotPiLine, parse
from sxhost.drivers.pi.messages import Response
from sxhost.errors import AgentFailed, CommandRefused
from sxhost.logs import logger
from sxhost.process.contracts import Child, ChildExit

__all__ = ["RpcClient", "decode_answer"]

log = logger(__name__)

T = TypeVar("T")

STRANGE_LINES = 20
"""How many lines that are none of pi's are logged; a broken agent may print on."""


def refusal(command: str, reason: str) -> CommandRefused:
    """Return the error for a command that pi has refused; `reason` is pi's, maybe empty."""
    sentence = f"pi refused {command}: {reason.rstrip('.') or 'no reason given'}."
    return CommandRefused(sentence, reason)


class RpcClient:
    """The host's end of a connection with pi: a `ChildListener`.

    `on_line` is called with each line that is no answer, `on_exit` once when pi has ended.
    """

    def __init__(
        self, on_line: Callable[[DecodedLine], object], on_exit: Callable[[ChildExit], object]
    ) -> None:
        self._on_line = on_line
        self._on_exit = on_exit
        self._ids = count(1)
        self._pending: dict[str, tuple[str, Deferred[Raw]]] = {}
        self._invalid_lines = 0
        self._child: Child | None = None
        self.exit: ChildExit | None = None
        """How pi has ended, if it has."""

    def attach_child(self, child: Child) -> None:
        """Send to this child from now on."""
        self._child = child

    # Sending.

    def send_command(
        self, command: str, fields: Mapping[str, Any] | None = None
    ) -> Deferred[Raw]:
        """Send a command; the Deferred fires with the ``data`` of its answer, undecoded.

        It fails with `CommandRefused` if pi refuses, with `AgentFailed` if pi has ended.
        """
        command_id, answer = f"r{next(self._ids)}", Deferred[Raw]()
        if self.exit is not None:
            answer.errback(AgentFailed(f"There is nobody to ask: {self.exit.sentence}."))
            return answer
        self._pending[command_id] = command, answer
        self.send_message({**(fields or {}), "id": command_id, "type": command})
        return answer

    def send_message(self, message: Mapping[str, Any]) -> None:
        """Send a message that has no answer."""
        if self._child is not None:
            self._child.send(json.encode(message))

    # Receiving.

    def line_received(self, line: bytes) -> None:
        """Handle a line of pi; one that is none is logged and passed over."""
        if not line.strip():
            return
        try:
            decoded_line = parse(line)
        except NotPiLine as error:
            self._log_invalid(line, str(error))
            return
        if isinstance(decoded_line.message, Response):
            self._answer_received(decoded_line.message)
        else:
            self._on_line(decoded_line)

    def child_exited(self, how: ChildExit) -> None:
        """Fail every command that waits, then report the exit."""
        self.exit = how
        pending, self._pending = self._pending, {}
        for command, answer in pending.values():
            answer.errback(AgentFailed(f"No answer to {command}: {how.sentence}."))
        self._on_exit(how)

    def _answer_received(self, response: Response) -> None:
        command, answer = self._pending.pop(
            self._command_id(response), (response.command, None)
        )
        if answer is None:
            self._log_invalid(repr(response).encode(), "nobody asked for this answer")
        elif response.success:
            answer.callback(response.data)
        else:
            answer.errback(refusal(command, response.error))

    def _command_id(self, response: Response) -> str:
        """Return the id of the command that is answered; where old pi does not know a command,
        its answer has none: then it is the first of that name.
        """
        if response.id is not None:
            return str(response.id)
        same_command = (
            n for n, (command, _) in self._pending.items() if command == response.command
        )
        return next(same_command, "")

    def _log_invalid(self, line: bytes, why: str) -> None:
        self._invalid_lines += 1
        if self._invalid_lines <= STRANGE_LINES:
            log.warn("pi said {line!r}: {why}", line=line[:200], why=why)


def decode_answer(data: Raw, kind: type[T]) -> T:
    """Return an answer's data as a `kind`.

    :raises AgentFailed: it is of another shape.
    """
    try:
        return json.decode(data, type=kind)
    except DecodeError as error:
        raise AgentFailed(f"pi's answer makes no sense: {error}.") from None
