"""Prints the table of events in docs/api.md: ``python -m tests.support.event_catalogue``."""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterator
from typing import Literal, get_args, get_origin

from msgspec import Struct
from msgspec.structs import FieldInfo, fields

from sxhost.model.approval import Approval
from sxhost.model.event_types import EVENT_TYPES

COMMON = frozenset({"item", "parent", "turn", "native"})
"""Fields that many events have; what they mean is said once, before the table."""


def lines() -> Iterator[str]:
    """Yield the lines of the table: an event each."""
    yield "| event | | meaning | fields |"
    yield "|---|---|---|---|"
    for name, kind in EVENT_TYPES.items():
        meaning, _, _ = inspect.cleandoc(kind.__doc__ or "").partition("\n\n")
        described = "the [approval](#approval)" if issubclass(kind, Approval) else _fields(kind)
        yield f"| `{name}` | {kind.nature} | {in_markdown(meaning)} | {described} |"


def _fields(kind: type[Struct]) -> str:
    meanings = docstrings(kind)
    cells = []
    for field in fields(kind):
        words = " ".join(filter(None, (_choices(field), meanings.get(field.name, ""))))
        if words or field.name not in COMMON:
            name = f"`{field.name}`" + ("" if field.required else "?")
            cells.append(f"{name}: {in_markdown(words)}" if words else name)
    return "<br>".join(cells)


def _choices(field: FieldInfo) -> str:
    is_choice = get_origin(field.type) is Literal
    return ", ".join(f"``{one}``" for one in get_args(field.type)) if is_choice else ""


def docstrings(kind: type) -> dict[str, str]:
    """Return the docstrings of a class's fields, which are only in its source."""
    (definition,) = ast.parse(inspect.getsource(kind)).body
    assert isinstance(definition, ast.ClassDef)
    found = {}
    for field, text in zip(definition.body, definition.body[1:], strict=False):
        match field, text:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(words))),
            ):
                found[name] = " ".join(words.split())
    return found


def in_markdown(text: str) -> str:
    """Return the text of a docstring as a cell of a table in Markdown."""
    return " ".join(text.split()).replace("``", "`").replace("|", r"\|")


if __name__ == "__main__":
    sys.stdout.write("\n".join(lines()) + "\n")
