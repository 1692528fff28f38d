"""The commands of the multiplexer (pi-app-server, protocol 1.0.0): the one table of them.

Ten for the server and 34 for a session, as pi-app-server has them, and one of sxhost's own
(``unsubscribe``); fields marked "ours" are sxhost's, too.  They are a tagged union on ``type``,
decoded in C; `sxhost.faces.pi.validation` explains an invalid one as pi-app-server does.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import ClassVar, Final, get_args

from msgspec import UNSET, Struct, UnsetType

from sxhost.faces.pi import fields
from sxhost.faces.pi.session_names import id_of

__all__ = ["COMMANDS", "RESERVED", "AnyCommand", "Command", "SessionCommand"]

RESERVED: Final = "anon:"
"""The prefix of the ids that the host gives to commands without one."""

# The fields that commands share.


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


class Command(Struct, frozen=True, kw_only=True, rename="camel", tag_field="type", tag=_snake):
    """The fields that every command may have."""

    type: ClassVar[str]
    """The command's name: its tag."""

    has_version: ClassVar = False
    """Whether ``ifSessionVersion`` is allowed."""
    id: fields.CommandId | UnsetType = UNSET
    idempotency_key: fields.OptionalName | UnsetType = UNSET
    depends_on: fields.Dependencies | UnsetType = UNSET
    if_session_version: fields.SessionVersion | UnsetType = UNSET

    def __post_init__(self) -> None:
        """Refuse fields that need others."""
        if self.depends_on and self.id is UNSET:
            raise ValueError("id: Required when dependsOn is provided")
        if self.if_session_version is not UNSET and not self.has_version:
            raise ValueError("ifSessionVersion: Only supported for session-targeted commands")

    @property
    def session_name(self) -> str | None:
        """What its client calls the session that it is about, or that it creates."""
        return getattr(self, "session_id", None) or None

    @property
    def target(self) -> str | None:
        """The id in the host of that session."""
        name = self.session_name
        return None if name is None else id_of(name)


class SessionCommand(Command, frozen=True, kw_only=True):
    """The fields that every command for a session has."""

    has_version: ClassVar = True
    session_id: fields.SessionId


# For the server.


class ListSessions(Command, frozen=True):
    """List the sessions."""


class CreateSession(Command, frozen=True, kw_only=True):
    """Start an agent (`agent`, ours: which; `launch`: more of ``POST /sessions``)."""

    session_id: fields.OptionalSessionId | UnsetType = UNSET
    cwd: fields.OptionalText | UnsetType = UNSET
    agent: fields.OptionalText = "pi"
    launch: dict[str, object] = {}


class DeleteSession(Command, frozen=True, kw_only=True):
    """End a session's agent and forget the session; the agent's own files stay."""

    has_version: ClassVar = True
    session_id: fields.TargetSessionId


class SwitchSession(Command, frozen=True, kw_only=True):
    """Subscribe to a session, from a cursor (`after`, ours) or from now on.

    Without `snapshots` (ours) a growing message is not repeated with each of its deltas.
    """

    session_id: fields.TargetSessionId
    after: fields.CursorText | UnsetType = UNSET
    snapshots: bool = True


class Unsubscribe(Command, frozen=True, kw_only=True):
    """End a subscription (ours)."""

    session_id: fields.TargetSessionId


class GetMetrics(Command, frozen=True):
    """Return counts of clients, commands, sessions."""


class HealthCheck(Command, frozen=True):
    """Return whether the server is healthy."""


class GetStartupRecovery(Command, frozen=True):
    """Return what the journal of commands restored at startup."""


class GetCommandHistory(Command, frozen=True, kw_only=True):
    """Read the journal of commands."""

    session_id_filter: fields.OptionalSessionId | UnsetType = UNSET
    command_id: fields.OptionalName | UnsetType = UNSET
    from_timestamp: fields.Timestamp | UnsetType = UNSET
    to_timestamp: fields.Timestamp | UnsetType = UNSET
    limit: fields.PageSize = 100

    def __post_init__(self) -> None:
        """Refuse a period that ends before it begins."""
        super().__post_init__()
        since, until = self.from_timestamp, self.to_timestamp
        if since is not UNSET and until is not UNSET and since > until:
            raise ValueError("fromTimestamp: Must be less than or equal to toTimestamp")


class ListStoredSessions(Command, frozen=True):
    """List the session files from which agents can resume."""


class LoadSession(Command, frozen=True, kw_only=True):
    """Start an agent that resumes from such a file."""

    session_path: fields.SafePath
    session_id: fields.OptionalSessionId | UnsetType = UNSET
    launch: dict[str, object] = {}


# For a session.


class ExtensionUiResponse(SessionCommand, frozen=True, kw_only=True):
    """Answer the dialog of an extension, or an approval."""

    request_id: fields.RequestId
    response: fields.DialogAnswer


class GetAvailableModels(SessionCommand, frozen=True):
    """List the models that can be used."""


class GetCommands(SessionCommand, frozen=True):
    """List slash commands."""


class GetSkills(SessionCommand, frozen=True):
    """List skills."""


