"""Patterns of ids, names and cursors, and types for texts of bounded length."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from msgspec import Meta

from sxhost.errors import BadField

__all__ = [
    "CURSOR",
    "END_OF_LOG",
    "EVENT_CHOICE",
    "EVENT_NAME",
    "GRAMMARS",
    "LABEL",
    "SCOPES",
    "SESSION_ID",
    "TELEMETRY_HEADER",
    "UNLIMITED",
    "Argument",
    "EventName",
    "KeptNative",
    "Key",
    "Label",
    "LabelName",
    "Line",
    "Path",
    "Scope",
    "SessionId",
    "check_session_id",
    "conversation_name",
]

TELEMETRY_HEADER = "Sxhost-Telemetry"
"""The header of `sxhost emit`'s requests, whose address comes from a project's settings."""

SESSION_ID = r"^[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}\Z"
SCOPES = r"^(read|send|approve|admin)(,(read|send|approve|admin)){0,3}\Z"
EVENT_CHOICE = r"^!?[a-z][a-z0-9_./:-]{0,63}\Z"
EVENT_NAME = r"^[a-z][a-z0-9_./:-]{0,63}\Z"

CURSOR = r"^(now|(([0-9a-zA-Z]{1,32}:)?[0-9]{1,18})?)\Z"
LABEL = r"^([^:]+:|\Z)"
UNLIMITED = 2**31 - 1
"""The limit of a query that has none."""
END_OF_LOG = 10**18
"""A position behind all events: `now` as a cursor."""
KeptNative = Literal["none", "facts", "all"]
"""Which events on disk have the agent's own message (``native``)."""

GRAMMARS = {
    SCOPES: "up to four of `read`, `send`, `approve`, `admin`, with commas between them",
    SESSION_ID: "1 to 128 letters, digits and `_.:-`, the first a letter or a digit",
    EVENT_CHOICE: "the name of an event, or one with a `!` before it",
    EVENT_NAME: "a name of 1 to 64 lower-case letters, digits and `_./:-`, the first a letter",
    CURSOR: "a cursor that the host gave out, a plain number, or `now`",
    LABEL: "`name:value`",
}
"""The patterns in plain English, for error messages."""

EventName = Annotated[str, Meta(pattern=EVENT_NAME)]
Key = Annotated[str, Meta(min_length=1, max_length=256)]
Line = Annotated[str, Meta(max_length=512)]
Path = Annotated[str, Meta(max_length=4096)]
Argument = Annotated[str, Meta(max_length=65_536)]
SessionId = Annotated[str, Meta(pattern=SESSION_ID)]
LabelName = Annotated[str, Meta(min_length=1, max_length=128)]
Label = Annotated[str, Meta(max_length=128)]
Scope = Literal["read", "send", "approve", "admin"]


def check_session_id(text: str) -> str:
    """Return `text` if it can name a session, else raise `BadField`."""
    if re.match(SESSION_ID, text):
        return text
    raise BadField("session_id", f"A session id is {GRAMMARS[SESSION_ID]}.")


def conversation_name(native_id: str) -> str:
    """Return what an agent calls a conversation; pi's id is a file, whose name ends with it."""
    file = native_id.rpartition("/")[2]
    return file.removesuffix(".jsonl").rpartition("_")[2] if "/" in native_id else native_id
