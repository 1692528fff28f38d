"""Lines of ``pi --mode rpc`` as structs, with the fields that the driver reads.

`KINDS` has the kinds of old pi and of newer pi together.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from msgspec import UNSET, Raw, Struct, UnsetType, field

__all__ = [
    "KINDS",
    "AgentEnd",
    "AgentSettled",
    "Block",
    "Cost",
    "Delta",
    "DialogRequest",
    "ExtensionError",
    "Message",
    "MessageEnd",
    "MessageStart",
    "MessageUpdate",
    "Model",
    "PiState",
    "Response",
    "RetryOrCompaction",
    "SessionStats",
    "ToolEnd",
    "ToolStart",
    "ToolUpdate",
    "TurnEnd",
    "UpdateSnapshot",
    "Usage",
]


# Messages.


class Cost(Struct, frozen=True):
    """A cost in US dollars."""

    total: float = 0.0


class Usage(Struct, frozen=True, rename="camel"):
    """Tokens; `input` does not include those read from the cache."""

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0
    reasoning: int = 0
    total_tokens: int = 0
    cost: Cost = Cost()


class Block(Struct, frozen=True):
    """A part of a message, by `type`: text, thinking, a tool's call, an image, …"""

    type: str = ""
    text: str = ""
    thinking: str = ""
    data: str = ""
    mime_type: str = field(name="mimeType", default="")


class Message(Struct, frozen=True, rename="camel"):
    """A message of the user, the assistant or a tool; `timestamp` in ms since 1970."""

    role: str = ""
    content: list[Block] | str = []
    usage: Usage | None = None
    stop_reason: str = ""
    error_message: str | None = None
    timestamp: int = 0
    tool_call_id: str | None = None

    @property
    def blocks(self) -> list[Block]:
        """Its parts; a plain string is one part."""
        if isinstance(self.content, str):
            return [Block("text", self.content)]
        return self.content


# Events.


class MessageStart(Struct, frozen=True):
    """``message_start``."""

    message: Message


class MessageEnd(Struct, frozen=True):
    """``message_end``: the message is whole."""

    message: Message


class Delta(Struct, frozen=True, rename="camel"):
    """What was added to the assistant's message, at which of its blocks.

    Of a tool's call the beginning has its name (of old pi: in `UpdateSnapshot`), the end the
    whole.
    """

    type: str
    content_index: int = 0
    delta: str | UnsetType = UNSET
    id: str | UnsetType = UNSET
    tool_name: str | UnsetType = UNSET
    tool_call: Raw | UnsetType = UNSET


class MessageUpdate(
    Struct, frozen=True, rename="camel", tag_field="type", tag="message_update"
):
    """``message_update``: the assistant's message grows; newer pi adds the usage so far."""

    assistant_message_event: Delta
    usage: Raw | UnsetType = UNSET


class PartialToolCall(Struct, frozen=True):
    """A block of a message that grows: a tool's call has these fields, others have not."""

    id: str | UnsetType = UNSET
    name: str | UnsetType = UNSET


class Partial(Struct, frozen=True):
    """A message that grows, as old pi repeats it."""

    content: list[PartialToolCall] = []


class SnapshotEvent(Struct, frozen=True):
    """Where old pi repeats it."""

    partial: Partial = Partial()


class UpdateSnapshot(Struct, frozen=True, rename="camel"):
    """What old pi repeats with each piece; it is read only where a tool's call begins."""

    assistant_message_event: SnapshotEvent = SnapshotEvent()


class ToolStart(Struct, frozen=True, rename="camel"):
    """``tool_execution_start``."""

    tool_call_id: str
    tool_name: str = ""
    args: Raw = Raw(b"null")


class ToolOutput(Struct, frozen=True, rename="camel"):
    """A tool's output so far, or in all."""

    content: list[Block] = []
    structured_content: dict[str, Any] | None = None

    @property
    def text(self) -> str:
        """The text of its blocks."""
        return "\n".join(block.text for block in self.content if block.type == "text")


