"""``sxhost doctor``: what works here, and what to do about what does not."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import click
from msgspec import to_builtins

from sxhost.cli.doctor_checks import Finding, local_findings
from sxhost.cli.hooks import our_command
from sxhost.cli.output import Pieces, put_json, put_pieces
from sxhost.cli.terminal import HostLink, linked

if TYPE_CHECKING:
    from sxhost.client.host import HostClient
    from sxhost.model.turn import AgentInfo

__all__ = ["commands"]

LOOKS: Final = {"ok": "green", "note": "yellow", "fault": "red"}

WIDTH: Final = max(map(len, ("transcripts", "claude hooks", "notifier")))

COMMON: Final = ("claude", "codex", "pi")
"""Agents of which it is said that they are not there."""


@click.command()
@linked
def doctor(link: HostLink) -> None:
    """Say what works here, and what to do about the rest.

    The exit status is 1 if something is at fault; a note is no fault.
    """
    ours = our_command()[0]
    found = list(local_findings(os.environ, ours, sys.stdout.encoding or "ascii"))
    found += link.run_with_client(lambda host: _asked(link.url, host))
    if link.json:
        put_json(*(to_builtins(one) for one in found))
    else:
        put_pieces(*_lines(found))
    if any(one.state == "fault" for one in found):
        sys.exit(1)


async def _asked(url: str, host: HostClient) -> list[Finding]:
    """Ask the host how it is; that it is not there is a finding, too."""
    from sxhost.errors import HostError, HostUnreachable

    try:
        status = await host.status()
        agents = await host.agents()
        told = await host.notifications()
    except HostUnreachable:
        return [Finding("host", "fault", f"No host answers at {url}.", "sxhost --daemon")]
    except HostError as error:
        return [Finding("token", "fault", error.message, "sxhost doctor --token-file FILE")]
    survives = {"replicas": "its machine", "power": "a cut of power", "process": "its process"}
    kept = survives.get(status.durability, "nothing")
    plural = "" if status.sessions == 1 else "s"
    says = (
        f"{url}, version {status.version}, {status.sessions} session{plural}; its log survives"
    )
    found = [
        Finding("host", "ok", f"{says} {kept}."),
        Finding("token", "ok", "It lets you in."),
    ]
    if status.missing:
        found.append(Finding("log", "note", status.missing))
    found.append(_agents(agents))
    if told.file:
        found.append(Finding("notifier", "ok", f"{len(told.channels)} channels, {told.file}."))
    else:
        says = "Nobody is told when an agent waits."
        found.append(Finding("notifier", "note", says, "sxhost serve --notify FILE"))
    return found


def _agents(known: Sequence[AgentInfo]) -> Finding:
    """Say which agents the host can start."""
    there = [f"{one.name} {one.version}".strip() for one in known if one.installed]
    absent = [one.name for one in known if not one.installed and one.name in COMMON]
    says = f"{', '.join(there)}." + (f" Not found: {', '.join(absent)}." if absent else "")
    return Finding("agents", "ok" if len(there) > 1 else "note", says)


def _lines(found: Sequence[Finding]) -> list[Pieces]:
    """Return findings in lines: what it is about, how it stands, and below what to do."""
    lines: list[Any] = []
    for one in found:
        mark = (f"{one.state:<5} ", LOOKS[one.state])
        lines.append([mark, (f"{one.about:<{WIDTH}}  ", "bold"), (one.says, None)])
        if one.todo:
            lines.append([(" " * (WIDTH + 8), None), (f"→ {one.todo}", "dim")])
    faults = sum(one.state == "fault" for one in found)
    notes = sum(one.state == "note" for one in found)
    total = f"{faults} at fault, {notes} to note" if faults or notes else "All is well"
    return [*lines, [("", None)], [(f"{total}.", "bold")]]


commands = (doctor,)
