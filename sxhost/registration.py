"""Registrations: who may create a session or change its fields, and who owns it then."""

from __future__ import annotations

from functools import partial

from msgspec.structs import asdict

from sxhost.codec.json import encode
from sxhost.errors import BadField
from sxhost.logs import logger
from sxhost.model.caller import current_caller
from sxhost.model.rights import check_registration, owner_name
from sxhost.model.session import Claim, Registration, Session
from sxhost.service_core import ServiceCore
from sxhost.store.contracts import Sessions

__all__ = ["Registrar"]

log = logger(__name__)

RELABELS = frozenset({"labels", "title"})
"""Fields of a registration that a hosted session takes over, also for its next start."""


class Registrar:
    """Registers sessions, as far as the caller's rights allow."""

    def __init__(self, core: ServiceCore) -> None:
        self._core = core

    async def register(
        self, session_id: str, registration: Registration
    ) -> tuple[Session, bool]:
        """Create a session, or update the fields that are given; tell whether it is new.

        :raises BadField: the metadata is too large.
        :raises ForbiddenScope: the caller may not change one of the fields.
        :raises Reserved: only the host changes one of them.
        """
        core, most = self._core, self._core.limits.metadata_size
        if len(encode(registration.metadata)) > most:
            raise BadField("metadata", f"The metadata is larger than {most} bytes of JSON.")
        claim = await self._claim(session_id, registration)
        register = partial(core.store.register, session_id, claim, core.wall_ms())
        session, created = await core.eviction.run_with_room(register)
        core.presence.hear(session_id)
        core.processes.follow(session)
        if created:
            log.info("session {session} registered", session=session_id)
        return session, created

    async def _claim(self, session_id: str, registration: Registration) -> Registration:
        """Check the caller's rights; add the caller as the owner of what has none."""
        caller, session = current_caller.get(), await self.find(session_id)
        if session is not None:
            changed = check_registration(caller, session, registration)
            if session.kind == "hosted":
                if changed & RELABELS:
                    labels = registration.labels
                    await self._core.supervisor.relabel(session, registration.title, labels)
                return registration
            if session.owner is not None:
                return registration
        return Claim(**asdict(registration), owner=owner_name(caller))

    async def find(self, session_id: str) -> Session | None:
        """Return a session, also an archived one; None if there is none."""
        sessions: Sessions = self._core.store
        if not sessions.known.holds(session_id):
            return None
        return sessions.known.get(session_id) or await sessions.session(session_id)
