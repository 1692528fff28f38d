"""What the host and a driver say to each other, and a driver and its child.

A driver speaks one program's language (``codex app-server``, ``pi --mode rpc``, …); an agent
is one conversation in it.  The host calls the agent's verbs; the agent tells `Reports` what
happens, and nothing else.  Drivers are found by the entry point ``sxhost.drivers``, each a
callable with the signature of `DriverEntryPoint`.

What an agent reports, beside questions and the ends of turns, are events.  Their data is an
object; text stands in ``text``, what belongs together has the same ``item``, and ``native``
holds the agent's own words where they say more:

============== =====================================================================
message        what the assistant said, whole: item, text
message-delta  a piece of it: item, text
thinking       item, text, whole
thinking-delta item, text
tool-start     item, tool, title, input
tool-output    a piece of what it prints: item, text
tool-done      item, tool, status (completed, failed, declined, cut), output, exit_code
plan, diff     entries; diff
usage          input_tokens, cached_tokens, output_tokens, reasoning_tokens,
               total_tokens, context_window, cost_usd: of the conversation so far
compact        the conversation was shortened
warning        text: something is wrong and the turn goes on
native         what has no other name: native
============== =====================================================================
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from msgspec import Struct
from twisted.internet.interfaces import IReactorTime

from sxhost.model.approval import Answer, Question
from sxhost.model.turn import (
    Abilities,
    Item,
    Launch,
    ModelDraft,
    Process,
    TurnDraft,
    TurnStatus,
)
from sxhost.process.contracts import Exit, Spawn

__all__ = ["Agent", "Driver", "DriverEntryPoint", "Reports", "Started"]

# Between host and driver.


class Started(Struct, frozen=True, kw_only=True):
    """An agent is ready for turns; what it says of itself."""

    native_id: str
    """Names the conversation to the agent, also in a later process."""
    model: str = ""
    provider: str = ""
    title: str = ""
    native: Any = None


class Reports(Protocol):
    """What an agent tells the host.  None of it raises, blocks or needs an answer."""

    def event(self, name: str, data: Any) -> None:
        """Something happened in the conversation; see the module for names and data."""

    def spawned(self, process: Process) -> None:
        """A process runs for this agent, alone or for others too."""

    def asked(self, question: Question) -> None:
        """The agent waits for a decision; it comes by `Agent.answer`."""

    def settled(self, key: str, why: str) -> None:
        """The agent no longer waits for a decision, for a reason of its own."""

    def turn_began(self, native_id: str | None) -> None:
        """A turn runs; one that nobody submitted (a compaction, say) is told so as well."""

    def turn_ended(self, status: TurnStatus, reason: str = "", native: Any = None) -> None:
        """The turn is over.  What the agent left open was reported as cut before."""

    def gone(self, how: Exit) -> None:
        """The agent's process has ended, whether it was asked to or not: the last report."""


class Agent(Protocol):
    """One conversation with a running agent; every verb may raise `HostError`.

    Verbs return when the agent has understood, not when it is done: none waits for a turn.
    An agent that goes while a verb waits makes it raise `AgentFailed`.
    """

    can: Abilities

    async def start(self) -> Started:
        """Begin: a new conversation, or with ``launch.resume`` one that was.

        :raises AgentFailed: the program cannot be run, went, or refused; nothing remains.
        """

    async def submit(self, draft: TurnDraft) -> str | None:
        """Begin a turn; return the agent's own name for it, if it has one."""

    async def steer(self, given: Sequence[Item]) -> None:
        """Add to the running turn."""

    async def interrupt(self) -> None:
        """Stop the running turn and what it runs; `Reports.turn_ended` follows."""

    async def compact(self) -> None:
        """Shorten the conversation; it may be a turn of its own."""

    async def set_model(self, draft: ModelDraft) -> None:
        """Use another model from now on."""

    async def answer(self, question: Question, answer: Answer) -> None:
        """Tell the agent what was decided."""

    async def stop(self) -> None:
        """End in order and leave nothing behind; `Reports.gone` comes before it returns."""


class Driver(Protocol):
    """Makes agents of one kind."""

    def agent(self, launch: Launch, reports: Reports) -> Agent:
        """Return an agent that is not started yet; ``launch.cwd`` is there and allowed.

        :raises HostError: it cannot be started this way.
        """

    async def close(self) -> None:
        """Let go of what agents shared; they are all stopped."""


class DriverEntryPoint(Protocol):
    """What an entry point of ``sxhost.drivers`` names."""

    def __call__(self, spawn: Spawn, clock: IReactorTime) -> Driver:
        """Return the driver; nothing runs yet."""


# Between driver and child.
