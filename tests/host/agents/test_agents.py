"""A host that runs no agents, and what one that does is given by default."""

from __future__ import annotations

import pytest

from sxhost.agents.dependencies import NO_AGENTS, Agents
from sxhost.errors import BadField
from sxhost.model.turn import Process
from sxhost.testing import FakeDrivers, result_of


def test_without_drivers_every_agent_is_refused() -> None:
    with pytest.raises(BadField, match="runs no agents, not codex either"):
        NO_AGENTS.drivers("codex")
    result_of(NO_AGENTS.drivers.close())


def test_default_dependencies_ask_a_person() -> None:
    agents = Agents(FakeDrivers())
    assert agents.rules is None
    assert not agents.resume_at_boot
    agents.hold(True)
    result_of(agents.reap([Process(1, 2)]))  # type: ignore[arg-type]
