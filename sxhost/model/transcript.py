"""A session's transcript: its log as the items that a person reads, and pages of it."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from sxhost.model.approval import Approval
from sxhost.model.pictures import Picture

__all__ = ["ItemKind", "ItemStatus", "TranscriptItem", "TranscriptPage", "TranscriptQuery"]

ItemKind = Literal[
    "user",
    "message",
    "thinking",
    "tool",
    "plan",
    "diff",
    "approval",
    "compact",
    "end",
    "note",
    "event",
]
"""What an item is: words of the user or of the agent, its reasoning, a tool's call, a plan,
a diff, an approval, that the conversation was shortened, the end of a turn, what the host says
of the agent, an event of any other name."""

ItemStatus = Literal[
    "running",
    "completed",
    "failed",
    "declined",
    "cut",
    "interrupted",
    "pending",
    "answered",
    "withdrawn",
    "expired",
]
"""How an item is: that of a tool's call, of a turn's end, or of an approval."""


class TranscriptItem(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing of a conversation, made of the events from `seq` to `last`.

    What an item has not is left out.  Times are in Unix milliseconds.
    """

    kind: ItemKind
    seq: int
    last: int
    ts_ms: int
    end_ms: int
    """When its last event happened."""
    status: ItemStatus = "completed"
    turn: int | None = None
    parent: str = ""
    """The call that has started the subagent whose item it is."""
    item: str = ""
    """The name that its events have for it."""
    text: str = ""
    """Its words; of a tool its output, of an end or a note the reason, in a sentence."""
    images: list[Picture] = []
    """Pictures in it; in a compact transcript without their data."""
    by: str = ""
    """Of the user's words, how they came: ``turn``, ``steer``, ``message``, ``prompt``."""
    title: str = ""
    """A tool's call in one line; of an event or a note, its name."""
    tool: str = ""
    input: Raw | UnsetType = UNSET
    """A tool's arguments, if the agent tells them."""
    exit_code: int | None = None
    entries: list[dict[str, object]] = []
    """The steps of a plan, each with ``content`` and ``status``."""
    path: str = ""
    diff: str = ""
    """Changes of files in the unified format."""
    approval: Approval | None = None
    """An approval as it is now, without `native`."""


class TranscriptQuery(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Which items: the first `limit` after an event, or the last before one (or of all).

    `detail`: ``full``, ``compact`` (long inputs and outputs of tools are cut in the
    middle, pictures are without their data), or
    ``words`` (only what user and agent have said, and what was asked).
    """

    after: Annotated[int, Meta(ge=0, lt=10**18)] | None = None
    before: Annotated[int, Meta(ge=0, lt=10**18)] | None = None
    limit: Annotated[int, Meta(ge=1, le=1000)] = 100
    detail: Literal["full", "compact", "words"] = "full"


class TranscriptPage(Struct, frozen=True, kw_only=True):
    """Items in the order in which they have begun, and where to go on."""

    items: list[TranscriptItem]
    before: int | None
    """What precedes them is asked for before this event; None: nothing retained does."""
    after: int | None
    """What follows them is asked for after this event; None: nothing does yet."""
    through: int
    """The last event that is in them: a stream after it goes on from here."""
    dropped: int
    """Events up to this one are not retained any more."""
