"""The commands of the multiplexer (pi-app-server, protocol 1.0.0): the one table of them.

Ten for the server and 34 for a session, as the source system has them, and one of ours
(``unsubscribe``).  They are a tagged union on ``type``, decoded in C; what is wrong with a
command is said in the source's words by `sxhost.faces.pi.validation`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, get_args

from msgspec import UNSET, Struct, UnsetType

from sxhost.faces.pi.fields import (
    Amount,
    Behavior,
    Dependencies,
    DialogAnswer,
    Direction,
    Id,
    IfName,
    IfSession,
    IfText,
    Journey,
    Level,
    Named,
    Pictures,
    Place,
    Prompted,
    RequestId,
    SafePath,
    Script,
    Session,
    Switch,
    Text,
    ThatSession,
    Time,
    Version,
)

__all__ = ["COMMANDS", "RESERVED", "AnyCommand", "Command", "SessionCommand"]

RESERVED: Final = "anon:"
"""How the ids begin that commands get which have none."""

# The envelope.


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


class Command(Struct, frozen=True, kw_only=True, rename="camel", tag_field="type", tag=_snake):
    """What every command may have."""

    id: Id | UnsetType = UNSET
    idempotency_key: IfName | UnsetType = UNSET
    depends_on: Dependencies | UnsetType = UNSET
    if_session_version: Version | UnsetType = UNSET

    def __post_init__(self) -> None:
        """Refuse what does not go together."""
        if self.depends_on and self.id is UNSET:
            raise ValueError("id: Required when dependsOn is provided")
        if self.if_session_version is not UNSET and not self._has_version:
            raise ValueError("ifSessionVersion: Only supported for session-targeted commands")

    @property
    def type(self) -> str:
        """What it is called."""
        return str(self.__struct_config__.tag)

    @property
    def target(self) -> str | None:
        """The session that it is about; one that is to be made, if it has a name already."""
        return getattr(self, "session_id", None) or None

    @property
    def _has_version(self) -> bool:
        """Whether a version can be asked of what it is about."""
        return False


class SessionCommand(Command, frozen=True, kw_only=True):
    """What every command for a session has."""

    session_id: Session

    @property
    def _has_version(self) -> bool:
        return True


# For the server.


class ListSessions(Command, frozen=True):
    """List the sessions that there are."""


class CreateSession(Command, frozen=True, kw_only=True):
    """Start an agent (`agent`, ours: which; `launch`: more of ``POST /sessions``)."""

    session_id: IfSession | UnsetType = UNSET
    cwd: IfText | UnsetType = UNSET
    agent: IfText = "pi"
    launch: dict[str, Any] = {}


class DeleteSession(Command, frozen=True, kw_only=True):
    """End a session's agent and forget it; what the agent wrote down stays."""

    session_id: ThatSession

    @property
    def _has_version(self) -> bool:
        return True


class SwitchSession(Command, frozen=True, kw_only=True):
    """Subscribe to a session, from a cursor (`after`, ours) or from now on.

    Without `snapshots` (ours) a message that grows is not told again with each piece of it.
    """

    session_id: ThatSession
    after: Place | UnsetType = UNSET
    snapshots: bool = True


class Unsubscribe(Command, frozen=True, kw_only=True):
    """End a subscription (ours)."""

    session_id: ThatSession


class GetMetrics(Command, frozen=True):
    """Count."""


class HealthCheck(Command, frozen=True):
    """Say how the server is."""


class GetStartupRecovery(Command, frozen=True):
    """Say what the journal of commands brought back."""


class GetCommandHistory(Command, frozen=True, kw_only=True):
    """Read the journal of commands."""

    session_id_filter: IfName | UnsetType = UNSET
    command_id: IfName | UnsetType = UNSET
    from_timestamp: Time | UnsetType = UNSET
    to_timestamp: Time | UnsetType = UNSET
    limit: Amount = 100

    def __post_init__(self) -> None:
        """Refuse a time that ends before it begins."""
        super().__post_init__()
        since, until = self.from_timestamp, self.to_timestamp
        if since is not UNSET and until is not UNSET and since > until:
            raise ValueError("fromTimestamp: Must be less than or equal to toTimestamp")


