"""Which agent does which command, and how: the table of tables."""

from __future__ import annotations

from collections.abc import Mapping

from sxhost.faces.pi.codex_commands import CODEX
from sxhost.faces.pi.commands import SessionCommand
from sxhost.faces.pi.executor import Refusal
from sxhost.faces.pi.pi_commands import CANNOT, PI
from sxhost.faces.pi.session_commands import EVERYBODY, HOSTED, Context, Does

__all__ = ["ATTACHED", "TABLES", "verb"]

ATTACHED = "attached"
"""The name under which the table of attached sessions stands."""

TABLES: Mapping[str, Mapping[str, Does]] = {
    "pi": {**HOSTED, **PI},
    "codex": {**HOSTED, **CODEX},
    ATTACHED: EVERYBODY,
}
"""What does commands, by the agent; those that are not named are `HOSTED`."""


def verb(context: Context, command: SessionCommand) -> Does:
    """Return what does a command.

    :raises Refusal: this agent cannot.
    """
    kind = context.detail.agent if context.detail.kind == "hosted" else ATTACHED
    does = TABLES.get(kind, HOSTED).get(command.type)
    if does is not None:
        return does
    if kind == "pi":
        raise Refusal(CANNOT[command.type])
    raise Refusal(f"{command.type} is not supported by {context.agent}")