class GetTools(SessionCommand, frozen=True):
    """List tools."""


class ListSessionFiles(SessionCommand, frozen=True):
    """List the session files beside this one."""


class Prompt(SessionCommand, frozen=True, kw_only=True):
    """Run a turn; the response comes at its end."""

    message: fields.PromptText
    images: fields.Images = []
    streaming_behavior: fields.StreamingBehavior | UnsetType = UNSET


class Steer(SessionCommand, frozen=True, kw_only=True):
    """Add input to the running turn."""

    message: fields.PromptText
    images: fields.Images = []


class FollowUp(SessionCommand, frozen=True, kw_only=True):
    """Queue input for after the turn."""

    message: fields.PromptText
    images: fields.Images = []


class Abort(SessionCommand, frozen=True):
    """Stop the running turn."""


class GetState(SessionCommand, frozen=True):
    """Describe the session."""


class GetMessages(SessionCommand, frozen=True):
    """Return the conversation."""


class SetModel(SessionCommand, frozen=True, kw_only=True):
    """Use another model."""

    provider: fields.RequiredText
    model_id: fields.RequiredText


class CycleModel(SessionCommand, frozen=True, kw_only=True):
    """Use the next model."""

    direction: fields.Direction = "forward"


class SetThinkingLevel(SessionCommand, frozen=True, kw_only=True):
    """Set how long the model thinks."""

    level: fields.ThinkingLevel


class CycleThinkingLevel(SessionCommand, frozen=True):
    """Use the next thinking level."""


class Compact(SessionCommand, frozen=True, kw_only=True):
    """Compact the conversation."""

    custom_instructions: fields.OptionalText | UnsetType = UNSET


class AbortCompaction(SessionCommand, frozen=True):
    """Stop the compaction."""


class SetAutoCompaction(SessionCommand, frozen=True, kw_only=True):
    """Enable or disable automatic compaction."""

    enabled: fields.RequiredBool


class SetAutoRetry(SessionCommand, frozen=True, kw_only=True):
    """Enable or disable automatic retries of failed requests."""

    enabled: fields.RequiredBool


class AbortRetry(SessionCommand, frozen=True):
    """Stop retrying."""


class Bash(SessionCommand, frozen=True, kw_only=True):
    """Run a shell command of the user's."""

    command: fields.ShellCommand
    exclude_from_context: bool = False


class AbortBash(SessionCommand, frozen=True):
    """Stop the shell command."""


class GetSessionStats(SessionCommand, frozen=True):
    """Count messages, tokens, costs."""


class SetSessionName(SessionCommand, frozen=True, kw_only=True):
    """Set the session's title."""

    name: fields.SessionTitle


class ExportHtml(SessionCommand, frozen=True, kw_only=True):
    """Export the conversation to an HTML file."""

    output_path: fields.OptionalText | UnsetType = UNSET


class NewSession(SessionCommand, frozen=True, kw_only=True):
    """Begin a new conversation in the same agent."""

    parent_session: fields.OptionalText | UnsetType = UNSET


class SwitchSessionFile(SessionCommand, frozen=True, kw_only=True):
    """Resume from another file in the same agent."""

    session_path: fields.SafePath


class Fork(SessionCommand, frozen=True, kw_only=True):
    """Branch the conversation at a message."""

    entry_id: fields.RequiredText


class GetForkMessages(SessionCommand, frozen=True):
    """List the messages at which it can branch."""


class GetTree(SessionCommand, frozen=True):
    """Return the tree of all branches."""


class NavigateTree(SessionCommand, frozen=True, kw_only=True):
    """Move to another branch."""

    target_id: fields.RequiredText
    options: fields.TreeNavigation = fields.TreeNavigation()


class GetLastAssistantText(SessionCommand, frozen=True):
    """Return the last answer."""


class GetContextUsage(SessionCommand, frozen=True):
    """Return how full the context is."""


AnyCommand = (
    ListSessions | CreateSession | DeleteSession | SwitchSession | Unsubscribe | GetMetrics
    | HealthCheck | GetStartupRecovery | GetCommandHistory | ListStoredSessions | LoadSession
    | ExtensionUiResponse | GetAvailableModels | GetCommands | GetSkills | GetTools
    | ListSessionFiles | Prompt | Steer | FollowUp | Abort | GetState | GetMessages | SetModel
    | CycleModel | SetThinkingLevel | CycleThinkingLevel | Compact | AbortCompaction
    | SetAutoCompaction | SetAutoRetry | AbortRetry | Bash | AbortBash | GetSessionStats
    | SetSessionName | ExportHtml | NewSession | SwitchSessionFile | Fork | GetForkMessages
    | GetTree | NavigateTree | GetLastAssistantText | GetContextUsage
)  # fmt: skip
"""object command."""

COMMANDS: Final[Mapping[str, type[Command]]] = {
    str(kind.__struct_config__.tag): kind for kind in get_args(AnyCommand)
}
"""The commands by name, in the order of pi-app-server."""

for _name, _kind in COMMANDS.items():
    _kind.type = _name
