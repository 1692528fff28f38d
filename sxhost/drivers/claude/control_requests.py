"""The host's end of a dialogue with Claude Code; its control requests and their responses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from msgspec import Raw, Struct
from twisted.internet.interfaces import IReactorTime

from sxhost.drivers.claude.messages import ControlResponse, Line, parse
from sxhost.drivers.kit.line_client import LineClient
from sxhost.errors import AgentFailed
from sxhost.process.contracts import ChildExit

__all__ = ["ClaudeClient", "default_model"]


class ClaudeClient(LineClient[Line]):
    """Sends control requests, and passes on all lines that are no responses to them.

    `on_line` is called with each, decoded and as it was; `on_exit` once Claude has ended.
    """

    def __init__(
        self,
        clock: IReactorTime,
        on_line: Callable[[Line, bytes], object],
        on_exit: Callable[[ChildExit], object],
    ) -> None:
        super().__init__("Claude", clock, on_exit)
        self._on_line = on_line

    async def request(self, limit_s: float, /, subtype: str, **fields: Any) -> Raw:
        """Send a control request, and return the response undecoded.

        :raises AgentFailed: Claude refused, ended, or took longer than `limit_s` seconds.
        """
        request_id, response = self.calls.open(subtype, limit_s, prefix="req_")
        request = {**fields, "subtype": subtype}
        self.send_message(
            {"type": "control_request", "request_id": request_id, "request": request}
        )
        return await response

    def send_message(self, message: Mapping[str, Any]) -> None:
        """Send a message that has no response."""
        self.send(msgspec.json.encode(message))

    def decode(self, line: bytes) -> Line:
        """Return a line as a message; see `LineClient`."""
        return parse(line)

    def message_received(self, message: Line, line: bytes) -> None:
        """End the request that a response is for; pass on all other lines."""
        if not isinstance(message, ControlResponse):
            self._on_line(message, line)
            return
        response = message.response
        subtype = self.calls.name_of(response.request_id)
        if subtype is None:
            self.log_strange(line, "nobody asked for this answer")
        elif response.subtype == "success":
            self.calls.succeed(response.request_id, response.response)
        else:
            reason = response.error.rstrip(".") or "no reason is given"
            error = AgentFailed(f"Claude refused {subtype}: {reason}.")
            self.calls.refuse(response.request_id, error)


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
