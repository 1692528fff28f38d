"""What was answered already: the same command again gets the same answer."""

from __future__ import annotations

from collections import OrderedDict
from hashlib import sha256
from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from sxhost.faces.pi.commands import Command
from sxhost.faces.pi.responses import Response, refusal
from sxhost.model.limits import Limits

__all__ = ["IdempotencyStore", "StoredResponse", "fingerprint"]


def fingerprint(said: bytes) -> str:
    """Return what two commands have in common that ask for the same."""
    given = msgspec.json.decode(said)
    rest = {name: given[name] for name in given if name not in ("id", "idempotencyKey")}
    source = msgspec.json.encode(rest, order="deterministic")
    return f"v2:sha256:{sha256(source).hexdigest()}"


class StoredResponse(NamedTuple):
    """A command that runs, or has run: in which lane, and what answers it."""

    command: Command
    print: str
    lane: str
    answer: Deferred[Response]

    @property
    def response(self) -> Response | None:
        """Its answer, if it has one."""
        result = getattr(self.answer, "result", None)
        return result if isinstance(result, Response) else None

    async def answered(self) -> Response:
        """Return its answer, once it has one; whoever waits may be cancelled alone."""
        if self.response is not None:
            return self.response
        mine: Deferred[Response] = Deferred()

        def told(response: Response) -> Response:
            if not mine.called:
                mine.callback(response)
            return response

        self.answer.addCallback(told)
        return await mine


class IdempotencyStore:
    """The commands that have an id, or an idempotency key."""

    def __init__(self, clock: IReactorTime, limits: Limits) -> None:
        self._clock = clock
        self._limits = limits
        self._running: dict[str, StoredResponse] = {}
        self._done: OrderedDict[str, StoredResponse] = OrderedDict()
        self._keys: OrderedDict[tuple[str, str], tuple[float, StoredResponse]] = OrderedDict()
        self.refused = 0

    def find(self, command: Command, print_: str) -> StoredResponse | Response | None:
        """Return the same command that was before, or why this cannot be it.

        What is asked for must be the same; the key counts more than the id.
        """
        self._forget_old()
        key, number = command.idempotency_key, command.id
        if key is not UNSET and (entry := self._keys.get(_key(command, key))):
            return _same(entry[1], command, print_, "idempotencyKey", key)
        known = self.get(number) if number is not UNSET else None
        return known and _same(known, command, print_, "id", str(number))

    def get(self, number: str) -> StoredResponse | None:
        """Return a command by its id."""
        return self._done.get(number) or self._running.get(number)

    def begin(self, known: StoredResponse) -> bool:
        """Remember a command that begins; return False if there are too many."""
        number, key = known.command.id, known.command.idempotency_key
        if number is not UNSET:
            if len(self._running) >= self._limits.mux_in_flight:
                self.refused += 1
                return False
            self._running[number] = known
        if key is not UNSET:
            self._keys[_key(known.command, key)] = float("inf"), known
        return True

    def end(self, known: StoredResponse, response: Response) -> None:
        """Remember the answer, and tell who waits for it."""
        number, key = known.command.id, known.command.idempotency_key
        if number is not UNSET:
            self._running.pop(number, None)
            self._done[number] = known
            if len(self._done) > self._limits.mux_outcomes:
                self._done.popitem(last=False)
        if key is not UNSET:
            place = _key(known.command, key)
            self._keys.pop(place, None)
            self._keys[place] = self._clock.seconds() + self._limits.mux_keys, known
        known.answer.callback(response)

    def _forget_old(self) -> None:
        """Forget keys whose time is up; they stand in the order in which it is."""
        now = self._clock.seconds()
        while self._keys:
            place, (until, _) = next(iter(self._keys.items()))
            if until == float("inf"):
                self._keys.move_to_end(place)
                return
            if until > now:
                return
            del self._keys[place]

    def census(self) -> dict[str, Any]:
        """Count what is remembered."""
        return {
            "inFlightCount": len(self._running),
            "outcomeCount": len(self._done),
            "idempotencyCacheSize": len(self._keys),
            "maxInFlightCommands": self._limits.mux_in_flight,
            "maxCommandOutcomes": self._limits.mux_outcomes,
            "inFlightRejections": self.refused,
        }


def _key(command: Command, key: str) -> tuple[str, str]:
    return command.target or "", key


def _same(
    known: StoredResponse, command: Command, print_: str, what: str, value: str
) -> StoredResponse | Response:
    if known.print == print_:
        return known
    before = f"previously used for '{known.command.type}', now used for '{command.type}'"
    return refusal(command, f"Conflicting {what} '{value}': {before}")
