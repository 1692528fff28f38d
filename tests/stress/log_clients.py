"""Honest writers and readers of logs, for a stress run.

Each is a thread with its own source of chance.  What the host tells it is noted down;
`history` judges it afterwards.
"""

from __future__ import annotations

import json
import socket
import struct
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from tests.stress.host_process import NDJSON, request
from tests.stress.log_history import Acknowledged, Gap, Item, Received
from tests.stress.scenario import Mismatch, RetryingClient, Scenario
from tests.stress.stream_client import Frame, Refused, Stream, Transport, Wanted

LAST = "complete"
"""The type of the event that ends each session's part; every reader selects it."""

TYPES = ("tool-start", "tool-done", "message", "usage")

ROOM = 32768
"""Bytes of a slow reader's window."""


class Writer:
    """Fires events at some sessions, one by one and in batches; `told` is what it is told.

    With `keys` it also hangs up in the middle, repeats itself, and doubles lines.
    """

    def __init__(
        self, scenario: Scenario, name: str, sessions: Sequence[str], amount: int, *, keys: bool
    ) -> None:
        self.told: list[Acknowledged] = []
        self.repeats = 0
        self._name = name
        self._sessions = sessions
        self.amount = amount
        self._keys = keys
        self._chance = scenario.chance(name)
        self.client = RetryingClient(scenario)

    def __call__(self) -> None:
        """Fire them all."""
        chance = self._chance
        while len(self.told) < self.amount:
            left = self.amount - len(self.told)
            count = 1 if chance.random() < 0.7 else min(left, chance.randrange(2, 60))
            self.fire(chance.choice(self._sessions), count)
        self.client.close()

    def fire(self, session: str, count: int, name: str = "") -> None:
        """Fire so many events in one request."""
        first, chance = len(self.told), self._chance
        tokens = [f"{self._name}-{number}" for number in range(first, first + count)]
        names = [name or chance.choice(TYPES) for _ in tokens]
        lines = [self._line(*given) for given in zip(names, tokens, strict=True)]
        doubled = lines[:1] if self._keys and count > 1 and chance.random() < 0.2 else []
        answer = self._post(session, lines + doubled)
        if answer.get("accepted", 1) != len(lines + doubled):
            raise Mismatch(f"{len(lines + doubled)} lines were answered by {answer}")
        seq, number = answer["event_count"] - count, answer.get("id", 0)
        for given in zip(names, tokens, strict=True):
            seq += 1
            self.told.append(Acknowledged(session, seq, *given, number))

    def _line(self, name: str, token: str) -> bytes:
        size = self._chance.choice((0, 10, 100, 100, 1000))
        value = {"event": name, "data": [token, "é" * size]}
        return json.dumps({**value, "key": token} if self._keys else value).encode()

    def _post(self, session: str, lines: Sequence[bytes]) -> Any:
        kind = NDJSON if len(lines) > 1 else ""
        message = request("POST", f"/sessions/{session}/events", b"\n".join(lines), kind)
        luck = self._chance.random() if self._keys else 1.0
        if luck < 0.1:
            self.client.cut(message, self._chance.randrange(len(message) + 1))
        answer = self.client.insist(message)
        if luck < 0.2:
            again = self.client.insist(message)
            if again != answer:
                raise Mismatch(f"the same keys were answered by {answer}, and then by {again}")
        self.repeats += luck < 0.2
        return answer


class Reader:
    """Follows what it wants from a cursor on, is cut now and then, and comes back.

    `mean` is how many bytes it reads before it is cut, 0: it never is.  A slow one has a small
    window, and pauses.
    """

    def __init__(
        self,
        scenario: Scenario,
        name: str,
        transport: Transport,
        wanted: Wanted,
        after: str,
        *,
        mean: int = 0,
        slow: bool = False,
    ) -> None:
        self.name = f"{name} ({transport}, {wanted})"
        self.wanted = wanted
        self.items: list[Item] = []
        self.cuts = self.gaps = self.ends = 0
        self.until: set[str] = set(wanted.sessions)
        """The sessions whose last event has not come yet."""
        self.rests_for = 0.0
        """The share of all events that must be there before it comes back from a cut."""
        self._scenario = scenario
        self._transport = transport
        self._after = after
        self._mean = mean
        self._slow = slow
        self._chance = scenario.chance(name)

    def __call__(self) -> None:
        """Read until the last event of each session has come."""
        while self.until:
            self._scenario.check(self._progress)
            try:
                with self._open() as stream:
                    self.read(stream)
            except (OSError, EOFError, Refused) as error:
                self.refused(error)

    def _open(self) -> Stream:
        room = ROOM if self._slow else 0
        port = self._scenario.server.port
        return Stream(port, self._transport, self.wanted, self._after, room=room)

    def read(self, stream: Stream) -> None:
        """Read for as long as chance lets it."""
        enough = int(self._chance.expovariate(1 / self._mean)) if self._mean else 1 << 62
        stream.socket.settimeout(0.5)
        while stream.received < enough and self.until:
            self._scenario.check(self._progress)
            most = min(enough - stream.received, ROOM if self._slow else 1 << 16)
            with suppress(TimeoutError):
                for frame in stream.some(most):
                    self.take(frame)
            if self._slow:
                time.sleep(self._chance.random() * 0.01)
        self._hang_up(stream)

    def take(self, frame: Frame) -> None:
        """Note down what came."""
        value = frame.value
        if not frame.name:
            seen = seen_in(value)
            self.items.append(seen)
            self._after = f"{self._after.partition(':')[0]}:{seen.id}"
            if seen.name == LAST:
                self.until.discard(seen.session)
        elif frame.name == "gap":
            self.gaps += 1
            self._after = value["to"]
            self.items.append(Gap(int(self._after.partition(":")[2])))
        elif frame.name == "end":
            self.ended(value)
        elif frame.name in ("hello", "heartbeat"):
            self._after = value["cursor"]
        else:
            raise Mismatch(f"{self.name} got {frame}")

    def ended(self, value: dict[str, Any]) -> None:
        """Take note of the host's farewell."""
        if not (self._scenario.patient and value["reconnect"]):
            raise Mismatch(f"{self.name} got an end: {value}")
        self.ends += 1
        if self._transport == "websocket":
            raise EOFError  # there, who is told hangs up; else the host does

    def refused(self, error: Exception) -> None:
        """Wait a little, if the host may be away."""
        if not self._scenario.patient:
            raise Mismatch(f"{self.name} was cut off: {error!r}") from error
        time.sleep(0.05)

    def _hang_up(self, stream: Stream) -> None:
        """Vanish: with a farewell of TCP's, or with a reset; and stay away for a while."""
        if self._chance.random() < 0.5:
            reset = struct.pack("ii", 1, 0)
            stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
        stream.close()
        self.cuts += bool(self.until)
        while self.until and self._scenario.progress() < self.rests_for:
            self._scenario.check(self._progress)
            time.sleep(0.005)
        if self.until:
            time.sleep(self._chance.choice((0, 0, 0.01, 0.3 if self._slow else 0.1)))

    def _progress(self) -> str:
        last = self.items[-1] if self.items else "nothing"
        return f"{self.name}, which got {len(self.items)} items, at last {last},"


def seen_in(value: dict[str, Any]) -> Received:
    """Return an event of ours as a reader notes it down."""
    token = value["data"][0]
    return Received(value["id"], value["session"], value["seq"], value["event"], token)
