"""All that the commands print: escaped here, where nobody can forget it.

A line is a text without line breaks, a `Flow` one with its own; how they look is said beside
them, never in them.  Nothing else in the command line's modules prints (a test looks).
"""

from __future__ import annotations

import io
import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

import click

from sxhost.cli.formats import age, fit
from sxhost.cli.pager import paged
from sxhost.visible import escape_hidden, escape_hidden_json

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = [
    "Flow",
    "Pieces",
    "StatusLine",
    "at_terminal",
    "begin_line",
    "close_screen",
    "end_typed_line",
    "fail",
    "is_screen",
    "looks",
    "open_screen",
    "put",
    "put_code",
    "put_json",
    "put_pieces",
    "put_screen",
    "put_views",
    "terminal_width",
]

Pieces = Sequence[tuple[str, str | None]]
"""A line in pieces, each with its style: a colour, ``dim``, ``bold``, or none."""


class Flow(str):
    """A text of several lines: its line breaks and tabs are meant."""

    __slots__ = ()


def at_terminal() -> bool:
    """Tell whether a person reads what is printed: in a pipe it stays as it always was."""
    return sys.stdout.isatty()


def terminal_width() -> int:
    """Return the columns of the terminal."""
    return shutil.get_terminal_size().columns


def _has_colours(stream: Any) -> bool:
    """Tell whether a stream is a terminal with colours, and nobody has switched them off."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return bool(stream.isatty())


def put(*lines: str, err: bool = False, nl: bool = True, **style: Any) -> None:
    """Print lines, or without `nl` a beginning; `style` is `click.style`'s."""
    styles = {name: value for name, value in style.items() if value}
    styles = styles if _has_colours(sys.stderr if err else sys.stdout) else {}
    for line in lines:
        text = escape_hidden(line, "\n\t" if isinstance(line, Flow) else "")
        _echo(click.style(text, **styles) if styles else text, err=err, nl=nl)


def _echo(text: str, *, err: bool = False, nl: bool = True) -> None:
    """Print a text that is safe; on a terminal, in place of what it said was waited for."""
    if (sys.stderr if err else sys.stdout).isatty():
        StatusLine.shown.clear()
        if text or nl:
            StatusLine.shown.is_line_open = not (nl or text.endswith("\n"))
    click.echo(text, err=err, nl=nl)


def begin_line() -> None:
    """Begin a new line at the terminal, unless one has begun: words may flow there."""
    if StatusLine.shown.is_line_open:
        _echo("")


def end_typed_line() -> None:
    """Note that somebody has ended the line at the terminal by typing."""
    StatusLine.shown.is_line_open = False


class StatusLine:
    """The line on stderr that says what is waited for, while it is, on terminals alone.

    It is drawn over itself, and goes as soon as anything else is printed.  A terminal that
    cannot do that (``TERM=dumb``) has it as a line of its own, once.
    """

    shown: ClassVar[StatusLine]
    """The one of this process: there is one terminal."""

    def __init__(self) -> None:
        self.is_line_open = False
        """Whether a line has begun at the terminal, which is not to be drawn over."""
        self._is_drawn = False
        self._last = ""

    def show(self, what: str, seconds: float) -> None:
        """Say what is waited for, and for how long already."""
        if not sys.stderr.isatty() or self.is_line_open:
            return
        if os.environ.get("TERM", "dumb") == "dumb":
            if what != self._last:
                self._last = what
                put(f"{what} ...", err=True)
            return
        took = f" {age(seconds)}" if seconds >= 1 else ""
        text = fit(escape_hidden(f"{what} ...{took}"), max(terminal_width() - 1, 1))
        dimmed = click.style(text, dim=True) if _has_colours(sys.stderr) else text
        click.echo(f"\r{dimmed}\x1b[K", err=True, nl=False)
        self._is_drawn = True

    def clear(self) -> None:
        """Take it away."""
        if self._is_drawn:
            self._is_drawn = False
            click.echo("\r\x1b[K", err=True, nl=False)


StatusLine.shown = StatusLine()


def put_pieces(*lines: Pieces) -> None:
    """Print lines in pieces, each in its style."""
    colours = _has_colours(sys.stdout)
    for line in lines:
        _echo(_joined(line, colours=colours))


def open_screen() -> None:
    """Take the terminal's other screen, so that what stood on this one is there again after."""
    if is_screen():
        StatusLine.shown.clear()
        click.echo("\x1b[?1049h\x1b[?25l", nl=False)


def close_screen() -> None:
    """Give the terminal back."""
    if is_screen():
        click.echo("\x1b[?25h\x1b[?1049l", nl=False)


def put_screen(lines: Sequence[Pieces], footer: str) -> None:
    """Draw lines over what the screen has; where there is no screen, print them again."""
    if not is_screen():
        put_pieces(*lines, [(footer, None)], [("", None)])
        return
    columns, rows = shutil.get_terminal_size()
    colours = _has_colours(sys.stdout)
    drawn = [
        _joined(line, colours=colours)
        for line in (*lines[: rows - 1], [(footer[:columns], "dim")])
    ]
    click.echo("\x1b[H" + "\x1b[K\n".join(drawn) + "\x1b[K\x1b[J", nl=False)


def is_screen() -> bool:
    """Tell whether stdout is a terminal on which a line can be drawn anywhere."""
    return sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def _joined(line: Pieces, *, colours: bool) -> str:
    return "".join(_piece(text, style if colours else None) for text, style in line)


def _piece(text: str, style: str | None) -> str:
    shown = escape_hidden(text)
    return click.style(shown, **looks(style)) if style else shown


def looks(style: str | None) -> dict[str, Any]:
    """Return what `click.style` knows of a style: a colour, ``dim``, ``bold``, or none."""
    if style in ("dim", "bold"):
        return {style: True}
    return {"fg": style} if style else {}


def put_json(*values: object) -> None:
    """Print values for machines, one a line; the terminal is as safe, and the data exact."""
    from sxhost.codec.json import encode

    for value in values:
        _echo(escape_hidden_json(encode(value).decode()))


def put_views(
    views: Iterable[RenderableType], width: int | None, pager: str | None = None
) -> None:
    """Print what rich lays out, of escaped texts; `width` None: no line is broken or cut.

    :param pager: the shell's command of the pager through which it is read.
    """
    from rich.console import Console

    console = Console(
        file=io.StringIO(),
        width=width,
        force_terminal=width is not None,
        highlight=False,
        markup=False,
        emoji=False,
    )

    def laid_out(view: RenderableType) -> str:
        with console.capture() as captured:
            console.print(view, soft_wrap=width is None)
        return captured.get()

    if pager is None:
        for view in views:
            _echo(laid_out(view), nl=False)
        return
    StatusLine.shown.clear()
    with paged(pager) as file:
        for view in views:
            file.write(laid_out(view))


def put_code(text: str) -> None:
    """Print what a shell is to run: click's own words, exactly."""
    click.echo(text)


def fail(status: int, message: str) -> NoReturn:
    """End the process with a sentence on stderr."""
    put(message, err=True)
    sys.exit(status)
