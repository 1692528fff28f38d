"""``sxhost run``: an agent at the terminal, from its start to the end of a turn."""

from __future__ import annotations

import signal
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace
from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as TookTooLong

from sxhost.cli.follow import link_reporter
from sxhost.cli.output import begin_line, fail, put
from sxhost.cli.terminal import USAGE, HostLink
from sxhost.cli.turns import TurnFollower, put_heading
from sxhost.errors import HostError, HostUnreachable, SessionExists, UnknownSession
from sxhost.model.turn import TurnDraft
from sxhost.waiting import Signal

if TYPE_CHECKING:
    from sxhost.client.host import HostClient
    from sxhost.client.stream import EventStream
    from sxhost.model.session import Detail, Summary
    from sxhost.model.turn import Launch

__all__ = ["Run"]

INTERRUPTED_WITHIN = 10.0
"""Seconds that an interrupted turn and its agent get to end; then the command ends anyway."""

OF_A_TURN = ("cwd", "model", "effort", "approval_policy", "sandbox", "native")
"""The options of a new session that a turn of one that is there can change, too."""

OF_A_START = ("provider", "title", "resume", "command", "env", "labels")
"""Those that count only when an agent is started."""


class Run:
    """A turn of a session, and what it leaves running, at the terminal.

    The session is new, or it is there already and goes on.  The agent ends with the turn if it
    was started for it.

    :param launch: how the agent is started; its `agent` is empty if the session must be there.
    :param in_place: whether `launch.cwd` was asked for, and is not just where the user is.
    """

    def __init__(self, link: HostLink, launch: Launch, prompt: str, *, in_place: bool) -> None:
        self._link = link
        self._launch = launch
        self._in_place = in_place
        self._draft = TurnDraft(input=prompt)
        self._session = ""
        self._started = False
        """Whether the agent was not there before, and so ends with the turn."""
        self.interrupted = False
        """Whether the user has ended the command."""
        self._over = Signal()
        """Fires when all is done, and the agent has ended if it was to."""

    async def run(self, host: HostClient, *, keep: bool = False, forget: bool = False) -> str:
        """Run the turn; return how it ended.

        The agent ends with it, however that ends, unless it is to `keep`; `forget` deletes
        the session, too.
        """
        session, after = await self._begin(host)
        self._session = session.id
        reactor = self._link.reactor
        stop = reactor.addSystemEventTrigger(
            "before", "shutdown", lambda: Deferred.fromCoroutine(self._interrupt(host))
        )
        _stop_on_hangup(reactor)
        try:
            return await self._submit_and_follow(host, session, after, keep=keep)
        finally:
            try:
                await self._let_go(host, keep=keep, forget=forget)
            finally:  # also where the host refuses: nobody waits for it any more
                self._over.fire()
                if not self.interrupted:
                    reactor.removeSystemEventTrigger(stop)

    async def _let_go(self, host: HostClient, *, keep: bool, forget: bool) -> None:
        """End the agent if it was started for the turn; tell who has interrupted what is so."""
        name = self._session
        became = f"The agent of {name} goes on: sxhost log {name} -f"
        try:
            if forget:
                await host.forget(name)
                became = f"{name} was ended and deleted."
            elif self._started and not keep:
                await host.end(name)
                became = f"The agent of {name} was ended."
        except UnknownSession:
            became = f"Somebody has deleted {name}."
        except HostUnreachable:
            if not self.interrupted:
                raise
            became = self._no_host_sentence()
        if self.interrupted:
            put(became, err=True)

    def _no_host_sentence(self) -> str:
        return f"The host does not answer; once it does: sxhost show {self._session}"

    async def _begin(self, host: HostClient) -> tuple[Summary, str]:
        """Return the session, and after which event to read: a new one, or one that goes on."""
        launch = self._launch
        try:
            if launch.agent:
                made = await host.start(launch)
                self._started = True
                return made.session, "0"
        except SessionExists:
            pass
        try:
            session = await host.session(launch.id or "")
        except UnknownSession as error:
            fail(USAGE, f"{error.message} To start an agent in it, name that with --agent.")
        self._go_on(session)
        return session, "now"

    def _go_on(self, session: Detail) -> None:
        """Note what a turn changes of a session that is there, and say what it cannot."""
        launch = self._launch
        if launch.agent not in ("", "acp", session.agent):
            fail(USAGE, f"{session.id} is a session of {session.agent}, not of {launch.agent}.")
        wanted: dict[str, Any] = {
            name: value for name in OF_A_TURN if (value := getattr(launch, name))
        }
        if not self._in_place:
            wanted.pop("cwd", None)
        changes = {
            n: value for n, value in wanted.items() if value != getattr(session, n, None)
        }
        self._draft = replace(self._draft, **changes)
        unused = [f"--{name.rstrip('s')}" for name in OF_A_START if getattr(launch, name)]
        if unused:
            names = " and ".join(unused)
            put(f"{session.id} goes on; {names} would be for a new session.", err=True)

    async def _submit_and_follow(
        self, host: HostClient, session: Summary, after: str, *, keep: bool
    ) -> str:
        put_heading(self._link, session)
        follower = TurnFollower(self._link, session.id, background=True)
        report = link_reporter(self._link)
        try:
            async with host.subscribe(session.id, after=after, on_link=report) as stream:
                begun = await host.submit(session.id, self._draft)
                status = await follower.follow(host, stream, begun.turn.id)
                self._started |= follower.saw_start
                if self._started and not (keep or follower.has_ended):
                    await self._end_and_follow(host, stream, follower)
                return status or "failed"
        finally:
            follower.close()

    async def _end_and_follow(
        self, host: HostClient, stream: EventStream, follower: TurnFollower
    ) -> None:
        """End the agent, and show what it says up to its end: last words may come late."""
        with suppress(UnknownSession):  # somebody has deleted it
            await host.end(self._session)
            await follower.show_last_words(stream)

    async def _interrupt(self, host: HostClient) -> None:
        """Interrupt the turn, since the user has interrupted the command; wait for the end."""
        self.interrupted = True
        over = self._over.wait().addTimeout(INTERRUPTED_WITHIN, self._link.reactor)
        try:
            with suppress(HostError):  # the turn may be over
                await host.interrupt(self._session)
            with suppress(TookTooLong):
                await over
        except HostUnreachable:
            over.addErrback(lambda _: None)
            begin_line()
            put(self._no_host_sentence(), err=True)


def _stop_on_hangup(reactor: Any) -> None:
    """Have a terminal that closes interrupt the command, unless that is to go on (nohup)."""
    if signal.getsignal(signal.SIGHUP) == signal.SIG_DFL:
        signal.signal(signal.SIGHUP, lambda *_: reactor.callFromThread(reactor.stop))
