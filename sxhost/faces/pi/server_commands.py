"""The functions of the commands for the server: sessions created, listed, deleted; metrics."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping

import msgspec
from msgspec import UNSET, UnsetType
from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as TookTooLong
from twisted.internet.interfaces import IReactorTime

from sxhost.errors import HostError, SessionExists
from sxhost.faces.pi import commands
from sxhost.faces.pi.codex_commands import thread_names
from sxhost.faces.pi.command_rules import MAX_PATH, units
from sxhost.faces.pi.executor_state import ExecutorState
from sxhost.faces.pi.responses import CommandFailed
from sxhost.faces.pi.session_files import name_sessions, session_files
from sxhost.faces.pi.session_info import AGENT_TIMEOUT_S, Sessions
from sxhost.faces.pi.session_names import MAX_NAME, NAME, id_of, named
from sxhost.faces.pi.subscribers import Subscribers
from sxhost.logs import logger
from sxhost.model.host import Host
from sxhost.model.session import SessionQuery
from sxhost.model.turn import Launch

__all__ = ["ServerCommands", "recovery_summary"]

log = logger(__name__)

BASE36 = "0123456789abcdefghijklmnopqrstuvwxyz"
MAX_HISTORY = 500
"""Entries of the command history that may be asked for at once."""


class ServerCommands:
    """The commands that need no agent of a session: a method of the name of each."""

    def __init__(
        self,
        host: Host,
        sessions: Sessions,
        clients: Subscribers,
        state: ExecutorState,
        clock: IReactorTime,
    ) -> None:
        self._host = host
        self._sessions = sessions
        self._clients = clients
        self._state = state
        self._clock = clock

    async def list_sessions(self, _command: commands.Command) -> dict[str, object]:
        """List the sessions."""
        return {"sessions": await self._sessions.all()}

    async def create_session(self, command: commands.CreateSession) -> dict[str, object]:
        """Start an agent."""
        check_new_session_name(command.session_id)
        if command.cwd is not UNSET:
            check_cwd(command.cwd)
        cwd = None if command.cwd is UNSET else command.cwd
        return await self._start(
            command, {**command.launch, "cwd": cwd, "agent": command.agent}
        )

    async def load_session(self, command: commands.LoadSession) -> dict[str, object]:
        """Start an agent that resumes from a session file."""
        check_new_session_name(command.session_id)
        path = command.session_path
        header = await self._sessions.apart(lambda: session_files("").check(path))
        cwd = {"cwd": header.cwd} if header.cwd_exists else {}
        fields = {**cwd, **command.launch, "resume": header.resume, "agent": header.agent}
        return await self._start(command, fields)

    async def _start(
        self, command: commands.CreateSession | commands.LoadSession, fields: dict[str, object]
    ) -> dict[str, object]:
        """Start an agent with these fields of a `Launch`; return the new session."""
        tail = "".join(secrets.choice(BASE36) for _ in range(7))
        name = command.session_id or f"session-{self._host.now_ms()}-{tail}"
        await self._check_session_limit()
        try:
            launch = msgspec.convert(named(fields, name), Launch)
        except msgspec.ValidationError as error:
            raise CommandFailed(f"Validation failed: launch: {error}") from None
        try:
            await self._host.start(launch)
        except SessionExists:
            raise CommandFailed(f"Session {name} already exists") from None
        await self._host.flush_events(id_of(name))
        info = await self._sessions.info(id_of(name))
        return {"sessionId": name, "sessionInfo": info}

    async def _check_session_limit(self) -> None:
        limit = self._host.limits.mux_sessions
        sessions = await self._host.sessions(SessionQuery())
        live = [s for s in sessions if s.kind == "hosted" and s.detail_state not in _ENDED]
        if len(live) >= limit:
            self._state.rates.refused["sessionLimit"] += 1
            raise CommandFailed(f"Session limit reached ({limit} sessions)")

    async def delete_session(self, command: commands.DeleteSession) -> dict[str, object]:
        """End an agent and forget its session."""
        session_id = id_of(command.session_id)
        await self._host.forget(session_id)
        self._clients.unsubscribe(session_id)
        return {"deleted": True}

    async def switch_session(self, command: commands.SwitchSession) -> dict[str, object]:
        """Describe the session; after the response the client reads it from `cursor` on."""
        info = await self._sessions.info(id_of(command.session_id))
        return {"sessionInfo": info, "cursor": self._host.cursor}

    async def unsubscribe(self, command: commands.Unsubscribe) -> dict[str, object]:
        """Accept; the client ends its subscription after the response."""
        await self._host.session(id_of(command.session_id))
        return {"unsubscribed": True}

    async def get_metrics(self, _command: commands.Command) -> dict[str, object]:
        """Return counts of sessions, clients, commands."""
        sessions = await self._host.sessions(SessionQuery())
        counts = {
            "sessionCount": len(sessions),
            "connectionCount": len(self._clients.connected),
        }
        pending = sum(session.pending_approvals for session in sessions)
        return {**counts, "pendingConnectionCount": 0, **self._state.statistics(pending)}

    async def health_check(self, _command: commands.Command) -> dict[str, object]:
        """Return that the server is healthy: else it would not answer."""
        return {
            "healthy": True,
            "issues": [],
            "hasOpenCircuit": False,
            "hasOpenBashCircuit": False,
        }

    async def get_startup_recovery(self, _command: commands.Command) -> dict[str, object]:
        """Return that nothing was restored: commands have no journal here, events have."""
        return recovery_summary()

    async def get_command_history(
        self, command: commands.GetCommandHistory
    ) -> dict[str, object]:
        """Return an empty history, with the filters that were asked for."""
        fields = msgspec.to_builtins(command)
        names = ("sessionIdFilter", "commandId", "fromTimestamp", "toTimestamp")
        return {
            **_NO_JOURNAL,
            "filters": {name: fields[name] for name in names if name in fields},
            "entries": [],
            "returned": 0,
            "truncated": False,
            "maxItemsReturned": command.limit,
            "maxItemsAllowed": MAX_HISTORY,
        }

    async def list_stored_sessions(self, _command: commands.Command) -> dict[str, object]:
        """List the session files, with the names that codex has for its threads."""
        listed = await self._sessions.apart(lambda: session_files("").all())
        names = await self._thread_names() if listed else {}
        for session in listed:
            if session["sessionId"] in names:
                session["sessionName"] = names[session["sessionId"]]
        hosted = (s for agent in ("pi", "codex") for s in self._host.hosted_sessions(agent))
        return {"sessions": name_sessions(listed, hosted)}

    async def _thread_names(self) -> dict[str, str]:
        """Return the names from an app server that runs; none is started for it."""
        for session in self._host.hosted_sessions("codex"):
            status = await self._host.agent_status(session.id)
            if status is not None and status.is_ready:
                names = Deferred.fromCoroutine(thread_names(self._host, session.id))
                try:
                    return await names.addTimeout(AGENT_TIMEOUT_S, self._clock)
                except (HostError, TookTooLong) as error:
                    log.info("codex does not say what its threads are called: {e}", e=error)
                    break
        return {}


_ENDED = frozenset({"ended", "lost"})
_NO_JOURNAL: Mapping[str, object] = {
    "enabled": False,
    "initialized": True,
    "initState": "disabled",
    "journalPath": "",
    "schemaVersion": 1,
}


def recovery_summary() -> dict[str, object]:
    """Return what the startup restored: nothing, since commands have no journal here."""
    return {
        **_NO_JOURNAL,
        "entriesScanned": 0,
        "malformedEntries": 0,
        "unsupportedVersionEntries": 0,
        "recoveredOutcomes": 0,
        "recoveredOutcomeIds": [],
        "recoveredOutcomeIdsTruncated": False,
        "recoveredInFlightFailures": 0,
        "recoveredInFlight": [],
        "recoveredInFlightTruncated": False,
        "maxItemsReturned": 100,
    }


def check_new_session_name(name: str | UnsetType) -> None:
    """Check what a client wants to call a new session, if it wants something.

    :raises CommandFailed: it is invalid.
    """
    if name is UNSET:
        return
    if units(name) > MAX_NAME:
        raise CommandFailed(f"Session ID too long (max {MAX_NAME} characters)")
    if not NAME.match(name):
        raise CommandFailed(
            "Session ID must contain only alphanumeric characters, underscores, dashes,"
            " and dots"
        )


def check_cwd(cwd: str) -> None:
    """Check a working directory; the host checks later whether it is allowed.

    :raises CommandFailed: it is invalid.
    """
    if not cwd:
        raise CommandFailed("CWD must be a non-empty string")
    if units(cwd) > MAX_PATH:
        raise CommandFailed(f"CWD too long (max {MAX_PATH} characters)")
    if ".." in cwd or cwd.startswith("~") or "\0" in cwd:
        raise CommandFailed("CWD contains potentially dangerous path components")
    if not cwd.startswith("/"):
        raise CommandFailed("CWD must be an absolute path")
    if not os.path.isdir(cwd):  # noqa: PTH112 - it is False for names that are too long
        raise CommandFailed("CWD must point to an existing directory")
