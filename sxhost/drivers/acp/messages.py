"""What is read of ACP v1, the Agent Client Protocol.

Only the fields that are used; agents leave out, add and null what they like.
https://agentclientprotocol.com/protocol/v1/schema
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct, field

__all__ = [
    "VERSION",
    "ConfigOption",
    "ElicitationParams",
    "InitializeResult",
    "Models",
    "Modes",
    "PermissionOption",
    "PermissionParams",
    "PromptResult",
    "SessionResult",
    "ToolCall",
    "ToolCallContent",
]

VERSION = 1

# What an agent says of itself.


class AuthMethod(Struct, frozen=True):
    """A way to be known to the agent's vendor."""

    id: str = ""
    name: str = ""
    description: str | None = None


class PromptCapabilities(Struct, frozen=True):
    """What a prompt may hold beside words and links."""

    image: bool = False


class AgentCapabilities(Struct, frozen=True, rename="camel"):
    """What an agent can do; `session_capabilities` has a key for each optional method."""

    load_session: bool = False
    prompt_capabilities: PromptCapabilities = PromptCapabilities()
    session_capabilities: dict[str, Any] | None = None

    def has(self, method: str) -> bool:
        """Tell whether ``session/METHOD`` is there."""
        return (self.session_capabilities or {}).get(method) is not None

    @property
    def resumes(self) -> bool:
        """Whether a conversation goes on in a new process, in either way."""
        return self.load_session or self.has("resume")


class Implementation(Struct, frozen=True):
    """The program."""

    name: str = "the agent"
    title: str | None = None
    version: str = ""


class InitializeResult(Struct, frozen=True, rename="camel"):
    """The answer to ``initialize``."""

    protocol_version: int = VERSION
    agent_capabilities: AgentCapabilities = AgentCapabilities()
    agent_info: Implementation | None = None
    auth_methods: list[AuthMethod] | None = None

    @property
    def name(self) -> str:
        """What to call the agent."""
        info = self.agent_info or Implementation()
        return info.title or info.name

    @property
    def logins(self) -> str:
        """How one logs in, for a person."""
        ways = [way.description or way.name or way.id for way in self.auth_methods or []]
        return "; ".join(way for way in ways if way) or "by its own command"


class ConfigValue(Struct, frozen=True):
    """A value of an option, or a group of such."""

    value: Any = None
    options: list[ConfigValue] = []


class ConfigOption(Struct, frozen=True, rename="camel"):
    """One of the session's settings."""

    id: str
    category: str | None = None
    current_value: Any = None
    options: list[ConfigValue] = []

    @property
    def values(self) -> list[Any]:
        """What it can be set to."""
        groups = [choice.options or [choice] for choice in self.options]
        return [choice.value for group in groups for choice in group]


class Model(Struct, frozen=True, rename="camel"):
    """A model that can be chosen."""

    model_id: str


class Models(Struct, frozen=True, rename="camel"):
    """The models, where they are no setting."""

    available_models: list[Model] = []
    current_model_id: str = ""


class Mode(Struct, frozen=True):
    """A way of asking for leave."""

    id: str


class Modes(Struct, frozen=True, rename="camel"):
    """The modes, where they are no setting."""

    available_modes: list[Mode] = []
    current_mode_id: str = ""


class SessionResult(Struct, frozen=True, rename="camel"):
    """The answer to ``session/new``, ``/load`` and ``/resume``; only the first names it."""

    session_id: str = ""
    config_options: list[ConfigOption] | None = None
    models: Models | None = None
    modes: Modes | None = None


class PromptResult(Struct, frozen=True, rename="camel"):
    """The end of a turn; `usage` is that of the turn."""

    stop_reason: str = "end_turn"
    usage: dict[str, Any] | None = None
    meta: dict[str, Any] | None = field(default=None, name="_meta")


# What an agent does and asks.


class ToolCallContent(Struct, frozen=True, rename="camel"):
    """A part of what a tool call shows: a block of content, a diff, or a terminal."""

    type: str = ""
    content: Any = None
    path: str = ""
    old_text: str | None = None
    new_text: str = ""

    @property
    def text(self) -> str:
        """Its words, if it is words."""
        words = self.content.get("text") if isinstance(self.content, dict) else None
        return words if isinstance(words, str) else ""


class ToolCall(Struct, frozen=True, rename="camel"):
    """A tool call, or what is new about one."""

    tool_call_id: str
    title: str | None = None
    kind: str | None = None
    status: str | None = None
    content: list[ToolCallContent] | None = None
    locations: Any = None
    raw_input: Any = None
    raw_output: Any = None
    meta: Any = field(default=None, name="_meta")


class PermissionOption(Struct, frozen=True, rename="camel"):
    """One of the answers to a request for leave."""

    option_id: str
    kind: str = ""
    name: str = ""


class PermissionParams(Struct, frozen=True, rename="camel"):
    """What ``session/request_permission`` asks."""

    tool_call: ToolCall
    options: list[PermissionOption] = []


class ElicitationParams(Struct, frozen=True, rename="camel"):
    """What ``elicitation/create`` asks; another mode is not understood."""

    mode: Literal["form", "url"]
    message: str = ""
    requested_schema: dict[str, Any] = {}
    url: str = ""
