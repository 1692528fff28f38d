"""Prints the tables of docs/multiplexer.md: ``python -m tests.support.multiplexer_table``."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping

import msgspec

from sxhost.faces.pi.commands import COMMANDS, Command, SessionCommand
from sxhost.faces.pi.dispatch import TABLES
from sxhost.faces.pi.pi_commands import UNSUPPORTED
from sxhost.faces.pi.scheduling import TRAITS
from sxhost.faces.pi.session_commands import HOSTED_COMMANDS

__all__ = ["lines"]

ENVELOPE = {"id", "idempotencyKey", "dependsOn", "ifSessionVersion", "sessionId"}
COLUMNS = ("command", "fields", "scope", "overtakes", "version", "limit")
OVERTAKES = {"in_order": "", "exclusive": "all"}
AGENTS = ("pi", "codex", "others", "attached")


def lines() -> Iterator[str]:
    """Yield the lines of the tables: for the server, then for a session."""
    server = {n: k for n, k in COMMANDS.items() if not issubclass(k, SessionCommand)}
    session = {n: k for n, k in COMMANDS.items() if issubclass(k, SessionCommand)}
    yield from _table(server, ())
    yield ""
    yield from _table(session, AGENTS)


def _table(commands: Mapping[str, type[Command]], agents: tuple[str, ...]) -> Iterator[str]:
    columns = (*COLUMNS, *agents)
    yield _row(columns)
    yield "|" + "---|" * len(columns)
    for name, kind in commands.items():
        yield _row((*_cells(name, kind), *(_does(name, agent) for agent in agents)))


def _row(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |"


def _cells(name: str, kind: type[Command]) -> tuple[str, ...]:
    trait = TRAITS[name]
    return (
        f"`{name}`",
        ", ".join(_fields(kind)),
        trait.scope,
        OVERTAKES.get(trait.priority, "yes"),
        "+1" if trait.mutates and issubclass(kind, SessionCommand) else "",
        {"short": "`mux_read`", "long": "`mux_work`", None: ""}[trait.time_limit],
    )


def _fields(kind: type[Command]) -> Iterator[str]:
    for field in msgspec.structs.fields(kind):
        if field.encode_name in ENVELOPE and issubclass(kind, SessionCommand):
            continue
        if field.encode_name not in ENVELOPE - {"sessionId"}:
            yield f"`{field.encode_name}`" if field.required else f"`{field.encode_name}?`"


def _does(name: str, agent: str) -> str:
    table = {**TABLES, "others": HOSTED_COMMANDS}[agent]
    if name in table:
        return "yes"
    return "no" if agent == "pi" and name in UNSUPPORTED else ""


if __name__ == "__main__":
    sys.stdout.writelines(f"{line}\n" for line in lines())
