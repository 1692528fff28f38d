"""Commands to pi and its answers; what else it prints is passed on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import count
from typing import Any, TypeVar

from msgspec import DecodeError, Raw, json
from twisted.internet.defer import Deferred

from sxhost.drivers.pi.decoder import DecodedLine, NotPiLine, parse
from sxhost.drivers.pi.messages import Response
from sxhost.errors import AgentFailed
from sxhost.logs import logger
from sxhost.process.contracts import Child, Exit

__all__ = ["Refused", "RpcClient", "decode_answer"]

log = logger(__name__)

T = TypeVar("T")

STRANGE_LINES = 20
"""Lines that make no sense and are written to the log; later ones are passed over."""


class Refused(AgentFailed):
    """Pi refused a `command`; `said` are its own words."""

    def __init__(self, command: str, said: str) -> None:
        super().__init__(f"pi refused {command}: {said.rstrip('.') or 'no reason given'}.")
        self.command = command
        self.said = said


class RpcClient:
    """Our end of the conversation: a `Talk`.

    `heard` is called with what is no answer, `gone` once with the end of the process.
    """

    def __init__(
        self, heard: Callable[[DecodedLine], object], gone: Callable[[Exit], object]
    ) -> None:
        self._heard = heard
        self._gone = gone
        self._numbers = count(1)
        self._waiting: dict[str, tuple[str, Deferred[Raw]]] = {}
        self._strange = 0
        self._child: Child | None = None
        self.exit: Exit | None = None
        """How pi has ended, if it has."""

    def attach_child(self, child: Child) -> None:
        """Speak with a child from now on."""
        self._child = child

    # What we say.

    def send_command(
        self, command: str, fields: Mapping[str, Any] | None = None
    ) -> Deferred[Raw]:
        """Send a command; the Deferred fires with the ``data`` of its answer.

        It fails with `Refused` where pi says no, with `AgentFailed` where pi is gone.
        """
        number, answer = f"r{next(self._numbers)}", Deferred[Raw]()
        if self.exit is not None:
            answer.errback(AgentFailed(f"There is nobody to ask: {self.exit.sentence}."))
            return answer
        self._waiting[number] = command, answer
        self.send_message({**(fields or {}), "id": number, "type": command})
        return answer

    def send_message(self, message: Mapping[str, Any]) -> None:
        """Send what has no answer."""
        if self._child is not None:
            self._child.send(json.encode(message))

    # What we hear.

    def line(self, line: bytes) -> None:
        """Hear a line."""
        if not line.strip():
            return
        try:
            heard = parse(line)
        except NotPiLine as error:
            self._wonder(line, str(error))
        else:
            self._tell(heard)

    def child_exited(self, how: Exit) -> None:
        """Nothing more will be heard: whoever waits is told."""
        self.exit = how
        waiting, self._waiting = self._waiting, {}
        for command, answer in waiting.values():
            answer.errback(AgentFailed(f"No answer to {command}: {how.sentence}."))
        self._gone(how)

    def _tell(self, heard: DecodedLine) -> None:
        if isinstance(heard.message, Response):
            self._answered(heard.message)
        else:
            self._heard(heard)

    def _answered(self, said: Response) -> None:
        command, answer = self._waiting.pop(self._number(said), (said.command, None))
        if answer is None:
            self._wonder(repr(said).encode(), "nobody asked for this answer")
        elif said.success:
            answer.callback(said.data)
        else:
            answer.errback(Refused(command, said.error))

    def _number(self, said: Response) -> str:
        """Return whose answer it is: old pi leaves that out where it knows no such command."""
        if said.id is not None:
            return str(said.id)
        asked = (n for n, (command, _) in self._waiting.items() if command == said.command)
        return next(asked, "")

    def _wonder(self, line: bytes, why: str) -> None:
        self._strange += 1
        if self._strange <= STRANGE_LINES:
            log.warn("pi said {line!r}: {why}", line=line[:200], why=why)


def decode_answer(data: Raw, kind: type[T]) -> T:
    """Return an answer as a `kind`.

    :raises AgentFailed: it is none.
    """
    try:
        return json.decode(data, type=kind)
    except DecodeError as error:
        raise AgentFailed(f"pi's answer makes no sense: {error}.") from None
