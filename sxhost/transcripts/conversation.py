"""A session's log as a conversation: events folded to the items that a person reads.

The fold takes events in order, from any place of the log, and is the same for the host's
transcripts, for exports, and for readers who follow live.  Where it begins in the middle, what
ends there and began before is left out (`ConversationFold.add`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from msgspec import UNSET, UnsetType
from msgspec.structs import asdict, replace

from sxhost.model.approval import Approval
from sxhost.model.event import Event
from sxhost.model.event_types import (
    NULL,
    AgentEvent,
    ApprovalMovedEvent,
    ApprovalRequestedEvent,
    ApprovalResolvedEvent,
    AsleepEvent,
    CompactEvent,
    CompleteEvent,
    CustomEvent,
    DiffEvent,
    EndedEvent,
    ErrorEvent,
    HandedOverEvent,
    MessageDeltaEvent,
    MessageEvent,
    PlanEvent,
    StalledEvent,
    StartedEvent,
    ThinkingDeltaEvent,
    ThinkingEvent,
    ToolDoneEvent,
    ToolOutputEvent,
    ToolStartEvent,
    TurnStartedEvent,
    UserMessageEvent,
    WarningEvent,
    decode_event,
)
from sxhost.model.pictures import usable_pictures
from sxhost.model.transcript import ItemKind, TranscriptItem
from sxhost.transcripts.messages import output_text

__all__ = ["ConversationFold"]

Key = tuple[str, str]
"""An item's kind, and the name that its events have for it."""

ApprovalEvent = ApprovalRequestedEvent | ApprovalMovedEvent | ApprovalResolvedEvent
TextEvent = MessageEvent | ThinkingEvent | MessageDeltaEvent | ThinkingDeltaEvent


