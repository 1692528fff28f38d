"""The life of a hosted agent: one machine for all of them.

::

    starting --ready--> idle --begin--> running --asked--> waiting
        |                ^                 |  ^--answered-----|
        |                '-----over--------'------over--------'
        '--gone--> gone <--gone-- (any)          (any) --stop--> stopping
         gone --start--> starting

What makes no sense in a state is refused with the sentence that a client is told.
"""

from __future__ import annotations

from typing import Any, Protocol

from automat import TypeMachineBuilder
from msgspec import Struct

from sxhost.errors import AgentFailed, NoTurn, TurnInProgress
from sxhost.model.turn import AgentState

__all__ = ["Life", "Named", "new_life"]


class Life(Protocol):
    """What can happen to an agent, and what can be asked of it."""

    def start(self) -> None:
        """It is being started; only one that is gone can be."""

    def ready(self) -> None:
        """It takes turns now."""

    def begin(self) -> None:
        """A turn begins.

        :raises TurnInProgress: one runs.
        :raises AgentFailed: there is no agent that could.
        """

    def meddle(self) -> None:
        """Steer or interrupt the running turn.

        :raises NoTurn: none runs.
        """

    def asked(self) -> None:
        """It waits for a decision."""

    def answered(self) -> None:
        """It waits for no decision any more."""

    def over(self) -> None:
        """The turn is over."""

    def stop(self) -> None:
        """It was asked to end."""

    def gone(self) -> None:
        """Its process has ended."""

    def name(self) -> AgentState:
        """Return the state's name."""


class Named(Struct, frozen=True):
    """What the machine knows of the agent."""

    session_id: str


_builder = TypeMachineBuilder(Life, Named)
_gone = _builder.state("gone")
_starting = _builder.state("starting")
_idle = _builder.state("idle")
_running = _builder.state("running")
_waiting = _builder.state("waiting")
_stopping = _builder.state("stopping")

_ALL: dict[AgentState, Any] = {
    "gone": _gone,
    "starting": _starting,
    "idle": _idle,
    "running": _running,
    "waiting": _waiting,
    "stopping": _stopping,
}

for _state, _event, _next in (
    (_gone, Life.start, _starting),
    (_starting, Life.ready, _idle),
    (_idle, Life.begin, _running),
    (_running, Life.asked, _waiting),
    (_waiting, Life.answered, _running),
    (_running, Life.over, _idle),
    (_waiting, Life.over, _idle),
    *((state, Life.stop, _stopping) for state in (_starting, _idle, _running, _waiting)),
    *((state, Life.gone, _gone) for state in _ALL.values()),
):
    _state.upon(_event).to(_next).returns(None)

# What changes nothing: late, early or said twice.
for _state, *_events in (
    (_gone, Life.ready, Life.asked, Life.answered, Life.over, Life.stop),
    (_starting, Life.start, Life.asked, Life.answered, Life.over),
    (_idle, Life.start, Life.ready, Life.asked, Life.answered, Life.over),
    (_running, Life.start, Life.ready, Life.answered, Life.meddle),
    (_waiting, Life.start, Life.ready, Life.asked, Life.meddle),
    (_stopping, Life.start, Life.ready, Life.asked, Life.answered, Life.over, Life.stop),
):
    for _event in _events:
        _state.upon(_event).loop().returns(None)


def _busy(_life: Life, agent: Named) -> None:
    raise TurnInProgress(agent.session_id)


def _no_turn(_life: Life, agent: Named) -> None:
    raise NoTurn(agent.session_id)


def _no_agent(_life: Life, agent: Named) -> None:
    raise AgentFailed(f"The agent of {agent.session_id!r} is not there: it starts or ends.")


for _state in (_running, _waiting):
    _state.upon(Life.begin).loop()(_busy)
for _state in (_gone, _starting, _stopping):
    _state.upon(Life.begin).loop()(_no_agent)
for _state in (_gone, _starting, _idle, _stopping):
    _state.upon(Life.meddle).loop()(_no_turn)
for _name, _state in _ALL.items():
    _state.upon(Life.name).loop().returns(_name)

new_life = _builder.build()
"""Make the machine of an agent that is not there yet; its argument is a `Named`."""
