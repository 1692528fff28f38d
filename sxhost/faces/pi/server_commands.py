"""What the commands for the server do."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
from msgspec import UNSET
from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as TookTooLong
from twisted.internet.interfaces import IReactorTime

from sxhost.errors import BadField, HostError, SessionExists
from sxhost.faces.pi.codex_commands import thread_names
from sxhost.faces.pi.commands import (
    CreateSession,
    DeleteSession,
    GetCommandHistory,
    LoadSession,
    SwitchSession,
    Unsubscribe,
)
from sxhost.faces.pi.responses import CommandRefused
from sxhost.faces.pi.session_files import session_files
from sxhost.faces.pi.session_info import ASK_S, Sessions
from sxhost.logs import logger
from sxhost.model.names import check_session_id
from sxhost.model.session import SessionQuery
from sxhost.model.turn import Launch
from sxhost.service import SessionService

__all__ = ["ServerCommands", "recovery_summary"]

log = logger(__name__)

DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
LONGEST = 128
HISTORY = 500


class ServerCommands:
    """The commands that are for no session's agent."""

    def __init__(
        self,
        service: SessionService,
        sessions: Sessions,
        statistics: Callable[[], dict[str, Any]],
        clock: IReactorTime,
    ) -> None:
        self._service = service
        self._sessions = sessions
        self._statistics = statistics
        self._clock = clock

    def find(self, name: str) -> Callable[[Any], Awaitable[Any]] | None:
        """Return what does a command, if it is one of ours."""
        does = _DOES.get(name)
        return does and does.__get__(self)

    async def list_sessions(self, _command: Any) -> dict[str, Any]:
        """List the sessions."""
        return {"sessions": await self._sessions.all()}

    async def create_session(self, command: CreateSession) -> dict[str, Any]:
        """Start an agent."""
        if command.cwd is not UNSET:
            check_cwd(command.cwd)
        cwd = None if command.cwd is UNSET else command.cwd
        return await self._start(
            command, {**command.launch, "cwd": cwd, "agent": command.agent}
        )

    async def load_session(self, command: LoadSession) -> dict[str, Any]:
        """Start an agent that goes on with what was."""
        path = command.session_path
        header = await self._sessions.apart(lambda: session_files("").check(path))
        place = {"cwd": header.cwd} if header.has_place else {}
        given = {**place, **command.launch, "resume": header.resume, "agent": header.agent}
        return await self._start(command, given)

    async def _start(self, command: CreateSession | LoadSession, given: Any) -> dict[str, Any]:
        name = self._name() if command.session_id is UNSET else command.session_id
        check_name(name)
        await self._check_room()
        launch = _launch({**given, "id": name})
        try:
            await self._service.agency.start(launch)
        except SessionExists:
            raise CommandRefused(f"Session {name} already exists") from None
        hosted = self._service.agency.fleet.get(name)
        if hosted is not None:
            await hosted.written()
        return {"sessionId": name, "sessionInfo": await self._sessions.info(name)}

    def _name(self) -> str:
        tail = "".join(secrets.choice(DIGITS) for _ in range(7))
        return f"session-{self._service.now_ms()}-{tail}"

    async def _check_room(self) -> None:
        most = self._service.limits.mux_sessions
        found = await self._service.sessions(SessionQuery())
        live = [s for s in found if s.kind == "hosted" and s.detail_state not in _OVER]
        if len(live) >= most:
            raise CommandRefused(f"Session limit reached ({most} sessions)")

    async def delete_session(self, command: DeleteSession) -> dict[str, Any]:
        """End an agent and forget its session."""
        await self._service.forget(command.session_id)
        return {"deleted": True}

    async def switch_session(self, command: SwitchSession) -> dict[str, Any]:
        """Describe the session; whoever asks is subscribed once it knows, from `cursor` on."""
        info = await self._sessions.info(command.session_id)
        return {"sessionInfo": info, "cursor": self._service.cursor}

    async def unsubscribe(self, command: Unsubscribe) -> dict[str, Any]:
        """Agree: whoever asks is told no more of the session."""
        await self._service.session(command.session_id)
        return {"unsubscribed": True}

    async def get_metrics(self, _command: Any) -> dict[str, Any]:
        """Count."""
        found = await self._service.sessions(SessionQuery())
        return {"sessionCount": len(found), **self._statistics()}

    async def health_check(self, _command: Any) -> dict[str, Any]:
        """Say how the server is: what stops it is seen elsewhere."""
        return {
            "healthy": True,
            "issues": [],
            "hasOpenCircuit": False,
            "hasOpenBashCircuit": False,
        }

    async def get_startup_recovery(self, _command: Any) -> dict[str, Any]:
        """Say that commands have no journal here: events have."""
        return recovery_summary()

    async def get_command_history(self, command: GetCommandHistory) -> dict[str, Any]:
        """Say the same."""
        given = msgspec.to_builtins(command)
        names = ("sessionIdFilter", "commandId", "fromTimestamp", "toTimestamp")
        return {
            **_NO_JOURNAL,
            "filters": {name: given[name] for name in names if name in given},
            "entries": [],
            "returned": 0,
            "truncated": False,
            "maxItemsReturned": command.limit,
            "maxItemsAllowed": HISTORY,
        }

    async def list_stored_sessions(self, _command: Any) -> dict[str, Any]:
        """List what agents have written down; codex knows what its threads are called."""
        listed = await self._sessions.apart(lambda: session_files("").all())
        names = await self._thread_names() if listed else {}
        for one in listed:
            if one["sessionId"] in names:
                one["sessionName"] = names[one["sessionId"]]
        return {"sessions": listed}

    async def _thread_names(self) -> dict[str, str]:
        """Ask a codex that is there; none is started for it."""
        for hosted in self._service.agency.fleet.ready("codex")[:1]:
            asked = Deferred.fromCoroutine(thread_names(hosted))
            try:
                return await asked.addTimeout(ASK_S, self._clock)
            except (HostError, TookTooLong) as error:
                log.info("codex does not say what its threads are called: {e}", e=error)
        return {}


