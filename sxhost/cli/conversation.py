"""A conversation as a person reads it: each item of a transcript as lines of a terminal.

Words are rendered as Markdown, reasoning is dimmed and folded, a tool's call is one line with
how it ended and how long it took.  What agents say is escaped before it is laid out, so that
none of it drives the terminal or is taken for another item.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Final, NamedTuple

from msgspec import UNSET
from rich.markdown import Markdown
from rich.padding import Padding
from rich.text import Text

from sxhost.cli import formats
from sxhost.cli.event_text import DECISIONS
from sxhost.codec.approval_text import approval_details
from sxhost.codec.shorten import cut_in_the_middle
from sxhost.visible import escape_hidden

if TYPE_CHECKING:
    from rich.console import RenderableType

    from sxhost.model.transcript import TranscriptItem

__all__ = ["ASCII", "UNICODE", "ConversationPrinter", "Look", "Signs", "agent_words"]

SHOWN: Final = 2_000
"""Characters of a tool's output that are shown: its beginning and its end."""

DIFF_LINES: Final = 60
"""Lines of a diff that are shown, unless tools are shown whole."""

PLAIN_TITLE: Final = 400
"""Columns of a call's title where there is no width to fit it into."""

NOTABLE_MS: Final = 100
"""Milliseconds from which on it is said how long something took."""

PLAIN_NAMES: Final = {"commandExecution": "shell", "execute": "shell", "fileChange": "edit"}
"""What agents' names for kinds of tools mean."""


class Signs(NamedTuple):
    """The signs in front of items."""

    user: str
    runs: str
    done: str
    failed: str
    asked: str
    note: str
    bar: str
    rule: str


UNICODE: Final = Signs(">", "▸", "✓", "✗", "?", "·", "│", "──")
ASCII: Final = Signs(">", "*", "+", "x", "?", "-", "|", "--")


class Look(NamedTuple):
    """How items are shown: in so many columns (None: as long as they are), rendered or not."""

    width: int | None
    rendered: bool = True
    tools: bool = False
    """Whether inputs and outputs of tools, and whole diffs, are shown."""
    thinking: bool = False
    """Whether reasoning is shown whole."""
    signs: Signs = UNICODE
    more: str = "--tools"
    """How what is left out of a diff is asked for."""


