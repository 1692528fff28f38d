"""Decodes a line of pi: its kind, and the struct of that kind.

Old pi (0.73) puts a snapshot of the whole message so far into each ``message_update``.  They
are skipped without decoding, or a long answer would cost its length with each piece.  Only they
name the tool whose call begins: there one is decoded.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from msgspec import DecodeError, Raw, Struct, json
from msgspec.structs import replace

from sxhost.drivers.pi.messages import KINDS, MessageUpdate, UpdateSnapshot

__all__ = ["DecodedLine", "NotPiLine", "parse"]


class NotPiLine(ValueError):
    """A line is no JSON object with a type."""


class DecodedLine(NamedTuple):
    """A line: its `kind` (the field ``type``), its struct, and the line itself.

    `message` is None where nothing but the kind is known; `native` of old pi's
    ``message_update`` is the line without its snapshot.
    """

    kind: str
    message: Any
    native: Raw


class _Head(Struct, frozen=True):
    type: str


_decoders: dict[str, Callable[[bytes], Any]] = {
    kind: json.Decoder(struct).decode for kind, struct in KINDS.items()
}
_head = json.Decoder(_Head).decode
_snapshot = json.Decoder(UpdateSnapshot).decode
_TYPE = re.compile(rb'\{"type":"([a-z_]+)"')
_UPDATE = b'{"type":"message_update"'
_TOOLCALL_START = b'"toolcall_start"'


def parse(line: bytes) -> DecodedLine:
    """Return a line decoded.

    :raises NotPi: it is no object of JSON with a ``type``.
    """
    try:
        return _without_snapshot(line) or _whole(line)
    except (DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise NotPiLine(str(error)) from None


def _without_snapshot(line: bytes) -> DecodedLine | None:
    """Decode an old pi's update up to its snapshot, or return None if it has none.

    A text cannot be mistaken for the field: its quotes are escaped.
    """
    at = line.find(b',"partial":') if line.startswith(_UPDATE) else -1
    if at < 0:
        return None
    shortened = line[:at] + b"}}"
    try:
        decoded = _decode("message_update", shortened)
        return _with_tool_name(decoded, line) if _TOOLCALL_START in shortened else decoded
    except DecodeError:  # it was another field ``partial``, deeper inside
        return None


def _with_tool_name(decoded: DecodedLine, line: bytes) -> DecodedLine:
    """Return old pi's update with the tool's id and name from its snapshot."""
    update: MessageUpdate = decoded.message
    delta = update.assistant_message_event
    blocks = _snapshot(line).assistant_message_event.partial.content
    if delta.type != "toolcall_start" or not 0 <= delta.content_index < len(blocks):
        return decoded
    tool_call = blocks[delta.content_index]
    event = replace(delta, id=tool_call.id, tool_name=tool_call.name)
    return decoded._replace(message=replace(update, assistant_message_event=event))


def _whole(line: bytes) -> DecodedLine:
    begin = _TYPE.match(line)
    kind = begin[1].decode() if begin else _head(line).type
    try:
        return _decode(kind, line)
    except DecodeError:
        _head(line)
        return DecodedLine(kind, None, Raw(line))


def _decode(kind: str, line: bytes) -> DecodedLine:
    decode = _decoders.get(kind, _decode_unknown)
    return DecodedLine(kind, decode(line), Raw(line))


def _decode_unknown(line: bytes) -> None:
    _head(line)
