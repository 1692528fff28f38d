"""What happens in a conversation over ACP v1: the kinds of ``session/update``."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from sxhost.drivers.acp.messages import Config, ToolCall

__all__ = [
    "AgentSays",
    "AgentThinks",
    "Commands",
    "Compaction",
    "Configs",
    "ModeNow",
    "Notice",
    "Plan",
    "SessionUpdate",
    "ToolBegun",
    "ToolUpdate",
    "Usage",
    "UserSays",
]


class ContentBlock(Struct, frozen=True):
    """A block of content; words have a text."""

    type: str = ""
    text: str | None = None


class Chunk(Struct, frozen=True, rename="camel", tag_field="sessionUpdate"):
    """A piece of what somebody says."""

    content: ContentBlock
    message_id: str | None = None


class AgentSays(Chunk, frozen=True, tag="agent_message_chunk"):
    """A piece of an answer."""


class AgentThinks(Chunk, frozen=True, tag="agent_thought_chunk"):
    """A piece of a thought."""


class UserSays(Chunk, frozen=True, tag="user_message_chunk"):
    """A piece of a prompt: an echo, or the past."""


class ToolBegun(ToolCall, frozen=True, tag_field="sessionUpdate", tag="tool_call"):
    """A tool call that was not there."""


class ToolUpdate(ToolCall, frozen=True, tag_field="sessionUpdate", tag="tool_call_update"):
    """What is new about a tool call."""


class Plan(Struct, frozen=True, tag_field="sessionUpdate", tag="plan"):
    """The whole plan."""

    entries: list[Any] = []


class Cost(Struct, frozen=True):
    """Money."""

    amount: float = 0
    currency: str = ""


class Usage(Struct, frozen=True, tag_field="sessionUpdate", tag="usage_update"):
    """How full the context is, in tokens, and the cost so far."""

    used: int = 0
    size: int = 0
    cost: Cost | None = None


class Notice(Struct, frozen=True, tag_field="sessionUpdate", tag="notice"):
    """Something to show."""

    title: str = ""
    severity: str = ""
    description: str | None = None


class Compaction(
    Struct, frozen=True, rename="camel", tag_field="sessionUpdate", tag="compaction_update"
):
    """How the shortening of the conversation goes."""

    compaction_id: str = ""
    status: str = ""
    error: str | None = None


class Slash(Struct, frozen=True):
    """A command that a prompt can be."""

    name: str


class Commands(
    Struct,
    frozen=True,
    rename="camel",
    tag_field="sessionUpdate",
    tag="available_commands_update",
):
    """All commands."""

    available_commands: list[Slash] = []


class Configs(
    Struct, frozen=True, rename="camel", tag_field="sessionUpdate", tag="config_option_update"
):
    """All settings."""

    config_options: list[Config] = []


class ModeNow(
    Struct, frozen=True, rename="camel", tag_field="sessionUpdate", tag="current_mode_update"
):
    """The mode."""

    current_mode_id: str = ""


class SessionUpdate(Struct, frozen=True, rename="camel"):
    """The params of ``session/update``."""

    update: (
        AgentSays
        | AgentThinks
        | UserSays
        | ToolBegun
        | ToolUpdate
        | Plan
        | Usage
        | Notice
        | Compaction
        | Commands
        | Configs
        | ModeNow
    )
    session_id: str = ""
