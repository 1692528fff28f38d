"""What all refusals have in common."""

from __future__ import annotations

__all__ = [
    "HostError",
    "HostUnreachable",
]


class HostUnreachable(Exception):
    """No host answered at all: nothing listens there, or the link broke."""


class HostError(Exception):
    """The host said no.

    ``code`` is for programs, ``message`` is a sentence that the reader can act on and
    ``details`` are the fields that help (``limit``, ``field``, ``line``, ``retry_after``).
    """

    status = 500
    code = "internal_error"

    def __init__(self, message: str, **details: object) -> None:
        super().__init__(message)
        self.message = message
        self.details = details

    def to_wire(self) -> dict[str, object]:
        """Return the one error shape of the native face."""
        return {"ok": False, "error": self.code, "message": self.message, **self.details}
