"""A client of the multiplexer in memory: the commands it sends and the frames it receives."""

from __future__ import annotations

import json
from typing import Any

from sxhost.model.caller import HOST, Caller, current_caller
from sxhost.testing import HostInMemory

Object = dict[str, Any]


class Peer:
    """A client of the multiplexer in memory; `frames` are the objects that it has received."""

    def __init__(self, lab: HostInMemory, caller: Caller = HOST) -> None:
        self.lab = lab
        self.paused = False
        self.frames: list[Object] = []
        token = current_caller.set(caller)
        try:
            client = lab.mux.connect(self, _line)
        finally:
            current_caller.reset(token)
        assert client is not None
        self.client = client

    def send(self, data: bytes) -> None:
        self.frames += map(json.loads, data.splitlines())

    send_now = send

    def say(self, kind: str, session: str | None = None, **fields: Any) -> None:
        """Send a command and let what it does be done."""
        target = {} if session is None else {"sessionId": session}
        self.raw(json.dumps({"type": kind, **target, **fields}).encode())

    def raw(self, text: bytes) -> None:
        self.client.receive(text)
        self.settle()

    def settle(self) -> None:
        for _ in range(6):
            self.lab.clock.advance(0.005)

    def ask(self, kind: str, session: str | None = None, **fields: Any) -> Object:
        """Send a command; return its answer, which is there at once."""
        before = len(self.answers)
        self.say(kind, session, **fields)
        assert len(self.answers) == before + 1, self.frames[-3:]
        return self.answers[-1]

    @property
    def answers(self) -> list[Object]:
        return [one for one in self.frames if one["type"] == "response"]

    @property
    def events(self) -> list[Object]:
        """What happened in sessions."""
        return [one["event"] for one in self.frames if one["type"] == "event"]

    @property
    def kinds(self) -> list[str]:
        """What each frame is: of an event, what it tells; of a phase, of which command."""
        return [_kind(one) for one in self.frames]

    def forget(self) -> None:
        self.frames.clear()


def _line(text: bytes) -> bytes:
    return text + b"\n"


def _kind(one: Object) -> str:
    if one["type"] == "event":
        return str(one["event"]["type"])
    if one["type"] == "response":
        return f"={one['command']}"
    return str(one["type"])
