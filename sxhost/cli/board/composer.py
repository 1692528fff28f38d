"""The line to write in: a message, a reason, an answer, a filter."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, Literal, NamedTuple

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.message import Message
from textual.widgets import Input, Static

from sxhost.cli.formats import fit
from sxhost.model.approval import Approval

__all__ = ["Answers", "Composer", "Purpose"]

LABEL: Final = 30
"""Columns of the words before the line at the most."""


Answers = Mapping[str, str | list[str]]
"""Answers to questions of an approval, by their ids."""

NONE: Final[Answers] = MappingProxyType({})


class Purpose(NamedTuple):
    """What a line is for: a message to a session, words to an approval, a filter."""

    kind: Literal["send", "deny", "answer", "filter"]
    label: str
    session: str | None = None
    approval: Approval | None = None
    answers: Answers = NONE
    """The answers to the questions before this one."""


class Composer(Horizontal):
    """One line, which is there while somebody writes; what is not sent stays as a draft."""

    DEFAULT_CSS = """
    Composer { height: 1; display: none; }
    Composer.shown { display: block; }
    Composer Static { width: auto; padding: 0 1; text-style: bold; }
    Composer Input { border: none; height: 1; padding: 0; width: 1fr; }
    """

    class Written(Message):
        """A line is whole."""

        def __init__(self, purpose: Purpose, text: str) -> None:
            super().__init__()
            self.purpose = purpose
            self.text = text

    class Changed(Message):
        """A filter has changed while it is written."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    def __init__(self, leave: Callable[[], None], *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._leave = leave
        self._label = Static()
        self._line = Input(compact=True, select_on_focus=False)
        self._drafts: dict[str, str] = {}
        self.purpose: Purpose | None = None

    def compose(self) -> ComposeResult:
        """What the line is for, and the line."""
        yield self._label
        yield self._line

    def open(self, purpose: Purpose, *, secret: bool = False) -> None:
        """Have a line written, from the draft of the same purpose on."""
        self.close()
        self.purpose = purpose
        self._line.password = secret
        self._label.update(fit(purpose.label, LABEL))
        self._line.value = self._drafts.get(_name(purpose), "")
        self._line.cursor_position = len(self._line.value)
        self.add_class("shown")
        self.screen.set_focus(self._line)

    def close(self) -> None:
        """Leave the line; what stands there is the draft of its purpose."""
        if self.purpose is not None:
            self._drafts[_name(self.purpose)] = self._line.value
        self.purpose = None
        self.remove_class("shown")

    def forget(self, purpose: Purpose) -> None:
        """Forget a draft: it has arrived."""
        self._drafts.pop(_name(purpose), None)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Pass a whole line on."""
        event.stop()
        if self.purpose is not None:
            purpose = self.purpose
            self.close()
            if purpose.kind != "send":  # which may not arrive
                self.forget(purpose)
            self._leave()
            self.post_message(self.Written(purpose, event.value))

    def on_input_changed(self, event: Input.Changed) -> None:
        """Filter while the filter is written."""
        event.stop()
        if self.purpose is not None and self.purpose.kind == "filter":
            self.post_message(self.Changed(event.value))


def _name(purpose: Purpose) -> str:
    asked = "" if purpose.approval is None else purpose.approval.id
    return f"{purpose.kind} {purpose.session} {asked} {len(purpose.answers)}"
