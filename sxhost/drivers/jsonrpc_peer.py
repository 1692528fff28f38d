"""A conversation in JSON-RPC with a child: calls are awaited, what is asked is answered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import count
from typing import Any, Protocol

from msgspec import Raw, json
from twisted.internet.defer import Deferred

from sxhost.codec import jsonrpc
from sxhost.codec.jsonrpc import Call, Id, Notice, Refusal, Result
from sxhost.errors import AgentFailed
from sxhost.logs import logger
from sxhost.process.contracts import Child, Exit

__all__ = ["Peer", "PeerListener", "Refused"]

log = logger(__name__)

STRANGE_LINES = 20
"""Lines of an agent that make no sense and are written to the log; later ones are counted."""


class Refused(AgentFailed):
    """The agent refused a call; `number` is JSON-RPC's."""

    def __init__(self, method: str, refusal: Refusal) -> None:
        super().__init__(f"The agent refused {method}: {refusal.message.rstrip('.')}.")
        self.number = refusal.code
        self.said = refusal


class PeerListener(Protocol):
    """What a driver does about what its agent says."""

    def noticed(self, method: str, params: Raw) -> None:
        """The agent tells something."""

    def request_received(self, number: Id, method: str, params: Raw) -> bool:
        """The agent asks something; return whether it will be answered (`Peer.respond`)."""

    def process_exited(self, how: Exit) -> None:
        """The agent has ended."""


class Peer:
    """Our end of the conversation: a `Talk`.  `more` are fields that each message has."""

    def __init__(self, side: PeerListener, more: Mapping[str, Any] | None = None) -> None:
        self._side = side
        self._more = dict(more or {})
        self._numbers = count(1)
        self._waiting: dict[Id, tuple[str, Deferred[Raw]]] = {}
        self._strange = 0
        self._child: Child | None = None
        self._exit: Exit | None = None

    def attach_child(self, child: Child) -> None:
        """Speak with a child from now on."""
        self._child = child

    @property
    def exited(self) -> bool:
        """Whether the child has ended."""
        return self._exit is not None

    # What we say.

    async def call(self, method: str, params: Any, kind: Any = Any) -> Any:
        """Call, and return the answer decoded into `kind`.

        :raises Refused: the agent said no.
        :raises AgentFailed: it went before it answered, or its answer makes no sense.
        """
        number = next(self._numbers)
        answer = self.send_call(number, method, params)
        try:
            return json.decode(await answer, type=kind)
        except (ValueError, RecursionError) as error:
            raise AgentFailed(f"The agent's answer to {method} is wrong: {error}.") from None
        finally:
            self._waiting.pop(number, None)

    def send_call(self, number: int, method: str, params: Any) -> Deferred[Raw]:
        """Send a call; the Deferred fires with the answer as it came."""
        answer: Deferred[Raw] = Deferred()
        if self._exit is not None:
            answer.errback(AgentFailed(f"There is nobody to ask: {self._exit.sentence}."))
            return answer
        self._waiting[number] = method, answer
        self._send(jsonrpc.call(method, params, number, **self._more))
        return answer

    def notify(self, method: str, *params: Any) -> None:
        """Tell something that needs no answer."""
        self._send(jsonrpc.call(method, *params, **self._more))

    def respond(self, number: Id, value: Any) -> None:
        """Answer what was asked."""
        self._send(jsonrpc.result(number, value, **self._more))

    def respond_error(self, number: Id, code: int, message: str) -> None:
        """Refuse what was asked."""
        self._send(jsonrpc.refusal(number, code, message, **self._more))

    def _send(self, line: bytes) -> None:
        if self._child is not None:
            self._child.send(line)

    # What we hear.

    def line(self, line: bytes) -> None:
        """Hear a line."""
        if not line.strip():
            return
        try:
            said = jsonrpc.parse(line)
        except jsonrpc.NotRPC as error:
            self._wonder(line, str(error))
        else:
            _HEARD[type(said)](self, said)

    def child_exited(self, how: Exit) -> None:
        """Nothing more will be heard: whoever waits is told."""
        self._exit = how
        waiting, self._waiting = self._waiting, {}
        for method, answer in waiting.values():
            answer.errback(AgentFailed(f"No answer to {method}: {how.sentence}."))
        self._side.process_exited(how)

    def _noticed(self, said: Notice) -> None:
        self._side.noticed(said.method, said.params)

    def _asked(self, said: Call) -> None:
        if not self._side.request_received(said.id, said.method, said.params):
            text = f"This client does not know {said.method}."
            self.respond_error(said.id, jsonrpc.METHOD_NOT_FOUND, text)

    def _answered(self, said: Result | Refusal) -> None:
        waiting = None if said.id is None else self._waiting.pop(said.id, None)
        if waiting is None:
            self._wonder(repr(said).encode(), "nobody asked for this answer")
        elif isinstance(said, Result):
            waiting[1].callback(said.result)
        else:
            waiting[1].errback(Refused(waiting[0], said))

    def _wonder(self, line: bytes, why: str) -> None:
        self._strange += 1
        if self._strange <= STRANGE_LINES:
            log.warn("an agent said {line!r}: {why}", line=line[:200], why=why)


_HEARD: Mapping[type, Callable[[Peer, Any], None]] = {
    Notice: Peer._noticed,
    Call: Peer._asked,
    Result: Peer._answered,
    Refusal: Peer._answered,
}
