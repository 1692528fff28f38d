"""Status and headers of answers and refusals; what browsers may do with them."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from twisted.web.server import Request

from sxhost.errors import HostError, Unauthorized
from sxhost.http.request_context import context_of

__all__ = ["answer_error", "set_headers"]

SECURITY_HEADERS: Final = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
}
"""Headers of every answer: no browser keeps it, guesses its type, lets another site's page have
or frame it, loads anything for it from elsewhere, or tells others its address."""


def set_headers(request: Request, media_type: str, body: bytes | None = None) -> None:
    """Set the headers of an answer; without a `body`, of one that is written piece by piece."""
    request.setHeader("Content-Type", media_type)
    if body is None:
        request.setHeader("X-Accel-Buffering", "no")  # nginx would keep the pieces
    else:
        request.setHeader("Content-Length", str(len(body)))
    for name, value in SECURITY_HEADERS.items():
        request.setHeader(name, value)


def answer_error(request: Request, error: HostError) -> bytes:
    """Set a refusal's status and headers on `request`; return its body."""
    response_format = context_of(request).response_format
    status, body = response_format.refusal(error, request)
    request.setResponseCode(status, HTTPStatus(status).phrase.encode())
    set_headers(request, response_format.media_type, body)
    if "retry_after" in error.details:
        request.setHeader("Retry-After", str(error.details["retry_after"]))
    if isinstance(error, Unauthorized):
        request.setHeader("WWW-Authenticate", "Bearer")
    return body
