"""The collector's side of telemetry: payloads become events of sessions of this host."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import Annotated, Any, Final, Literal

from msgspec import Meta, Struct

from sxhost.codec.shorten import shorten_to_fit
from sxhost.model.event import EventDraft
from sxhost.model.host import RemoteHost
from sxhost.model.names import SESSION_ID
from sxhost.model.session import Registration

__all__ = ["PREFIX", "TelemetryIngest", "TelemetryPayload"]

PREFIX: Final = "telemetry:"
"""Prefix of the names of sessions that exist by telemetry alone."""

Kind = Literal["user", "assistant", "tool_call", "tool_result", "system", "error"]
EVENTS: Final[Mapping[Kind, str]] = {
    "user": "user-message",
    "assistant": "message",
    "tool_call": "tool-start",
    "tool_result": "tool-done",
    "system": "system",
    "error": "error",
}
SHORT: Final = 512
LATEST: Final = 2**40


class TelemetryPayload(Struct, frozen=True):
    """A payload of telemetry; `metadata` has what the sender knows of itself."""

    session_id: Annotated[str, Meta(min_length=1, max_length=1024)]
    type: Kind
    content: str = ""
    timestamp: str = ""
    metadata: dict[str, Any] = {}


class TelemetryIngest:
    """Appends payloads of telemetry to the logs of their sessions."""

    def __init__(self, host: RemoteHost) -> None:
        self._host = host
        self._known: dict[str, Registration] = {}

    async def append_payload(self, reported: TelemetryPayload) -> None:
        """Append a payload to the log of its session, which is registered if need be."""
        name = session_of(reported.session_id)
        about = registration(reported.metadata)
        if self._known.get(name) != about:
            await self._host.register(name, about)
            self._known[name] = about
        data = shorten_to_fit({"text": reported.content})
        event, seconds = EVENTS[reported.type], _seconds(reported.timestamp)
        await self._host.fire(name, EventDraft.of(event, data, ts=seconds))


def session_of(reported: str) -> str:
    """Return the id of a session here; ids that are not allowed get a hash."""
    name = PREFIX + reported
    if re.match(SESSION_ID, name):
        return name
    plain = re.sub(r"[^A-Za-z0-9_.:-]", "_", reported)[:64]
    return f"{PREFIX}{plain}-{sha256(reported.encode('utf-8', 'replace')).hexdigest()[:16]}"


def registration(metadata: Mapping[str, Any]) -> Registration:
    """Return the registration of a session from the metadata of its sender."""
    texts = {n: v[:SHORT] for n, v in metadata.items() if isinstance(v, str)}
    machine: dict[str, Any] = {
        n: texts[n] for n in ("hostname", "os", "arch", "project") if n in texts
    }
    return Registration(
        agent="telemetry",
        title=texts.get("project"),
        git_branch=texts.get("git_branch"),
        metadata=machine or None,
    )


def _seconds(timestamp: str) -> int | None:
    """Return a time in Unix seconds; none if it is not ISO 8601 with an offset."""
    try:
        moment = datetime.fromisoformat(timestamp)
    except ValueError:
        return None
    if moment.tzinfo is None:
        return None
    seconds = int(moment.timestamp())
    return seconds if 0 <= seconds <= LATEST else None