_OVER = frozenset({"ended", "lost"})
_DOES: Mapping[str, Any] = {
    name: getattr(ServerCommands, name)
    for name in (
        "list_sessions",
        "create_session",
        "delete_session",
        "switch_session",
        "unsubscribe",
        "get_metrics",
        "health_check",
        "get_startup_recovery",
        "get_command_history",
        "list_stored_sessions",
        "load_session",
    )
}
_NO_JOURNAL: Mapping[str, Any] = {
    "enabled": False,
    "initialized": True,
    "initState": "disabled",
    "journalPath": "",
    "schemaVersion": 1,
}


def recovery_summary() -> dict[str, Any]:
    """Return what a start brought back: nothing, there is no journal of commands."""
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


def check_name(name: str) -> None:
    """Refuse what cannot name a session.

    :raises CommandRefused: it cannot.
    """
    try:
        check_session_id(name)
    except BadField:
        if len(name) > LONGEST:
            raise CommandRefused(f"Session ID too long (max {LONGEST} characters)") from None
        raise CommandRefused(
            "Session ID must contain only alphanumeric characters, underscores, dashes,"
            " and dots"
        ) from None


def check_cwd(cwd: str) -> None:
    """Refuse what cannot be a directory to work in; whether it may be is asked later.

    :raises CommandRefused: it cannot.
    """
    if not cwd:
        raise CommandRefused("CWD must be a non-empty string")
    if ".." in cwd or cwd.startswith("~") or "\0" in cwd:
        raise CommandRefused("CWD contains potentially dangerous path components")
    if not cwd.startswith("/"):
        raise CommandRefused("CWD must be an absolute path")


def _launch(given: dict[str, Any]) -> Launch:
    try:
        return msgspec.convert(given, Launch)
    except msgspec.ValidationError as error:
        raise CommandRefused(f"Validation failed: launch: {error}") from None
