"""Codexd's response format: indented JSON, and one shape of refusals."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote_from_bytes

import msgspec
from twisted.web.server import Request

from sxhost.codec.json import encode
from sxhost.errors import HostError, MethodNotAllowed, UnknownRoute, UpgradeRequired

__all__ = ["CODEXD", "PREFIXES"]

PREFIXES: Final = ("/healthz", "/describe", "/v1/codexd")
"""Prefixes of the paths that are codexd's."""

NOT_THERE: Final = (MethodNotAllowed, UnknownRoute, UpgradeRequired)
"""Refusals that are 404 in codexd: it knows a method on a path or not, and nothing between."""

INTERNAL: Final = 500


class CodexdFormat:
    """JSON as JavaScript's ``JSON.stringify(value, null, 2)`` writes it, and a newline."""

    media_type = "application/json; charset=utf-8"

    def answer(self, value: object) -> bytes:
        """Return the body of an answer."""
        return msgspec.json.format(encode(value), indent=2) + b"\n"

    def refusal(self, error: HostError, request: Request) -> tuple[int, bytes]:
        """Return the status and the body of a refusal."""
        status, message = error.status, error.message
        if isinstance(error, NOT_THERE):
            status, message = 404, f"Unknown codexd route {_method_and_path(request)}."
        code = "internal_error" if status >= INTERNAL else "bad_request"
        return status, self.answer({"error": code, "message": message, "ok": False})


CODEXD: Final = CodexdFormat()


def _method_and_path(request: Request) -> str:
    """Return a request's method and path, without slashes at the end."""
    method = request.method.decode("ascii", "backslashreplace")
    path = quote_from_bytes(request.path.rstrip(b"/"), safe="!$%&'()*+,/:;=@~") or "/"
    return f"{method} {path}"
