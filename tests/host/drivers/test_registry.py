"""The drivers that are installed, each made once and when it is wanted."""

from __future__ import annotations

from typing import Any, cast

import pytest
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import Clock

from sxhost.drivers.contracts import DriverEntryPoint
from sxhost.drivers.registry import Registry, installed
from sxhost.errors import AgentFailed, BadField
from sxhost.model.turn import Launch
from sxhost.process.contracts import Spawn
from sxhost.testing import FakeDriver, is_done, result_of, started
from tests.support.fake_children import FakeReports, FakeSpawn


class Counted(FakeDriver):
    """A driver that knows what it was made with, and whether it was let go of."""

    def __init__(self, spawn: Spawn, clock: IReactorTime) -> None:
        super().__init__()
        self.given = (spawn, clock)
        self.closed = 0

    async def close(self) -> None:
        self.closed += 1


def counted() -> DriverEntryPoint:
    return Counted


def test_all_of_ours_are_installed_and_can_be_made() -> None:
    known = installed()
    assert {"codex", "pi", "claude", "acp", "echo"} <= known.keys()
    for load in known.values():
        driver = load()(FakeSpawn(), Clock())
        result_of(driver.close())


@pytest.mark.parametrize("given", [None, ["/opt/gemini", "--acp", "--debug"]])
def test_acp_agent_that_is_known_has_its_command(given: list[str] | None) -> None:
    spawn = FakeSpawn()
    driver = installed()["gemini"]()(spawn, Clock())
    agent = driver.agent(Launch(agent="gemini", command=given), FakeReports())
    starting = started(agent.start())
    assert list(spawn.children[-1].command.argv) == (given or ["gemini", "--acp"])
    assert not is_done(starting)
    spawn.child.die()
    with pytest.raises(AgentFailed):
        result_of(starting)


def test_each_is_made_once_and_let_go_of_once() -> None:
    spawn, clock = FakeSpawn(), Clock()
    registry = Registry({"a": counted, "b": counted}, spawn, clock)
    drivers = [registry("a"), registry("b"), registry("a")]
    assert drivers[0] is drivers[2]
    made = cast("list[Counted]", drivers[:2])
    assert [driver.given for driver in made] == [(spawn, clock)] * 2
    result_of(registry.close())
    result_of(registry.close())
    assert [driver.closed for driver in made] == [1, 1]
    assert registry("a") is not drivers[0]


def test_nothing_is_loaded_that_nobody_wants() -> None:
    def load() -> Any:
        raise AssertionError

    result_of(Registry({"a": load}, FakeSpawn(), Clock()).close())


def test_an_unknown_name_is_told_the_known_ones() -> None:
    registry = Registry({"pi": counted, "codex": counted}, FakeSpawn(), Clock())
    with pytest.raises(BadField, match=r"choose one of codex, pi\."):
        registry("clippy")
