"""Who may say what: which scope each field takes, and which events the host alone tells.

A route asks for the scope of its verb.  A field that widens what an agent may do, or that a
policy's rules decide by, asks for more; one that repeats what is so already changes nothing
and asks for no more.  These are the tables of ``docs/api.md``; tests walk them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from sxhost.errors import Reserved
from sxhost.model.caller import Caller
from sxhost.model.names import Scope
from sxhost.model.session import Registration, Session

__all__ = [
    "APPROVAL_EVENTS",
    "CODEXD_TURN",
    "HOST_EVENTS",
    "REGISTRATION",
    "TURN",
    "Whose",
    "check_event",
    "check_registration",
    "owner",
]

# Turns.

TURN: Final[Mapping[str, Scope]] = {
    "input": "send",
    "model": "send",
    "effort": "send",
    "cwd": "admin",
    "approval_policy": "admin",
    "sandbox": "admin",
    "native": "admin",
}
"""The fields of a turn.  `native` is passed on as it is, so it may be any of the others."""

CODEXD_TURN: Final[Mapping[str, Scope]] = {
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
"""The same as codexd's clients write it; a collaboration mode has a developer's words."""

# Registrations.


class Whose(NamedTuple):
    """The scope that a change takes, by whose session it is; None: the host alone says it."""

    own: Scope
    others: Scope
    hosted: Scope | None


REGISTRATION: Final[Mapping[str, Whose]] = {
    "title": Whose("send", "send", "send"),
    "git_branch": Whose("send", "send", "admin"),
    "metadata": Whose("send", "send", "admin"),
    "model": Whose("send", "send", None),
    "provider": Whose("send", "send", None),
    "labels": Whose("send", "admin", "admin"),
    "cwd": Whose("send", "admin", None),
    "agent": Whose("send", "admin", None),
    "pid": Whose("send", "admin", None),
    "heartbeat_s": Whose("send", "admin", None),
}
"""The fields of a registration.  Rules decide by `labels`, `cwd` and `agent`; a heartbeat that
somebody else promises would make a session count as lost."""

# Events.

APPROVAL_EVENTS: Final = frozenset({"approval-requested", "approval-resolved"})
"""Events that tell of an approval; they come with it, in every session."""

HOST_EVENTS: Final = APPROVAL_EVENTS | {
    *("started", "ended", "stalled", "idle", "turn-started", "complete", "error"),
    *("user-message", "message-delta", "message", "thinking-delta", "thinking"),
    *("tool-start", "tool-output", "tool-done", "plan", "diff", "usage", "compact"),
    *("warning", "native"),
}
"""Events by which the host tells what its agents do, and those that mean a state."""


def owner(caller: Caller) -> str:
    """Return under which name somebody owns the sessions that they register."""
    return caller.token or "own"


def check_registration(
    caller: Caller, known: Session, registration: Registration
) -> frozenset[str]:
    """Check that somebody may change a session so; return the fields that would change.

    :raises ForbiddenScope: it takes another scope.
    :raises Reserved: the host alone says it.
    """
    given = {name: getattr(registration, name) for name in REGISTRATION}
    changed = frozenset(
        name
        for name, value in given.items()
        if value is not None and value != getattr(known, name)
    )
    for name in sorted(changed):
        scope = _scope(REGISTRATION[name], caller, known)
        if scope is None:
            raise Reserved(known.id, field=name)
        caller.check(scope, known.id, field=name)
    return changed


def _scope(whose: Whose, caller: Caller, known: Session) -> Scope | None:
    if known.kind == "hosted":
        return whose.hosted
    # Nobody has registered a session that began with an event: whoever does first, owns it.
    ours = known.owner in (None, owner(caller)) or caller.session == known.id
    return whose.own if ours else whose.others


def check_event(session_id: str, known: Session | None, names: Iterable[str]) -> None:
    """Check that events of these names may come from outside.

    :raises Reserved: the host alone tells one of them.
    """
    is_hosted = known is not None and known.kind == "hosted"
    reserved = HOST_EVENTS if is_hosted else APPROVAL_EVENTS
    for name in names:
        if name in reserved:
            raise Reserved(session_id, event=name)
