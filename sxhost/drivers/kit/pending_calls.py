"""A program's pending calls: each ends once, however it ends."""

from __future__ import annotations

from itertools import count
from typing import Any

from msgspec import Raw, json
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from sxhost.codec.jsonrpc import Id
from sxhost.errors import AgentFailed
from sxhost.process.contracts import ChildExit

__all__ = ["PendingCalls", "decode_answer"]


class PendingCalls:
    """The calls of one program (`program` is its name for a person) that have no answer yet."""

    def __init__(self, program: str, clock: IReactorTime) -> None:
        self._program = program
        self._clock = clock
        self._numbers = count(1)
        self._pending: dict[Id, tuple[str, Deferred[Raw]]] = {}
        self.exit: ChildExit | None = None
        """How the program has ended, if it has."""

    def open(
        self, name: str, limit_s: float | None = None, *, prefix: str = ""
    ) -> tuple[Id, Deferred[Raw]]:
        """Open a call; return its id, and a Deferred of the answer, undecoded.

        Ids are numbers, or with a `prefix` strings.  The Deferred fails with `AgentFailed`
        after `limit_s` seconds, or at once if the program has ended.
        """
        number = next(self._numbers)
        call_id: Id = f"{prefix}{number}" if prefix else number
        result = Deferred[Raw]()
        if self.exit is not None:
            result.errback(AgentFailed(f"There is nobody to ask: {self.exit.sentence}."))
            return call_id, result
        self._pending[call_id] = name, result
        result.addBoth(self._ended, call_id)
        if limit_s is not None:

            def too_late(_failure: object, _seconds: float) -> None:
                text = f"{self._program} has not answered {name} within {limit_s:g} s."
                raise AgentFailed(text)

            result.addTimeout(limit_s, self._clock, too_late)
        return call_id, result

    def _ended(self, outcome: Any, call_id: Id) -> Any:
        """Forget a call: a late answer to one that was cancelled must find nobody."""
        self._pending.pop(call_id, None)
        return outcome

    def name_of(self, call_id: Id | None) -> str | None:
        """Return the name of a call that waits; None if none of this id does."""
        return None if call_id is None else self._pending.get(call_id, (None,))[0]

    def first_named(self, name: str) -> Id | None:
        """Return the id of the oldest call of a name that waits, if one does."""
        return next((i for i, (known, _) in self._pending.items() if known == name), None)

    def succeed(self, call_id: Id, result: Raw) -> None:
        """Answer a call that waits."""
        self._pending.pop(call_id)[1].callback(result)

    def refuse(self, call_id: Id, error: AgentFailed) -> None:
        """Fail a call that waits."""
        self._pending.pop(call_id)[1].errback(error)

    def process_exited(self, how: ChildExit) -> None:
        """Fail all calls, those to come too: the program has ended."""
        self.exit = how
        pending, self._pending = self._pending, {}
        for name, result in pending.values():
            result.errback(AgentFailed(f"No answer to {name}: {how.sentence}."))


def decode_answer(name: str, answer: Raw, kind: Any) -> Any:
    """Return the answer to a call, `name`, decoded into `kind`.

    :raises AgentFailed: it is of another shape.
    """
    try:
        return json.decode(answer, type=kind)
    except (ValueError, RecursionError) as error:
        raise AgentFailed(f"The agent's answer to {name} is wrong: {error}.") from None
