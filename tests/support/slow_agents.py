"""Agents that take their time, on a clock: what the host has them do takes effect later."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Raw, json
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.task import Clock, deferLater

from sxhost.drivers.contracts import NativeAnswer, Reports, Started
from sxhost.errors import NoTurn, TurnInProgress
from sxhost.model.turn import Item, Launch, ModelDraft, TurnDraft
from sxhost.testing import FakeAgent, FakeDriver

__all__ = ["SlowDriver"]


class SlowDriver(FakeDriver):
    """Makes agents that take `delays` seconds for each call by its name; `work_s` for work."""

    def __init__(self, clock: Clock, delays: Mapping[str, float], work_s: float) -> None:
        super().__init__(set_model=True)
        self.clock = clock
        self.delays = delays
        self.work_s = work_s

    def agent(self, launch: Launch, reports: Reports) -> SlowAgent:
        return SlowAgent(launch, reports, self)


class SlowAgent(FakeAgent):
    """Does in the end what it is told; `did` has the calls when they take effect.

    A turn and other work end by themselves after a while, or when they are stopped; `did`
    tells which of it: ``("over", "completed")``, ``("over", "interrupted")``.
    """

    def __init__(self, launch: Launch, reports: Reports, driver: SlowDriver) -> None:
        super().__init__(launch, reports, driver)
        self._slowness = driver
        self._turn: IDelayedCall | None = None
        self._bashing: tuple[Deferred[None], IDelayedCall] | None = None
        self._over: Deferred[None] | None = None
        self._model = "m0"

    async def _take_time(self, what: str) -> None:
        seconds = self._slowness.delays.get(what, 0.0)
        if seconds:
            await deferLater(self._slowness.clock, seconds)

    async def start(self) -> Started:
        await self._take_time("start")
        return await super().start()

    async def submit(self, draft: TurnDraft) -> str | None:
        await self._take_time("submit")
        if self._turn is not None:
            raise TurnInProgress("s")
        name = await super().submit(draft)
        call_later = self._slowness.clock.callLater
        self._turn = call_later(self._slowness.work_s, self._end_turn, "completed")
        return name

    def _end_turn(self, status: Any) -> None:
        if self._turn is not None and self._turn.active():
            self._turn.cancel()
        self._turn = None
        self.did.append(("over", status))
        self.reports.turn_ended(status)
        if self._over is not None:
            over, self._over = self._over, None
            over.callback(None)

    async def steer(self, given: Sequence[Item]) -> None:
        await self._take_time("steer")
        if self._turn is None:
            raise NoTurn("s")
        await super().steer(given)

    async def interrupt(self) -> None:
        await self._take_time("interrupt")
        if self._turn is None:
            raise NoTurn("s")
        await super().interrupt()
        self._end_turn("interrupted")

    async def set_model(self, draft: ModelDraft) -> None:
        await self._take_time("set_model")
        await super().set_model(draft)
        self._model = draft.model or ""

    async def native_command(self, name: str, params: Mapping[str, Any]) -> NativeAnswer:
        do = {"get_state": self._get_state, "bash": self._bash, "compact": self._compact}
        if name in do:
            return await do[name]()
        await self._take_time(name)
        await super().native_command(name, params)
        if name == "abort_bash" and self._bashing is not None:
            self._end_bash("interrupted")
        return NativeAnswer(result=Raw(b"{}"))

    async def _get_state(self) -> NativeAnswer:
        await self._take_time("get_state")
        model = {"id": self._model, "provider": "p"}
        state = {"model": model, "isStreaming": self._turn is not None, "sessionId": "n"}
        return NativeAnswer(result=Raw(json.encode(state)))

    async def _bash(self) -> NativeAnswer:
        self.did.append(("bash",))
        over: Deferred[None] = Deferred()
        call_later = self._slowness.clock.callLater
        self._bashing = over, call_later(self._slowness.work_s, self._end_bash, "completed")
        await over
        return NativeAnswer(result=Raw(b'{"output":"","cancelled":false,"exitCode":0}'))

    def _end_bash(self, status: str) -> None:
        assert self._bashing is not None
        (over, end), self._bashing = self._bashing, None
        if end.active():
            end.cancel()
        self.did.append(("over", status))
        over.callback(None)

    async def _compact(self) -> NativeAnswer:
        """Compact as pi does, in a turn that pi reports once it has begun."""
        await self._take_time("compact")
        self.did.append(("compact",))
        over = self._over = Deferred[None]()
        call_later = self._slowness.clock.callLater
        self._turn = call_later(self._slowness.work_s, self._end_turn, "completed")
        self.reports.turn_started(None)
        await over
        return NativeAnswer(result=Raw(b"{}"))
