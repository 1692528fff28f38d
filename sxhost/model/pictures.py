"""Pictures in what agents are given and give back: found in blocks of content, and bounded.

An event has room for small pictures alone (a screenshot that was scaled down).  What is larger,
is only an address, or is of another type than `PICTURE_TYPES`, is left out: its place in the
text says that there was one.  SVG is no picture here: it is markup.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from sxhost.model.turn import Image, Input, items

__all__ = [
    "PICTURES_MOST",
    "PICTURE_TYPES",
    "Picture",
    "pictures_of",
    "split_pictures",
    "usable_pictures",
]

PICTURE_TYPES: Final = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})

PICTURES_MOST: Final = 150_000
"""Bytes of base64 of all pictures of one event, which has room for 256 KiB of JSON."""

IMAGE_BLOCKS: Final = frozenset({"image", "inputImage"})
"""Types of the blocks that are pictures; the second is codex's."""

PLACE: Final = "[image]"
"""What stands in the place of a picture in a text."""

_BASE64: Final = re.compile(r"[A-Za-z0-9+/]+={0,2}")


class Picture(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A picture of one of `PICTURE_TYPES`: its `data` in base64, unless it is only named."""

    mime_type: str
    data: str = ""


def pictures_of(given: Input) -> list[Picture]:
    """Return the pictures of a turn's input that an event has room for."""
    return usable_pictures(_of_input(item) for item in items(given) if isinstance(item, Image))


def _of_input(image: Image) -> Picture:
    if image.url:
        return _of_url(image.url)
    return Picture(mime_type=image.mime_type, data=image.data)


def _of_url(url: str) -> Picture:
    """Return the picture of a ``data:`` URL; of any other one that is not usable."""
    head, _, data = url.partition(";base64,")
    return Picture(mime_type=head.removeprefix("data:"), data=data)


def split_pictures(content: object) -> tuple[object, list[Picture]]:
    """Return a tool's output with `PLACE` for each picture in it, and the pictures.

    Blocks of content are known in the forms of MCP (and so of ACP and pi), of the Messages API,
    of codex, and of what Claude Code's own tool for reading files returns.
    """
    found: list[Picture] = []
    return _without(content, found), usable_pictures(found)


def _without(content: object, found: list[Picture]) -> object:
    if isinstance(content, list):
        return [_without(block, found) for block in content]
    if not isinstance(content, dict):
        return content
    if content.get("type") in IMAGE_BLOCKS and (picture := _of_block(content)) is not None:
        found.append(picture)
        return PLACE
    if isinstance(inner := content.get("content"), list):
        return {**content, "content": _without(inner, found)}
    return content


def _of_block(block: dict[str, object]) -> Picture | None:
    """Return the picture that a block is; None if it has no data."""
    if isinstance(url := block.get("imageUrl"), str):
        return _of_url(url)
    inner = block.get("source") or block.get("file") or block
    if not isinstance(inner, dict):
        return None
    data = inner.get("data") or inner.get("base64")
    mime_type = inner.get("mimeType") or inner.get("media_type") or inner.get("type")
    if isinstance(data, str) and isinstance(mime_type, str):
        return Picture(mime_type=mime_type, data=data)
    return None


def usable_pictures(pictures: Iterable[Picture]) -> list[Picture]:
    """Return those that are pictures, as far as an event has room: attached agents fire any."""
    kept, room = list[Picture](), PICTURES_MOST
    for picture in pictures:
        is_known = picture.mime_type in PICTURE_TYPES
        if is_known and len(picture.data) <= room and _BASE64.fullmatch(picture.data):
            kept.append(picture)
            room -= len(picture.data)
    return kept
