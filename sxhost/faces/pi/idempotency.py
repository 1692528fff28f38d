"""Responses by command id and idempotency key: a command sent again gets the same response."""

from __future__ import annotations

from collections import OrderedDict
from hashlib import sha256

import msgspec
from msgspec import UNSET
from twisted.internet.interfaces import IReactorTime

from sxhost.codec.well_formed import decode_from_program
from sxhost.faces.pi.commands import Command
from sxhost.faces.pi.responses import Response, refusal
from sxhost.model.limits import Limits
from sxhost.waiting import Signal

__all__ = ["IdempotencyStore", "StoredResponse", "fingerprint"]


def fingerprint(frame: bytes) -> str:
    """Return a hash of a command's fields but for its id and key: equal for equal requests."""
    fields: dict[str, object] = decode_from_program(frame, msgspec.json.decode).value
    rest = {name: fields[name] for name in fields if name not in ("id", "idempotencyKey")}
    source = msgspec.json.encode(rest, order="deterministic")
    return f"v2:sha256:{sha256(source).hexdigest()}"


class StoredResponse:
    """A command that runs or has run, and its response; None while the command runs."""

    def __init__(self, command: Command, digest: str, lane: str) -> None:
        self.command = command
        self.fingerprint = digest
        self.lane = lane
        self.response: Response | None = None
        self._responded = Signal()

    def respond(self, response: Response) -> None:
        """Keep the response, and give it to all who wait for it."""
        self.response = response
        self._responded.fire()

    async def wait(self) -> Response:
        """Return the response once there is one; cancelling one waiter leaves the others."""
        while self.response is None:
            await self._responded.wait()
        return self.response


class IdempotencyStore:
    """The commands that have an id or an idempotency key: running ones, and so many done."""

    def __init__(self, clock: IReactorTime, limits: Limits) -> None:
        self._clock = clock
        self._limits = limits
        self._running: dict[str, StoredResponse] = {}
        self._done: OrderedDict[str, StoredResponse] = OrderedDict()
        self._keys: OrderedDict[tuple[str, str], tuple[float, StoredResponse]] = OrderedDict()
        self.refused = 0

    def find(self, command: Command, digest: str) -> StoredResponse | Response | None:
        """Return the command that was sent before, or a response that refuses a conflict.

        The key is looked up before the id; `digest` is the fingerprint of this command.
        """
        self._drop_expired_keys()
        key, command_id = command.idempotency_key, command.id
        if key is not UNSET and (entry := self._keys.get(_key_of(command, key))):
            return _same(entry[1], command, digest, "idempotencyKey", key)
        stored = self.get(command_id) if command_id is not UNSET else None
        return stored and _same(stored, command, digest, "id", str(command_id))

    def get(self, command_id: str) -> StoredResponse | None:
        """Return a command by its id."""
        return self._done.get(command_id) or self._running.get(command_id)

    def add_running(self, stored: StoredResponse) -> bool:
        """Store a command that begins; return False if too many run."""
        command_id, key = stored.command.id, stored.command.idempotency_key
        if command_id is not UNSET:
            if len(self._running) >= self._limits.mux_in_flight:
                self.refused += 1
                return False
            self._running[command_id] = stored
        if key is not UNSET:
            self._keys[_key_of(stored.command, key)] = float("inf"), stored
        return True

    def store_response(self, stored: StoredResponse, response: Response) -> None:
        """Store a command's response, and give it to all who wait for it."""
        command_id, key = stored.command.id, stored.command.idempotency_key
        if command_id is not UNSET:
            self._running.pop(command_id, None)
            self._done[command_id] = stored
            if len(self._done) > self._limits.mux_outcomes:
                self._done.popitem(last=False)
        if key is not UNSET:
            entry_key = _key_of(stored.command, key)
            self._keys.pop(entry_key, None)  # it is stored last, so that the order stays
            self._keys[entry_key] = self._clock.seconds() + self._limits.mux_keys, stored
        stored.respond(response)

    def _drop_expired_keys(self) -> None:
        """Drop keys that have expired; done commands stand in the order of their expiry."""
        now = self._clock.seconds()
        while self._keys:
            entry_key, (expires, _) = next(iter(self._keys.items()))
            if expires == float("inf"):  # it runs: the next look finds what is behind it
                self._keys.move_to_end(entry_key)
                return
            if expires > now:
                return
            del self._keys[entry_key]

    def statistics(self) -> dict[str, object]:
        """Return the counts of stored commands, for ``get_metrics``."""
        return {
            "inFlightCount": len(self._running),
            "outcomeCount": len(self._done),
            "idempotencyCacheSize": len(self._keys),
            "maxInFlightCommands": self._limits.mux_in_flight,
            "maxCommandOutcomes": self._limits.mux_outcomes,
            "inFlightRejections": self.refused,
        }


def _key_of(command: Command, key: str) -> tuple[str, str]:
    """Return what a key is stored under: it is unique within a session."""
    return command.target or "", key


def _same(
    stored: StoredResponse, command: Command, digest: str, field: str, value: str
) -> StoredResponse | Response:
    """Return the stored command if it asks for the same, else a refusal of the conflict."""
    if stored.fingerprint == digest:
        return stored
    uses = f"previously used for '{stored.command.type}', now used for '{command.type}'"
    return refusal(command, f"Conflicting {field} '{value}': {uses}")
