"""A session in the words of the source system."""

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
from sxhost.faces.pi.session_files import Apart
from sxhost.faces.pi.translate_any import text_message
from sxhost.model.session import Detail, Event, EventQuery, SessionQuery
from sxhost.model.session_state import SPOKEN
from sxhost.service import SessionService
from sxhost.streams.reader import newest

__all__ = ["ASK_S", "Sessions", "is_pi", "message_told"]

ASK_S = 2.0
"""Seconds that an agent has to describe itself; others wait for the same list."""


class Sessions:
    """The sessions of a host, as the multiplexer's clients see them.

    What is read from session files is read `apart`.
    """

    def __init__(self, service: SessionService, clock: IReactorTime, apart: Apart) -> None:
        self.apart = apart
        self._service = service
        self._clock = clock

    async def all(self) -> list[dict[str, Any]]:
        """Describe all sessions."""
        return [await self.info(one.id) for one in await self._service.sessions(SessionQuery())]

    async def info(self, session_id: str) -> dict[str, Any]:
        """Describe a session; its agent is asked if it is there and knows more."""
        detail = await self._service.session(session_id)
        hosted = self._service.agency.fleet.get(session_id)
        if hosted is not None and is_pi(hosted) and hosted.life.name() in _AWAKE:
            asked = Deferred.fromCoroutine(state(hosted)).addTimeout(ASK_S, self._clock)
            try:
                return {**self._plain(detail), **await asked}
            except (HostError, TookTooLong):
                pass  # what the log says is left
        info = self._plain(detail)
        effort = hosted.launch.effort if hosted is not None else None
        return {**info, "thinkingLevel": effort} if effort else info

    def _plain(self, detail: Detail) -> dict[str, Any]:
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

    async def messages(self, session_id: str) -> list[dict[str, Any]]:
        """Return what was said, as far as the log has it; of much, the newest."""
        query = EventQuery(after="0", types=",".join(SPOKEN))
        pages = self._service.event_pages(session_id, query)
        kept = await newest(pages, self._service.limits.mux_message)
        return [message_told(event) for event in kept]


_AWAKE = frozenset({"idle", "running", "waiting"})


def is_pi(hosted: HostedSession) -> bool:
    """Tell whether a session's agent is pi."""
    return hosted.launch.agent == "pi"


async def state(hosted: HostedSession) -> dict[str, Any]:
    """Return what pi says of itself."""
    agent: Any = hosted.agent
    told = msgspec.json.decode(await agent.command("get_state"), type=dict[str, Raw])
    names = (
        "sessionName",
        "sessionFile",
        "model",
        "thinkingLevel",
        "isStreaming",
        "messageCount",
    )
    return {name: told[name] for name in names if name in told and told[name] != b"null"}


def message_told(event: Event) -> dict[str, Any]:
    """Return what an event says as a message."""
    data = event.value()
    given = data if isinstance(data, dict) else {"text": str(data)}
    if event.event == "tool-done":
        failed = given.get("status") not in (None, "completed")
        return {
            **text_message("toolResult", str(given.get("output") or ""), event.ts_ms),
            "toolCallId": given.get("item", ""),
            "toolName": given.get("tool", ""),
            "isError": failed,
        }
    role = "user" if event.event == "user-message" else "assistant"
    return text_message(role, str(given.get("text", "")), event.ts_ms)
