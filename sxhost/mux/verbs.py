"""Which agent does which command, and how: the table of tables."""

from __future__ import annotations

from collections.abc import Mapping

from sxhost.commands.table import SessionCommand
from sxhost.mux.agents import EVERYBODY, HOSTED, Context, Does
from sxhost.mux.codex import CODEX
from sxhost.mux.engine import Refusal
from sxhost.mux.pi import CANNOT, PI

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
