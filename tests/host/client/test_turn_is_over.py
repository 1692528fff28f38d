"""What `sxhost interrupt` waits for: a turn that was told to stop is over, or goes on."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from sxhost.cli.agents import STOP_LOOK_S, STOP_LOOKS, is_turn_over
from sxhost.model.turn import Launch, TurnDraft
from sxhost.testing import HostInMemory, is_done, result_of, started
from tests.host.client.test_client_agents import do


def begin(lab: HostInMemory) -> Any:
    """Interrupt a turn, and begin to look whether it stops."""
    do(lab, lab.service.start(Launch(agent="fake", id="a")))
    do(lab, lab.service.submit("a", TurnDraft(input="go")))
    do(lab, lab.service.interrupt("a"))
    link = cast("Any", SimpleNamespace(reactor=lab.clock))
    return started(is_turn_over(link, lab.client, "a"))


def look(lab: HostInMemory) -> None:
    lab.clock.advance(STOP_LOOK_S)
    lab.treq.flush()


def test_a_turn_that_stops_is_over(lab: HostInMemory) -> None:
    looking = begin(lab)
    look(lab)
    assert not is_done(looking)
    lab.drivers.last.reports.turn_ended("interrupted")
    lab.clock.advance(0)
    look(lab)
    assert result_of(looking) is True


def test_a_turn_that_goes_on_is_not(lab: HostInMemory) -> None:
    looking = begin(lab)
    for _ in range(STOP_LOOKS):
        look(lab)
    assert result_of(looking) is False


def test_whoever_may_not_look_is_not_kept(lab: HostInMemory) -> None:
    looking = begin(lab)
    do(lab, lab.service.forget("a"))
    look(lab)
    assert result_of(looking) is True
