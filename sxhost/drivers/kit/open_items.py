"""Items that have begun and not ended.  What is open when a turn ends is cut, exactly once.

A driver opens an item with its first event and ends it with its last one.  What its agent
leaves open, because the turn was interrupted or the program has ended, `OpenItems.cut` ends: a
text by its whole event with ``cut: true``, a tool's call by ``tool-done`` with the status
``cut``.  Agents report some of these later nevertheless (`OpenItems.has_ended`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final, Literal

from sxhost.codec.shorten import BoundedText
from sxhost.drivers.contracts import Reports

__all__ = ["OpenItem", "OpenItems", "TextEvent"]

ENDED_KEPT: Final = 512
"""How many ended items are remembered, to know what comes too late for them."""

TextEvent = Literal["message", "thinking"]


class OpenItem:
    """An item that is open, with its text so far: a tool's output, if it has a `tool`."""

    __slots__ = ("event", "item", "native", "parent", "text", "tool")

    def __init__(
        self, item: str, event: TextEvent, tool: str, parent: str | None, native: Any
    ) -> None:
        self.item = item
        self.event = event
        self.tool = tool
        self.parent = parent
        self.native = native
        """What the driver wants to know of it later."""
        self.text = BoundedText()


class OpenItems:
    """The open items of one conversation, in the order in which they began."""

    def __init__(self, reports: Reports) -> None:
        self._reports = reports
        self._open: dict[str, OpenItem] = {}
        self._ended: dict[str, None] = {}

    def open_text(
        self, item: str, event: TextEvent, *, parent: str | None = None, native: Any = None
    ) -> OpenItem:
        """Open a text, whose whole is the event `event`; return it, also if it is open."""
        return self._open.get(item) or self._begin(OpenItem(item, event, "", parent, native))

    def open_tool(
        self, item: str, tool: str, *, parent: str | None = None, native: Any = None
    ) -> OpenItem:
        """Open the call of a tool."""
        return self._begin(OpenItem(item, "message", tool, parent, native))

    def _begin(self, opened: OpenItem) -> OpenItem:
        self._ended.pop(opened.item, None)
        self._open[opened.item] = opened
        return opened

    def __iter__(self) -> Iterator[OpenItem]:
        """Iterate over what is open, in the order in which it began."""
        return iter(list(self._open.values()))

    def get(self, item: str) -> OpenItem | None:
        """Return an open item."""
        return self._open.get(item)

    def add(self, item: str, text: str) -> None:
        """Keep a piece of an open item's text."""
        if item in self._open:
            self._open[item].text.add(text)

    def end(self, item: str) -> OpenItem | None:
        """End an item whose last event the driver reports; return it, if it was open."""
        ended = self._open.pop(item, None)
        if ended is not None:
            self._ended[item] = None
            if len(self._ended) > ENDED_KEPT:
                del self._ended[next(iter(self._ended))]
        return ended

    def has_ended(self, item: str) -> bool:
        """Whether an item has ended: what the agent still says of it comes too late."""
        return item in self._ended

    def cut(self, which: Callable[[OpenItem], bool] = lambda _item: True) -> None:
        """Report as cut all that is open, or what of it is chosen by `which`."""
        for opened in self:
            if which(opened):
                self.end(opened.item)
                self._report_cut(opened)

    def _report_cut(self, cut: OpenItem) -> None:
        text, parent = str(cut.text), {} if cut.parent is None else {"parent": cut.parent}
        if cut.tool:
            ends = {
                "item": cut.item,
                "tool": cut.tool,
                "status": "cut",
                "output": text,
                "exit_code": None,
            }
            self._reports.report_event("tool-done", {**ends, **parent})
        elif text:  # one without a piece was never reported
            data = {"item": cut.item, "text": text, "cut": True}
            self._reports.report_event(cut.event, {**data, **parent})
