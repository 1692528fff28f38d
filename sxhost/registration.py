"""Registrations: who may create a session or change its fields, and who owns it then."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from msgspec.structs import asdict

from sxhost.agents.supervisor import Supervisor
from sxhost.codec.json import encode
from sxhost.errors import BadField
from sxhost.eviction import Eviction
from sxhost.logs import logger
from sxhost.model.caller import current_caller
from sxhost.model.limits import Limits
from sxhost.model.rights import check_registration, owner_name
from sxhost.model.session import Claim, Registration, Session
from sxhost.store.contracts import Store
from sxhost.streams.presence import Presence

__all__ = ["Registrar"]

log = logger(__name__)

RELABELS = frozenset({"labels", "title"})
"""Fields of a registration that a hosted session takes over, also for its next start."""


class Registrar:
    """Registers sessions; `wall_ms` is the time of day in Unix milliseconds."""

    def __init__(
        self,
        store: Store,
        *,
        supervisor: Supervisor,
        presence: Presence,
        eviction: Eviction,
        wall_ms: Callable[[], int],
        limits: Limits,
    ) -> None:
        self._store = store
        self._supervisor = supervisor
        self._presence = presence
        self._eviction = eviction
        self._wall_ms = wall_ms
        self._limits = limits

    async def register(
        self, session_id: str, registration: Registration
    ) -> tuple[Session, bool]:
        """Create a session, or update the fields that are given; tell whether it is new.

        :raises BadField: the metadata is too large.
        :raises ForbiddenScope: the caller may not change one of the fields.
        :raises Reserved: nobody may; the host alone says it.
        """
        most = self._limits.metadata_size
        if len(encode(registration.metadata)) > most:
            raise BadField("metadata", f"The metadata is larger than {most} bytes of JSON.")
        claim = await self._claim(session_id, registration)
        register = partial(self._store.register, session_id, claim, self._wall_ms())
        session, created = await self._eviction.run_with_room(register)
        self._presence.hear(session_id)
        if created:
            log.info("session {session} registered", session=session_id)
        return session, created

    async def _claim(self, session_id: str, registration: Registration) -> Registration:
        """Check the caller's rights; add the caller as the owner of what has none."""
        caller, session = current_caller.get(), await self.find(session_id)
        if session is not None:
            changed = check_registration(caller, session, registration)
            if session.kind == "hosted":
                given = {name: getattr(registration, name) for name in changed & RELABELS}
                if given:
                    await self._supervisor.relabel(session, **given)
                return registration
            if session.owner is not None:
                return registration
        return Claim(**asdict(registration), owner=owner_name(caller))

    async def find(self, session_id: str) -> Session | None:
        """Return a session, also an archived one; None if there is none."""
        if not self._store.known.holds(session_id):
            return None
        return self._store.known.get(session_id) or await self._store.session(session_id)
