"""What a client calls a conversation, and the session that it is."""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Final

from sxhost.faces.codex_sse.fields import Conversation
from sxhost.model.names import SESSION_ID
from sxhost.model.session import Detail

__all__ = ["REQUEST", "about_of", "name_of"]

PREFIX: Final = "messages-"
REQUEST: Final = "request_id"
"""Where a session's metadata has what its client calls it."""


def name_of(request_id: str) -> str:
    """Return the name of the session that a request begins."""
    name = f"{PREFIX}{request_id}"
    digest = sha256(request_id.encode("utf-8", "surrogatepass")).hexdigest()
    return name if re.match(SESSION_ID, name) else f"{PREFIX}{digest[:32]}"


def about_of(session: Detail) -> Conversation:
    """Return what a stream tells of a session."""
    request = session.metadata.get(REQUEST)
    return Conversation(
        id=request if isinstance(request, str) else session.id,
        session=session.id,
        model=session.model,
        provider=session.provider,
        cwd=session.cwd,
        approval_policy=session.approval_policy,
        sandbox=session.sandbox,
    )
