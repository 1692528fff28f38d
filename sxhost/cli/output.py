"""All that the commands print: escaped here, where nobody can forget it.

A line is a text without line breaks, a `Flow` one with its own; how they look is said beside
them, never in them.  Nothing else in the command line's modules prints (a test looks).
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NoReturn

import click

from sxhost.cli.pager import paged
from sxhost.visible import escape_hidden, escape_hidden_json

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = ["Flow", "fail", "put", "put_code", "put_json", "put_lines", "put_table", "put_views"]


class Flow(str):
    """A text of several lines: its line breaks and tabs are meant."""

    __slots__ = ()


def put(*lines: str, err: bool = False, nl: bool = True, **style: Any) -> None:
    """Print lines, or without `nl` a beginning; `style` is `click.style`'s."""
    looks = {name: value for name, value in style.items() if value}
    for line in lines:
        text = escape_hidden(line, "\n\t" if isinstance(line, Flow) else "")
        click.echo(click.style(text, **looks) if looks else text, err=err, nl=nl)


def put_json(*values: object) -> None:
    """Print values for machines, one a line; the terminal is as safe, and the data exact."""
    from sxhost.codec.json import encode

    for value in values:
        click.echo(escape_hidden_json(encode(value).decode()))


def put_table(rows: Iterable[tuple[str, str, str]]) -> None:
    """Print names and values beside each other, each value in a style."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold")
    for name, value, style in rows:
        table.add_row(
            Text(escape_hidden(name)), Text(escape_hidden(value), style=style, overflow="fold")
        )
    Console().print(table)


def put_lines(lines: Iterable[str]) -> None:
    """Print the lines of a document, whose texts are escaped: line breaks in them are meant."""
    for line in lines:
        put(Flow(line))


def put_views(
    views: Iterable[RenderableType], width: int | None, pager: str | None = None
) -> None:
    """Print what rich lays out, of escaped texts; `width` None: no line is broken or cut.

    :param pager: the shell's command of the pager through which it is read.
    """
    from rich.console import Console

    with paged(pager) as file:
        console = Console(
            file=file,
            width=width,
            force_terminal=width is not None,
            highlight=False,
            markup=False,
            emoji=False,
        )
        for view in views:
            console.print(view, soft_wrap=width is None)


def put_code(text: str) -> None:
    """Print what a shell is to run: click's own words, exactly."""
    click.echo(text)


def fail(status: int, message: str) -> NoReturn:
    """End the process with a sentence on stderr."""
    put(message, err=True)
    sys.exit(status)
