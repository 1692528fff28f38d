"""What stands in front of the board for a moment: its keys, and a new agent."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from sxhost.cli.board.keys import HELP
from sxhost.model.turn import Launch

__all__ = ["HelpScreen", "NewScreen"]

CSS = """
HelpScreen, NewScreen { align: center middle; }
.dialog { width: 76; max-width: 95%; height: auto; max-height: 90%; border: heavy $accent;
          padding: 0 1; background: $surface; }
.dialog Static { height: auto; }
.dialog Input { border: none; height: 1; padding: 0; margin-bottom: 1; }
"""


class HelpScreen(ModalScreen[None]):
    """The keys."""

    DEFAULT_CSS = CSS
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,question_mark,enter", "dismiss", show=False)
    ]

    def compose(self) -> ComposeResult:
        """All keys, each with what it is for."""
        yield VerticalScroll(Static(Text(HELP)), classes="dialog")


class NewScreen(ModalScreen[Launch | None]):
    """A form for a new agent: which, where, and its first words."""

    DEFAULT_CSS = CSS
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "leave", show=False)]

    def __init__(self, agent: str, cwd: str) -> None:
        super().__init__()
        self._agent = Input(agent, placeholder="claude, codex, pi, …", compact=True)
        self._cwd = Input(cwd, placeholder="on the host's machine", compact=True)
        self._prompt = Input(placeholder="what it is to do", compact=True)

    def compose(self) -> ComposeResult:
        """Three lines to fill in."""
        with Vertical(classes="dialog"):
            for label, line in (
                ("Agent", self._agent),
                ("Directory", self._cwd),
                ("Prompt", self._prompt),
            ):
                yield Static(Text(label))
                yield line
            yield Static(Text("Enter: next line, start at the last   Esc: leave"))

    def on_mount(self) -> None:
        """Begin where something is missing."""
        (self._prompt if self._agent.value else self._agent).focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Go on to the next line; from the last one, start."""
        event.stop()
        if event.input is not self._prompt:
            self.focus_next()
        elif self._agent.value.strip():
            self.dismiss(
                Launch(
                    agent=self._agent.value.strip(),
                    cwd=self._cwd.value.strip() or None,
                    prompt=self._prompt.value or None,
                )
            )

    def action_leave(self) -> None:
        """Start nothing."""
        self.dismiss(None)
