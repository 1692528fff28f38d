"""The kinds of ACP's notification ``session/update`` as structs, told apart by their tag."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from sxhost.drivers.acp.messages import ConfigOption, ToolCall

__all__ = [
    "AgentMessageChunk",
    "AgentThoughtChunk",
    "CommandsUpdate",
    "CompactionUpdate",
    "ConfigOptionsUpdate",
    "ModeUpdate",
    "NoticeUpdate",
    "PlanUpdate",
    "SessionUpdate",
    "ToolCallStart",
    "ToolCallUpdate",
    "Update",
    "UsageUpdate",
    "UserMessageChunk",
]


class ContentBlock(Struct, frozen=True):
    """A block of content; `text` is None where it is an image or a link."""

    type: str = ""
    text: str | None = None


class Chunk(Struct, frozen=True, rename="camel", tag_field="sessionUpdate"):
    """A piece of a message."""

    content: ContentBlock
    message_id: str | None = None


class AgentMessageChunk(Chunk, frozen=True, tag="agent_message_chunk"):
    """A piece of the assistant's answer."""


class AgentThoughtChunk(Chunk, frozen=True, tag="agent_thought_chunk"):
    """A piece of the assistant's reasoning."""


class UserMessageChunk(Chunk, frozen=True, tag="user_message_chunk"):
    """A piece of a prompt: an echo of the host's, or one of the replayed past."""


class ToolCallStart(ToolCall, frozen=True, tag_field="sessionUpdate", tag="tool_call"):
    """A tool call begins (some agents send it more than once)."""


class ToolCallUpdate(ToolCall, frozen=True, tag_field="sessionUpdate", tag="tool_call_update"):
    """What has changed of a tool call."""


class PlanUpdate(Struct, frozen=True, tag_field="sessionUpdate", tag="plan"):
    """The plan, whole each time."""

    entries: list[Any] = []


class Cost(Struct, frozen=True):
    """An amount of money."""

    amount: float = 0
    currency: str = ""


class UsageUpdate(Struct, frozen=True, tag_field="sessionUpdate", tag="usage_update"):
    """Tokens in the context (`used` of `size`), and the cost of the session so far."""

    used: int = 0
    size: int = 0
    cost: Cost | None = None


class NoticeUpdate(Struct, frozen=True, tag_field="sessionUpdate", tag="notice"):
    """A message for the user."""

    title: str = ""
    severity: str = ""
    description: str | None = None


class CompactionUpdate(
    Struct, frozen=True, rename="camel", tag_field="sessionUpdate", tag="compaction_update"
):
    """The progress of a compaction."""

    compaction_id: str = ""
    status: str = ""
    error: str | None = None


class SlashCommand(Struct, frozen=True):
    """A command: a prompt that begins with its name."""

    name: str


class CommandsUpdate(
    Struct,
    frozen=True,
    rename="camel",
    tag_field="sessionUpdate",
    tag="available_commands_update",
):
    """All slash commands that there are now."""

    available_commands: list[SlashCommand] = []


class ConfigOptionsUpdate(
    Struct, frozen=True, rename="camel", tag_field="sessionUpdate", tag="config_option_update"
):
    """All options as they are now."""

    config_options: list[ConfigOption] = []


class ModeUpdate(
    Struct, frozen=True, rename="camel", tag_field="sessionUpdate", tag="current_mode_update"
):
    """The mode in use now."""

    current_mode_id: str = ""


Update = (
    AgentMessageChunk
    | AgentThoughtChunk
    | UserMessageChunk
    | ToolCallStart
    | ToolCallUpdate
    | PlanUpdate
    | UsageUpdate
    | NoticeUpdate
    | CompactionUpdate
    | CommandsUpdate
    | ConfigOptionsUpdate
    | ModeUpdate
)


class SessionUpdate(Struct, frozen=True, rename="camel"):
    """The params of ``session/update``."""

    update: Update
    session_id: str = ""