class ConversationFold:
    """The items of a stretch of a session's log.

    :param items: those that are known already, to go on with.
    :param whole: whether the stretch begins where the log does, so that nothing began before.
    """

    def __init__(self, items: Iterable[TranscriptItem] = (), *, whole: bool = False) -> None:
        self._items: list[TranscriptItem] = []
        self._places: dict[Key, int] = {}
        """Where the newest item of a key is."""
        self._pieces: dict[int, list[str]] = {}
        """The pieces of texts and outputs that are not whole yet, by their places."""
        self._open: set[int] = set()
        self._whole = whole
        self._turn: int | None = None
        self._turn_begin = 0
        """The place of the first item of the turn."""
        for item in items:
            self._resume(item)

    def _resume(self, item: TranscriptItem) -> None:
        place = self._begin(item)
        if item.status == "running":
            self._pieces[place] = [item.text]
        self._turn = item.turn
        if item.kind == "end":
            self._end_of_turn()

    @property
    def items(self) -> Sequence[TranscriptItem]:
        """The items, in the order in which they have begun."""
        return [self.item(place) for place in range(len(self._items))]

    def item(self, place: int) -> TranscriptItem:
        """Return an item as it is now."""
        item = self._items[place]
        pieces = self._pieces.get(place)
        return item if pieces is None else replace(item, text="".join(pieces))

    def __len__(self) -> int:
        """Return how many items there are."""
        return len(self._items)

    @property
    def open(self) -> Sequence[int]:
        """The places of the items that are not over: what is written, runs, or is asked."""
        return sorted(self._open)

    def add(self, event: Event) -> int | None:
        """Add the next event; return the place of the item that it has begun or changed.

        None: it is in none, or its item began before this stretch.
        """
        place: int | None = None
        match decode_event(event):
            case MessageDeltaEvent() | ThinkingDeltaEvent() as piece:
                place = self._add_piece(event, piece)
            case MessageEvent() | ThinkingEvent() as text:
                place = self._complete_text(event, text)
            case ToolStartEvent() | ToolOutputEvent() | ToolDoneEvent() as tool:
                place = self._add_tool(event, tool)
            case (
                ApprovalRequestedEvent() | ApprovalMovedEvent() | ApprovalResolvedEvent()
            ) as approval:
                place = self._add_approval(event, approval)
            case PlanEvent() | DiffEvent() as overview:
                place = self._add_overview(event, overview)
            case TurnStartedEvent() | CompleteEvent() | ErrorEvent() as turn:
                place = self._add_turn(event, turn)
            case other:
                place = self._add_single(event, other)
        return place

    # Items.

    def _begin(self, item: TranscriptItem) -> int:
        place = len(self._items)
        self._items.append(item)
        self._places[item.kind, item.item] = place
        if item.status in ("running", "pending"):
            self._open.add(place)
        return place

    def _update(self, place: int, event: Event, **fields: Any) -> int:
        changed = {"last": event.seq, "end_ms": event.ts_ms, **fields}
        item = self._items[place] = replace(self._items[place], **changed)
        if item.status not in ("running", "pending"):
            self._open.discard(place)
            pieces = self._pieces.pop(place, None)
            if pieces is not None and "text" not in fields:
                self._items[place] = replace(item, text="".join(pieces))
        return place

    def _of(self, event: Event, kind: ItemKind, item: str = "", **fields: Any) -> int:
        """Begin an item with an event."""
        begun = _item_of(event, kind)
        return self._begin(replace(begun, item=item, turn=self._turn, **fields))

    def _open_place(self, kind: ItemKind, item: str) -> int | None:
        place = self._places.get((kind, item))
        return place if place in self._open else None

    # Texts.

    def _add_piece(self, event: Event, data: MessageDeltaEvent | ThinkingDeltaEvent) -> int:
        kind = _kind_of(data)
        place = self._open_place(kind, data.item)
        if place is None:
            parent = data.parent or ""
            place = self._of(event, kind, data.item, status="running", parent=parent)
        self._pieces.setdefault(place, []).append(data.text)
        return self._update(place, event)

    def _complete_text(self, event: Event, data: MessageEvent | ThinkingEvent) -> int:
        kind, text = _kind_of(data), data.text or event.plain_text()
        status = "cut" if data.cut else "completed"
        given = data.images if isinstance(data, MessageEvent) else []
        images = usable_pictures(given)
        place = self._open_place(kind, data.item)
        if place is None:
            place = self._open_place(kind, "")  # its pieces may have had no item
        if place is None:
            parent = data.parent or ""
            fields = {"text": text, "status": status, "images": images}
            return self._of(event, kind, data.item, parent=parent, **fields)
        return self._update(
            place, event, text=text, status=status, images=images, item=data.item
        )

    # Tools.

    def _add_tool(
        self, event: Event, data: ToolStartEvent | ToolOutputEvent | ToolDoneEvent
    ) -> int | None:
        match data:
            case ToolStartEvent(item=item, tool=tool):
                return self._of(
                    event,
                    "tool",
                    item,
                    status="running",
                    parent=data.parent or "",
                    tool=tool,
                    title=data.title or tool,
                    input=UNSET if data.input == NULL else data.input,
                )
            case ToolOutputEvent(item=item, text=text):
                place = self._tool_place(item)
                if place is None or place not in self._open:
                    return None
                self._pieces.setdefault(place, []).append(text)
                return self._update(place, event)
            case ToolDoneEvent():
                return self._complete_tool(event, data)

    def _complete_tool(self, event: Event, data: ToolDoneEvent) -> int | None:
        place = self._tool_place(data.item)
        if place is None:
            if data.item and not self._whole:
                return None
            place = self._of(event, "tool", data.item, tool=data.tool, title=data.tool)
        fields: dict[str, Any] = {"status": data.status, "images": usable_pictures(data.images)}
        if data.output is not UNSET:
            fields["text"] = output_text(data.output)
        if not isinstance(data.exit_code, UnsetType):
            fields["exit_code"] = data.exit_code
        return self._update(place, event, **fields)

    def _tool_place(self, item: str) -> int | None:
        """Return where a call is; one without a name is the last such one that runs."""
        if item:
            return self._places.get(("tool", item))
        unnamed = (p for p in reversed(self.open) if self._items[p].kind == "tool")
        return next((p for p in unnamed if not self._items[p].item), None)

    # What is asked, meant and changed.

    def _add_approval(self, event: Event, data: ApprovalEvent) -> int | None:
        key = str(data.id)
        shown = Approval(**{**asdict(data), "native": None})
        place = self._places.get(("approval", key))
        if place is not None:
            return self._update(place, event, approval=shown, status=data.state)
        if not isinstance(data, ApprovalRequestedEvent) and not self._whole:
            return None
        return self._of(
            event, "approval", key, title=data.title, approval=shown, status=data.state
        )

    def _add_overview(self, event: Event, data: PlanEvent | DiffEvent) -> int:
        """Add a plan or a diff: each tells all of its turn so far, in the last one's place."""
        if isinstance(data, PlanEvent):
            kind: ItemKind = "plan"
            fields: dict[str, Any] = {"entries": data.entries, "text": data.text or ""}
            name = ""
        else:
            kind, name = "diff", data.item or data.path
            fields = {"diff": data.diff, "path": data.path}
        place = self._places.get((kind, name))
        if place is not None and place >= self._turn_begin:
            return self._update(place, event, **fields)
        return self._of(event, kind, name, parent=data.parent or "", **fields)

    # Turns.

    def _add_turn(
        self, event: Event, data: TurnStartedEvent | CompleteEvent | ErrorEvent
    ) -> int | None:
        if isinstance(data, TurnStartedEvent):
            self._end_of_turn()
            self._turn = data.turn
            return None
        status = data.status or ("failed" if isinstance(data, ErrorEvent) else "completed")
        for place in self.open:
            item = self._items[place]
            if item.status == "running" and not item.parent:
                self._update(place, event, status="cut", last=item.last, end_ms=item.end_ms)
        if data.turn is not None and self._turn is None:
            for place in range(self._turn_begin, len(self._items)):
                self._items[place] = replace(self._items[place], turn=data.turn)
            self._turn = data.turn
        place = self._of(event, "end", status=status, text=data.reason or "")
        self._end_of_turn()
        return place

    def _end_of_turn(self) -> None:
        self._turn, self._turn_begin = None, len(self._items)

    def _add_single(self, event: Event, data: AgentEvent) -> int | None:
        item = _words(event, data) or _note(event, data)
        if item is None:
            return None
        return self._begin(replace(item, turn=item.turn or self._turn))


