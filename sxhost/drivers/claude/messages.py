"""What Claude Code prints (``--output-format stream-json``, 2.1.329), a JSON object a line.

Only the fields that are needed are decoded; what has another shape than expected is still a
line of its type, so that nothing which Claude says is lost.  This module keeps nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import asdict

__all__ = [
    "Asked",
    "Assistant",
    "Block",
    "CommandLifecycle",
    "ControlCancelRequest",
    "ControlResponse",
    "ControlResult",
    "ModelEvent",
    "ModelUsage",
    "NotClaudeLine",
    "RateLimitEvent",
    "Request",
    "Result",
    "StreamEvent",
    "System",
    "TurnOrigin",
    "UnknownLine",
    "User",
    "parse",
]


class NotClaudeLine(ValueError):
    """A line is nothing that Claude says."""


class UnknownLine(Struct, frozen=True):
    """A line of a type or shape that we do not know."""

    type: str


# Pieces of what is being said.


class _Delta(Struct, frozen=True):
    type: str = ""
    text: str = ""
    thinking: str = ""


class _Named(Struct, frozen=True):
    id: str = ""


class _Kind(Struct, frozen=True):
    type: str = ""


class ModelEvent(Struct, frozen=True):
    """An event of the model's stream: a message or one of its blocks begins, grows, ends."""

    type: str
    index: int = 0
    message: _Named = _Named()
    content_block: _Kind = _Kind()
    delta: _Delta = _Delta()


class StreamEvent(Struct, frozen=True):
    """``stream_event``; `parent_tool_use_id` names the call that started a subagent."""

    event: ModelEvent
    parent_tool_use_id: str | None = None


# Messages.


class Block(Struct, frozen=True):
    """A block of a message: ``text``, ``thinking``, ``tool_use``, ``tool_result``, …"""

    type: str
    text: str = ""
    thinking: str = ""
    id: str = ""
    name: str = ""
    input: Any = None
    tool_use_id: str = ""
    content: Any = None
    is_error: bool | None = False


class _Message(Struct, frozen=True):
    id: str = ""
    content: str | list[Block] = ""


class Assistant(Struct, frozen=True):
    """``assistant``: a block that is whole; `error` where it is Claude's own words on one."""

    message: _Message
    parent_tool_use_id: str | None = None
    aborted: bool = False
    error: str | None = None


class _Meta(Struct, frozen=True):
    id: str = ""
    non_execution_kind: str | None = None
    """Why a call did not run, or not to its end."""


class User(Struct, frozen=True):
    """``user``: results of tools, and what Claude put in as if the user had said it."""

    message: _Message
    parent_tool_use_id: str | None = None
    tool_result_meta: list[_Meta] = []


# What it says of itself.


class System(Struct, frozen=True):
    """``system``: `subtype` tells which."""

    subtype: str = ""
    session_id: str = ""
    status: str | None = None
    model: str = ""
    permission_mode: str = msgspec.field(default="", name="permissionMode")
    cwd: str = ""
    tools: list[str] = []
    attempt: int = 0
    max_retries: int = 0
    retry_delay_ms: float = 0
    error_status: int | None = None
    error: str | None = None


class ModelUsage(Struct, frozen=True, rename="camel"):
    """What one model was used for, in tokens, since the process began."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_input_tokens: int = 0
    cache_creation_input_tokens: int = 0
    thinking_tokens: int = 0
    context_window: int = 0


class TurnOrigin(Struct, frozen=True):
    """Who began a turn; ``human`` or nothing where a message did."""

    kind: str = ""


class Result(Struct, frozen=True):
    """``result``: a turn is over; `user_message_uuids` name what it answered."""

    subtype: str = ""
    is_error: bool = False
    result: str | None = None
    errors: list[str] | None = None
    terminal_reason: str | None = None
    total_cost_usd: float | None = None
    model_usage: dict[str, ModelUsage] = msgspec.field(default={}, name="modelUsage")
    user_message_uuids: list[str] = []
    origin: TurnOrigin | None = None


class _LimitInfo(Struct, frozen=True):
    status: str = ""
    kind: str | None = msgspec.field(default=None, name="rateLimitType")


class RateLimitEvent(Struct, frozen=True):
    """``rate_limit_event``: how near the vendor's limit is."""

    info: _LimitInfo = msgspec.field(default=_LimitInfo(), name="rate_limit_info")


class CommandLifecycle(Struct, frozen=True):
    """``command_lifecycle``: what becomes of a message of ours."""

    command_uuid: str
    state: str


# Control.


class Request(Struct, frozen=True):
    """What Claude asks of its host; most of it is of ``can_use_tool``."""

    subtype: str = ""
    tool_name: str = ""
    display_name: str | None = None
    title: str | None = None
    description: str | None = None
    input: dict[str, Any] = {}
    permission_suggestions: list[dict[str, Any]] | None = None
    blocked_path: str | None = None
    decision_reason: str | None = None
    tool_use_id: str | None = None
    agent_id: str | None = None


class Asked(Struct, frozen=True):
    """``control_request``."""

    request_id: str
    request: Request


class ControlCancelRequest(Struct, frozen=True):
    """``control_cancel_request``: Claude no longer waits for an answer."""

    request_id: str


class ControlResult(Struct, frozen=True):
    """How a request of ours went: `subtype` is ``success`` or ``error``."""

    request_id: str
    subtype: str = ""
    response: Raw = Raw(b"{}")
    error: str = ""


class ControlResponse(Struct, frozen=True):
    """``control_response``."""

    response: ControlResult


Line = (
    StreamEvent
    | Assistant
    | User
    | System
    | Result
    | RateLimitEvent
    | CommandLifecycle
    | Asked
    | ControlCancelRequest
    | ControlResponse
    | UnknownLine
)

_KINDS: Final[Mapping[str, msgspec.json.Decoder[Any]]] = {
    name: msgspec.json.Decoder(kind)
    for name, kind in {
        "stream_event": StreamEvent,
        "assistant": Assistant,
        "user": User,
        "system": System,
        "result": Result,
        "rate_limit_event": RateLimitEvent,
        "command_lifecycle": CommandLifecycle,
        "control_request": Asked,
        "control_cancel_request": ControlCancelRequest,
        "control_response": ControlResponse,
    }.items()
}
_other = msgspec.json.Decoder(UnknownLine)


class _Ended(Struct, frozen=True):
    subtype: str = ""
    is_error: bool = True


class _Unshaped(Struct, frozen=True):
    request_id: str


_BARE: Final[Mapping[str, Callable[[bytes], Line]]] = {
    "result": lambda line: Result(**asdict(msgspec.json.decode(line, type=_Ended))),
    "control_request": lambda line: Asked(
        msgspec.json.decode(line, type=_Unshaped).request_id, Request()
    ),
}
"""The least that is made of lines that something waits for."""


def parse(line: bytes) -> Line:
    """Return what a line says.

    :raises NotClaude: it is no JSON in UTF-8, or no object with a type.
    """
    try:
        other = _other.decode(line)
        line.isascii() or line.decode()  # msgspec looks only at the texts that it keeps
    except (ValueError, RecursionError) as error:
        raise NotClaudeLine(str(error)) from None
    kind = _KINDS.get(other.type)
    return other if kind is None else _shaped(line, kind, other)


def _shaped(line: bytes, kind: msgspec.json.Decoder[Any], other: UnknownLine) -> Line:
    for decode in (kind.decode, _BARE.get(other.type)):
        with suppress(ValueError, RecursionError):
            if decode is not None:
                said: Line = decode(line)
                return said
    return other
