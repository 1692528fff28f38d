"""``sxhost notify``: whom the host tells of what, and what became of it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sxhost.cli.formats import age, one_line
from sxhost.cli.output import at_terminal, fail, put, put_pieces, terminal_width
from sxhost.cli.table import Column, TableRow, table_lines
from sxhost.cli.terminal import HostLink, linked

if TYPE_CHECKING:
    from sxhost.model.notify import Delivery, NotifyView

__all__ = ["commands"]

DELIVERIES = (
    Column("AGE", right=True),
    Column("STATE"),
    Column("CHANNEL", 6, rank=1),
    Column("WHAT", 12),
    Column("WHY", 10, rank=2),
)


@click.group()
def notify() -> None:
    """See whom the host tells of what, and try it."""


@notify.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def check(file: Path) -> None:
    """Check a file of notifications.  No host is needed."""
    from sxhost.notify.rules import BadRules, NotifyRules

    try:
        rules = NotifyRules.load(file)
    except BadRules as error:
        fail(2, str(error))
    channels, count = _counted(len(rules.channels), "channel"), len(rules.rules)
    put(f"{file} is right: {channels}, {_counted(count, 'rule')}.")


@notify.command()
@linked
def show(link: HostLink) -> None:
    """Print the host's channels and rules."""
    found = link.run_with_client(lambda host: host.notifications())
    link.show(found, *_lines(found))


def _lines(found: NotifyView) -> list[str]:
    if not found.file:
        return ["The host tells nobody: start it with --notify FILE"]
    lines = [f"Rules of {found.file}", ""]
    lines += [f"{one.name:<12} {one.kind:<8} {one.place}" for one in found.channels]
    lines.append("")
    for rule in found.rules:
        lines.append(f"{rule.name}: {', '.join(rule.when)} → {', '.join(rule.to)}")
        lines.append(f"    {rule.about}")
    return lines


@notify.command()
@click.argument("channel")
@linked
def test(link: HostLink, channel: str) -> None:
    """Send a notice on a channel, and say whether it has arrived."""
    done = link.run_with_client(lambda host: host.test_channel(channel))
    link.show(done, f"{channel} has taken it")


@notify.command()
@linked
def log(link: HostLink) -> None:
    """Print what became of notices, the newest last."""
    found = link.run_with_client(lambda host: host.notifications()).deliveries
    now = time.time()
    if link.json or not at_terminal():
        link.show(found, *(" ".join(_cells(one, now)).rstrip() for one in found))
        return
    if not found:
        put("Nothing was told yet.", dim=True)
        return
    rows = [TableRow(_cells(one, now)) for one in found]
    put_pieces(*table_lines(DELIVERIES, rows, terminal_width()))


def _cells(one: Delivery, now: float) -> tuple[str, ...]:
    """Return what a table has of a delivery."""
    tries = f"tried {one.tries + 1} times" if one.tries else ""
    why = ", ".join(filter(None, (one.why, tries)))
    return age(now - one.at_ms / 1000), one.state, one.channel, one_line(one.title), why


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


commands = (notify,)
