"""Hands conversations over, so that each has one program at a time.

A session at a terminal is an attached one that still has its launch: its agent's own program
reports by hooks and files, and nobody here starts another.  One that began at a terminal gets a
launch when the host takes it over.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from twisted.internet.defer import DeferredLock
from twisted.internet.task import deferLater

from sxhost.agents.attached_processes import LAST_WORDS_S, AttachedProcesses
from sxhost.agents.dependencies import Agents, Dependencies
from sxhost.agents.supervisor import Supervisor
from sxhost.drivers.contracts import TerminalPrograms
from sxhost.errors import AtTerminal, BadField, NotHosted, Unsupported
from sxhost.model.delivery import OVER
from sxhost.model.event import EventDraft
from sxhost.model.event_types import HandedOverEvent
from sxhost.model.handover import HandoverDraft, Side, TerminalProgram
from sxhost.model.session import Hosting, Registration, Session
from sxhost.model.turn import Launch, OSProcess, Process
from sxhost.store.contracts import Sessions

__all__ = ["Handover"]

END_S: Final = 5.0
"""Seconds that a program at a terminal has to end once it was told to."""

LOOK_S: Final = 0.1
"""Seconds between two looks whether it has."""

NO_PROCESS: Final = Process(0)


class Handover:
    """Hands the sessions of a host over; `register` stores what a terminal says of itself.

    `on_terminal` is called with the id of a session that has gone to a terminal.
    """

    def __init__(
        self,
        sessions: Sessions,
        supervisor: Supervisor,
        processes: AttachedProcesses,
        dependencies: Dependencies,
        *,
        agents: Agents,
        register: Callable[[str, Registration], Awaitable[object]],
    ) -> None:
        self.on_terminal: Callable[[str], object] = lambda _session_id: None
        self._sessions = sessions
        self._supervisor = supervisor
        self._processes = processes
        self._dependencies = dependencies
        self._agents = agents
        self._register = register
        self._taking: dict[str, DeferredLock] = {}
        """Held while a session is taken from a terminal, by its id."""

    async def give_to_terminal(self, session_id: str, draft: HandoverDraft) -> TerminalProgram:
        """End a hosted agent after its turn; return the program that goes on in its place.

        :raises NotHosted: it is at a terminal already, or was never the host's.
        :raises Unsupported: its agent has no program that could go on.
        """
        session = await self._sessions.session(session_id)
        if session.kind != "hosted" or session.launch is None:
            raise NotHosted(session_id, "It is at its terminal.")
        self._program(session.launch)
        process = draft.os_process
        if process is None or not self._agents.processes.is_here(process):
            raise BadField("os_process", "The program can only run on the host's own machine.")
        if session.fresh:
            raise Unsupported(f"{session_id!r} has no conversation yet that could go on.")
        launch = await self._supervisor.hand_over(session_id, now=draft.now)
        program = self._program(launch)
        await self._register(session_id, Registration(os_process=process, inbox="unhooked"))
        await self._tell(session_id, "terminal")
        self.on_terminal(session_id)
        return program

    async def take_from_terminal(self, session_id: str, draft: HandoverDraft) -> None:
        """Have the host go on with a conversation whose program at a terminal has ended.

        :raises AtTerminal: that runs still, or nobody knows.
        :raises Unsupported: the host cannot go on with it.
        """
        lock = self._taking.setdefault(session_id, DeferredLock())
        try:
            async with lock:
                await self._take(session_id, draft)
        finally:
            if not lock.locked:
                self._taking.pop(session_id, None)

    async def _take(self, session_id: str, draft: HandoverDraft) -> None:
        session = await self._sessions.session(session_id)
        if session.kind == "hosted":
            return
        launch = session.launch or _launch_of(session)
        self._program(launch)
        if session.os_process is None or session.os_process != draft.os_process:
            session = await self._without_program(session, now=draft.now)
        self._processes.forget(session_id)
        hosting = Hosting(
            kind="hosted",
            launch=launch,
            native_id=launch.resume,
            process=NO_PROCESS,
            rest="asleep",
            fresh=False,
        )
        await self._dependencies.set_hosting(session_id, hosting)
        await self._tell(session_id, "host")
        self._supervisor.deliver_messages(session_id)

    def _program(self, launch: Launch) -> TerminalProgram:
        """Return the program with which a conversation goes on at a terminal.

        :raises Unsupported: there is none, or this host has no such agent at all.
        """
        try:
            driver = self._agents.drivers(launch.agent)
        except BadField:
            agent = repr(launch.agent) if launch.agent else "this agent"
            raise Unsupported(f"This host cannot run {agent}.") from None
        program = (
            driver.terminal_program(launch) if isinstance(driver, TerminalPrograms) else None
        )
        if program is None:
            raise Unsupported(f"{launch.agent} has no program that could go on at a terminal.")
        return program

    async def _without_program(self, session: Session, *, now: bool) -> Session:
        """Return a session once no program has it: another may come while one ends."""
        while True:
            await self._wait_for_program(session, now=now)
            later = await self._sessions.session(session.id)
            if later.os_process == session.os_process:
                return later
            session = later

    async def _wait_for_program(self, session: Session, *, now: bool) -> None:
        """Return once a session's program has ended, and its last words are in the log."""
        process, processes = session.os_process, self._agents.processes
        is_over = session.state.name in OVER
        if process is None or not processes.is_here(process):
            if not is_over:
                raise AtTerminal(session.id)
            return
        if processes.runs(process) and now:
            await self._end(process)
        if processes.runs(process):
            raise AtTerminal(session.id, process.pid)
        if not is_over:
            self._processes.on_gone(session.id)
            await deferLater(self._dependencies.clock, LAST_WORDS_S)

    async def _end(self, process: OSProcess) -> None:
        self._agents.processes.terminate(process)
        clock = self._dependencies.clock
        until = clock.seconds() + END_S
        while self._agents.processes.runs(process) and clock.seconds() < until:
            await deferLater(clock, LOOK_S)

    async def _tell(self, session_id: str, side: Side) -> None:
        draft = EventDraft.of(HandedOverEvent.name, {"to": side})
        await self._dependencies.append(session_id, [draft])


def _launch_of(session: Session) -> Launch:
    """Return how the host goes on with a conversation that began at a terminal."""
    return Launch(
        agent=session.agent,
        cwd=session.cwd or None,
        resume=session.native_id or session.id,
        title=session.title or None,
        labels=session.labels,
    )
