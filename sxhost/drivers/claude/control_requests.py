"""Control requests of ours to Claude Code, and its responses: an id, an answer, a deadline."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import count
from typing import Any

import msgspec
from msgspec import Raw, Struct
from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as Late
from twisted.internet.interfaces import IReactorTime

from sxhost.drivers.claude.messages import ControlResult
from sxhost.errors import AgentFailed
from sxhost.process.contracts import Exit

__all__ = ["ControlRequests", "default_model"]


class ControlRequests:
    """Our requests that wait for a response; `send` writes a message."""

    def __init__(self, send: Callable[[Any], None], clock: IReactorTime) -> None:
        self._send = send
        self._clock = clock
        self._numbers = count(1)
        self._waiting: dict[str, tuple[str, Deferred[Raw]]] = {}
        self._exit: Exit | None = None

    async def send_request(self, request: Mapping[str, Any], patience: float) -> Raw:
        """Ask, and return the response as it came; wait for `patience` seconds.

        :raises AgentFailed: Claude said no, went, or did not answer in time.
        """
        what = str(request["subtype"])
        if self._exit is not None:
            raise AgentFailed(f"There is nobody to ask: {_why(self._exit)}.")
        number = f"req_{next(self._numbers)}"
        answer: Deferred[Raw] = Deferred()
        answer.addTimeout(patience, self._clock)
        self._waiting[number] = what, answer
        self._send({"type": "control_request", "request_id": number, "request": request})
        try:
            return await answer
        except Late:
            text = f"Claude did not answer {what} within {patience:g} s."
            raise AgentFailed(text) from None
        finally:
            self._waiting.pop(number, None)

    def response_received(self, reply: ControlResult) -> bool:
        """Hear a response; return whether somebody waits for it."""
        what, answer = self._waiting.pop(reply.request_id, (None, None))
        if answer is None:
            return False
        if reply.subtype == "success":
            answer.callback(reply.response)
        else:
            said = reply.error.rstrip(".") or "no reason is given"
            answer.errback(AgentFailed(f"Claude refused {what}: {said}."))
        return True

    def process_exited(self, how: Exit) -> None:
        """Nothing more will be heard: whoever waits is told."""
        self._exit = how
        waiting, self._waiting = self._waiting, {}
        for what, answer in waiting.values():
            answer.errback(AgentFailed(f"No answer to {what}: {_why(how)}."))


def _why(how: Exit) -> str:
    return how.sentence.rstrip(".")


# What Claude answers first.


class _Model(Struct, frozen=True, rename="camel"):
    value: str = ""
    resolved_model: str = ""


class _Ready(Struct, frozen=True):
    models: list[_Model] = []


def default_model(said: Raw) -> str:
    """Return the model that Claude uses if it is told none; "" if it does not say."""
    try:
        models = msgspec.json.decode(said, type=_Ready).models
    except ValueError:
        return ""
    return next((m.resolved_model for m in models if m.value == "default"), "")
