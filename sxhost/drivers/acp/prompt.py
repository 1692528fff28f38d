"""Params of ``initialize`` and ``session/prompt``; why an ACP agent refused, for a person."""

from __future__ import annotations

from collections.abc import Sequence
from mimetypes import guess_type
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from sxhost.codec.jsonrpc import RPCError
from sxhost.drivers.acp.messages import VERSION
from sxhost.drivers.kit.jsonrpc_peer import CallRefused
from sxhost.errors import AgentFailed, BadField, Unsupported
from sxhost.model.turn import File, Image, Item, LocalImage, Text

__all__ = ["content_blocks", "initialize_params", "refusal_reason"]

REASON = 1000
"""Characters of a reason that are kept."""


def initialize_params(version: str) -> dict[str, Any]:
    """Return the params of ``initialize``; `version` is sxhost's.

    The agent is to use files and terminals itself: the host runs beside it, not in an editor.
    """
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


def content_blocks(input_items: Sequence[Item], *, images: bool) -> list[dict[str, Any]]:
    """Return a turn's input as the content of a prompt; files are linked, never read.

    :raises Unsupported: there is an image, and the agent takes none (`images`).
    :raises BadField: a path is not absolute.
    """
    return [_block(item, images=images) for item in input_items]


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
    file = Path(path)
    if not file.is_absolute():
        raise BadField("input.path", f"The path {path!r} is not absolute.")
    link = {"type": "resource_link", "uri": file.as_uri(), "name": file.name or path}
    kind = guess_type(file.name)[0]
    return {**link, "mimeType": kind} if kind else link


# Refusals.


def refusal_reason(error: AgentFailed) -> str:
    """Return why a call failed, in at most `REASON` characters of one line."""
    return _reason(error.refusal) if isinstance(error, CallRefused) else error.message


def _reason(refusal: RPCError) -> str:
    data = refusal.data
    details = data.get("details") if isinstance(data, dict) else data
    message = _vendor_sentence(refusal.message)
    whole = f"{message}: {details}" if isinstance(details, str) and details else message
    return " ".join(whole.split())[:REASON]


def _vendor_sentence(message: str) -> str:
    """Return the sentence in a message: some agents pass on a vendor's error as JSON."""
    try:
        return msgspec.json.decode(message, type=_VendorError).error.message
    except (msgspec.DecodeError, RecursionError):
        return message


class _VendorMessage(Struct, frozen=True):
    message: str


class _VendorError(Struct, frozen=True):
    error: _VendorMessage
