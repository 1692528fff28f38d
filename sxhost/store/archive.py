"""Sessions that have made room for others: their logs are on the disk, and nothing in memory.

They are in no list, but are read by their ids; whoever writes to one brings it back.
"""

from __future__ import annotations

from msgspec import Struct

from sxhost.errors import UnknownSession
from sxhost.model.approval import Approval
from sxhost.model.session import Message, Session

__all__ = ["Archived", "ArchivedLog", "StoredSession"]


class Archived(UnknownSession):
    """The session has made room: a durable store has it still."""

    def __init__(self, session_id: str) -> None:
        super().__init__(session_id)
        self.session_id = session_id


class ArchivedLog(Struct, eq=False):
    """What memory knows of an archived session: nothing of it is newer than the id `end`.

    `floor` and `pruned` are where its retained log begins.
    """

    end: int
    floor: int
    pruned: int


class StoredSession(Struct, frozen=True):
    """What a file holds of one session, but for its events."""

    session: Session
    messages: list[tuple[Message, str | None]]
    approvals: list[Approval]
