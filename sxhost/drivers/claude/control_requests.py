"""The host's control requests to Claude Code: each waits for its response, or its deadline."""

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
from sxhost.process.contracts import ChildExit

__all__ = ["ControlRequests", "default_model"]


class ControlRequests:
    """The requests that wait for a response; `send` writes a message to Claude."""

    def __init__(self, send: Callable[[Any], None], clock: IReactorTime) -> None:
        self._send = send
        self._clock = clock
        self._ids = count(1)
        self._pending: dict[str, tuple[str, Deferred[Raw]]] = {}
        self._exit: ChildExit | None = None

    async def send_request(self, request: Mapping[str, Any], limit: float) -> Raw:
        """Send a request, and return the response undecoded; wait `limit` seconds.

        :raises AgentFailed: Claude refused, ended, or did not answer in time.
        """
        subtype = str(request["subtype"])
        if self._exit is not None:
            raise AgentFailed(f"There is nobody to ask: {_sentence(self._exit)}.")
        request_id = f"req_{next(self._ids)}"
        response: Deferred[Raw] = Deferred()
        response.addTimeout(limit, self._clock)
        self._pending[request_id] = subtype, response
        self._send({"type": "control_request", "request_id": request_id, "request": request})
        try:
            return await response
        except Late:
            text = f"Claude did not answer {subtype} within {limit:g} s."
            raise AgentFailed(text) from None
        finally:
            self._pending.pop(request_id, None)

    def response_received(self, result: ControlResult) -> bool:
        """Finish a request with its response; return False if none waits for it."""
        subtype, response = self._pending.pop(result.request_id, (None, None))
        if response is None:
            return False
        if result.subtype == "success":
            response.callback(result.response)
        else:
            reason = result.error.rstrip(".") or "no reason is given"
            response.errback(AgentFailed(f"Claude refused {subtype}: {reason}."))
        return True

    def process_exited(self, how: ChildExit) -> None:
        """Fail every request that waits: the process has ended."""
        self._exit = how
        pending, self._pending = self._pending, {}
        for subtype, response in pending.values():
            response.errback(AgentFailed(f"No answer to {subtype}: {_sentence(how)}."))


def _sentence(how: ChildExit) -> str:
    return how.sentence.rstrip(".")


# The response to initialize.


class _Model(Struct, frozen=True, rename="camel"):
    value: str = ""
    resolved_model: str = ""


class _InitializeResponse(Struct, frozen=True):
    models: list[_Model] = []


def default_model(response: Raw) -> str:
    """Return the model that Claude uses by default; "" if it does not say."""
    try:
        models = msgspec.json.decode(response, type=_InitializeResponse).models
    except ValueError:
        return ""
    return next((m.resolved_model for m in models if m.value == "default"), "")
