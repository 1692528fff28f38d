"""Where the parameters of a handler come from: the path, the query, the body, the headers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from operator import attrgetter
from typing import Any, Final, NewType

import msgspec
from twisted.web.server import Request

from sxhost.errors import BadField, BodyTooLarge
from sxhost.model.cursor import UNKNOWN, Cursor
from sxhost.model.names import CURSOR, SESSION_ID, check_session_id

__all__ = [
    "AnyText",
    "base_url",
    "media_type",
    "path_schema",
    "path_value",
    "query_of",
    "read_body",
    "resume_cursor",
]

AnyText = NewType("AnyText", str)
"""The type of a path's ``session_id`` that is taken as it is: its handler refuses it."""

MAX_DIGITS: Final = 18
"""Digits of a number in a path: those that 63 bits hold, as the store's numbers."""

LAST_EVENT_ID: Final = ("lastEventId", "last_event_id")
"""Parameters of the query in which polyfills of EventSource send the header's value."""

FORM: Final = "application/x-www-form-urlencoded"
JSON: Final = "application/json"

FROM_BROWSERS: Final = (
    "origin", "referer", "sec-fetch-site", "sec-fetch-mode", "sec-fetch-dest", "sec-fetch-user",
)  # fmt: skip
"""Headers of requests that a page has caused."""

_position = attrgetter("position")

NUMBER: Final = {"type": "integer", "minimum": 0, "maximum": 10**MAX_DIGITS - 1}


def path_value(name: str, annotation: Any, text: str) -> str | int:
    """Return what stands in a path, as the handler's parameter `name` is annotated.

    An ``int`` is a number that the host gave out, a ``session_id`` is checked, any other text
    is for its handler to judge.

    :raises BadField: it cannot be one.
    """
    if annotation is int:
        if text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS:
            return int(text)
        raise BadField(name, f"`{name}` is a number that the host gave out.")
    # Verbs say `str`: an id that cannot be is refused alike on every route that has one.
    return check_session_id(text) if name == "session_id" and annotation is str else text


def path_schema(name: str, annotation: Any) -> dict[str, Any]:
    """Return the JSON Schema of a path's parameter."""
    if annotation is int:
        return NUMBER
    if name == "session_id":
        return {"type": "string", "pattern": SESSION_ID}
    return msgspec.json.schema(annotation)


def query_of(request: Request) -> dict[str, str]:
    """Return the query's parameters; of one that is given twice, the last counts."""
    try:
        return {name.decode(): values[-1].decode() for name, values in request.args.items()}
    except UnicodeDecodeError:
        raise BadField("query", "The query is not UTF-8.") from None


def resume_cursor(request: Request, query: Mapping[str, str]) -> str:
    """Return where an EventSource that connects again goes on; "" if it says nothing.

    A browser says it in the header, polyfills that cannot set headers in the query.  If more
    than one does, the furthest counts; what is none of our cursors is `UNKNOWN`, never an
    error: an EventSource that is refused does not come back.
    """
    named = [request.getHeader("last-event-id"), *map(query.get, LAST_EVENT_ID)]
    places = [text if re.match(CURSOR, text) else UNKNOWN for text in named if text]
    if not places:
        return ""
    cursors = [Cursor.parse(text) for text in places]
    epoch = cursors[0].epoch
    return str(max((one for one in cursors if one.epoch == epoch), key=_position))


def read_body(request: Request, limit: int) -> bytes:
    """Return a request's body of at most `limit` bytes."""
    content = request.content.read() if request.content else b""
    if len(content) > limit:
        raise BodyTooLarge(limit)
    return bytes(content)


def media_type(request: Request) -> str:
    """Return the type that a body is declared to have, without its parameters.

    ``curl -d '{…}'`` declares a form.  It is taken as JSON if it looks so and no browser has
    sent it: those name their page, and a form of theirs has no bare braces.
    """
    declared = (request.getHeader("content-type") or "").partition(";")[0].strip().lower()
    by_browser = any(map(request.requestHeaders.hasHeader, FROM_BROWSERS))
    if declared != FORM or by_browser or request.content is None:
        return declared
    begin = request.content.read().lstrip()[:1]
    request.content.seek(0)
    return JSON if begin in (b"", b"{", b"[") else declared


def base_url(request: Request) -> str:
    """Return the host's address as its client has written it."""
    scheme = "https" if request.isSecure() else "http"
    return f"{scheme}://{request.getHeader('host') or 'localhost'}"