class ConversationPrinter:
    """Lays out the items of one conversation, in their order."""

    def __init__(self, look: Look) -> None:
        self._look = look
        self._day = ""
        self._turn: int | None = None
        self._turn_ms: int | None = None

    def lines(self, item: TranscriptItem) -> Iterator[RenderableType]:
        """Yield what an item is shown as."""
        yield from self._heading(item)
        yield from self.item_lines(item)

    def item_lines(self, item: TranscriptItem) -> Iterator[RenderableType]:
        """Yield what an item is shown as by itself, whatever came before it."""
        indent = 2 if item.parent else 0
        for shown in self._lines(item):
            yield Padding(shown, (0, 0, 0, indent)) if indent else shown

    def _lines(self, item: TranscriptItem) -> Iterable[RenderableType]:
        makers: dict[str, Callable[[TranscriptItem], Iterable[RenderableType]]] = {
            "user": self._user,
            "message": self._message,
            "thinking": self._thinking,
            "tool": self._tool,
            "approval": self._approval,
            "plan": self._plan,
            "diff": self._diff,
            "end": self._end,
        }
        return makers.get(item.kind, self._note)(item)

    # Turns.

    def _heading(self, item: TranscriptItem) -> Iterator[RenderableType]:
        """Yield a line above what the user has said, and above a turn that nobody began."""
        begins = item.kind == "user" and item.by != "steer"
        if not begins and (item.turn is None or item.turn == self._turn):
            return
        self._turn = item.turn
        self._turn_ms = item.ts_ms
        at = formats.date(item.ts_ms / 1000)
        when = at if at[:10] != self._day else at[11:]
        self._day = at[:10]
        turn = f" · turn {item.turn}" if item.turn is not None else ""
        rule = self._look.signs.rule
        yield Text("")
        yield Text(f"{rule} {when}{turn} {rule}".replace("·", self._dot), style="dim")

    @property
    def _dot(self) -> str:
        return self._look.signs.note

    def _end(self, item: TranscriptItem) -> Iterator[RenderableType]:
        begun, self._turn_ms = self._turn_ms, None
        took = item.ts_ms - begun if begun is not None else 0
        why = escape_hidden(formats.reason_text(item.text), "\n")
        if item.status == "failed":
            yield Text(
                f"{self._look.signs.failed} The turn has failed: {why or 'no reason'}", "red"
            )
        elif item.status == "interrupted":
            yield Text(f"{self._dot} interrupted{f': {why}' if why else ''}", "yellow")
        else:
            after = f" after {formats.duration(took / 1000)}" if took >= NOTABLE_MS else ""
            yield Text(f"{self._dot} done{after}", "dim")

    # Words.

    def _user(self, item: TranscriptItem) -> Iterator[RenderableType]:
        how = {"steer": " (added while it worked)", "message": " (message)"}.get(item.by, "")
        words = Text(f"{self._look.signs.user} ", "bold cyan")
        indented = escape_hidden(item.text, "\n\t").replace("\n", "\n  ")
        words.append(indented, "bold")
        words.append(how, "dim")
        yield words
        yield Text("")

    def _message(self, item: TranscriptItem) -> Iterator[RenderableType]:
        yield agent_words(item.text, self._look)
        if item.status == "cut":
            yield Text("(broken off)", "yellow")
        yield Text("")

    def _thinking(self, item: TranscriptItem) -> Iterator[RenderableType]:
        text = item.text.strip()
        if self._look.thinking:
            yield Text(escape_hidden(text, "\n\t"), "dim italic")
            return
        count = text.count("\n") + 1
        extent = f" ({count} lines)" if count > 1 else ""
        first = text.partition("\n")[0].strip("*# ")
        yield self._fitted("thinking: ", first or "…", extent, "dim")

    # Tools.

    def _tool(self, item: TranscriptItem) -> Iterator[RenderableType]:
        signs = self._look.signs
        sign, style = {
            "completed": (signs.done, "green"),
            "running": (signs.runs, "cyan"),
            "cut": (signs.failed, "yellow"),
            "declined": (signs.failed, "yellow"),
        }.get(item.status, (signs.failed, "red"))
        yield self._call(item, sign, style)
        if self._look.tools:
            if item.input is not UNSET:
                yield self._block(bytes(item.input).decode())
            if item.text:
                yield self._block(item.text)

    def _call(self, item: TranscriptItem, sign: str, style: str) -> Text:
        tool, title = (
            escape_hidden(PLAIN_NAMES.get(item.tool, item.tool)),
            item.title or item.tool,
        )
        is_named = title.lower().startswith(item.tool.lower()) if item.tool else True
        line = self._fitted(
            f"{sign} {'' if is_named else f'{tool} '}", title, self._suffix(item)
        )
        line.stylize(style, 0, len(sign))
        if not is_named:
            line.stylize("bold", len(sign) + 1, len(sign) + 1 + len(tool))
        return line

    def _suffix(self, item: TranscriptItem) -> str:
        """Return how a call has ended, and how long it took."""
        parts = []
        if item.exit_code:
            parts.append(f"exit {item.exit_code}")
        elif item.status not in ("completed", "running"):
            parts.append("broken off" if item.status == "cut" else item.status)
        if item.status == "running":
            parts.append("runs")
        elif item.end_ms - item.ts_ms >= NOTABLE_MS:
            parts.append(formats.duration((item.end_ms - item.ts_ms) / 1000))
        return f"  {f' {self._dot} '.join(parts)}" if parts else ""

    def _fitted(self, head: str, text: str, tail: str, style: str = "") -> Text:
        """Return a line whose middle is cut so that all of it has room."""
        width = self._look.width
        taken = formats.columns_of(head) + formats.columns_of(tail)
        room = PLAIN_TITLE if width is None else max(width - 2 - taken, 8)
        line = Text(head, style)
        line.append(formats.fit(text, room))
        line.append(tail, "dim")
        return line

    def _block(self, text: str) -> Text:
        """Return a text of a tool, each line behind a bar."""
        shown = escape_hidden(cut_in_the_middle(text.rstrip("\n"), SHOWN), "\n\t")
        bar = f"  {self._look.signs.bar} "
        return Text(bar + shown.replace("\n", f"\n{bar}"), "dim")

    # What is asked, meant and changed.

    def _approval(self, item: TranscriptItem) -> Iterator[RenderableType]:
        approval = item.approval
        if approval is None:
            return
        sign, resolution = self._look.signs.asked, approval.resolution
        title = formats.one_line(approval.title)
        if resolution is None:
            yield Text(f"{sign} {title}", "bold yellow")
            for line in approval_details(approval):
                yield Text(line)
            yield Text(f"    waits for you: sxhost approve {approval.id}", "yellow")
            return
        decided = _decided(resolution.decision, approval.state)
        colour = "red" if resolution.decision in ("deny", "cancel") else "green"
        shown = Text(f"{sign} {title}  ")
        shown.append(f"{decided} by {_by(resolution.by)}", colour)
        shown.append(f" at {formats.clock(resolution.at_ms / 1000)}", "dim")
        if resolution.reason:
            shown.append(f": {formats.one_line(resolution.reason)}")
        yield shown

    def _plan(self, item: TranscriptItem) -> Iterator[RenderableType]:
        done, signs = {"completed": "x", "in_progress": ">"}, self._look.signs
        yield Text(f"{signs.note} plan", "cyan")
        for entry in item.entries:
            status = str(entry.get("status", ""))
            words = formats.one_line(str(entry.get("content", "")))
            style = "dim" if status == "completed" else ""
            yield Text(f"  [{done.get(status, ' ')}] {words}", style)
        if not item.entries and item.text:
            yield agent_words(item.text, self._look)

    def _diff(self, item: TranscriptItem) -> Iterator[RenderableType]:
        lines = [line for line in item.diff.splitlines() if not line.startswith("index ")]
        name = f"{formats.one_line(item.path)} " if item.path else ""
        extent = formats.diff_extent(item.diff)
        yield Text(f"{self._look.signs.note} changes {name}({extent})", "cyan")
        shown = lines if self._look.tools else lines[:DIFF_LINES]
        for line in shown:
            yield Text(f"  {escape_hidden(line, chr(9))}", _diff_style(line))
        if len(lines) > len(shown):
            yield Text(f"  ({len(lines) - len(shown)} lines more: {self._look.more})", "dim")

    # The rest.

    def _note(self, item: TranscriptItem) -> Iterator[RenderableType]:
        words, name = formats.one_line(item.text), formats.one_line(item.title)
        if item.kind == "compact":
            yield Text(f"{self._dot} the conversation was shortened", "dim")
        elif item.title == "warning":
            yield Text(f"! {words}", "yellow")
        elif item.status == "failed":
            yield Text(f"{self._look.signs.failed} {words or name}", "red")
        else:
            yield self._fitted(f"{self._dot} {name}{': ' if words else ''}", words, "", "dim")


def agent_words(text: str, look: Look) -> RenderableType:
    """Return what an agent has said, rendered, or as it has written it."""
    words = escape_hidden(text.strip("\n"), "\n\t")
    return InertMarkdown(words) if look.rendered else Text(words)


class InertMarkdown(Markdown):
    """Markdown whose HTML is text, and whose links are shown and cannot be clicked."""

    def __init__(self, text: str) -> None:
        from markdown_it import MarkdownIt

        super().__init__(text, code_theme="ansi_dark", hyperlinks=False)
        parser = MarkdownIt("commonmark", {"html": False}).enable(["strikethrough", "table"])
        self.parsed = parser.parse(text)


def _diff_style(line: str) -> str:
    if line.startswith(("+++", "---", "diff ")):
        return "bold"
    return {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], "")


def _decided(decision: str, state: str) -> str:
    """Return a decision as what has been done."""
    if state in ("withdrawn", "expired"):
        return state
    return DECISIONS.get(decision, f"answered {formats.one_line(decision)}")


def _by(who: str) -> str:
    """Return who has decided, as words."""
    known = {"own": "the host's user", "host": "the host", "agent": "its agent"}
    return known.get(who, formats.one_line(who))
