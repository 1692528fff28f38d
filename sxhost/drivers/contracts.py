"""The contract of host and driver: what the host calls, and what a driver reports.

A driver speaks one program's protocol (``codex app-server``, ``pi --mode rpc``, …); an agent
is one conversation in it.  The host calls the methods of `Agent`; the agent answers through
`Reports` alone.  A driver is found by its entry point in the group ``sxhost.drivers``, a
callable with the signature of `DriverEntryPoint`.

The order of reports: `Reports.spawned`, then for each turn `Reports.turn_started`, its events
and questions, `Reports.turn_ended`; at the very end `Reports.exited`, once.  Before a turn
ends, whatever it has begun is closed: a text by its whole event with ``cut: true``, a tool's
call by ``tool-done`` with the status ``cut``.  The host withdraws the questions that are left,
but for those of whoever waits on (`Question.outlives_turn`): their driver does, in its time.
Where the process ends in the middle of a turn, the driver closes the same and calls
`Reports.exited`; the host itself ends the turn.  ``sxhost.drivers.kit`` has parts for all that.

Events (`Reports.report_event`) are values of `sxhost.model.event_types`, which says what their
fields mean.  Every event that belongs to an item names it in ``item``: a string, unique in its
conversation, the same from the first piece to the last event.  What no type is for is a
`NativeEvent`, so that nothing which an agent says is lost.

Texts may be of any length; the host cuts an event that is larger than its limit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from msgspec import Raw, Struct
from twisted.internet.interfaces import IReactorTime

from sxhost.model.approval import Answer, Question
from sxhost.model.event_types import AgentEvent
from sxhost.model.handover import TerminalProgram
from sxhost.model.turn import (
    Abilities,
    Item,
    Launch,
    ModelDraft,
    Process,
    TurnDraft,
    TurnStatus,
)
from sxhost.process.contracts import ChildExit, Spawn

__all__ = [
    "Agent",
    "Driver",
    "DriverEntryPoint",
    "EventReports",
    "NativeAnswer",
    "NativeCommands",
    "Reports",
    "Started",
    "StoredDirectories",
    "TerminalPrograms",
]


class Started(Struct, frozen=True, kw_only=True):
    """What an agent that is ready for turns says of itself."""

    native_id: str
    """The agent's own id of the conversation, by which a later process can resume it."""
    model: str = ""
    provider: str = ""
    """The model's vendor."""
    title: str = ""
    native: Any = None
    """The agent's own answer."""


class EventReports(Protocol):
    """Takes events of an agent."""

    def report_event(self, event: AgentEvent, turn: str | None = None) -> None:
        """Report an event; `turn` is the agent's own id of its turn, where the agent names it.

        It may come after that turn's end, also while the next one runs.
        """


class Reports(EventReports, Protocol):
    """What an agent reports to the host; no method raises, blocks or returns anything."""

    def spawned(self, process: Process) -> None:
        """Report which process runs for this agent (codex: for other agents as well)."""

    def approval_requested(self, question: Question) -> None:
        """Report that the agent waits for a decision; the host brings it by `Agent.answer`."""

    def approval_withdrawn(self, key: str, why: str) -> None:
        """Report that a question needs no answer any more: `why` is shown to a person.

        Not for a question that `Agent.answer` has closed.
        """

    def turn_started(self, native_id: str | None) -> None:
        """Report that a turn has begun, also one that nobody submitted (a compaction, say).

        `native_id` is the agent's own id of it, None if it has none.
        """

    def turn_ended(self, status: TurnStatus, reason: str = "", native: object = None) -> None:
        """Report that the turn is over; what it had begun was reported as cut before.

        `reason` says why it is not completed; `native` is the agent's own message.
        """

    def exited(self, how: ChildExit) -> None:
        """Report that the agent's process has ended, asked or not: the last report."""


class Agent(Protocol):
    """One conversation with a running agent; every method may raise `HostError`.

    A method returns when the agent has accepted the request, not when it is done: none waits
    for a turn.  It raises `AgentFailed` if the agent refuses, or ends before it answers.
    """

    can: Abilities
    """What this agent can do; the host refuses the rest before it calls."""

    async def start(self) -> Started:
        """Run the agent with a new conversation, or resume the one in ``launch.resume``.

        :raises AgentFailed: the program cannot be run, ended or refused; nothing is left of it.
        """

    async def submit(self, draft: TurnDraft) -> str | None:
        """Begin a turn; return the agent's own id of it, None if it has none."""

    async def steer(self, given: Sequence[Item]) -> None:
        """Add input to the running turn."""

    async def interrupt(self) -> None:
        """Stop the running turn and its commands; `Reports.turn_ended` follows."""

    async def compact(self) -> None:
        """Have the agent summarise the conversation; it may be a turn of its own."""

    async def set_model(self, draft: ModelDraft) -> None:
        """Use another model from now on."""

    async def answer(self, question: Question, answer: Answer) -> None:
        """Send a decision about a question that this agent has reported, exactly once.

        :raises AgentFailed: the question is over: answered, withdrawn or cancelled.
        :raises BadField: the decision is none of its choices, or an answer makes no sense.
        """

    async def stop(self) -> None:
        """End the turn, then the process; `Reports.exited` is called before this returns."""


class NativeAnswer(Struct, frozen=True, kw_only=True):
    """An agent's answer to a command of its own protocol, and the settings that it changed.

    A setting that is None is as it was; the others hold for a restart of the agent as well.
    """

    result: Raw
    """The result as the agent wrote it, in JSON; ``null`` if the command has none."""
    native_id: str | None = None
    """The conversation with which the agent goes on."""
    model: str | None = None
    provider: str | None = None
    effort: str | None = None


@runtime_checkable
class NativeCommands(Protocol):
    """What an `Agent` has besides if it takes commands of its own protocol from clients."""

    async def native_command(self, name: str, params: Mapping[str, object]) -> NativeAnswer:
        """Send a command and wait for its answer.

        :raises CommandRefused: the agent refused it.
        :raises AgentFailed: the agent does not run, or ended before it answered.
        """


class Driver(Protocol):
    """Makes agents of one kind."""

    def agent(self, launch: Launch, reports: Reports) -> Agent:
        """Return an agent that is not started yet; the host has checked ``launch.cwd``.

        :raises HostError: the launch has what this kind of agent cannot do.
        """

    async def close(self) -> None:
        """Free what agents have shared; the host has stopped them all."""


@runtime_checkable
class StoredDirectories(Protocol):
    """What a `Driver` has besides if it knows where stored conversations work."""

    def directory_of(self, launch: Launch) -> str | None:
        """Return where a conversation works that is resumed; None if nothing says so."""


@runtime_checkable
class TerminalPrograms(Protocol):
    """What a `Driver` has besides if its agents' conversations can go on at a terminal."""

    def terminal_program(self, launch: Launch) -> TerminalProgram | None:
        """Return the agent's own program, with the conversation in ``launch.resume``.

        None: it has none.
        """


class DriverEntryPoint(Protocol):
    """What an entry point of ``sxhost.drivers`` names."""

    def __call__(self, spawn: Spawn, clock: IReactorTime) -> Driver:
        """Return the driver, which has started nothing: `spawn` runs its programs, all its
        timers are on `clock`.
        """
