"""A line of pi's: its kind, and what is understood of it.

Old pi (0.73) puts snapshots of the whole message into each ``message_update``; they are not
read, so that a long answer does not cost its length again with every word of it.  Only they
name a tool whose call begins: there one is looked into.
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
    """A line is nothing that pi says."""


class DecodedLine(NamedTuple):
    """What a line says: its `kind`, what we understand of it, and the line itself.

    `said` is None where we know nothing but the kind; of old pi's ``message_update``
    `native` is the line without its snapshots.
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
_BEGIN = re.compile(rb'\{"type":"([a-z_]+)"')
_UPDATE = b'{"type":"message_update"'
_CALL = b'"toolcall_start"'
_LONE = re.compile(rb"\\ud[89ab][0-9a-f]{2}(?!\\ud[c-f])|(?<!\\ud[89ab]..)\\ud[c-f][0-9a-f]{2}")


def parse(line: bytes) -> DecodedLine:
    """Return what a line says.

    :raises NotPi: it is no object of JSON with a ``type``.
    """
    try:
        return _short(line) or _whole(_mended(line))
    except (DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise NotPiLine(str(error)) from None


def _short(line: bytes) -> DecodedLine | None:
    """Read an update only up to its snapshots, which grow with every one of them.

    In a text the quotes would be escaped: what is found is a field.
    """
    at = line.find(b',"partial":') if line.startswith(_UPDATE) else -1
    if at < 0:
        return None
    cut = _mended(line[:at] + b"}}")
    try:
        heard = _known("message_update", cut)
        return _named(heard, line) if _CALL in cut else heard
    except DecodeError:  # it was another ``partial``, deeper in
        return None


def _named(heard: DecodedLine, line: bytes) -> DecodedLine:
    """Add whose call begins to what old pi says of it."""
    said: MessageUpdate = heard.message
    step = said.assistant_message_event
    blocks = _snapshot(_mended(line)).assistant_message_event.partial.content
    if step.type != "toolcall_start" or not 0 <= step.content_index < len(blocks):
        return heard
    called = blocks[step.content_index]
    named = replace(step, id=called.id, tool_name=called.name)
    return heard._replace(message=replace(said, assistant_message_event=named))


def _mended(line: bytes) -> bytes:
    """Replace half an emoji, which JavaScript writes down and others cannot read."""
    return _LONE.sub(rb"\\ufffd", line) if b"\\ud" in line else line


def _whole(line: bytes) -> DecodedLine:
    begin = _BEGIN.match(line)
    kind = begin[1].decode() if begin else _head(line).type
    try:
        return _known(kind, line)
    except DecodeError:
        _head(line)
        return DecodedLine(kind, None, _raw(line))


def _known(kind: str, line: bytes) -> DecodedLine:
    decode = _decoders.get(kind, _nothing)
    return DecodedLine(kind, decode(line), _raw(line))


def _nothing(line: bytes) -> None:
    _head(line)


def _raw(line: bytes) -> Raw:
    line.decode()  # the texts that nobody has read go into logs as well
    return Raw(line)
