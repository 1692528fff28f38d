"""An item of a conversation as lines of a terminal: words, a call, a plan, a decision."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from rich.console import Console
from rich.markdown import Markdown
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from sxhost.cli.event_text import decision_text
from sxhost.cli.formats import clock, columns_of, duration, fit, one_line, wrap
from sxhost.model.transcript import TranscriptItem
from sxhost.visible import escape_hidden

__all__ = ["item_strips"]

OPENED: Final = 200
"""Lines of one item at the most: of more the middle is left out."""

MARKDOWN: Final = 20_000
"""Characters of a text up to which it is laid out as Markdown."""

WRITTEN: Final = 4_000
"""Characters of a text that are shown while it is written: it is laid out for each frame."""

DIM, BOLD, BAR = Style(dim=True), Style(bold=True), Style(color="cyan")
STATUS: Final[Mapping[str, tuple[str, Style]]] = {
    "running": ("▸", Style(color="green")),
    "completed": ("✓", Style(color="green")),
    "failed": ("✗", Style(color="red", bold=True)),
    "declined": ("✗", Style(color="yellow")),
    "cut": ("✗", Style(color="yellow")),
}
"""How a call stands, by its status."""

_console = Console(width=80, color_system=None, force_terminal=False, legacy_windows=False)


def item_strips(item: TranscriptItem, width: int, *, opened: bool, now_ms: int) -> list[Strip]:
    """Return an item's lines, none wider than `width`; an empty one stands before most items.

    :param opened: whether outputs, diffs and thoughts are shown whole.
    """
    room = max(width, 8)
    match item.kind:
        case "user":
            lines = _of_user(item, room)
        case "message":
            lines = _of_agent(item, room)
        case "thinking":
            lines = _of_thinking(item, room, opened)
        case "tool":
            lines = _of_tool(item, room, opened, now_ms)
        case "plan":
            lines = _of_plan(item, room)
        case "diff":
            lines = _of_diff(item, room, opened)
        case "approval":
            lines = _of_approval(item, room)
        case _:
            lines = _of_note(item, room)
    return _cut_middle([Strip(line).crop(0, room) for line in lines])


Line = list[Segment]


def _plain(
    text: str, width: int, style: Style | None = None, indent: str = ""
) -> Iterator[Line]:
    for line in wrap(text.expandtabs(4), width, indent):
        yield [Segment(line, style)]


def _of_user(item: TranscriptItem, width: int) -> Iterator[Line]:
    yield []
    how = "" if item.by in ("", "turn", "prompt") else f" ({one_line(item.by)})"
    yield [Segment(f"{clock(item.ts_ms / 1000)} ", DIM), Segment(f"you{how}", BAR + BOLD)]
    for line in wrap(item.text.expandtabs(4), width - 2):
        yield [Segment("▌ ", BAR), Segment(line)]


def _of_agent(item: TranscriptItem, width: int) -> Iterator[Line]:
    yield []
    if item.status == "running":
        left = len(item.text) - WRITTEN
        if left > 0:
            yield [Segment(f"… {left} characters are shown once all is there"[:width], DIM)]
        yield from _plain(item.text[-WRITTEN:], width)
    elif len(item.text) > MARKDOWN:
        yield from _plain(item.text, width)
    else:
        yield from _markdown(item.text, width)
    if item.status == "cut":
        yield [Segment("… broken off", DIM)]


def _markdown(text: str, width: int) -> Iterator[Line]:
    shown = Markdown(escape_hidden(text, "\n\t"), hyperlinks=False, code_theme="ansi_dark")
    options = _console.options.update(width=width)
    lines = _console.render_lines(shown, options, pad=False)
    while lines and not "".join(segment.text for segment in lines[-1]).strip():
        lines.pop()
    yield from lines


def _of_thinking(item: TranscriptItem, width: int, opened: bool) -> Iterator[Line]:
    style = DIM + Style(italic=True)
    if not opened:
        first = fit(item.text.strip(), max(width - 10, 4))
        yield [Segment(f"thinking: {first}"[:width], style)]
        return
    yield from _plain(item.text.strip(), width, style, "  ")


def _of_tool(item: TranscriptItem, width: int, opened: bool, now_ms: int) -> Iterator[Line]:
    sign, style = STATUS.get(item.status, ("·", DIM))
    end = now_ms if item.status == "running" else item.end_ms
    took = duration(max(end - item.ts_ms, 0) / 1000)
    code = f" exit {item.exit_code}" if item.exit_code else ""
    word = "" if item.status in ("running", "completed") else f" {item.status}"
    tail = f"{word}{code}  {took}"
    title = _title(item)
    indent = "  " if item.parent else ""
    room = max(width - columns_of(tail) - 2 - len(indent), 8)
    yield [
        Segment(f"{indent}{sign} ", style),
        Segment(fit(title, room)),
        Segment(tail, DIM if not word and not code else style),
    ]
    if opened:
        yield from _output(item.text, width)


def _title(item: TranscriptItem) -> str:
    named = item.tool and not item.title.casefold().startswith(item.tool.casefold())
    return f"{item.tool}: {item.title}" if named and item.title else item.title or item.tool


def _output(text: str, width: int) -> Iterator[Line]:
    if text.strip():
        for line in wrap(text.rstrip("\n").expandtabs(4), width - 4):
            yield [Segment("  │ ", DIM), Segment(line, DIM)]


def _of_plan(item: TranscriptItem, width: int) -> Iterator[Line]:
    signs = {"completed": "☑", "in_progress": "▸"}
    yield [Segment("plan", BOLD)]
    for entry in item.entries:
        sign = signs.get(str(entry.get("status")), "☐")
        for at, line in enumerate(wrap(str(entry.get("content", "")), width - 4)):
            yield [Segment(f"  {sign if not at else ' '} "), Segment(line)]
    if item.text and not item.entries:
        yield from _plain(item.text, width, None, "  ")


def _of_diff(item: TranscriptItem, width: int, opened: bool) -> Iterator[Line]:
    lines = item.diff.expandtabs(4).splitlines()
    plus = sum(line.startswith("+") and not line.startswith("+++") for line in lines)
    minus = sum(line.startswith("-") and not line.startswith("---") for line in lines)
    name = fit(item.path or "changes of this turn", max(width - 16, 8))
    yield [
        Segment("± ", BOLD),
        Segment(name),
        Segment(f" +{plus}", Style(color="green")),
        Segment(f" -{minus}", Style(color="red")),
    ]
    for line in lines if opened else ():
        style = {"+": Style(color="green"), "-": Style(color="red"), "@": BAR}.get(line[:1])
        for part in wrap(line, width - 2):
            yield [Segment("  "), Segment(part, style)]


def _of_approval(item: TranscriptItem, width: int) -> Iterator[Line]:
    approval = item.approval
    style = Style(color="yellow", bold=True) if item.status == "pending" else DIM
    yield [Segment("? ", style), Segment(fit(item.title, max(width - 2, 8)))]
    if approval is not None and approval.resolution is not None:
        at = clock(approval.resolution.at_ms / 1000)
        yield from _plain(f"{decision_text(approval)}, {at}", width, DIM, "  ")
    elif item.status != "pending":
        yield from _plain(item.status, width, DIM, "  ")


def _of_note(item: TranscriptItem, width: int) -> Iterator[Line]:
    if item.kind == "end":
        bad = item.status == "failed"
        what = f"turn {item.turn} " if item.turn is not None else "turn "
        text = f"── {what}{item.status}, {clock(item.end_ms / 1000)}"
        yield [Segment(fit(text, width), Style(color="red") if bad else DIM)]
        if item.text:
            yield from _plain(item.text, width, Style(color="red") if bad else DIM, "   ")
        return
    name = {"compact": "the conversation was shortened"}.get(item.kind, item.title)
    bad = item.status == "failed" or item.title in ("error", "warning")
    text = f"{name}: {item.text}" if item.text else name
    yield [Segment(fit(text, width), Style(color="red") if bad else DIM)]


def _cut_middle(strips: list[Strip]) -> list[Strip]:
    if len(strips) <= OPENED:
        return strips
    half = OPENED // 2
    left = len(strips) - 2 * half
    said = Strip([Segment(f"  … {left} lines are left out …", DIM)])
    return [*strips[:half], said, *strips[-half:]]
