"""The driver of agents that have a process each."""

from __future__ import annotations

from twisted.internet.task import Clock

from sxhost.drivers.kit.program_driver import program_driver
from sxhost.model.turn import Launch
from sxhost.testing import FakeAgent, FakeDriver, result_of
from tests.support.fake_children import FakeReports, FakeSpawn


def test_it_makes_an_agent_of_each_launch() -> None:
    spawn, clock, reports = FakeSpawn(), Clock(), FakeReports()
    make = program_driver(
        lambda launch, reports, *_parts: FakeAgent(launch, reports, FakeDriver())
    )
    driver = make(spawn, clock)
    first, second = (driver.agent(Launch(agent="x", id=name), reports) for name in "ab")
    assert (first.launch.id, second.launch.id) == ("a", "b")
    result_of(driver.close())
    assert spawn.children == []
