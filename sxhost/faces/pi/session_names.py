"""What clients of the multiplexer call sessions, and the ids that these have in the host.

pi-app-server has ids that begin with ``.``, ``-`` or ``_``, and ids of up to 256 characters.
Such a session has an id with a colon in the host, which no client can have chosen: ``pi:`` and
its name; if the name is too long for that, its beginning and its hash.  Its metadata have the
name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Final

from sxhost.model.names import SESSION_ID

__all__ = ["MAX_NAME", "NAME", "NAME_FIELD", "id_of", "name_of", "named"]

NAME: Final = re.compile(r"[A-Za-z0-9_.-]+\Z")
"""The names that a client may choose for a session."""

MAX_NAME: Final = 256
"""Characters of such a name."""

NAME_FIELD: Final = "pi_session_id"
"""The field of a session's metadata that has its client's name for it, if its id is another."""

_PREFIX: Final = "pi:"
_SHOWN: Final = 32
"""Characters of a long name that its id begins with, so that people know it again."""


def id_of(name: str) -> str:
    """Return the id in the host of what a client calls a session."""
    if re.match(SESSION_ID, name) or not NAME.match(name):
        return name
    whole = f"{_PREFIX}{name}"
    if re.match(SESSION_ID, whole):
        return whole
    digest = sha256(name.encode("ascii")).hexdigest()
    return f"{_PREFIX}{name[:_SHOWN]}:{digest[:32]}"


def name_of(session_id: str, metadata: Mapping[str, object]) -> str:
    """Return what clients call a session: its id, unless a client has chosen what is none."""
    if not session_id.startswith(_PREFIX):
        return session_id
    for name in (session_id.removeprefix(_PREFIX), metadata.get(NAME_FIELD)):
        if isinstance(name, str) and id_of(name) == session_id:
            return name
    return session_id


def named(launch: Mapping[str, object], name: str) -> dict[str, object]:
    """Return the fields of a launch with a session's id, and its name if that is another."""
    session_id, metadata = id_of(name), launch.get("metadata", {})
    if session_id != name and isinstance(metadata, Mapping):
        launch = {**launch, "metadata": {**metadata, NAME_FIELD: name}}
    return {**launch, "id": session_id}
