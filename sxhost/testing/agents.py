"""Agents that do what a test tells them, for tests of what stands above the drivers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Raw
from msgspec.structs import replace
from twisted.internet.defer import Deferred

from sxhost.drivers.contracts import NativeAnswer, Reports, Started
from sxhost.errors import BadField
from sxhost.model.approval import Answer, Question
from sxhost.model.handover import TerminalProgram
from sxhost.model.turn import (
    Abilities,
    Item,
    Launch,
    ModelDraft,
    Process,
    TurnDraft,
    input_text,
)
from sxhost.process.contracts import ChildExit


class FakeAgent:
    """An agent that records in `did` each call that it gets; the test reports by `reports`.

    :ivar did: the calls: ``("submit", "fix the test")``, ``("answer", key, decision)`` …
    :ivar refuse: what every call raises; None (the usual) lets calls succeed.
    :ivar slow: what `start` waits for, if it is not None.
    """

    def __init__(self, launch: Launch, reports: Reports, driver: FakeDriver) -> None:
        self.launch = launch
        self.reports = reports
        self.can = driver.can
        self.did: list[tuple[Any, ...]] = []
        self.refuse: Exception | None = driver.refuse
        self.slow: Deferred[None] | None = driver.slow
        self._driver = driver

    async def start(self) -> Started:
        """Start, or fail as the test wishes."""
        self._driver.agents.append(self)
        self._do("start", self.launch.resume)
        if self.slow is not None:
            await self.slow
        if self.refuse is not None:
            raise self.refuse
        self.reports.spawned(Process(4242, 7))
        return Started(native_id=self.launch.resume or f"native-{len(self._driver.agents)}")

    async def submit(self, draft: TurnDraft) -> str | None:
        """Note a turn's input; return the turn's name."""
        self._do("submit", input_text(draft.input))
        return f"t{len(self.did)}"

    async def steer(self, given: Sequence[Item]) -> None:
        """Note what is added to the running turn."""
        self._do("steer", input_text(list(given)))

    async def interrupt(self) -> None:
        """Note that the turn is interrupted."""
        self._do("interrupt")

    async def compact(self) -> None:
        """Note that the context is compacted."""
        self._do("compact")

    async def set_model(self, draft: ModelDraft) -> None:
        """Note the model that is set."""
        self._do("set_model", draft.model)

    async def native_command(self, name: str, params: Mapping[str, Any]) -> NativeAnswer:
        """Note a command of the agent's own protocol; its result is an empty object."""
        self._do("native_command", name, params)
        return NativeAnswer(result=Raw(b"{}"))

    async def answer(self, question: Question, answer: Answer) -> None:
        """Note the decision on a question."""
        self._do("answer", question.key, answer.decision)

    async def stop(self) -> None:
        """Note the stop, and end in order."""
        self._do("stop")
        self.reports.exited(ChildExit(code=0, asked=True))

    def _do(self, what: str, *given: Any) -> None:
        self.did.append((what, *given))
        if self.refuse is not None and what != "start":
            raise self.refuse


class FakeDriver:
    """Makes fake agents with the abilities `can`; `agents` are those that were started.

    `refuse` and `slow` are those of the agents that it makes from then on.
    """

    def __init__(self, **can: bool) -> None:
        self.can = replace(Abilities(steer=True, resume=True, compact=True), **can)
        self.agents: list[FakeAgent] = []
        self.refuse: Exception | None = None
        self.slow: Deferred[None] | None = None

    def agent(self, launch: Launch, reports: Reports) -> FakeAgent:
        """Make an agent; it is in `agents` once it is started."""
        return FakeAgent(launch, reports, self)

    def terminal_program(self, launch: Launch) -> TerminalProgram | None:
        """Return a program of its own, unless its agents cannot resume a conversation."""
        argv = [launch.agent, "--resume", launch.resume or ""]
        return TerminalProgram(argv=argv, cwd=launch.cwd or ".") if self.can.resume else None

    async def close(self) -> None:
        """Nothing is shared."""


class FakeDrivers:
    """The drivers of a host in memory, by agent: ``FakeDrivers(codex=FakeDriver())``.

    Without arguments there is one, of the agent `fake`.
    """

    def __init__(self, **drivers: FakeDriver) -> None:
        self.by_agent = drivers or {"fake": FakeDriver()}

    def __call__(self, agent: str) -> FakeDriver:
        """Return the driver of an agent."""
        if agent not in self.by_agent:
            raise BadField("agent", "There is none.")
        return self.by_agent[agent]

    @property
    def last(self) -> FakeAgent:
        """The agent of the first driver that was started last."""
        return next(iter(self.by_agent.values())).agents[-1]

    async def close(self) -> None:
        """Nothing is shared."""


def question(key: str = "q1", **fields: Any) -> Question:
    """Return a question whether a command may run, with other `fields` as the test wishes."""
    choices = ["approve", "approve_session", "deny", "cancel"]
    kind = {"kind": "command", "title": "Run rm", "choices": choices}
    return Question(key=key, **{**kind, **fields})
