"""What the multiplexer says: answers, and what everybody is told."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from sxhost import __version__
from sxhost.codec.json import encode
from sxhost.faces.pi.commands import Command

__all__ = ["PROTOCOL", "Response", "again", "lifecycle", "notification", "ready", "refusal"]

PROTOCOL = "1.0.0"
"""The version of the source's protocol that is spoken."""


class Response(
    Struct, frozen=True, kw_only=True, rename="camel", tag_field="type", tag="response"
):
    """The one answer to a command."""

    id: str | UnsetType = UNSET
    command: str
    success: bool
    data: Any = UNSET
    error: str | UnsetType = UNSET
    session_version: int | UnsetType = UNSET
    replayed: bool | UnsetType = UNSET
    timed_out: bool | UnsetType = UNSET


def refusal(command: Command, error: str, *, late: bool = False) -> Response:
    """Return the answer to a command that does not work."""
    return Response(
        id=command.id,
        command=command.type,
        success=False,
        error=error,
        timed_out=late or UNSET,
    )


def again(response: Response, command: Command) -> Response:
    """Return an answer as it is given to the same command once more."""
    return replace(response, id=command.id, replayed=True)


def notification(name: str, data: Any) -> bytes:
    """Return what everybody is told."""
    return encode({"type": name, "data": data})


def ready() -> bytes:
    """Return what is said first on each connection."""
    versions = {"serverVersion": __version__, "protocolVersion": PROTOCOL}
    return notification("server_ready", {**versions, "transports": ["websocket", "stdio"]})


class Phase(Struct, frozen=True, kw_only=True, rename="camel"):
    """Where a command is."""

    command_id: str
    command_type: str
    session_id: str | UnsetType = UNSET
    depends_on: list[str] = []
    if_session_version: int | UnsetType = UNSET
    idempotency_key: str | UnsetType = UNSET
    success: bool | UnsetType = UNSET
    error: str | UnsetType = UNSET
    session_version: int | UnsetType = UNSET
    replayed: bool | UnsetType = UNSET


def lifecycle(
    phase: str, command: Command, number: str, response: Response | None = None
) -> bytes:
    """Return what is told of a command: that it was accepted, has started, has finished."""
    ended: dict[str, Any] = {}
    if response is not None:
        names = ("success", "error", "session_version", "replayed")
        ended = {name: getattr(response, name) for name in names}
    return notification(
        f"command_{phase}",
        Phase(
            command_id=number,
            command_type=command.type,
            session_id=command.target or UNSET,
            depends_on=command.depends_on or [],
            if_session_version=command.if_session_version,
            idempotency_key=command.idempotency_key,
            **ended,
        ),
    )
