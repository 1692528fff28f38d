"""The verbs for whoever shows the host to a person: who asks, what was said."""

from __future__ import annotations

from sxhost import __version__
from sxhost.model.auth import HostIdentity, Identity
from sxhost.model.caller import current_caller
from sxhost.model.host import Pages
from sxhost.model.session import EventQuery
from sxhost.model.transcript import TranscriptPage, TranscriptQuery
from sxhost.project import machine
from sxhost.service_core import ServiceCore
from sxhost.streams.reader import LogReader
from sxhost.transcripts.paging import TranscriptPager

__all__ = ["ViewerVerbs"]


class ViewerVerbs:
    """The verbs for programs that show the host to a person, a part of `SessionService`."""

    _core: ServiceCore

    _logs: LogReader

    async def whoami(self) -> Identity:
        """Return who asks, with which scopes, and which host this is."""
        caller = current_caller.get()
        caller.check_known()
        name, _, _ = machine()
        return Identity(
            scopes=sorted(caller.scopes),
            session=caller.session,
            token=caller.token,
            name=caller.name,
            expires_ms=caller.expires_ms,
            host=HostIdentity(name=name, version=__version__, epoch=self._core.store.epoch),
        )

    async def transcript(self, session_id: str, query: TranscriptQuery) -> TranscriptPage:
        """Read a page of a session's log as the items of a conversation."""
        session = await self._core.store.session(session_id)
        floor = self._core.store.recent.floor(session_id).seq

        def read(after: int, types: str) -> Pages:
            return self._logs.events(session_id, EventQuery(after=str(after), types=types))

        return await TranscriptPager(read, floor, session.event_count).page(query)
