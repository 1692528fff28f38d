"""Items that have begun and not ended.  What is open when a turn ends is cut, exactly once.

A driver reports the events of its agent through `OpenItems.report`, which sees where items
begin and end.  What the agent leaves open, because the turn was interrupted or the program has
ended, `OpenItems.cut` ends: a text by its whole event with ``cut: true``, a tool's call by
``tool-done`` with the status ``cut``.  Agents speak of such an item later nevertheless: words
that go on after their text was cut, and the result of a call that nobody has interrupted, are
an item of their own, so that nobody misses them; of all else (`OpenItems.has_ended`) drivers
report as native what still comes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from msgspec import UNSET
from msgspec.structs import replace

from sxhost.codec.shorten import BoundedText
from sxhost.drivers.contracts import EventReports
from sxhost.model.event_types import (
    AgentEvent,
    MessageDeltaEvent,
    MessageEvent,
    NativeEvent,
    ThinkingDeltaEvent,
    ThinkingEvent,
    ToolDoneEvent,
    ToolOutputEvent,
    ToolStartEvent,
    WarningEvent,
    raw_json,
)

__all__ = ["OpenItem", "OpenItems"]

ENDED_KEPT: Final = 512
"""How many ended items are remembered, to know what comes too late for them."""

CUT_KEPT: Final = 16
"""Of how many items that were cut it is remembered what had come."""

Beginning = MessageDeltaEvent | ThinkingDeltaEvent | ToolStartEvent
Late = MessageDeltaEvent | ThinkingDeltaEvent | MessageEvent | ThinkingEvent | ToolDoneEvent


class OpenItem:
    """An item that is open: the event that began it, and its text (or output) so far."""

    __slots__ = ("beginning", "state", "text")

    def __init__(self, beginning: Beginning) -> None:
        self.beginning = beginning
        self.text = BoundedText()
        self.state: Any = None
        """What its driver wants to keep with it."""

    @property
    def is_tool(self) -> bool:
        """Whether it is the call of a tool; else it is a text."""
        return isinstance(self.beginning, ToolStartEvent)

    @property
    def tool(self) -> str:
        """The tool's name; "" of a text."""
        return self.beginning.tool if isinstance(self.beginning, ToolStartEvent) else ""

    @property
    def parent(self) -> str | None:
        """The item of the call that has started the subagent which it belongs to."""
        return self.beginning.parent


class OpenItems:
    """The open items of one conversation, in the order in which they began."""

    def __init__(self, reports: EventReports) -> None:
        self._reports = reports
        self._open: dict[str, OpenItem] = {}
        self._ended: dict[str, None] = {}
        self._cut: dict[str, OpenItem] = {}
        """What was cut and may go on."""
        self.turn: str | None = None
        """The agent's own id of the turn that it speaks of, where it names it."""

    def report(self, event: AgentEvent) -> None:
        """Report an event, and note which item it begins, goes on with, or ends."""
        if isinstance(event, Late) and event.item in self._cut:
            went_on = self._went_on(event)
            if went_on is None:
                self.report_native(event.native or {"item": event.item})
                return
            event = went_on
        match event:
            case MessageDeltaEvent() | ThinkingDeltaEvent():
                opened = self._open.get(event.item) or self._begin(event)
                opened.text.add(event.text)
            case ToolStartEvent():
                self._begin(event)
            case ToolOutputEvent():
                if event.item in self._open:
                    self._open[event.item].text.add(event.text)
            case MessageEvent() | ThinkingEvent() | ToolDoneEvent():
                self.end(event.item)
        self._reports.report_event(event, self.turn)

    def _went_on(self, event: Late) -> Late | None:
        """Return what comes of an item that was cut as one of an item of its own.

        None: it says nothing that had not come before.
        """
        cut, item = self._cut[event.item], f"{event.item}+"
        match event:
            case ToolDoneEvent():
                event = replace(event, item=item, tool=event.tool or cut.tool)
            case MessageEvent(text=text) | ThinkingEvent(text=text):
                rest = text.removeprefix(str(cut.text))
                if not rest:
                    return None
                event = replace(event, item=item, text=rest)
            case _:
                event = replace(event, item=item)
        return self._went_on(event) if item in self._cut else event

    def report_native(self, message: object) -> None:
        """Report a message of the agent that no event is for."""
        self._reports.report_event(NativeEvent(native=raw_json(message)), self.turn)

    def report_warning(self, text: str, message: object = None) -> None:
        """Report that something is wrong, with the agent's `message` that says so."""
        native = UNSET if message is None else raw_json(message)
        self._reports.report_event(WarningEvent(text=text, native=native), self.turn)

    def _begin(self, beginning: Beginning) -> OpenItem:
        self.forget(beginning.item)
        opened = self._open[beginning.item] = OpenItem(beginning)
        return opened

    def __iter__(self) -> Iterator[OpenItem]:
        """Iterate over what is open, in the order in which it began."""
        return iter(list(self._open.values()))

    def get(self, item: str) -> OpenItem | None:
        """Return an item that is open."""
        return self._open.get(item)

    def end(self, item: str) -> OpenItem | None:
        """End an item without an event; return it, if it was open."""
        ended = self._open.pop(item, None)
        if ended is not None:
            self._ended[item] = None
            if len(self._ended) > ENDED_KEPT:
                del self._ended[next(iter(self._ended))]
        return ended

    def complete(self, item: str) -> None:
        """Report an open item as whole, as far as it came, where the agent has no such message.

        Of a text that never began nothing is reported.
        """
        opened = self.end(item)
        if opened is not None:
            self._reports.report_event(_end_of(opened, cut=False))

    def has_ended(self, item: str) -> bool:
        """Whether an item has ended: what the agent still says of it comes too late.

        What was cut may go on.
        """
        return item in self._ended and item not in self._cut

    def forget(self, item: str) -> None:
        """Forget that an item has ended: the agent begins it anew."""
        self._ended.pop(item, None)
        self._cut.pop(item, None)

    def begin_turn(self) -> None:
        """Close texts that came after the last turn's end; a turn begins."""
        for opened in self:
            if not opened.is_tool and opened.parent is None:
                self.complete(opened.beginning.item)
        self._cut.clear()

    def cut(
        self,
        which: Callable[[OpenItem], bool] = lambda _item: True,
        *,
        interrupted: bool = False,
    ) -> None:
        """Report as cut all that is open, or what of it is chosen by `which`.

        `interrupted`: somebody has ended the calls; what still comes of them is no result.
        """
        for opened in self:
            if which(opened):
                self.end(opened.beginning.item)
                if not (opened.is_tool and interrupted):
                    self._cut[opened.beginning.item] = opened
                    if len(self._cut) > CUT_KEPT:
                        del self._cut[next(iter(self._cut))]
                self._reports.report_event(_end_of(opened, cut=True))


def _end_of(opened: OpenItem, *, cut: bool) -> AgentEvent:
    """Return the event that ends an item with what came of it."""
    text, begun = str(opened.text), opened.beginning
    match begun:
        case ToolStartEvent(item=item, tool=tool, parent=parent):
            return ToolDoneEvent(
                item=item,
                tool=tool,
                status="cut" if cut else "completed",
                output=text,
                exit_code=None,
                parent=parent,
            )
        case MessageDeltaEvent(item=item, parent=parent):
            return MessageEvent(item=item, text=text, cut=cut, parent=parent)
        case ThinkingDeltaEvent(item=item, parent=parent):
            return ThinkingEvent(item=item, text=text, cut=cut, parent=parent)
