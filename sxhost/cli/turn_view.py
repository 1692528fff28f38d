"""What a session does, printed as it comes: texts as they flow, calls, warnings."""

from __future__ import annotations

from typing import Any

from sxhost.cli.output import Flow, end_typed_line, put, put_json
from sxhost.model.event import Event
from sxhost.model.event_types import (
    MessageDeltaEvent,
    MessageEvent,
    ToolDoneEvent,
    ToolStartEvent,
    WarningEvent,
    decode_event,
)

__all__ = ["TurnView"]


class TurnView:
    """Prints events at the terminal, or for machines as JSON."""

    def __init__(self, *, json: bool) -> None:
        self.json = json
        self._at_line_start = True
        self._texts: dict[str, str] = {}
        """What is printed of texts that are not whole yet, by their items."""

    def show(self, event: Event) -> None:
        """Print an event, if it is one to be read."""
        if self.json:
            put_json(event)
            return
        match decode_event(event):
            case MessageDeltaEvent(item=item, text=text):
                self._texts[item] = self._texts.get(item, "") + text
                self._flow(text)
            case MessageEvent(item=item, text=text):
                self._complete(self._texts.pop(item, ""), text)
            case ToolStartEvent() as call:
                self.line(f"$ {call.title or call.tool}", bold=True)
            case ToolDoneEvent(output=str(output)) if output.strip():
                self.line(Flow(output.rstrip()), dim=True)
            case WarningEvent(text=text):
                self.line(text, fg="yellow")

    def line(self, text: str, *, err: bool = False, **style: Any) -> None:
        """Print a line of its own; what is dim is beside the matter, and goes to stderr."""
        self.end_line()
        if text and not self.json:
            put(text, err=err or bool(style.get("dim")), **style)

    def prompt(self, text: str) -> None:
        """Print what somebody is to type behind."""
        self.end_line()
        put(text, nl=False)
        self._at_line_start = False

    def typed(self, *, end: bool = True) -> None:
        """Note that somebody has typed behind the prompt, and whether they ended the line."""
        self._at_line_start = end
        if end:
            end_typed_line()

    def end_line(self) -> None:
        """Begin a new line, unless one has begun."""
        if not self._at_line_start:
            put("")
        self._at_line_start = True

    def _flow(self, text: str) -> None:
        put(Flow(text), nl=False)
        self._at_line_start = text.endswith("\n")

    def _complete(self, printed: str, whole: str) -> None:
        """Print what is missing of a text: all of it, where no pieces have come."""
        if not whole.startswith(printed):
            self.end_line()
            printed = ""
        if missing := whole[len(printed) :]:
            self._flow(missing)
        self.end_line()
