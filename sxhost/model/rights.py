"""Permissions by field: which scope each takes, and which events only the host may report.

A route requires the scope of its verb.  A field that widens what an agent may do, or that the
rules of a policy match on, requires more; one that repeats the present value changes nothing
and requires no more.  These are the tables of ``docs/api.md``; tests walk them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from sxhost.errors import Reserved
from sxhost.model.caller import Caller
from sxhost.model.event_types import (
    EVENT_TYPES,
    ApprovalMovedEvent,
    ApprovalRequestedEvent,
    ApprovalResolvedEvent,
)
from sxhost.model.names import Scope
from sxhost.model.session import Registration, Session

__all__ = [
    "APPROVAL_EVENTS",
    "CODEXD_TURN_SCOPES",
    "HOST_EVENTS",
    "REGISTRATION_SCOPES",
    "TURN_SCOPES",
    "RequiredScopes",
    "check_event",
    "check_registration",
    "owner_name",
]

# Turns.

TURN_SCOPES: Final[Mapping[str, Scope]] = {
    "input": "send",
    "model": "send",
    "effort": "send",
    "cwd": "admin",
    "approval_policy": "admin",
    "sandbox": "admin",
    "native": "admin",
}
"""The fields of a turn.  `native` is passed on unchanged, so it may contain any of the rest."""

CODEXD_TURN_SCOPES: Final[Mapping[str, Scope]] = {
    "sessionId": "send",
    "input": "send",
    "expectedTurnId": "send",
    "model": "send",
    "effort": "send",
    "outputSchema": "send",
    "personality": "send",
    "serviceTier": "send",
    "summary": "send",
    "approvalPolicy": "admin",
    "collaborationMode": "admin",
    "cwd": "admin",
    "sandboxPolicy": "admin",
}
"""The same for codexd's clients; a collaboration mode contains developer instructions."""

# Registrations.


class RequiredScopes(NamedTuple):
    """The scope that a change takes, by the kind and owner of the session.

    None: only the host changes the field.
    """

    owned: Scope
    foreign: Scope
    hosted: Scope | None


REGISTRATION_SCOPES: Final[Mapping[str, RequiredScopes]] = {
    "title": RequiredScopes("send", "send", "send"),
    "git_branch": RequiredScopes("send", "send", "admin"),
    "metadata": RequiredScopes("send", "send", "admin"),
    "model": RequiredScopes("send", "send", None),
    "provider": RequiredScopes("send", "send", None),
    "labels": RequiredScopes("send", "admin", "admin"),
    "cwd": RequiredScopes("send", "admin", None),
    "agent": RequiredScopes("send", "admin", None),
    "pid": RequiredScopes("send", "admin", None),
    "heartbeat_s": RequiredScopes("send", "admin", None),
    "inbox": RequiredScopes("send", "send", None),
    "os_process": RequiredScopes("send", "send", None),
}
"""The fields of a registration.  Policies match on `labels`, `cwd` and `agent`; a heartbeat
that another caller promises would make the session count as lost."""

# Events.

APPROVAL_EVENTS: Final = frozenset(
    {ApprovalRequestedEvent.name, ApprovalMovedEvent.name, ApprovalResolvedEvent.name}
)
"""Events that the host appends with an approval, in sessions of both kinds."""

HOST_EVENTS: Final = frozenset(EVENT_TYPES)
"""Events that only the host appends to hosted sessions: they report turns and set the state."""


def owner_name(caller: Caller) -> str:
    """Return the name under which a caller owns the sessions that it registers."""
    return caller.token or "own"


def check_registration(
    caller: Caller, known: Session, registration: Registration
) -> frozenset[str]:
    """Check that a caller may register a session so; return the fields that would change.

    :raises ForbiddenScope: the caller lacks a scope that a changed field takes.
    :raises Reserved: only the host changes a field.
    """
    given = {name: getattr(registration, name) for name in REGISTRATION_SCOPES}
    changed = frozenset(
        name
        for name, value in given.items()
        if value is not None and value != getattr(known, name)
    )
    for name in sorted(changed):
        scope = _required_scope(REGISTRATION_SCOPES[name], caller, known)
        if scope is None:
            raise Reserved(known.id, field=name)
        caller.check(scope, known.id, field=name)
    return changed


def _required_scope(scopes: RequiredScopes, caller: Caller, known: Session) -> Scope | None:
    if known.kind == "hosted":
        return scopes.hosted
    # A session that began with an event has no owner: the first to register it becomes that.
    is_owner = known.owner in (None, owner_name(caller)) or caller.session == known.id
    return scopes.owned if is_owner else scopes.foreign


def check_event(session_id: str, known: Session | None, names: Iterable[str]) -> None:
    """Check that clients may append events of these names.

    :raises Reserved: only the host appends one of them.
    """
    is_hosted = known is not None and known.kind == "hosted"
    reserved = HOST_EVENTS if is_hosted else APPROVAL_EVENTS
    for name in names:
        if name in reserved:
            raise Reserved(session_id, event=name)
