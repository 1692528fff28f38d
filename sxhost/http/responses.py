"""Response formats: what the answers and refusals of a face look like.

The native face has one; those that stand in for other programs keep theirs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Protocol

from twisted.web.server import Request

from sxhost.codec.json import encode
from sxhost.errors import HostError

__all__ = ["NATIVE", "NO_FORMATS", "ResponseFormat", "format_of"]


class ResponseFormat(Protocol):
    """The bodies of answers and refusals, and their media type."""

    media_type: str

    def answer(self, value: Any) -> bytes:
        """Return the body of an answer."""

    def refusal(self, error: HostError, request: Request) -> tuple[int, bytes]:
        """Return the status and the body of a refusal."""


class NativeFormat:
    """JSON; every refusal is an object of ``ok``, ``error``, ``message`` and details."""

    media_type = "application/json"

    def answer(self, value: Any) -> bytes:
        """Return the body of an answer."""
        return encode(value)

    def refusal(self, error: HostError, request: Request) -> tuple[int, bytes]:  # noqa: ARG002
        """Return the status and the body of a refusal."""
        return error.status, encode(error.to_wire())


NATIVE: Final = NativeFormat()
NO_FORMATS: Final[Mapping[str, ResponseFormat]] = {}
"""Formats by prefixes of paths, where all are native."""


def format_of(request: Request, formats: Mapping[str, ResponseFormat]) -> ResponseFormat:
    """Return the format of the face that a path belongs to: that of its longest prefix."""
    path = request.path.decode("ascii", "replace")
    fitting = [prefix for prefix in formats if f"{path}/".startswith(f"{prefix.rstrip('/')}/")]
    return formats[max(fitting, key=len)] if fitting else NATIVE