class ListStoredSessions(Command, frozen=True):
    """List what agents have written down and can go on with."""


class LoadSession(Command, frozen=True, kw_only=True):
    """Go on with such a session."""

    session_path: SafePath
    session_id: IfSession | UnsetType = UNSET
    launch: dict[str, Any] = {}


# For a session.


class ExtensionUiResponse(SessionCommand, frozen=True, kw_only=True):
    """Answer what an extension, or an agent, has asked."""

    request_id: RequestId
    response: DialogAnswer


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
    """Run a turn; answered when it is over."""

    message: Prompted
    images: Pictures = []
    streaming_behavior: Behavior | UnsetType = UNSET


class Steer(SessionCommand, frozen=True, kw_only=True):
    """Add to the running turn."""

    message: Prompted
    images: Pictures = []


class FollowUp(SessionCommand, frozen=True, kw_only=True):
    """Queue words for when the turn is over."""

    message: Prompted
    images: Pictures = []


class Abort(SessionCommand, frozen=True):
    """Stop the running turn."""


class GetState(SessionCommand, frozen=True):
    """Describe the session."""


class GetMessages(SessionCommand, frozen=True):
    """Return the conversation."""


class SetModel(SessionCommand, frozen=True, kw_only=True):
    """Use another model."""

    provider: Text
    model_id: Text


class CycleModel(SessionCommand, frozen=True, kw_only=True):
    """Use the next model."""

    direction: Direction = "forward"


class SetThinkingLevel(SessionCommand, frozen=True, kw_only=True):
    """Think more or less."""

    level: Level


class CycleThinkingLevel(SessionCommand, frozen=True):
    """Use the next thinking level."""


class Compact(SessionCommand, frozen=True, kw_only=True):
    """Shorten the conversation."""

    custom_instructions: IfText | UnsetType = UNSET


class AbortCompaction(SessionCommand, frozen=True):
    """Stop shortening it."""


class SetAutoCompaction(SessionCommand, frozen=True, kw_only=True):
    """Say whether it is shortened by itself."""

    enabled: Switch


class SetAutoRetry(SessionCommand, frozen=True, kw_only=True):
    """Say whether what failed is tried again."""

    enabled: Switch


class AbortRetry(SessionCommand, frozen=True):
    """Try no longer."""


class Bash(SessionCommand, frozen=True, kw_only=True):
    """Run a command of the user's."""

    command: Script
    exclude_from_context: bool = False


class AbortBash(SessionCommand, frozen=True):
    """End it."""


class GetSessionStats(SessionCommand, frozen=True):
    """Count messages, tokens, costs."""


class SetSessionName(SessionCommand, frozen=True, kw_only=True):
    """Give it a title."""

    name: Named


class ExportHtml(SessionCommand, frozen=True, kw_only=True):
    """Write it into a file for people."""

    output_path: IfText | UnsetType = UNSET


class NewSession(SessionCommand, frozen=True, kw_only=True):
    """Begin a new conversation in the same agent."""

    parent_session: IfText | UnsetType = UNSET


class SwitchSessionFile(SessionCommand, frozen=True, kw_only=True):
    """Go on with another file in the same agent."""

    session_path: SafePath


class Fork(SessionCommand, frozen=True, kw_only=True):
    """Begin a branch at a message."""

    entry_id: Text


class GetForkMessages(SessionCommand, frozen=True):
    """List where a branch can begin."""


class GetTree(SessionCommand, frozen=True):
    """Return all branches."""


class NavigateTree(SessionCommand, frozen=True, kw_only=True):
    """Go to another branch."""

    target_id: Text
    options: Journey = Journey()


class GetLastAssistantText(SessionCommand, frozen=True):
    """Return the last answer."""


class GetContextUsage(SessionCommand, frozen=True):
    """Say how full the context is."""


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
"""Any of them."""

COMMANDS: Final[Mapping[str, type[Command]]] = {
    str(kind.__struct_config__.tag): kind for kind in get_args(AnyCommand)
}
"""The commands by their names, in the order of the source."""