class ToolUpdate(Struct, frozen=True, rename="camel"):
    """``tool_execution_update``: the whole output so far."""

    tool_call_id: str
    partial_result: ToolOutput = ToolOutput()


class ToolEnd(Struct, frozen=True, rename="camel"):
    """``tool_execution_end``."""

    tool_call_id: str
    tool_name: str = ""
    result: ToolOutput = ToolOutput()
    is_error: bool = False


class TurnEnd(Struct, frozen=True):
    """``turn_end``: one answer of the model and its tools are done (no turn of the host)."""


class AgentEnd(Struct, frozen=True, rename="camel"):
    """``agent_end``: a run is over, unless it is retried; old pi does not say whether."""

    messages: list[Message] = []
    will_retry: bool | UnsetType = UNSET


class AgentSettled(Struct, frozen=True):
    """``agent_settled`` (newer pi): the run is over, and nothing more will come."""

    aborted: bool = False


class Summary(Struct, frozen=True, rename="camel"):
    """The result of a compaction."""

    tokens_before: int | None = None
    usage: Usage | None = None


class RetryOrCompaction(Struct, frozen=True, rename="camel"):
    """A retry or a compaction begins or ends; `delay_ms` is the time until the retry."""

    attempt: int = 0
    max_attempts: int = 0
    delay_ms: float = 0
    error_message: str | None = None
    success: bool = True
    aborted: bool = False
    will_retry: bool = False
    result: Summary | None = None


class ExtensionError(Struct, frozen=True, rename="camel"):
    """``extension_error``."""

    extension_path: str = ""
    event: str = ""
    error: str = ""


class DialogRequest(Struct, frozen=True, rename="camel"):
    """``extension_ui_request``: an extension shows something, or asks (`timeout` in ms)."""

    id: str
    method: str
    title: str = ""
    message: str = ""
    options: list[Any] = []
    placeholder: str | None = None
    prefill: str | None = None
    timeout: float | None = None
    notify_type: str | None = None


# Answers.


class Response(Struct, frozen=True):
    """``response``: the answer to a command; no `id` where pi could not parse the command."""

    id: str | int | None = None
    command: str = ""
    success: bool = False
    data: Raw = Raw(b"null")
    error: str = ""


class Model(Struct, frozen=True, rename="camel"):
    """A model."""

    id: str = ""
    provider: str = ""
    context_window: int | None = None


class PiState(Struct, frozen=True, rename="camel"):
    """The data of the answer to ``get_state``."""

    model: Model | None = None
    thinking_level: str | None = None
    is_streaming: bool = False
    is_compacting: bool = False
    session_file: str | None = None
    session_id: str = ""
    session_name: str | None = None


class Tokens(Struct, frozen=True, rename="camel"):
    """Tokens of a session."""

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0
    total: int = 0


class SessionStats(Struct, frozen=True):
    """The data of the answer to ``get_session_stats``."""

    tokens: Tokens = Tokens()
    cost: float = 0.0


KINDS: Final[Mapping[str, type]] = {
    "response": Response,
    "message_start": MessageStart,
    "message_update": MessageUpdate,
    "message_end": MessageEnd,
    "tool_execution_start": ToolStart,
    "tool_execution_update": ToolUpdate,
    "tool_execution_end": ToolEnd,
    "turn_end": TurnEnd,
    "agent_end": AgentEnd,
    "agent_settled": AgentSettled,
    "compaction_start": RetryOrCompaction,
    "compaction_end": RetryOrCompaction,
    "auto_compaction_start": RetryOrCompaction,
    "auto_compaction_end": RetryOrCompaction,
    "auto_retry_start": RetryOrCompaction,
    "auto_retry_end": RetryOrCompaction,
    "extension_error": ExtensionError,
    "extension_ui_request": DialogRequest,
}
"""The kinds of lines (``type``) that have a struct."""
