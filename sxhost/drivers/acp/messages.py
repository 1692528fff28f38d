"""Requests and results of ACP v1 as structs, with the fields that the driver reads.

Nearly all have defaults: agents leave out, add and null fields as they like.
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

# Results of initialize and of what opens a session.


class AuthMethod(Struct, frozen=True):
    """A way to log in to the agent's vendor."""

    id: str = ""
    name: str = ""
    description: str | None = None


class PromptCapabilities(Struct, frozen=True):
    """What a prompt may hold beside text and links."""

    image: bool = False


class AgentCapabilities(Struct, frozen=True, rename="camel"):
    """What an agent can do; `session_capabilities` has a key for each optional method."""

    load_session: bool = False
    prompt_capabilities: PromptCapabilities = PromptCapabilities()
    session_capabilities: dict[str, Any] | None = None

    def has(self, method: str) -> bool:
        """Return whether the agent has ``session/METHOD``."""
        return (self.session_capabilities or {}).get(method) is not None

    @property
    def resumes(self) -> bool:
        """Whether a new process can resume a session, by ``session/resume`` or ``/load``."""
        return self.load_session or self.has("resume")


class Implementation(Struct, frozen=True):
    """Name and version of the agent's program."""

    name: str = "the agent"
    title: str | None = None
    version: str = ""


class InitializeResult(Struct, frozen=True, rename="camel"):
    """The result of ``initialize``."""

    protocol_version: int = VERSION
    agent_capabilities: AgentCapabilities = AgentCapabilities()
    agent_info: Implementation | None = None
    auth_methods: list[AuthMethod] | None = None

    @property
    def name(self) -> str:
        """The agent's name for a person."""
        info = self.agent_info or Implementation()
        return info.title or info.name

    @property
    def logins(self) -> str:
        """How to log in, for a person."""
        ways = [way.description or way.name or way.id for way in self.auth_methods or []]
        return "; ".join(way for way in ways if way) or "by its own command"


class ConfigValue(Struct, frozen=True):
    """A value of an option, or a group of values (then `options` has them)."""

    value: Any = None
    options: list[ConfigValue] = []


class ConfigOption(Struct, frozen=True, rename="camel"):
    """An option of the session; `category` says what it sets."""

    id: str
    category: str | None = None
    current_value: Any = None
    options: list[ConfigValue] = []

    @property
    def values(self) -> list[Any]:
        """The values that it can be set to."""
        groups = [choice.options or [choice] for choice in self.options]
        return [choice.value for group in groups for choice in group]


class Model(Struct, frozen=True, rename="camel"):
    """A model that can be chosen."""

    model_id: str


class Models(Struct, frozen=True, rename="camel"):
    """The models, of agents that do not offer them as an option."""

    available_models: list[Model] = []
    current_model_id: str = ""


class Mode(Struct, frozen=True):
    """A mode: when the agent asks for permission."""

    id: str


class Modes(Struct, frozen=True, rename="camel"):
    """The modes, of agents that do not offer them as an option."""

    available_modes: list[Mode] = []
    current_mode_id: str = ""


class SessionResult(Struct, frozen=True, rename="camel"):
    """The result of ``session/new``, ``/load``, ``/resume``; only the first has an id."""

    session_id: str = ""
    config_options: list[ConfigOption] | None = None
    models: Models | None = None
    modes: Modes | None = None


class PromptResult(Struct, frozen=True, rename="camel"):
    """The result of ``session/prompt``, which ends the turn; `usage` is of this turn."""

    stop_reason: str = "end_turn"
    usage: dict[str, Any] | None = None
    meta: dict[str, Any] | None = field(default=None, name="_meta")


# Tool calls, and requests of the agent.


class ToolCallContent(Struct, frozen=True, rename="camel"):
    """A part of a tool call's content: a block, a diff or a terminal, by `type`."""

    type: str = ""
    content: Any = None
    path: str = ""
    old_text: str | None = None
    new_text: str = ""

    @property
    def text(self) -> str:
        """The text of a block; "" of anything else."""
        text = self.content.get("text") if isinstance(self.content, dict) else None
        return text if isinstance(text, str) else ""


class ToolCall(Struct, frozen=True, rename="camel"):
    """A tool call, or what has changed of one: fields that are None have not."""

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
    """One of the answers that a request for permission offers."""

    option_id: str
    kind: str = ""
    name: str = ""


class PermissionParams(Struct, frozen=True, rename="camel"):
    """Params of ``session/request_permission``."""

    tool_call: ToolCall
    options: list[PermissionOption] = []


class ElicitationParams(Struct, frozen=True, rename="camel"):
    """Params of ``elicitation/create``; a request of another mode is refused."""

    mode: Literal["form", "url"]
    message: str = ""
    requested_schema: dict[str, Any] = {}
    url: str = ""
