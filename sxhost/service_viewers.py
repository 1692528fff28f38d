"""The verbs for whoever shows the host to a person: who asks, what was said, and where."""

from __future__ import annotations

from typing import Final

from sxhost import __version__
from sxhost.errors import UnknownSession
from sxhost.model.auth import HostIdentity, Identity
from sxhost.model.caller import current_caller
from sxhost.model.cursor import Cursor
from sxhost.model.event import Event, EventQuery
from sxhost.model.history import History, HistoryQuery, SessionActivity
from sxhost.model.host import Pages
from sxhost.model.names import END_OF_LOG
from sxhost.model.search import (
    EventSearch,
    SearchHit,
    SearchPage,
    SearchQuery,
    parse_terms,
)
from sxhost.model.search_text import excerpt, find, text_of
from sxhost.model.session import Done, SeenDraft, Session
from sxhost.model.transcript import TranscriptPage, TranscriptQuery
from sxhost.model.turn import AgentInfo
from sxhost.model.usage import SpentByModel, UsageQuery, UsageReport
from sxhost.project import machine, project_name
from sxhost.service_core import ServiceCore
from sxhost.streams.reader import LogReader
from sxhost.transcripts.paging import TranscriptPager
from sxhost.usage_report import UsageSums

__all__ = ["ViewerVerbs"]

STEPS: Final = 64
"""Steps of one search: what has not been found in thousands of events is asked for again."""


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

    async def history(self, query: HistoryQuery) -> History:
        """Return figures of the host over time."""
        return self._core.history.after(query.after_ms)

    async def activity(self) -> SessionActivity:
        """Return how many events each session had over the last hour."""
        return self._core.activity.current()

    async def usage(self, query: UsageQuery) -> UsageReport:
        """Sum up what agents have used, and what it costs."""
        core = self._core
        sums = UsageSums(query, core.prices, project_name)
        entries = await core.store.usage_entries(query.since_ms, query.until_ms)
        await core.slices.run(sums.add_all(entries))

        def title_of(session_id: str) -> str:
            known = core.store.known.get(session_id)
            return "" if known is None else known.shown_title

        return sums.report(title_of)

    async def usage_spent(self) -> list[SpentByModel]:
        """Return what agents have used since the host's start, by agent and model."""
        return await self._core.store.usage_spent()

    async def agents(self) -> list[AgentInfo]:
        """List the kinds of agents that the host knows: which are there, and why not."""
        return await self._core.agents.catalogue()

    async def transcript(self, session_id: str, query: TranscriptQuery) -> TranscriptPage:
        """Read a page of a session's log as the items of a conversation."""
        session = await self._core.store.session(session_id)
        floor = self._core.store.recent.floor(session_id).seq

        def read(after: int, types: str) -> Pages:
            return self._logs.events(session_id, EventQuery(after=str(after), types=types))

        return await TranscriptPager(read, floor, session.event_count).page(query)

    async def mark_seen(self, session_id: str, draft: SeenDraft) -> Done:
        """Note up to where a person has looked at a session, on whatever screen."""
        await self._core.store.mark_seen(session_id, draft)
        return Done()

    async def search(self, query: SearchQuery) -> SearchPage:
        """Search the facts of all logs for words; the newest hits come first."""
        search = self._search_of(query)
        before, restarted = self._begin_of(query)
        sessions: dict[str, Session | None] = {}
        hits: list[SearchHit] = []
        for _ in range(STEPS):
            left = query.limit - len(hits)
            found = await self._core.store.search_events(search, before, left)
            for event in found.events:
                if event.session not in sessions:
                    sessions[event.session] = await self._session_of(event)
                session = sessions[event.session]
                if session is not None and _is_chosen(session, query):
                    hits.append(_hit(event, session, search))
            if found.before is None or len(hits) >= query.limit:
                break
            before = found.before
            await self._core.slices.turn()
        older = None if found.before is None else Cursor(found.before, self._core.store.epoch)
        return SearchPage(
            hits=hits,
            before=None if older is None else str(older),
            restarted=restarted,
            unindexed=found.unindexed,
        )

    def _search_of(self, query: SearchQuery) -> EventSearch:
        terms = parse_terms(query.q)
        sessions = frozenset(filter(None, query.session.split(",")))
        for session_id in sessions:
            if not self._core.store.known.holds(session_id):
                raise UnknownSession(session_id)
        names = frozenset(filter(None, query.types.split(",")))
        return EventSearch(terms, sessions, names, query.since_ms)

    def _begin_of(self, query: SearchQuery) -> tuple[int, bool]:
        """Return the id before which a search begins, and whether its cursor means nothing."""
        if not query.before:
            return END_OF_LOG, False
        cursor = Cursor.parse(query.before)
        if cursor.epoch not in ("", self._core.store.epoch):
            return END_OF_LOG, True
        return cursor.position, False

    async def _session_of(self, event: Event) -> Session | None:
        try:
            return await self._core.store.session(event.session)
        except UnknownSession:  # deleted meanwhile
            return None


def _is_chosen(session: Session, query: SearchQuery) -> bool:
    return query.agent in ("", session.agent) and (
        not query.project or query.project == project_name(session.cwd)
    )


def _hit(event: Event, session: Session, search: EventSearch) -> SearchHit:
    whole = text_of(event)
    text, marks = excerpt(whole, find(whole, *search.terms))
    return SearchHit(
        session=event.session,
        seq=event.seq,
        id=event.id,
        ts_ms=event.ts_ms,
        event=event.event,
        text=text,
        marks=marks,
        agent=session.agent,
        title=session.shown_title,
        project=project_name(session.cwd),
    )
