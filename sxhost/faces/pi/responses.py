"""The frames that the multiplexer sends: responses to commands, and notifications to all."""

from __future__ import annotations

from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from sxhost import __version__
from sxhost.codec.json import encode
from sxhost.faces.pi.commands import Command

__all__ = [
    "PROTOCOL",
    "CommandFailed",
    "Response",
    "lifecycle_notification",
    "notification",
    "refusal",
    "replay",
    "server_ready",
]

PROTOCOL = "1.0.0"
"""The version of the pi-app-server protocol that is spoken."""


class CommandFailed(Exception):
    """A command cannot be done; the sentence is the error of its response."""


class Response(
    Struct, frozen=True, kw_only=True, rename="camel", tag_field="type", tag="response"
):
    """The one response to a command; to a wrong one, with its id and name as they came."""

    id: object = UNSET
    command: object
    success: bool
    data: object = UNSET
    error: str | UnsetType = UNSET
    session_version: int | UnsetType = UNSET
    replayed: bool | UnsetType = UNSET
    timed_out: bool | UnsetType = UNSET


def refusal(command: Command, error: str, *, timed_out: bool = False) -> Response:
    """Return the response to a command that failed or was refused."""
    return Response(
        id=command.id,
        command=command.type,
        success=False,
        error=error,
        timed_out=timed_out or UNSET,
    )


def replay(response: Response, command: Command) -> Response:
    """Return a stored response for the same command sent again."""
    return replace(response, id=command.id, replayed=True)


def notification(name: str, data: object) -> bytes:
    """Return a frame's object for all clients."""
    return encode({"type": name, "data": data})


def server_ready(port: int) -> bytes:
    """Return the notification with which each connection begins.

    :param port: of a listener that is for such clients; 0 if there is none.
    """
    versions = {"serverVersion": __version__, "protocolVersion": PROTOCOL}
    place = {"port": port} if port else {}
    data = {**versions, "transports": ["websocket", "stdio"], **place}
    return notification("server_ready", data)


class CommandPhase(Struct, frozen=True, kw_only=True, rename="camel"):
    """The data of a notification that a command is accepted, started or finished."""

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


def lifecycle_notification(
    phase: str, command: Command, command_id: str, response: Response | None = None
) -> bytes:
    """Return the notification of a command's phase: accepted, started or finished."""
    return notification(
        f"command_{phase}",
        CommandPhase(
            command_id=command_id,
            command_type=command.type,
            session_id=command.session_name or UNSET,
            depends_on=command.depends_on or [],
            if_session_version=command.if_session_version,
            idempotency_key=command.idempotency_key,
            success=UNSET if response is None else response.success,
            error=UNSET if response is None else response.error,
            session_version=UNSET if response is None else response.session_version,
            replayed=UNSET if response is None else response.replayed,
        ),
    )
