"""Commands decoded from frames; an invalid one is explained in pi-app-server's sentences.

The decoder stops at the first error and says it in msgspec's words.  So a frame that it refuses
is looked at once more, field by field, for all that pi-app-server would complain about.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Annotated, get_args, get_origin, get_type_hints

import msgspec
from msgspec import UNSET, Meta, UnsetType

from sxhost.codec.well_formed import decode_from_program, well_formed
from sxhost.faces.pi.commands import COMMANDS, RESERVED, AnyCommand, Command, SessionCommand
from sxhost.faces.pi.fields import CommandId

__all__ = ["BadCommand", "parse"]

_decode: Callable[[bytes], Command] = msgspec.json.Decoder(AnyCommand).decode
_SHARED = ("id", "idempotencyKey", "dependsOn", "ifSessionVersion")
MAX_ECHO = 256
"""Characters of a client's own words that an error repeats."""


class BadCommand(Exception):
    """A frame that is no valid command; its response has these fields."""

    def __init__(
        self, error: str, command: str = "unknown", command_id: object = UNSET
    ) -> None:
        super().__init__(error)
        self.error = error
        self.command = command
        self.id: str | UnsetType = command_id if isinstance(command_id, str) else UNSET


def parse(frame: bytes) -> Command:
    """Return the command of a frame.

    :raises BadCommand: it is invalid.
    """
    try:
        return decode_from_program(frame, _decode).value
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise _explain(well_formed(frame)) from None


def _explain(frame: bytes) -> BadCommand:
    """Return why a frame that the decoder refused is invalid."""
    try:
        fields = msgspec.json.decode(frame)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return BadCommand("Invalid JSON")
    if not isinstance(fields, dict):
        return BadCommand("Validation failed: root: Command must be an object")
    name, command_id = fields.get("type"), fields.get("id")
    errors = "; ".join(_errors(fields)) or "type: Command cannot be understood"
    shown_name = name[:MAX_ECHO] if isinstance(name, str) and name else "unknown"
    short = isinstance(command_id, str) and len(command_id) <= MAX_ECHO
    error = f"Validation failed: {errors}"
    return BadCommand(error, shown_name, command_id if short else UNSET)


def _errors(fields: dict[str, object]) -> Iterator[str]:
    """Yield the errors of a command's fields: shared ones first, then its own."""
    name = fields.get("type")
    if not (isinstance(name, str) and name):
        yield "type: Command must have a string 'type' field"
        name = ""
    kind = COMMANDS.get(name)
    errors = list(_field_errors(kind or SessionCommand, fields, shared=True))
    if name and kind is None:
        errors.append(f"type: Unknown command type '{name[:MAX_ECHO]}'")
    if kind is not None:
        errors += _field_errors(kind, fields, shared=False)
    yield from errors or _combination_errors(kind or SessionCommand, fields)


def _combination_errors(kind: type[Command], fields: dict[str, object]) -> Iterator[str]:
    """Yield what is wrong although each field by itself is right."""
    try:
        msgspec.convert(fields, kind)
    except msgspec.ValidationError as error:
        text = str(error).partition(" - at ")[0]
        if ": " in text:
            yield text


def _field_errors(
    kind: type[Command], fields: dict[str, object], *, shared: bool
) -> Iterator[str]:
    """Yield the errors of the fields that all commands share, or of the command's own."""
    for name, (hint, required) in _field_types(kind).items():
        if (name in _SHARED) is shared and (name in fields or required):
            error = _field_error(hint, fields.get(name), name)
            if error:
                yield error


@cache
def _field_types(kind: type[Command]) -> dict[str, tuple[object, bool]]:
    """Return a command's fields by wire name: type, and whether required."""
    hints = get_type_hints(kind, include_extras=True)
    return {
        field.encode_name: (_without_unset(hints[field.name]), field.required)
        for field in msgspec.structs.fields(kind)
    }


def _without_unset(hint: object) -> object:
    """Return the type of an optional field without ``UnsetType``."""
    if get_origin(hint) is Annotated:
        return hint
    choices = [choice for choice in get_args(hint) if choice is not UnsetType]
    return choices[0] if choices and UnsetType in get_args(hint) else hint


def _field_error(hint: object, value: object, name: str) -> str | None:
    """Return what is wrong with a field; None if it is right."""
    try:
        msgspec.convert(value, hint)
    except msgspec.ValidationError as error:
        within = str(error).partition(" - at `$")[2].strip("`").lstrip(".")
        place = f"{name}.{within}" if within and not within.startswith("[") else name + within
        return f"{place}: {_sentence(hint, value, within)}"
    return None


def _sentence(hint: object, value: object, within: str) -> str:
    """Return the sentence for a wrong field, in `within` if that names a part of it."""
    meta = _meta(hint)
    if meta is None:
        return _object_sentence(hint, value, within)
    limit, size = meta.max_length, len(value) if isinstance(value, str | list) else 0
    if limit is not None and size > limit:
        if isinstance(value, list):
            return f"Too many dependencies (max {limit})"
        return f"Too long (max {limit} chars)"
    if hint is CommandId and isinstance(value, str) and value.startswith(RESERVED):
        return f"Cannot use reserved prefix '{RESERVED}'"
    if meta.min_length and not (isinstance(value, str) and value):
        return "Required string"
    item = _meta(get_args(get_args(hint)[0])[0]) if within and isinstance(value, list) else None
    return str((item or meta).description)


def _object_sentence(hint: object, value: object, within: str) -> str:
    """Return the sentence for a wrong field that is an object."""
    if not isinstance(value, dict):
        return "Must be an object if provided" if value is not None else "Required object"
    field = get_type_hints(hint, include_extras=True).get(within) if within else None
    meta = _meta(field)
    name = getattr(_without_unset(field), "__name__", "")
    return str(meta.description) if meta else _TYPE_SENTENCES.get(name, "Has the wrong type")


_TYPE_SENTENCES = {
    "bool": "Must be a boolean if provided",
    "str": "Must be a string if provided",
}


def _meta(hint: object) -> Meta | None:
    """Return the constraints of an annotated type."""
    if get_origin(hint) is not Annotated:
        return None
    return next((each for each in get_args(hint)[1:] if isinstance(each, Meta)), None)
