"""Edits a JSON text and leaves every other byte of it as it was.

Settings files belong to their users, and so does their layout: re-encoding would lose it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

__all__ = ["NotJSON", "append_value", "remove_values", "value_at"]

SPACE = re.compile(r"[ \t\r\n]*")
INDENT = re.compile(r"\{\r?\n([ \t]+)\"")
_decoder = json.JSONDecoder()


class NotJSON(ValueError):
    """The text is not a JSON object; the message says why."""


class Node(NamedTuple):
    """A value in a text: `start` and `end` are its place, `value` is what it decodes to.

    `parts` are the members of an array or object, in order.
    """

    start: int
    end: int
    value: object
    parts: Sequence[Part]


class Part(NamedTuple):
    """A member of an object, its name included, or of an array: its place and its value."""

    start: int
    end: int
    name: str
    node: Node


def value_at(text: str, path: Sequence[str]) -> object:
    """Return the value at a path of names; None if there is none.

    :raises NotJSON: the text is not a JSON object.
    """
    node: Node | None = _root(text)
    for name in path:
        node = _member(node, name) if node is not None else None
    return None if node is None else node.value


def append_value(text: str, path: Sequence[str], value: object) -> str:
    """Append a value to the array at a path, which is created if it is missing.

    :raises NotJSON: the text is not a JSON object, or the path leads to something else.
    """
    root = _root(text)
    found = INDENT.match(text[root.start :])
    unit = found[1] if found else "  "
    node, depth = root, 0
    for name in path:
        below = _member(node, name)
        if below is None:
            missing = path[depth:]
            made: object = [value]
            for inner in reversed(missing[1:]):
                made = {inner: made}
            _expect(node, dict, path[:depth])
            return _insert(text, node, f"{json.dumps(missing[0])}: ", made, (unit, depth + 1))
        node, depth = below, depth + 1
    _expect(node, list, path)
    return _insert(text, node, "", value, (unit, depth + 1))


def remove_values(
    text: str, path: Sequence[str | int], unwanted: Callable[[object], bool]
) -> str:
    """Remove values from the array at a path, and what becomes empty by that.

    A number in the path leads to that element of an array.

    :raises NotJSON: the text is not a JSON object.
    """
    while (nodes := _nodes_to_array(text, path)) is not None:
        node = nodes[-1]
        found = next(
            (n for n, part in enumerate(node.parts) if unwanted(part.node.value)), None
        )
        if found is None:
            return text
        index = found
        while len(node.parts) == 1 and len(nodes) > 1:
            child, node = nodes.pop(), nodes[-1]
            index = next(n for n, part in enumerate(node.parts) if part.node is child)
        text = _without_part(text, node, index)
    return text


# Parsing, with the place of each value.


def _root(text: str) -> Node:
    try:
        root = _parse(text, _skip(text, 0))
        rest = _skip(text, root.end)
    except (ValueError, IndexError, RecursionError) as error:
        why = (
            str(error) if isinstance(error, ValueError) else "it ends too soon, or is too deep"
        )
        raise NotJSON(f"It is no JSON: {why}.") from None
    if rest != len(text):
        raise NotJSON("It is no JSON: something follows the object.")
    _expect(root, dict, ())
    return root


def _expect(node: Node, kind: type, path: Sequence[str]) -> None:
    if not isinstance(node.value, kind):
        what = "object" if kind is dict else "array"
        raise NotJSON(f"{'.'.join(path) or 'It'} is no {what}.")


def _parse(text: str, at: int) -> Node:
    if text[at] not in "{[":
        value, end = _decoder.raw_decode(text, at)
        return Node(at, end, value, ())
    closing = "}" if text[at] == "{" else "]"
    parts: list[Part] = []
    here = _skip(text, at + 1)
    while text[here] != closing:
        if parts:
            here = _skip(text, _expect_character(text, here, ","))
        part = _part(text, here, named=closing == "}")
        parts.append(part)
        here = _skip(text, part.end)
    value = (
        {part.name: part.node.value for part in parts}
        if closing == "}"
        else [part.node.value for part in parts]
    )
    return Node(at, here + 1, value, parts)


def _part(text: str, at: int, *, named: bool) -> Part:
    if not named:
        node = _parse(text, at)
        return Part(at, node.end, "", node)
    name, end = _decoder.raw_decode(text, at)
    if not isinstance(name, str):
        raise NotJSON("a name is no text")
    node = _parse(text, _skip(text, _expect_character(text, _skip(text, end), ":")))
    return Part(at, node.end, name, node)


def _expect_character(text: str, at: int, wanted: str) -> int:
    if text[at] != wanted:
        raise NotJSON(f"{wanted!r} is missing at {at}")
    return at + 1


def _skip(text: str, at: int) -> int:
    found = SPACE.match(text, at)
    return found.end() if found else at


def _member(node: Node, name: str | int) -> Node | None:
    if isinstance(name, int):
        within = isinstance(node.value, list) and name < len(node.parts)
        return node.parts[name].node if within else None
    named = [part.node for part in node.parts if part.name == name]
    return named[-1] if named and isinstance(node.value, dict) else None


def _nodes_to_array(text: str, path: Sequence[str | int]) -> list[Node] | None:
    """Return the nodes from the root to the array at a path; None if there is no array."""
    nodes = [_root(text)]
    for name in path:
        below = _member(nodes[-1], name)
        if below is None:
            return None
        nodes.append(below)
    return nodes if isinstance(nodes[-1].value, list) else None


def _insert(text: str, node: Node, label: str, value: object, layout: tuple[str, int]) -> str:
    """Insert a last part into a node; `layout` is the indentation and how deep the part is."""
    unit, depth = layout
    line = "\r\n" if "\r\n" in text else "\n"
    written = json.dumps(value, indent=unit, ensure_ascii=False)
    body = (label + written).replace("\n", line + unit * depth)
    if node.parts:
        end = node.parts[-1].end
        return f"{text[:end]},{line}{unit * depth}{body}{text[end:]}"
    inside = f"{line}{unit * depth}{body}{line}{unit * (depth - 1)}"
    return f"{text[: node.start + 1]}{inside}{text[node.end - 1 :]}"


def _without_part(text: str, node: Node, index: int) -> str:
    part = node.parts[index]
    if len(node.parts) == 1:
        return text[: node.start + 1] + text[node.end - 1 :]
    if index == 0:
        return text[: part.start] + text[node.parts[1].start :]
    return text[: node.parts[index - 1].end] + text[part.end :]