def _item_of(event: Event, kind: ItemKind) -> TranscriptItem:
    at = event.ts_ms
    return TranscriptItem(kind=kind, seq=event.seq, last=event.seq, ts_ms=at, end_ms=at)


def _kind_of(data: TextEvent) -> ItemKind:
    is_thinking = isinstance(data, ThinkingEvent | ThinkingDeltaEvent)
    return "thinking" if is_thinking else "message"


def _words(event: Event, data: AgentEvent) -> TranscriptItem | None:
    """Return the words that an event is by itself, or what it says of the conversation."""
    match data:
        case UserMessageEvent(text=text, by=by, turn=turn):
            item = replace(_item_of(event, "user"), text=text or event.plain_text(), by=by)
            item = replace(item, images=usable_pictures(data.images))
            return item if isinstance(turn, UnsetType) else replace(item, turn=turn)
        case CompactEvent(text=text):
            return replace(_item_of(event, "compact"), text=text)
        case CustomEvent(name=name, data=raw) if raw == NULL:
            return replace(_item_of(event, "event"), title=name)
        case CustomEvent(name=name, data=raw):
            text = event.plain_text() or bytes(raw).decode()
            return replace(_item_of(event, "event"), title=name, text=text)
        case _:
            return None


def _note(event: Event, data: AgentEvent) -> TranscriptItem | None:
    """Return what an event says of the agent itself, as a note with the event's name."""
    note = replace(_item_of(event, "note"), title=event.event)
    match data:
        case StartedEvent(reason=text) | WarningEvent(text=text):
            return replace(note, text=text)
        case EndedEvent(reason=text, code=code):
            failed = isinstance(code, int) and code != 0
            return replace(note, text=text, status="failed" if failed else "completed")
        case HandedOverEvent():
            return replace(note, text=data.words)
        case AsleepEvent() | StalledEvent():
            return note
        case _:
            return None
