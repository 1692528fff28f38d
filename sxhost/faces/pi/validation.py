"""Commands decoded from frames; an invalid one is explained in pi-app-server's sentences.

The decoder stops at the first error and says it in msgspec's words.  So a frame that it refuses
is looked at once more, for all that pi-app-server would complain about (`command_rules`).  What
that would not complain about, and makes no sense, counts as absent.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache
from typing import Final, get_type_hints

import msgspec
from msgspec import UNSET, Raw, Struct

from sxhost.codec.well_formed import decode_from_program, well_formed
from sxhost.faces.pi.command_rules import IGNORED, MAX_ECHO, errors_of
from sxhost.faces.pi.commands import COMMANDS, RESERVED, AnyCommand, Command, SessionCommand
from sxhost.faces.pi.fields import NO_IMAGE, DialogAnswer, ImageData

__all__ = ["BadCommand", "parse"]

_decode: Callable[[bytes], Command] = msgspec.json.Decoder(AnyCommand).decode

REPLACED: Final = "\ufffd"
"""Stands for half a character in what is decoded."""

SHORT: Final = 256
"""Bytes of a frame in which no text can be too long."""

_FOR_SESSION: Final = {n: issubclass(kind, SessionCommand) for n, kind in COMMANDS.items()}

_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class BadCommand(Exception):
    """A frame that is no valid command; its response has these fields."""

    def __init__(
        self, error: str, command: object = "unknown", command_id: object = UNSET
    ) -> None:
        super().__init__(error)
        self.error = error
        self.command = command
        self.id = command_id


def parse(frame: bytes) -> Command:
    """Return the command of a frame.

    :raises BadCommand: it is invalid.
    """
    try:
        command = decode_from_program(frame, _decode).value
    except _UNREADABLE:
        return _explained(frame)
    if len(frame) > SHORT and (b"\\u" in frame or not frame.isascii()):
        return _explained(frame)  # lengths are counted otherwise there
    _check_whole(command, frame)
    return command


def _check_whole(command: Command, frame: bytes) -> None:
    """Check that an id has no half character: the host could keep it only as another.

    :raises BadCommand: it has; its response has the id as its client has written it.
    """
    command_id = _id_of({"id": command.id}, frame)
    if isinstance(command_id, Raw):
        error = "Validation failed: id: Must not have half a character"
        raise BadCommand(error, command.type, command_id)


def _explained(frame: bytes) -> Command:
    """Return the command of a frame that the decoder may have refused.

    :raises BadCommand: it is invalid.
    """
    text = well_formed(frame)
    try:
        fields = msgspec.json.decode(text)
    except _UNREADABLE:
        raise BadCommand("Invalid JSON") from None
    if not isinstance(fields, dict):
        raise BadCommand("Validation failed: root: Command must be an object")
    errors = "; ".join(errors_of(fields, _FOR_SESSION, RESERVED))
    try:
        if not errors:
            return msgspec.convert(_sensible(fields), COMMANDS[str(fields["type"])])
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at `$")
        place = where.strip("`").lstrip(".")
        errors = f"{place}: {what}" if place else what
    raise BadCommand(f"Validation failed: {errors}", _shown(fields), _id_of(fields, frame))


def _sensible(fields: Mapping[str, object]) -> dict[str, object]:
    """Return a command's fields, without wrong ones that pi-app-server would not look at."""
    types = _types(COMMANDS[str(fields["type"])])
    kept = {n: v for n, v in fields.items() if n not in IGNORED or _fits(v, types.get(n))}
    images, response = fields.get("images"), kept.get("response")
    if isinstance(images, list):
        kept["images"] = [each if _fits(each, ImageData) else NO_IMAGE for each in images]
    if isinstance(response, dict):
        parts = _types(DialogAnswer)
        kept["response"] = {n: v for n, v in response.items() if _fits(v, parts.get(n))}
    return kept


def _fits(value: object, kind: object) -> bool:
    """Tell whether a value has a type; None is any."""
    try:
        msgspec.convert(value, object if kind is None else kind)
    except msgspec.ValidationError:
        return False
    return True


@cache
def _types(kind: type[Struct]) -> Mapping[str, object]:
    """Return the types of a struct's fields by their names on the wire."""
    hints = get_type_hints(kind, include_extras=True)
    return {f.encode_name: hints[f.name] for f in msgspec.structs.fields(kind)}


def _shown(fields: Mapping[str, object]) -> object:
    """Return the name of a command as a response repeats it, whatever it is."""
    name = fields.get("type")
    return "unknown" if name is None else name[:MAX_ECHO] if isinstance(name, str) else name


def _id_of(fields: Mapping[str, object], frame: bytes) -> object:
    """Return the id of a command; as its client has written it if that has half a character."""
    command_id = fields.get("id", UNSET)
    if not (isinstance(command_id, str) and REPLACED in command_id):
        return command_id
    try:  # msgspec refuses half a character everywhere
        written = json.loads(frame.decode("utf-8", "replace"), strict=False)["id"]
    except (ValueError, RecursionError):
        return command_id
    return command_id if written == command_id else Raw(json.dumps(written).encode())
