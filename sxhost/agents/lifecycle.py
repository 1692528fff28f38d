"""The life of a hosted agent: one machine for all of them.

::

    starting --ready--> idle --begin_turn--> running --ask_for_decision--> waiting
        |                ^                     | ^                            |
        |                |                     | '---------resume_turn--------|
        |                '-------end_turn------'-----------end_turn-----------'
        |
        '--process_ended--> gone <--process_ended-- (any)      (any) --stop--> stopping
                             gone --start--> starting

What makes no sense in a state is refused with the sentence that a client is told.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from automat import TypeMachineBuilder
from msgspec import Struct

from sxhost.errors import AgentFailed, NoTurn, TurnInProgress
from sxhost.model.turn import AgentState

__all__ = ["Context", "Life", "new_life"]


class Life(Protocol):
    """The inputs of the machine, and its one question."""

    def start(self) -> None:
        """The agent is being started; only one that is gone can be."""

    def ready(self) -> None:
        """The agent takes turns now."""

    def begin_turn(self) -> None:
        """A turn begins.

        :raises TurnInProgress: one runs.
        :raises AgentFailed: there is no agent that could.
        """

    def check_turn_runs(self) -> None:
        """Somebody wants to steer or interrupt the turn; nothing changes.

        :raises NoTurn: none runs.
        """

    def ask_for_decision(self) -> None:
        """The agent waits for a decision."""

    def resume_turn(self) -> None:
        """The agent waits for no decision any more."""

    def end_turn(self) -> None:
        """The turn is over."""

    def stop(self) -> None:
        """The agent was asked to end."""

    def process_ended(self) -> None:
        """The agent's process has ended."""

    def name(self) -> AgentState:
        """Return the state's name."""


class Context(Struct, frozen=True):
    """What the machine knows of the agent: whose it is, for its refusals."""

    session_id: str


_builder = TypeMachineBuilder(Life, Context)
_gone = _builder.state("gone")
_starting = _builder.state("starting")
_idle = _builder.state("idle")
_running = _builder.state("running")
_waiting = _builder.state("waiting")
_stopping = _builder.state("stopping")

_NAMES: Sequence[AgentState] = ("gone", "starting", "idle", "running", "waiting", "stopping")
_STATES = (_gone, _starting, _idle, _running, _waiting, _stopping)

for _state, _event, _next in (
    (_gone, Life.start, _starting),
    (_starting, Life.ready, _idle),
    (_idle, Life.begin_turn, _running),
    (_running, Life.ask_for_decision, _waiting),
    (_waiting, Life.resume_turn, _running),
    (_running, Life.end_turn, _idle),
    (_waiting, Life.end_turn, _idle),
    *((state, Life.stop, _stopping) for state in (_starting, _idle, _running, _waiting)),
    *((state, Life.process_ended, _gone) for state in _STATES),
):
    _state.upon(_event).to(_next).returns(None)

# What changes nothing: it comes late, early or twice.
for _state, *_events in (
    (_gone, Life.ready, Life.ask_for_decision, Life.resume_turn, Life.end_turn, Life.stop),
    (_starting, Life.start, Life.ask_for_decision, Life.resume_turn, Life.end_turn),
    (_idle, Life.start, Life.ready, Life.ask_for_decision, Life.resume_turn, Life.end_turn),
    (_running, Life.start, Life.ready, Life.resume_turn, Life.check_turn_runs),
    (_waiting, Life.start, Life.ready, Life.ask_for_decision, Life.check_turn_runs),
    (
        _stopping,
        Life.start,
        Life.ready,
        Life.ask_for_decision,
        Life.resume_turn,
        Life.end_turn,
        Life.stop,
    ),
):
    for _event in _events:
        _state.upon(_event).loop().returns(None)


def _refuse_second_turn(_life: Life, agent: Context) -> None:
    raise TurnInProgress(agent.session_id)


def _refuse_without_turn(_life: Life, agent: Context) -> None:
    raise NoTurn(agent.session_id)


def _refuse_without_agent(_life: Life, agent: Context) -> None:
    raise AgentFailed(f"The agent of {agent.session_id!r} is not there: it starts or ends.")


for _state in (_running, _waiting):
    _state.upon(Life.begin_turn).loop()(_refuse_second_turn)
for _state in (_gone, _starting, _stopping):
    _state.upon(Life.begin_turn).loop()(_refuse_without_agent)
for _state in (_gone, _starting, _idle, _stopping):
    _state.upon(Life.check_turn_runs).loop()(_refuse_without_turn)
for _name, _state in zip(_NAMES, _STATES, strict=True):
    _state.upon(Life.name).loop().returns(_name)

new_life = _builder.build()
"""Make the machine of an agent that is not there yet; its argument is a `Context`."""
