"""What holds for a hosted agent: as it was started, and as its turns have changed it since."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from msgspec.structs import replace

from sxhost.codec.json import encode
from sxhost.model.caller import Caller
from sxhost.model.rights import TURN_SCOPES
from sxhost.model.turn import Launch, TurnDraft

__all__ = [
    "PERSISTENT_FIELDS",
    "apply_turn",
    "check_turn",
    "describe_changes",
    "describe_launch",
    "in_force",
]

PERSISTENT_FIELDS: Final = ("model", "effort", "cwd", "approval_policy", "sandbox", "native")
"""The fields of a turn that hold from then on, also after a restart of the agent.

Of `native` that is so for some of codex's alone.
"""

CODEX: Final = {"approval_policy": "approvalPolicy", "sandbox": "sandboxPolicy"}
"""Those that codex takes as objects of its own, too: what they are called in `native`."""

LONGEST: Final = 200
"""Characters of a value in the audit."""


def check_turn(
    caller: Caller, session_id: str, draft: TurnDraft, launch: Launch
) -> dict[str, object]:
    """Check that somebody may change so what holds; return what would change, by field.

    :raises ForbiddenScope: a field takes another scope; what holds already takes none.
    """
    given = {name: getattr(draft, name) for name in PERSISTENT_FIELDS}
    changed = {
        name: value
        for name, value in given.items()
        if value not in (None, {}) and (value != getattr(launch, name) or name == "native")
    }
    for name in changed:
        caller.check(TURN_SCOPES[name], session_id, field=name)
    return changed


def apply_turn(launch: Launch, draft: TurnDraft) -> Launch:
    """Return how the agent is to be started again, so that what a turn says goes on holding."""
    given = {name: getattr(draft, name) or getattr(launch, name) for name in PERSISTENT_FIELDS}
    given["native"] = native = dict(launch.native)
    for name, theirs in CODEX.items() if launch.agent == "codex" else ():
        if getattr(draft, name):
            native.pop(theirs, None)
        elif theirs in draft.native:
            native[theirs], given[name] = draft.native[theirs], None
    return replace(launch, **given)


class InForce(NamedTuple):
    """What an agent may do without asking: a word, or an object of the agent's own as JSON."""

    approval_policy: str | None = None
    sandbox: str | None = None


def in_force(launch: Launch | None) -> InForce:
    """Return what is in force for an agent; nothing is known of one that we do not start."""
    if launch is None:
        return InForce()
    native = launch.native if launch.agent == "codex" else {}
    texts = {name: _text(native[field]) for name, field in CODEX.items() if field in native}
    return InForce(
        launch.approval_policy or texts.get("approval_policy"),
        launch.sandbox or texts.get("sandbox"),
    )


def describe_changes(changed: Mapping[str, object]) -> str:
    """Return what has changed, for the audit."""
    return ", ".join(f"{name}={_text(value)[:LONGEST]}" for name, value in changed.items())


def describe_launch(launch: Launch) -> str:
    """Return how an agent is started, for the audit: what it may do, and its program."""
    given = {**in_force(launch)._asdict(), "cwd": launch.cwd, "command": launch.command}
    settings = describe_changes({name: value for name, value in given.items() if value})
    return f"{launch.agent}: {settings}" if settings else launch.agent


def _text(value: object) -> str:
    return value if isinstance(value, str) else encode(value).decode()
