"""What happens in a conversation over ACP v1: the kinds of ``session/update``."""

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
    "UsageUpdate",
    "UserMessageChunk",
]


class ContentBlock(Struct, frozen=True):
    """A block of content; words have a text."""

    type: str = ""
    text: str | None = None


class Chunk(Struct, frozen=True, rename="camel", tag_field="sessionUpdate"):
    """A piece of what somebody says."""

    content: ContentBlock
    message_id: str | None = None


class AgentMessageChunk(Chunk, frozen=True, tag="agent_message_chunk"):
    """A piece of an answer."""


class AgentThoughtChunk(Chunk, frozen=True, tag="agent_thought_chunk"):
    """A piece of a thought."""


class UserMessageChunk(Chunk, frozen=True, tag="user_message_chunk"):
    """A piece of a prompt: an echo, or the past."""


class ToolCallStart(ToolCall, frozen=True, tag_field="sessionUpdate", tag="tool_call"):
    """A tool call that was not there."""


class ToolCallUpdate(ToolCall, frozen=True, tag_field="sessionUpdate", tag="tool_call_update"):
    """What is new about a tool call."""


class PlanUpdate(Struct, frozen=True, tag_field="sessionUpdate", tag="plan"):
    """The whole plan."""

    entries: list[Any] = []


class Cost(Struct, frozen=True):
    """Money."""

    amount: float = 0
    currency: str = ""


class UsageUpdate(Struct, frozen=True, tag_field="sessionUpdate", tag="usage_update"):
    """How full the context is, in tokens, and the cost so far."""

    used: int = 0
    size: int = 0
    cost: Cost | None = None


class NoticeUpdate(Struct, frozen=True, tag_field="sessionUpdate", tag="notice"):
    """Something to show."""

    title: str = ""
    severity: str = ""
    description: str | None = None


class CompactionUpdate(
    Struct, frozen=True, rename="camel", tag_field="sessionUpdate", tag="compaction_update"
):
    """How the shortening of the conversation goes."""

    compaction_id: str = ""
    status: str = ""
    error: str | None = None


class SlashCommand(Struct, frozen=True):
    """A command that a prompt can be."""

    name: str


class CommandsUpdate(
    Struct,
    frozen=True,
    rename="camel",
    tag_field="sessionUpdate",
    tag="available_commands_update",
):
    """All commands."""

    available_commands: list[SlashCommand] = []


class ConfigOptionsUpdate(
    Struct, frozen=True, rename="camel", tag_field="sessionUpdate", tag="config_option_update"
):
    """All settings."""

    config_options: list[ConfigOption] = []


class ModeUpdate(
    Struct, frozen=True, rename="camel", tag_field="sessionUpdate", tag="current_mode_update"
):
    """The mode."""

    current_mode_id: str = ""


class SessionUpdate(Struct, frozen=True, rename="camel"):
    """The params of ``session/update``."""

    update: (
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
    session_id: str = ""
