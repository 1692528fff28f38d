"""Items that have begun and not ended.  What is open when a turn ends is cut, exactly once.

A driver reports the events of its agent through `OpenItems.report`, which sees where items
begin and end.  What the agent leaves open, because the turn was interrupted or the program has
ended, `OpenItems.cut` ends: a text by its whole event with ``cut: true``, a tool's call by
``tool-done`` with the status ``cut``.  Agents speak of such an item later nevertheless
(`OpenItems.has_ended`): drivers report that as native.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from sxhost.codec.shorten import BoundedText
from sxhost.drivers.contracts import Reports
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

Beginning = MessageDeltaEvent | ThinkingDeltaEvent | ToolStartEvent


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

    def __init__(self, reports: Reports) -> None:
        self._reports = reports
        self._open: dict[str, OpenItem] = {}
        self._ended: dict[str, None] = {}

    def report(self, event: AgentEvent) -> None:
        """Report an event, and note which item it begins, goes on with, or ends."""
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
        self._reports.report_event(event)

    def report_native(self, message: object) -> None:
        """Report a message of the agent that no event is for."""
        self._reports.report_event(NativeEvent(native=raw_json(message)))

    def report_warning(self, text: str, message: object = None) -> None:
        """Report that something is wrong, with the agent's `message` that says so."""
        native = {} if message is None else {"native": raw_json(message)}
        self._reports.report_event(WarningEvent(text=text, **native))

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
        """Whether an item has ended: what the agent still says of it comes too late."""
        return item in self._ended

    def forget(self, item: str) -> None:
        """Forget that an item has ended: the agent begins it anew."""
        self._ended.pop(item, None)

    def cut(self, which: Callable[[OpenItem], bool] = lambda _item: True) -> None:
        """Report as cut all that is open, or what of it is chosen by `which`."""
        for opened in self:
            if which(opened):
                self.end(opened.beginning.item)
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
