"""A crew of agents that do what a test tells them: for what stands above the drivers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.internet.defer import Deferred

from sxhost.drivers.contracts import Reports, Started
from sxhost.errors import BadField
from sxhost.model.approval import Answer, Question
from sxhost.model.turn import Abilities, Item, Launch, ModelDraft, Process, TurnDraft, text_of
from sxhost.process.contracts import Exit


class FakeAgent:
    """An agent whose `did` is what it was told; the test reports in its name."""

    def __init__(self, launch: Launch, reports: Reports, driver: FakeDriver) -> None:
        self.launch = launch
        self.thread = ""
        self.reports = reports
        self.can = driver.can
        self.did: list[tuple[Any, ...]] = []
        self.refuse: Exception | None = driver.refuse
        self.slow: Deferred[None] | None = driver.slow
        self._driver = driver

    async def start(self) -> Started:
        self._driver.agents.append(self)
        self._do("start", self.launch.resume)
        if self.slow is not None:
            await self.slow
        if self.refuse is not None:
            raise self.refuse
        self.reports.spawned(Process(4242, 7))
        return Started(native_id=self.launch.resume or f"native-{len(self._driver.agents)}")

    async def submit(self, draft: TurnDraft) -> str | None:
        self._do("submit", text_of(draft.input))
        return f"t{len(self.did)}"

    async def steer(self, given: Sequence[Item]) -> None:
        self._do("steer", text_of(list(given)))

    async def interrupt(self) -> None:
        self._do("interrupt")

    async def compact(self) -> None:
        self._do("compact")

    async def set_model(self, draft: ModelDraft) -> None:
        self._do("set_model", draft.model)

    async def command(self, method: str, /, **_params: Any) -> dict[str, Any]:
        """Do what only this kind of agent can; see the agents of codex and pi."""
        self._do("command", method)
        return {}

    async def answer(self, question: Question, answer: Answer) -> None:
        self._do("answer", question.key, answer.decision)

    async def stop(self) -> None:
        self._do("stop")
        self.reports.gone(Exit(code=0, asked=True))

    def _do(self, what: str, *given: Any) -> None:
        self.did.append((what, *given))
        if self.refuse is not None and what != "start":
            raise self.refuse


class FakeDriver:
    """Makes such agents, and remembers them."""

    def __init__(self, **can: bool) -> None:
        self.can = Abilities(**{"steer": True, "resume": True, "compact": True, **can})
        self.agents: list[FakeAgent] = []
        self.refuse: Exception | None = None
        self.slow: Deferred[None] | None = None

    def agent(self, launch: Launch, reports: Reports) -> FakeAgent:
        return FakeAgent(launch, reports, self)

    async def close(self) -> None:
        """Nothing is shared."""


class Crew:
    """The drivers of a host in memory; `last` is the agent that was started last."""

    def __init__(self, **drivers: FakeDriver) -> None:
        self.drivers = drivers or {"fake": FakeDriver()}

    def __call__(self, agent: str) -> FakeDriver:
        if agent not in self.drivers:
            raise BadField("agent", "There is none.")
        return self.drivers[agent]

    @property
    def last(self) -> FakeAgent:
        """The agent that was started last."""
        return next(iter(self.drivers.values())).agents[-1]

    async def close(self) -> None:
        """Nothing is shared."""


def question(key: str = "q1", **fields: Any) -> Question:
    choices = ["approve", "approve_session", "deny", "cancel"]
    kind = {"kind": "command", "title": "Run rm", "choices": choices}
    return Question(key=key, **{**kind, **fields})
