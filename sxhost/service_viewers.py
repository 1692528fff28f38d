"""The verbs for whoever shows the host to a person: who asks."""

from __future__ import annotations

from sxhost import __version__
from sxhost.errors import Unauthorized
from sxhost.model.auth import HostIdentity, Identity
from sxhost.model.caller import current_caller
from sxhost.project import machine
from sxhost.service_core import ServiceCore

__all__ = ["ViewerVerbs"]


class ViewerVerbs:
    """The verbs for programs that show the host to a person, a part of `SessionService`."""

    _core: ServiceCore

    async def whoami(self) -> Identity:
        """Return who asks, with which scopes, and which host this is."""
        caller = current_caller.get()
        caller.check_ended()
        if not caller.scopes:
            raise Unauthorized("Nobody is known to ask.")
        name, _, _ = machine()
        return Identity(
            scopes=sorted(caller.scopes),
            session=caller.session,
            token=caller.token,
            name=caller.name,
            expires_ms=caller.expires_ms,
            host=HostIdentity(name=name, version=__version__, epoch=self._core.store.epoch),
        )
