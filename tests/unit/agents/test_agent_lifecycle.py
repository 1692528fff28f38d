"""The life of an agent: every input in every state, and a machine beside a model."""

from __future__ import annotations

from itertools import pairwise, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sxhost.agents.lifecycle import Life, Named, new_life
from sxhost.errors import AgentFailed, HostError, NoTurn, TurnInProgress

INPUTS = ["start", "ready", "begin", "meddle", "asked", "answered", "over", "stop", "gone"]
WAYS: dict[str, list[str]] = {
    "gone": [],
    "starting": ["start"],
    "idle": ["start", "ready"],
    "running": ["start", "ready", "begin"],
    "waiting": ["start", "ready", "begin", "asked"],
    "stopping": ["start", "stop"],
}
"""How each state is come to."""

GOES = {
    ("gone", "start"): "starting",
    ("starting", "ready"): "idle",
    ("idle", "begin"): "running",
    ("running", "asked"): "waiting",
    ("waiting", "answered"): "running",
    ("running", "over"): "idle",
    ("waiting", "over"): "idle",
    **{(state, "stop"): "stopping" for state in WAYS if state != "gone"},
    **{(state, "gone"): "gone" for state in WAYS},
}
REFUSES: dict[tuple[str, str], type[HostError]] = {
    **{(state, "begin"): TurnInProgress for state in ("running", "waiting")},
    **{(state, "begin"): AgentFailed for state in ("gone", "starting", "stopping")},
    **{(state, "meddle"): NoTurn for state in ("gone", "starting", "idle", "stopping")},
}
"""All else changes nothing."""


def life_in(state: str) -> Life:
    life = new_life(Named("a"))
    for said in WAYS[state]:
        getattr(life, said)()
    assert life.name() == state
    return life


def step(life: Life, state: str, said: str) -> str:
    """Say it; return the state that must be the next."""
    refusal = REFUSES.get((state, said))
    if refusal is None:
        assert getattr(life, said)() is None
    else:
        with pytest.raises(refusal, match="a"):
            getattr(life, said)()
    return GOES.get((state, said), state)


@pytest.mark.parametrize(("state", "said"), list(product(WAYS, INPUTS)))
def test_every_input_in_every_state(state: str, said: str) -> None:
    life = life_in(state)
    expected = step(life, state, said)
    assert life.name() == expected


@given(st.lists(st.sampled_from(INPUTS), max_size=60))
def test_a_life_goes_as_the_table_says(inputs: list[str]) -> None:
    life, state = new_life(Named("a")), "gone"
    for said in inputs:
        state = step(life, state, said)
        assert life.name() == state


@given(st.lists(st.sampled_from(INPUTS), max_size=60))
def test_only_one_that_is_idle_begins(inputs: list[str]) -> None:
    life = new_life(Named("a"))
    states = [life.name()]
    for said in inputs:
        try:
            getattr(life, said)()
        except HostError:
            assert life.name() == states[-1], "a refusal changes nothing"
        states.append(life.name())
    for before, now in pairwise(states):
        assert now != "running" or before in ("idle", "running", "waiting")
        assert now != "idle" or before in ("starting", "idle", "running", "waiting")


def test_lives_are_apart() -> None:
    one, other = new_life(Named("a")), new_life(Named("b"))
    one.start()
    assert (one.name(), other.name()) == ("starting", "gone")
