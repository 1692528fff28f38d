"""The base class of all errors, and its wire form."""

from __future__ import annotations

__all__ = [
    "HostError",
    "HostUnreachable",
]


class HostUnreachable(Exception):
    """No host answered: nothing listens at the address, or the connection broke."""


class HostTimedOut(HostUnreachable):
    """A host may be there, and has not answered in time: it starts, it is busy, or it hangs."""


class HostError(Exception):
    """The host refused a request.

    `code` is for programs, `message` is a sentence that a person can act on, and `details` are
    further fields (``limit``, ``field``, ``line``, ``retry_after`` in seconds).
    """

    status = 500
    code = "internal_error"

    def __init__(self, message: str, **details: object) -> None:
        super().__init__(message)
        self.message = message
        self.details = details

    def to_wire(self) -> dict[str, object]:
        """Return the JSON object that the native face answers with."""
        return {"ok": False, "error": self.code, "message": self.message, **self.details}
