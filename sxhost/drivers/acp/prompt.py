"""What an agent is told in ACP, and why it said no."""

from __future__ import annotations

from collections.abc import Sequence
from mimetypes import guess_type
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from sxhost.codec.jsonrpc import Refusal
from sxhost.drivers.acp.messages import VERSION
from sxhost.drivers.jsonrpc_peer import Refused
from sxhost.errors import AgentFailed, BadField, Unsupported
from sxhost.model.turn import File, Image, Item, LocalImage, Text

__all__ = ["content_blocks", "initialize_params", "refusal_reason"]

REASON = 1000
"""Characters of a complaint that are passed on."""


def initialize_params(version: str) -> dict[str, Any]:
    """Return the params of ``initialize``: files and terminals are the agent's own affair."""
    return {
        "protocolVersion": VERSION,
        "clientCapabilities": {
            "fs": {"readTextFile": False, "writeTextFile": False},
            "terminal": False,
            "elicitation": {"form": {}},
            "session": {"compaction": {}, "notices": {}},
        },
        "clientInfo": {"name": "sxhost", "title": "sxhost", "version": version},
    }


def content_blocks(given: Sequence[Item], *, images: bool) -> list[dict[str, Any]]:
    """Return the content of a prompt; files are linked, never read.

    :raises Unsupported: there is a picture, and the agent takes no `images`.
    """
    return [_block(item, images=images) for item in given]


def _block(item: Item, *, images: bool) -> dict[str, Any]:
    match item:
        case Text():
            return {"type": "text", "text": item.text}
        case Image():
            return _image(item, images=images)
        case LocalImage() | File():
            return _link(item.path)


def _image(item: Image, *, images: bool) -> dict[str, Any]:
    if not item.data and not item.url.startswith("data:"):
        name = item.url.rstrip("/").rpartition("/")[2] or "image"
        return {"type": "resource_link", "uri": item.url, "name": name}
    if not images:
        raise Unsupported("This agent takes no images.")
    data, mime = item.data, item.mime_type
    if not data:
        head, _, data = item.url.partition(",")
        mime = head.removeprefix("data:").partition(";")[0] or mime
    return {"type": "image", "data": data, "mimeType": mime}


def _link(path: str) -> dict[str, Any]:
    where = Path(path)
    if not where.is_absolute():
        raise BadField("input.path", f"The path {path!r} is not absolute.")
    link = {"type": "resource_link", "uri": where.as_uri(), "name": where.name or path}
    kind = guess_type(where.name)[0]
    return {**link, "mimeType": kind} if kind else link


# Why not.


def refusal_reason(error: AgentFailed) -> str:
    """Return why an agent refused, as plainly as its answer allows."""
    return _reason(error.said) if isinstance(error, Refused) else error.message


def _reason(said: Refusal) -> str:
    data = said.data
    more = data.get("details") if isinstance(data, dict) else data
    message = _unpacked(said.message)
    whole = f"{message}: {more}" if isinstance(more, str) and more else message
    return " ".join(whole.split())[:REASON]


def _unpacked(message: str) -> str:
    """Some pass on a vendor's error as it came: JSON, with the sentence inside."""
    try:
        return msgspec.json.decode(message, type=_Vendor).error.message
    except (msgspec.DecodeError, RecursionError):
        return message


class _Sentence(Struct, frozen=True):
    message: str


class _Vendor(Struct, frozen=True):
    error: _Sentence
