"""Telemetry of a host's own sessions: each piece of each turn to a collector, while it is on.

An ordinary reader of the log: what cannot be sent at once waits there, and not in memory.
Nobody is held up and nothing fails but the telemetry.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, Final

from msgspec import Raw, Struct
from msgspec.json import decode
from twisted.application.service import Service
from twisted.python.failure import Failure

from sxhost.codec.frames import Encoding
from sxhost.codec.json import encode
from sxhost.config import EmitContent, Settings
from sxhost.errors import HostError
from sxhost.logs import logger
from sxhost.model.session import Event
from sxhost.project import project_root
from sxhost.service import SessionService
from sxhost.store.contracts import Store
from sxhost.streams.subscription import Selection, Subscription
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

TEXTS: Final = ("text", "output", "title", "reason")


class ForwardedEvent(Struct, frozen=True):
    """An event as it is forwarded."""

    event: str
    session: str
    data: Raw


class _ForwardedEventEncoding:
    """Events as lines, and nothing else."""

    def event(self, event: Event, epoch: str) -> bytes:  # noqa: ARG002
        return encode(ForwardedEvent(event.event, event.session, event.data)) + b"\n"

    def control(self, name: str, fields: dict[str, object]) -> bytes:  # noqa: ARG002
        return b""


LINES: Final[Encoding] = _ForwardedEventEncoding()


class Forwarder(Service):
    """Sends what is new in the log through `emitter`; `content` says how much of it."""

    tag: Mapping[str, object] = {}

    def __init__(
        self,
        sessions: SessionService,
        emitter: Emitter,
        content: EmitContent,
        cwd_of: Callable[[str], str],
    ) -> None:
        self._sessions = sessions
        self._emitter = emitter
        self._content = content
        self._cwd_of = cwd_of
        self._reader: Subscription | None = None
        self._paused = False

    def startService(self) -> None:
        """Subscribe to the events that come from now on."""
        super().startService()
        background(self._follow(), log, "following events for telemetry")

    async def _follow(self) -> None:
        wanted = Selection(names=frozenset(KINDS))
        try:
            self._reader = await self._sessions.subscribe(wanted, "now", LINES, self)
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
            piece = decode(line, type=ForwardedEvent)
            if not piece.session.startswith(PREFIX):
                self._forward(piece)

    def end(self) -> None:
        """Do nothing: the host is stopping."""

    def _forward(self, piece: ForwardedEvent) -> None:
        kind, data = KINDS[piece.event], decode(piece.data)
        text = forwarded_content(data, self._content)
        root = project_root(self._cwd_of(piece.session) or "/")
        sending = self._emitter.emit(piece.session, kind, text, root)
        sending.addBoth(self._sending_ended)
        if self._emitter.in_flight >= IN_FLIGHT and not self._paused and self._reader:
            self._paused = True
            self._reader.pauseProducing()

    def _sending_ended(self, _: Failure | None) -> None:
        if self._paused and self._reader and self._emitter.in_flight < IN_FLIGHT // 2:
            self._paused = False
            self._reader.resumeProducing()


def forwarded_content(data: Any, amount: EmitContent) -> str:
    """Return the content that is sent of an event's data: its text, its length, or nothing."""
    if amount == "none":
        return ""
    text = _text(data)
    return text if amount == "full" else f"[{len(text)} characters]"


def _text(data: Any) -> str:
    if isinstance(data, str):
        return data
    if isinstance(data, dict):
        for name in TEXTS:
            if isinstance(data.get(name), str) and data[name]:
                return str(data[name])
    return "" if data is None else encode(data).decode()


def make_forwarder(
    settings: Settings, sessions: SessionService, store: Store, reactor: Any
) -> Forwarder | None:
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
    sessions.telemetry = place
    log.info("Telemetry ({content}) goes to {url}", content=settings.emit_content, url=place)

    def cwd_of(session_id: str) -> str:
        session = store.known.get(session_id)
        return session.cwd if session is not None else ""

    emitter = open_emitter(reactor, url, "/")
    return Forwarder(sessions, emitter, settings.emit_content, cwd_of)
