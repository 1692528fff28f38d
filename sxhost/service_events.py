"""The verbs on events: appended one by one or many, and read in pages."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from sxhost.errors import BadField, EventTooLarge, HostError
from sxhost.model.event import Accepted, Event, EventDraft, EventQuery, Fired, LogQuery
from sxhost.model.event_types import WarningEvent, encode_data
from sxhost.model.host import Pages
from sxhost.model.rights import check_event
from sxhost.registration import Registrar
from sxhost.service_core import ServiceCore
from sxhost.streams.reader import LogReader

__all__ = ["EventVerbs"]


class EventVerbs:
    """The verbs on events, but for following them; a part of `SessionService`."""

    _core: ServiceCore

    _logs: LogReader

    _registrar: Registrar

    async def fire(self, session_id: str, draft: EventDraft) -> Fired:
        """Append an event; an unknown session is registered by it.

        :raises Reserved: only the host appends events of this name.
        """
        core = self._core
        known = core.store.known.get(session_id) or await self._registrar.find(session_id)
        check_event(session_id, known, (draft.event,))
        try:
            (event,) = await core.append(session_id, (draft,))
        except EventTooLarge as error:
            await self._tell_refused(session_id, (draft,), error)
            raise
        return Fired(event_count=event.seq, seq=event.seq, id=event.id)

    async def fire_batch(self, session_id: str, drafts: Sequence[EventDraft]) -> Accepted:
        """Append events in order, all of them or none.

        :raises BadField: the batch is empty.
        :raises Reserved: only the host appends events of one of the names.
        """
        if not drafts:
            raise BadField("event", "The batch is empty; send one event a line.")
        names = (draft.event for draft in drafts)
        check_event(session_id, await self._registrar.find(session_id), names)
        try:
            events = await self._core.append(session_id, drafts)
        except EventTooLarge as error:
            await self._tell_refused(session_id, drafts, error)
            raise
        return Accepted(event_count=max(e.seq for e in events), accepted=len(events))

    async def _tell_refused(
        self, session_id: str, drafts: Sequence[EventDraft], error: EventTooLarge
    ) -> None:
        """Have a session's log say that events are not in it, since one is too large."""
        if self._core.store.known.get(session_id) is not None:
            names = ", ".join(dict.fromkeys(draft.event for draft in drafts))[:200]
            warning = WarningEvent(text=f"Refused ({names}). {error.message}")
            with suppress(HostError):
                draft = EventDraft(event=warning.name, data=encode_data(warning))
                await self._core.append(session_id, [draft])

    async def events(self, session_id: str, query: EventQuery) -> list[Event]:
        """Read events in order: the buffered ones, or all that are retained after a cursor."""
        return [event async for page in self._logs.events(session_id, query) for event in page]

    async def log(self, query: LogQuery) -> list[Event]:
        """Read the events of many sessions, in the order of their ids: a page at the most."""
        return [event async for page in self._logs.log(query) for event in page]

    def event_pages(self, session_id: str, query: EventQuery) -> Pages:
        """Read the same as `events` page by page, each when it is asked for."""
        return self._logs.events(session_id, query)

    def log_pages(self, query: LogQuery) -> Pages:
        """Read the same as `log` page by page."""
        return self._logs.log(query)
