"""The lines that Claude Code prints (``--output-format stream-json``, 2.1.329), as structs.

A line is a JSON object.  Only the fields that the driver reads are decoded; a line of another
shape than expected is an `UnknownLine`, so that nothing which Claude says is lost.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import asdict

__all__ = [
    "Assistant",
    "Block",
    "CommandLifecycle",
    "ControlCancelRequest",
    "ControlRequest",
    "ControlResponse",
    "ControlResult",
    "Line",
    "ModelEvent",
    "ModelUsage",
    "NotClaudeLine",
    "RateLimitEvent",
    "Result",
    "StreamEvent",
    "System",
    "Task",
    "ToolRequest",
    "TurnOrigin",
    "TurnUsage",
    "UnknownLine",
    "User",
    "parse",
]


class NotClaudeLine(ValueError):
    """A line is no JSON object with a type."""


class UnknownLine(Struct, frozen=True):
    """A line of a type or shape that the driver does not know."""

    type: str


# The model's stream.


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
    """``assistant``: a whole block; with `error` it is Claude Code's own text on an error."""

    message: _Message
    parent_tool_use_id: str | None = None
    aborted: bool = False
    error: str | None = None


class _Meta(Struct, frozen=True):
    id: str = ""
    non_execution_kind: str | None = None
    """Why a tool's call did not run, or not to its end."""


class User(Struct, frozen=True):
    """``user``: results of tools, and texts that Claude Code put in as if from the user."""

    message: _Message
    parent_tool_use_id: str | None = None
    tool_result_meta: list[_Meta] = []


# State and results.


class Task(Struct, frozen=True):
    """What runs in the background: a subagent (``local_agent``), a command (``local_bash``)."""

    task_id: str = ""
    task_type: str = ""
    description: str = ""


class System(Struct, frozen=True):
    """``system``: about Claude Code itself; which fields it has depends on `subtype`."""

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
    tasks: list[Task] = []
    """All that runs in the background (``background_tasks_changed``)."""


class ModelUsage(Struct, frozen=True, rename="camel"):
    """Tokens of one model since the process began.

    One that resumes a conversation counts on, if the last process has ended in order.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_input_tokens: int = 0
    cache_creation_input_tokens: int = 0
    thinking_tokens: int = 0
    context_window: int = 0
    cost_usd: float = msgspec.field(default=0.0, name="costUSD")


class TurnUsage(Struct, frozen=True):
    """Tokens of one turn, without those of subagents."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_input_tokens: int = 0
    cache_creation_input_tokens: int = 0


class TurnOrigin(Struct, frozen=True):
    """What began a turn: ``human`` or "" where a message did."""

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
    usage: TurnUsage | None = None
    user_message_uuids: list[str] = []
    origin: TurnOrigin | None = None


class _LimitInfo(Struct, frozen=True):
    status: str = ""
    kind: str | None = msgspec.field(default=None, name="rateLimitType")


class RateLimitEvent(Struct, frozen=True):
    """``rate_limit_event``: how much of the vendor's rate limit is used."""

    info: _LimitInfo = msgspec.field(default=_LimitInfo(), name="rate_limit_info")


class CommandLifecycle(Struct, frozen=True):
    """``command_lifecycle``: the state of a message that the host has sent."""

    command_uuid: str
    state: str


# Control requests.


class ToolRequest(Struct, frozen=True):
    """The request in a ``control_request``; most fields are those of ``can_use_tool``."""

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


class ControlRequest(Struct, frozen=True):
    """``control_request``: Claude asks the host."""

    request_id: str
    request: ToolRequest


class ControlCancelRequest(Struct, frozen=True):
    """``control_cancel_request``: Claude no longer waits for a response."""

    request_id: str


class ControlResult(Struct, frozen=True):
    """The result of a request of the host: `subtype` is ``success`` or ``error``."""

    request_id: str
    subtype: str = ""
    response: Raw = Raw(b"{}")
    error: str = ""


class ControlResponse(Struct, frozen=True):
    """``control_response``: Claude answers the host."""

    response: ControlResult


Line = (
    StreamEvent
    | Assistant
    | User
    | System
    | Result
    | RateLimitEvent
    | CommandLifecycle
    | ControlRequest
    | ControlCancelRequest
    | ControlResponse
    | UnknownLine
)

_DECODERS: Final[Mapping[str, msgspec.json.Decoder[Any]]] = {
    name: msgspec.json.Decoder(decoder)
    for name, decoder in {
        "stream_event": StreamEvent,
        "assistant": Assistant,
        "user": User,
        "system": System,
        "result": Result,
        "rate_limit_event": RateLimitEvent,
        "command_lifecycle": CommandLifecycle,
        "control_request": ControlRequest,
        "control_cancel_request": ControlCancelRequest,
        "control_response": ControlResponse,
    }.items()
}
_decoder_of_type = msgspec.json.Decoder(UnknownLine)


class _BareResult(Struct, frozen=True):
    subtype: str = ""
    is_error: bool = True


class _BareRequest(Struct, frozen=True):
    request_id: str


_LEAST_DECODERS: Final[Mapping[str, Callable[[bytes], Line]]] = {
    "result": lambda line: Result(**asdict(msgspec.json.decode(line, type=_BareResult))),
    "control_request": lambda line: ControlRequest(
        msgspec.json.decode(line, type=_BareRequest).request_id, ToolRequest()
    ),
}
"""Least decoders of lines that must not be lost, whatever their shape: a turn waits for its
result, and Claude waits for the response to its request.
"""


def parse(line: bytes) -> Line:
    """Return a line as the struct of its type.

    :raises NotClaude: it is no JSON in UTF-8, or no object with a type.
    """
    try:
        bare = _decoder_of_type.decode(line)
    except (ValueError, RecursionError) as error:
        raise NotClaudeLine(str(error)) from None
    decoder = _DECODERS.get(bare.type)
    return bare if decoder is None else _decode(line, decoder, bare)


def _decode(line: bytes, decoder: msgspec.json.Decoder[Any], bare: UnknownLine) -> Line:
    for decode in (decoder.decode, _LEAST_DECODERS.get(bare.type)):
        with suppress(ValueError, RecursionError):
            if decode is not None:
                message: Line = decode(line)
                return message
    return bare
