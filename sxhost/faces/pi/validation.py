"""What is wrong with a command of the multiplexer, in the words of its source system."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import msgspec
from msgspec import NODEFAULT, UNSET, Meta, UnsetType

from sxhost.faces.pi.commands import COMMANDS, RESERVED, AnyCommand, Command, SessionCommand
from sxhost.faces.pi.fields import Id

__all__ = ["BadCommand", "parse"]

_decode: Callable[[bytes], Command] = msgspec.json.Decoder(AnyCommand).decode
_ENVELOPE = ("id", "idempotencyKey", "dependsOn", "ifSessionVersion")
_MOST_SAID = 256
"""Characters of a stranger's words that are said again."""


class BadCommand(Exception):
    """Words that are no command: what answers them has these fields."""

    def __init__(self, error: str, command: str = "unknown", number: Any = UNSET) -> None:
        super().__init__(error)
        self.error = error
        self.command = command
        self.id: str | UnsetType = number if isinstance(number, str) else UNSET


def parse(said: bytes) -> Command:
    """Return the command that a frame has.

    :raises BadCommand: it has none.
    """
    try:
        return _decode(said)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise _explained(said) from None


def _explained(said: bytes) -> BadCommand:
    try:
        given = msgspec.json.decode(said)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return BadCommand("Invalid JSON")
    if not isinstance(given, dict):
        return BadCommand("Validation failed: root: Command must be an object")
    name = given.get("type")
    found = "; ".join(_complaints(given)) or "type: Command cannot be understood"
    called = name[:_MOST_SAID] if isinstance(name, str) and name else "unknown"
    number = given.get("id")
    short = isinstance(number, str) and len(number) <= _MOST_SAID
    return BadCommand(f"Validation failed: {found}", called, number if short else UNSET)


def _complaints(given: dict[str, Any]) -> Iterator[str]:
    name = given.get("type")
    if not (isinstance(name, str) and name):
        yield "type: Command must have a string 'type' field"
        name = ""
    kind = COMMANDS.get(name)
    found = list(_wrong(kind or SessionCommand, given, only=_ENVELOPE))
    if name and kind is None:
        found.append(f"type: Unknown command type '{name[:_MOST_SAID]}'")
    if kind is not None:
        found += _wrong(kind, given)
    yield from found or _together(kind or SessionCommand, given)


def _together(kind: type[Command], given: dict[str, Any]) -> Iterator[str]:
    """Say what is wrong although each field by itself is right."""
    try:
        msgspec.convert(given, kind)
    except msgspec.ValidationError as error:
        text = str(error).partition(" - at ")[0]
        if ": " in text:
            yield text


def _wrong(
    kind: type[Command], given: dict[str, Any], only: tuple[str, ...] = ()
) -> Iterator[str]:
    for name, (hint, required) in _fields(kind).items():
        if (name in _ENVELOPE) is not bool(only):
            continue
        if name in given or required:
            said = _sentence(hint, given.get(name), name)
            if said:
                yield said


@cache
def _fields(kind: type[Command]) -> dict[str, tuple[Any, bool]]:
    """Return a command's fields by their names on the wire: type, and whether required."""
    hints = get_type_hints(kind, include_extras=True)
    return {
        field.encode_name: (_plain(hints[field.name]), _is_required(field))
        for field in msgspec.structs.fields(kind)
    }


def _is_required(field: msgspec.structs.FieldInfo) -> bool:
    return field.default is NODEFAULT and field.default_factory is NODEFAULT


def _plain(hint: Any) -> Any:
    """Return a type without the possibility that nothing is there."""
    if get_origin(hint) is Annotated:
        return hint
    choices = [choice for choice in get_args(hint) if choice is not UnsetType]
    return choices[0] if choices and UnsetType in get_args(hint) else hint


def _sentence(hint: Any, value: Any, name: str) -> str | None:
    """Say what is wrong with a field, or nothing."""
    try:
        msgspec.convert(value, hint)
    except msgspec.ValidationError as error:
        within = str(error).partition(" - at `$")[2].strip("`").lstrip(".")
        place = f"{name}.{within}" if within and not within.startswith("[") else name + within
        return f"{place}: {_why(hint, value, within)}"
    return None


def _why(hint: Any, value: Any, within: str) -> str:
    meta = _meta(hint)
    if meta is None:
        return _why_within(hint, value, within)
    most, size = meta.max_length, len(value) if isinstance(value, str | list) else 0
    if most is not None and size > most:
        many = "Too many dependencies" if isinstance(value, list) else "Too long"
        return f"{many} (max {most}{'' if isinstance(value, list) else ' chars'})"
    if hint is Id and isinstance(value, str) and value.startswith(RESERVED):
        return f"Cannot use reserved prefix '{RESERVED}'"
    if meta.min_length and not (isinstance(value, str) and value):
        return "Required string"
    item = _meta(get_args(get_args(hint)[0])[0]) if within and isinstance(value, list) else None
    return str((item or meta).description)


def _why_within(hint: Any, value: Any, within: str) -> str:
    """Say what is wrong with a field that is an object."""
    if not isinstance(value, dict):
        return "Must be an object if provided" if value is not None else "Required object"
    field = get_type_hints(hint, include_extras=True).get(within) if within else None
    meta = _meta(field)
    name = getattr(_plain(field), "__name__", "")
    return str(meta.description) if meta else _KINDS.get(name, "Has the wrong type")


_KINDS = {"bool": "Must be a boolean if provided", "str": "Must be a string if provided"}


def _meta(hint: Any) -> Meta | None:
    """Return what is said of a type beside what it is."""
    if get_origin(hint) is not Annotated:
        return None
    return next((one for one in get_args(hint)[1:] if isinstance(one, Meta)), None)
