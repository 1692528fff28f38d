"""A client's id of a conversation (``request_id``), and the id of the session that it is."""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Final

from sxhost.faces.codex_sse.fields import Conversation
from sxhost.model.names import SESSION_ID
from sxhost.model.session import Detail

__all__ = ["REQUEST_ID", "conversation_of", "session_id_of"]

PREFIX: Final = "messages-"
"""Of the ids of sessions that this face begins, so that they meet no others."""
REQUEST_ID: Final = "request_id"
"""The field of a session's metadata that has its client's id."""


def session_id_of(request_id: str) -> str:
    """Return the session's id, with the client's in it, or its hash if no id can have it."""
    name = f"{PREFIX}{request_id}"
    digest = sha256(request_id.encode("utf-8", "surrogatepass")).hexdigest()
    return name if re.match(SESSION_ID, name) else f"{PREFIX}{digest[:32]}"


def conversation_of(session: Detail) -> Conversation:
    """Return what the frames of a session say of it."""
    request_id = session.metadata.get(REQUEST_ID)
    return Conversation(
        id=request_id if isinstance(request_id, str) else session.id,
        session=session.id,
        model=session.model,
        provider=session.provider,
        cwd=session.cwd,
        approval_policy=session.approval_policy,
        sandbox=session.sandbox,
    )
