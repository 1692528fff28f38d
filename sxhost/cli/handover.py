"""``sxhost take``, ``give``, ``adopt``: a conversation goes on at this terminal, or there."""

from __future__ import annotations

import os
import shutil
import sys
from typing import TYPE_CHECKING

import click

from sxhost.cli.names import find_session, session_argument
from sxhost.cli.output import fail, put
from sxhost.cli.terminal import HostLink, linked

if TYPE_CHECKING:
    from sxhost.client.host import HostClient
    from sxhost.model.handover import HandedOver, TerminalProgram
    from sxhost.model.turn import OSProcess

__all__ = ["commands"]

NOT_FOUND = 127
"""What a shell exits with when there is no such program."""

HAS_IT = "{} is the host's: its next turn or message starts it"


@click.command()
@session_argument
@click.option("--now", is_flag=True, help="Cut a turn that runs, and do not wait for its end.")
@click.option("--keep", is_flag=True, help="Do not give it back when you quit.")
@linked
def take(link: HostLink, session_id: str, *, now: bool, keep: bool) -> None:
    """Go on with a hosted session in its agent's own program, here.

    The host ends its process after the turn that runs; session, log and messages stay.  When
    you quit, the host has it again.
    """
    sys.exit(link.run_with_client(lambda host: Taking(link, host, session_id).run(now, keep)))


class Taking:
    """One session that is taken to this terminal, and given back."""

    def __init__(self, link: HostLink, host: HostClient, name: str) -> None:
        self._link = link
        self._host = host
        self._name = name

    async def run(self, now: bool, keep: bool) -> int:
        """Return the exit status of the agent's program."""
        from sxhost.attach.foreground import Foreground
        from sxhost.attach.terminal import Signals

        name, here = await find_session(self._host, self._name), Foreground()
        program = await self._take(name, now)
        environ = {**os.environ, **program.env}
        if shutil.which(program.argv[0], path=environ.get("PATH")) is None:
            await self._give_back(name)
            fail(NOT_FOUND, f"There is no program {program.argv[0]!r} that could be run here.")
        put(f"{name} goes on here{'' if keep else ' until you quit'}.", err=True)
        with Signals(here.signal, set()):  # who quits by Ctrl-C may press it once too often
            status = await here.run(self._link.reactor, program.argv, program.cwd, environ)
            left = f"{name} stays here: sxhost give {name}"
            put(left if keep else HAS_IT.format(await self._give_back(name)), err=True)
        code = os.waitstatus_to_exitcode(status)
        return code if code >= 0 else 128 - code

    async def _take(self, name: str, now: bool) -> TerminalProgram:
        from sxhost.model.handover import HandoverDraft

        draft = HandoverDraft(to="terminal", now=now, os_process=this_process())
        handed = await self._host.hand_over(name, draft)
        if handed.program is None:
            fail(1, f"The host has not said how {name} goes on here.")
        return handed.program

    async def _give_back(self, name: str) -> str:
        """Give the session back, or the one that its user went on with; return its name."""
        from sxhost.model.handover import HandoverDraft

        session = await self._host.session(name)
        while session.continued_by:
            session = await self._host.session(session.continued_by)
        draft = HandoverDraft(to="host", os_process=this_process())
        await self._host.hand_over(session.id, draft)
        return session.id


def this_process() -> OSProcess | None:
    """Return this process as the host can see it; None where that cannot be known."""
    from sxhost.model.turn import OSProcess
    from sxhost.os_process import identify

    here = identify(os.getpid())
    return None if here is None else OSProcess(**here)  # type: ignore[arg-type]


now_option = click.option("--now", is_flag=True, help="End its program, if that still runs.")


def give_to_host(link: HostLink, name: str, *, now: bool) -> None:
    """Have the host go on with a session, and say so."""

    async def give(host: HostClient) -> tuple[str, HandedOver]:
        from sxhost.model.handover import HandoverDraft

        found = await find_session(host, name)
        return found, await host.hand_over(found, HandoverDraft(to="host", now=now))

    found, handed = link.run_with_client(give)
    link.show(handed, HAS_IT.format(found))


@click.command()
@session_argument
@now_option
@linked
def give(link: HostLink, session_id: str, *, now: bool) -> None:
    """Give a session that was taken back to the host.

    Its program at the terminal must have ended.
    """
    give_to_host(link, session_id, now=now)


@click.command()
@session_argument
@now_option
@linked
def adopt(link: HostLink, session_id: str, *, now: bool) -> None:
    """Have the host go on with a session that began at a terminal.

    Its program there must have ended.
    """
    give_to_host(link, session_id, now=now)


commands = (take, give, adopt)
