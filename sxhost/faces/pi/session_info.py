"""Sessions as pi-app-server describes them: their info, and their messages."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec
from msgspec import Raw
from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as TookTooLong
from twisted.internet.interfaces import IReactorTime

from sxhost.errors import HostError
from sxhost.faces.pi.session_names import name_of
from sxhost.model.event import EventQuery
from sxhost.model.event_types import NULL
from sxhost.model.host import Host
from sxhost.model.session import Detail, SessionQuery
from sxhost.model.session_state import MESSAGE_EVENTS
from sxhost.transcripts.messages import Message
from sxhost.transcripts.transcript import Transcript
from sxhost.waiting import RunInThread

__all__ = ["AGENT_TIMEOUT_S", "Sessions", "model_of", "usage_numbers"]

AGENT_TIMEOUT_S = 2.0
"""Seconds that an agent has to describe itself: a list of sessions waits for each."""


class Sessions:
    """The descriptions of a host's sessions.

    :param apart: runs work with session files outside of the reactor's thread.
    """

    def __init__(self, host: Host, clock: IReactorTime, apart: RunInThread) -> None:
        self.apart = apart
        self._host = host
        self._clock = clock

    async def all(self) -> list[dict[str, object]]:
        """Describe all sessions."""
        sessions = await self._host.sessions(SessionQuery())
        return [await self.info(session.id) for session in sessions]

    async def info(self, session_id: str) -> dict[str, object]:
        """Describe a session, from its log and from pi itself if that runs."""
        detail = await self._host.session(session_id)
        status, info = await self._host.agent_status(session_id), _info_of(detail)
        if status is None:
            return info
        if detail.agent == "pi" and status.is_ready:
            state = Deferred.fromCoroutine(self._pi_state(session_id))
            try:
                return {**info, **await state.addTimeout(AGENT_TIMEOUT_S, self._clock)}
            except (HostError, TookTooLong):
                pass  # it is described from the log alone
        return {**info, "thinkingLevel": status.effort} if status.effort else info

    async def _pi_state(self, session_id: str) -> dict[str, Raw]:
        """Return the fields of pi's own state that describe the session."""
        answer = await self._host.native_command(session_id, "get_state", {})
        state = msgspec.json.decode(answer, type=dict[str, Raw])
        return {name: state[name] for name in _PI_STATE if state.get(name, NULL) != NULL}

    async def messages(self, session_id: str) -> Sequence[Message]:
        """Return the messages that the log has, the newest up to the limit of a frame."""
        query = EventQuery(after="0", types=",".join(MESSAGE_EVENTS))
        limit, transcript = self._host.limits.mux_message, None
        async for page in self._host.event_pages(session_id, query):
            for event in page:
                transcript = transcript or Transcript(event, "", limit, 0)
                transcript.append(event)
        return transcript.page() if transcript is not None else ()


def _info_of(detail: Detail) -> dict[str, object]:
    """Describe a session from what the host knows."""
    began = datetime.fromtimestamp(detail.start_time, UTC)
    info: dict[str, object] = {
        "sessionId": name_of(detail.id, detail.metadata),
        "thinkingLevel": "off",
        "isStreaming": detail.turn is not None and detail.turn.status == "running",
        "messageCount": detail.message_count,
        "createdAt": began.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "agent": detail.agent,
        "kind": detail.kind,
    }
    if detail.title != detail.opening:  # what nobody has named has no name for pi's clients
        info["sessionName"] = detail.title
    if detail.native_id.startswith("/"):
        info["sessionFile"] = detail.native_id
    if detail.model:
        info["model"] = model_of(detail, detail.model, detail.provider)
    return info


def model_of(detail: Detail, model: str, provider: str) -> dict[str, object]:
    """Describe a session's model as pi does its own: clients read these fields unasked.

    What the host does not know of it is nothing, as pi has it of a model that it does not know.
    """
    return {
        "id": model,
        "name": model,
        "api": detail.agent,
        "provider": provider,
        "baseUrl": "",
        "reasoning": False,
        "input": [],
        "cost": {"input": 0, "output": 0, "cacheRead": 0, "cacheWrite": 0},
        "contextWindow": usage_numbers(detail.usage).get("context_window") or 0,
        "maxTokens": 0,
    }


def usage_numbers(usage: object) -> dict[str, float]:
    """Return the numbers of a usage report: attached agents may report anything."""
    fields = usage if isinstance(usage, dict) else {}
    return {name: value for name, value in fields.items() if type(value) in (int, float)}


_PI_STATE = (
    *("sessionName", "sessionFile", "model", "thinkingLevel", "isStreaming", "messageCount"),
)
"""The fields of pi's state that its description of the session has."""
