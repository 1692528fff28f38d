"""Telemetry of a host's own sessions: each piece of each turn to a collector, while it is on.

An ordinary reader of the log: what cannot be sent at once waits there, and not in memory.
Nobody is held up and nothing fails but the telemetry.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Final

from msgspec.json import decode
from twisted.application.service import Service
from twisted.python.failure import Failure

from sxhost.codec.json import encode
from sxhost.config import EmitContent, Settings
from sxhost.errors import HostError
from sxhost.logs import logger
from sxhost.model.event import Event
from sxhost.model.event_types import (
    AgentEvent,
    CompactEvent,
    ErrorEvent,
    MessageEvent,
    StartedEvent,
    ToolDoneEvent,
    ToolStartEvent,
    UserMessageEvent,
    WarningEvent,
    decode_event,
)
from sxhost.model.host import Host
from sxhost.model.subscription import Encoding, Selection, Subscription
from sxhost.project import project_root
from sxhost.telemetry.command import endpoint, read_settings
from sxhost.telemetry.ingest import PREFIX
from sxhost.telemetry.sender import IN_FLIGHT, Emitter, SendError, checked, masked, open_emitter
from sxhost.waiting import background

__all__ = ["KINDS", "Forwarder", "forwarded_content", "make_forwarder"]

log = logger(__name__)

KINDS: Final[Mapping[str, str]] = {
    "user-message": "user",
    "message": "assistant",
    "tool-start": "tool_call",
    "tool-done": "tool_result",
    "started": "system",
    "compact": "system",
    "warning": "system",
    "error": "error",
}
"""What sxhost-emit's collectors call an event; others are not forwarded."""


class _EventLines:
    """Events as lines, and nothing else."""

    def event(self, event: Event, epoch: str) -> bytes:  # noqa: ARG002
        return encode(event) + b"\n"

    def control(self, name: str, fields: dict[str, object]) -> bytes:  # noqa: ARG002
        return b""


LINES: Final[Encoding] = _EventLines()


class Forwarder(Service):
    """Sends what is new in the log through `emitter`; `content` says how much of it."""

    tag: Mapping[str, object] = {}

    def __init__(
        self,
        host: Host,
        emitter: Emitter,
        content: EmitContent,
        url: str,
    ) -> None:
        self.url = url
        """Where it goes, without secrets."""
        self._host = host
        self._emitter = emitter
        self._content = content
        self._reader: Subscription | None = None
        self._paused = False

    def startService(self) -> None:
        """Subscribe to the events that come from now on."""
        super().startService()
        background(self._follow(), log, "following events for telemetry")

    async def _follow(self) -> None:
        wanted = Selection(names=frozenset(KINDS))
        try:
            self._reader = await self._host.subscribe(wanted, "now", LINES, self)
        except HostError as error:  # the host is stopping
            log.debug("telemetry does not begin: {error}", error=error)

    def stopService(self) -> None:
        """Read no more."""
        super().stopService()
        if self._reader is not None:
            self._reader.close()

    # The sink of a subscription.

    def begin(self, reader: Subscription) -> None:
        """Keep the subscription, which `write` may pause."""
        self._reader = reader

    def write(self, data: bytes) -> None:
        """Forward events; pause the reader while as many are under way as may be."""
        for line in data.splitlines():
            event = decode(line, type=Event)
            if not event.session.startswith(PREFIX):
                self._forward(event)

    def end(self) -> None:
        """Do nothing: the host is stopping."""

    def _forward(self, event: Event) -> None:
        text = forwarded_content(event, self._content)
        session = self._host.stored_session(event.session)
        root = project_root((session and session.cwd) or "/")
        sending = self._emitter.emit(event.session, KINDS[event.event], text, root)
        sending.addBoth(self._sending_ended)
        if self._emitter.in_flight >= IN_FLIGHT and not self._paused and self._reader:
            self._paused = True
            self._reader.pauseProducing()

    def _sending_ended(self, _: Failure | None) -> None:
        if self._paused and self._reader and self._emitter.in_flight < IN_FLIGHT // 2:
            self._paused = False
            self._reader.resumeProducing()


def forwarded_content(event: Event, amount: EmitContent) -> str:
    """Return the content that is sent of an event: its text, its length, or nothing."""
    if amount == "none":
        return ""
    text = _text(decode_event(event)) or _whole(event)
    return text if amount == "full" else f"[{len(text)} characters]"


def _text(event: AgentEvent) -> str:
    """Return what an event says in words, if it does."""
    match event:
        case UserMessageEvent() | MessageEvent() | CompactEvent() | WarningEvent():
            return event.text
        case ToolStartEvent():
            return event.title
        case ToolDoneEvent(output=str(output)):
            return output
        case StartedEvent() | ErrorEvent():
            return event.reason
    return ""


def _whole(event: Event) -> str:
    """Return an event's data as a text; agents may fire any."""
    data = event.value()
    if isinstance(data, str):
        return data
    return "" if data is None else bytes(event.data).decode()


def make_forwarder(settings: Settings, host: Host, reactor: Any) -> Forwarder | None:
    """Return the forwarder of a host, if the user's settings turn telemetry on.

    A project's do not count: the sessions of all others would go where it says.
    """
    url = endpoint(read_settings(os.environ))
    if not url:
        return None
    try:
        place = masked(checked(url))
    except (SendError, ValueError) as error:
        log.warn("Telemetry stays off: {error}", error=str(error))
        return None
    log.info("Telemetry ({content}) goes to {url}", content=settings.emit_content, url=place)
    emitter = open_emitter(reactor, url, "/")
    return Forwarder(host, emitter, settings.emit_content, place)
