"""Which function does a command: by its name, and for a session by the session's agent."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sxhost.errors import HostError, UnknownSession
from sxhost.faces.pi.codex_commands import CODEX_COMMANDS
from sxhost.faces.pi.commands import Command, ExtensionUiResponse, SessionCommand
from sxhost.faces.pi.pi_commands import PI_COMMANDS, UNSUPPORTED
from sxhost.faces.pi.responses import CommandFailed
from sxhost.faces.pi.scheduling import TRAITS
from sxhost.faces.pi.server_commands import ServerCommands
from sxhost.faces.pi.session_commands import (
    ANY_SESSION_COMMANDS,
    HOSTED_COMMANDS,
    CommandContext,
    CommandFunction,
)
from sxhost.faces.pi.session_info import Sessions
from sxhost.faces.pi.session_names import id_of
from sxhost.model.host import Host

__all__ = ["ATTACHED", "TABLES", "CommandHandler"]

ATTACHED = "attached"
"""The key of the table for attached sessions."""

ABORT_HINT = ": stop it where it runs (Esc at its terminal), or steer it"
"""What can be done instead; all hosted agents can be stopped."""

TABLES: Mapping[str, Mapping[str, CommandFunction]] = {
    "pi": {**HOSTED_COMMANDS, **PI_COMMANDS},
    "codex": {**HOSTED_COMMANDS, **CODEX_COMMANDS},
    ATTACHED: ANY_SESSION_COMMANDS,
}
"""The functions of commands by agent; for other agents they are `HOSTED_COMMANDS`."""

AUDITED_CHARS = 200
"""Characters of a user's shell command that the audit keeps."""

_INTERRUPTED = frozenset({"prompt", "steer", "follow_up", "compact"})
"""Commands whose work is a turn, which an interrupt stops."""


class CommandHandler:
    """Does commands, with the verbs of the host."""

    def __init__(self, host: Host, sessions: Sessions, server_commands: ServerCommands) -> None:
        self._host = host
        self._sessions = sessions
        self._server_commands = server_commands

    async def handle(self, command: Command, work_started: Callable[[], None]) -> object:
        """Do a command; return the data of its response, or UNSET.

        :param work_started: called once the work runs by itself, so that others may overtake.
        :raises CommandFailed: it cannot be done.
        :raises HostError: the host refuses it.
        """
        try:
            if isinstance(command, SessionCommand):
                return await self._handle_in_session(command, work_started)
            return await getattr(self._server_commands, command.type)(command)
        except UnknownSession:
            if isinstance(command, ExtensionUiResponse):
                raise CommandFailed(
                    f"No pending UI request with id {command.request_id}"
                ) from None
            raise CommandFailed(f"Session {command.session_name} not found") from None

    async def _handle_in_session(
        self, command: SessionCommand, work_started: Callable[[], None]
    ) -> object:
        detail = await self._host.session(id_of(command.session_id))
        status = await self._host.agent_status(detail.id)
        context = CommandContext(self._host, self._sessions, detail, status, work_started)
        function = command_function(context, command)
        if TRAITS[command.type].scope == "admin":
            text = getattr(command, "command", "")[:AUDITED_CHARS]
            await self._host.record_action(command.type, detail.id, text)
        return await function(context, command)

    async def abort(self, command: Command) -> bool:
        """Have the agent stop a command that takes too long; return False if it cannot."""
        session_id = str(command.target)
        session = self._host.stored_session(session_id)
        if session is None or await self._host.agent_status(session_id) is None:
            return False
        try:
            if command.type in _INTERRUPTED:
                await self._host.interrupt(session_id)
            elif command.type == "bash" and session.agent == "pi":
                await self._host.native_command(session_id, "abort_bash", {})
            else:
                return False
        except HostError:
            return False
        return True


def command_function(context: CommandContext, command: SessionCommand) -> CommandFunction:
    """Return the function that does a command for a session.

    :raises CommandFailed: the session's agent cannot do it.
    """
    kind = context.detail.agent if context.detail.kind == "hosted" else ATTACHED
    function = TABLES.get(kind, HOSTED_COMMANDS).get(command.type)
    if function is not None:
        return function
    if kind == "pi":
        raise CommandFailed(UNSUPPORTED[command.type])
    hint = ABORT_HINT if command.type == "abort" else ""
    raise CommandFailed(f"{command.type} is not supported by {context.agent}{hint}")
