"""Sessions as pi-app-server describes them: their info, and their messages."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec import Raw
from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as TookTooLong
from twisted.internet.interfaces import IReactorTime

from sxhost.agents.session import HostedSession
from sxhost.errors import HostError
from sxhost.faces.pi.translate_any import text_message
from sxhost.model.session import Detail, Event, EventQuery, SessionQuery
from sxhost.model.session_state import MESSAGE_EVENTS
from sxhost.service import SessionService
from sxhost.streams.reader import newest
from sxhost.waiting import RunInThread

__all__ = ["AGENT_TIMEOUT_S", "Sessions", "is_pi", "message_of_event"]

AGENT_TIMEOUT_S = 2.0
"""Seconds that an agent has to describe itself: a list of sessions waits for each."""


class Sessions:
    """The descriptions of a host's sessions.

    :param apart: runs work with session files outside of the reactor's thread.
    """

    def __init__(
        self, service: SessionService, clock: IReactorTime, apart: RunInThread
    ) -> None:
        self.apart = apart
        self._service = service
        self._clock = clock

    async def all(self) -> list[dict[str, Any]]:
        """Describe all sessions."""
        sessions = await self._service.sessions(SessionQuery())
        return [await self.info(session.id) for session in sessions]

    async def info(self, session_id: str) -> dict[str, Any]:
        """Describe a session, from its log and from pi itself if that runs."""
        detail = await self._service.session(session_id)
        hosted = self._service.agency.fleet.get(session_id)
        if hosted is not None and is_pi(hosted) and hosted.life.name() in _AWAKE:
            state = Deferred.fromCoroutine(pi_state(hosted))
            state.addTimeout(AGENT_TIMEOUT_S, self._clock)
            try:
                return {**_info_of(detail), **await state}
            except (HostError, TookTooLong):
                pass  # it is described from the log alone
        info = _info_of(detail)
        effort = hosted.launch.effort if hosted is not None else None
        return {**info, "thinkingLevel": effort} if effort else info

    async def messages(self, session_id: str) -> list[dict[str, Any]]:
        """Return the messages that the log has, the newest up to the limit of a frame."""
        query = EventQuery(after="0", types=",".join(MESSAGE_EVENTS))
        pages = self._service.event_pages(session_id, query)
        events = await newest(pages, self._service.limits.mux_message)
        return [message_of_event(event) for event in events]


def _info_of(detail: Detail) -> dict[str, Any]:
    """Describe a session from what the host knows."""
    began = datetime.fromtimestamp(detail.start_time, UTC)
    info: dict[str, Any] = {
        "sessionId": detail.id,
        "thinkingLevel": "off",
        "isStreaming": detail.turn is not None and detail.turn.status == "running",
        "messageCount": detail.message_count,
        "createdAt": began.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "agent": detail.agent,
        "kind": detail.kind,
    }
    if detail.title:
        info["sessionName"] = detail.title
    if detail.native_id.startswith("/"):
        info["sessionFile"] = detail.native_id
    if detail.model:
        info["model"] = {"id": detail.model, "provider": detail.provider}
    return info


_AWAKE = frozenset({"idle", "running", "waiting"})


def is_pi(hosted: HostedSession) -> bool:
    """Tell whether a session's agent is pi."""
    return hosted.launch.agent == "pi"


async def pi_state(hosted: HostedSession) -> dict[str, Any]:
    """Return the fields of pi's own state that describe the session."""
    agent: Any = hosted.agent
    answer = msgspec.json.decode(await agent.command("get_state"), type=dict[str, Raw])
    names = (
        "sessionName",
        "sessionFile",
        "model",
        "thinkingLevel",
        "isStreaming",
        "messageCount",
    )
    return {name: answer[name] for name in names if name in answer and answer[name] != b"null"}


def message_of_event(event: Event) -> dict[str, Any]:
    """Return the message that an event of the conversation is."""
    data = event.value()
    fields = data if isinstance(data, dict) else {"text": str(data)}
    if event.event == "tool-done":
        failed = fields.get("status") not in (None, "completed")
        return {
            **text_message("toolResult", str(fields.get("output") or ""), event.ts_ms),
            "toolCallId": fields.get("item", ""),
            "toolName": fields.get("tool", ""),
            "isError": failed,
        }
    role = "user" if event.event == "user-message" else "assistant"
    return text_message(role, str(fields.get("text", "")), event.ts_ms)
