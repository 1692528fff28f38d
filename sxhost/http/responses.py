"""How a face speaks: what its answers and its refusals look like.

The native face has one shape; the faces of other systems keep theirs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Protocol

from twisted.web.server import Request

from sxhost.codec.json import encode
from sxhost.errors import HostError

__all__ = ["NATIVE", "ResponseFormat", "manner_of"]


class ResponseFormat(Protocol):
    """The shape of answers."""

    media_type: str

    def answer(self, value: Any) -> bytes:
        """Return the body of an answer."""

    def refusal(self, error: HostError, request: Request) -> tuple[int, bytes]:
        """Return the status and the body of a refusal."""


class NativeFormat:
    """Our own: JSON, and one shape of errors."""

    media_type = "application/json"

    def answer(self, value: Any) -> bytes:
        """Return the body of an answer."""
        return encode(value)

    def refusal(self, error: HostError, request: Request) -> tuple[int, bytes]:  # noqa: ARG002
        """Return the status and the body of a refusal."""
        return error.status, encode(error.to_wire())


NATIVE: Final = NativeFormat()


def manner_of(request: Request, manners: Mapping[str, ResponseFormat]) -> ResponseFormat:
    """Return the manner of the face that a path belongs to, by its longest prefix."""
    path = request.path.decode("ascii", "replace")
    fitting = [prefix for prefix in manners if f"{path}/".startswith(f"{prefix.rstrip('/')}/")]
    return manners[max(fitting, key=len)] if fitting else NATIVE
