"""The life of an agent: every input in every state, and a machine beside a model."""

from __future__ import annotations

from itertools import pairwise, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sxhost.agents.lifecycle import Context, Life, new_life
from sxhost.errors import AgentFailed, HostError, NoTurn, TurnInProgress

INPUTS = [
    "start", "ready", "begin_turn", "check_turn_runs", "ask_for_decision", "resume_turn",
    "end_turn", "stop", "process_ended",
]  # fmt: skip
WAYS: dict[str, list[str]] = {
    "gone": [],
    "starting": ["start"],
    "idle": ["start", "ready"],
    "running": ["start", "ready", "begin_turn"],
    "waiting": ["start", "ready", "begin_turn", "ask_for_decision"],
    "stopping": ["start", "stop"],
}
"""How each state is come to."""

GOES = {
    ("gone", "start"): "starting",
    ("starting", "ready"): "idle",
    ("idle", "begin_turn"): "running",
    ("running", "ask_for_decision"): "waiting",
    ("waiting", "resume_turn"): "running",
    ("running", "end_turn"): "idle",
    ("waiting", "end_turn"): "idle",
    **{(state, "stop"): "stopping" for state in WAYS if state != "gone"},
    **{(state, "process_ended"): "gone" for state in WAYS},
}
REFUSES: dict[tuple[str, str], type[HostError]] = {
    **{(state, "begin_turn"): TurnInProgress for state in ("running", "waiting")},
    **{(state, "begin_turn"): AgentFailed for state in ("gone", "starting", "stopping")},
    **{
        (state, "check_turn_runs"): NoTurn for state in ("gone", "starting", "idle", "stopping")
    },
}
"""All else changes nothing."""


def life_in(state: str) -> Life:
    life = new_life(Context("a"))
    for name in WAYS[state]:
        getattr(life, name)()
    assert life.name() == state
    return life


def step(life: Life, state: str, name: str) -> str:
    """Give an input; return the state that must be the next."""
    refusal = REFUSES.get((state, name))
    if refusal is None:
        assert getattr(life, name)() is None
    else:
        with pytest.raises(refusal, match="a"):
            getattr(life, name)()
    return GOES.get((state, name), state)


@pytest.mark.parametrize(("state", "name"), list(product(WAYS, INPUTS)))
def test_every_input_is_defined_in_every_state(state: str, name: str) -> None:
    life = life_in(state)
    expected = step(life, state, name)
    assert life.name() == expected


@given(st.lists(st.sampled_from(INPUTS), max_size=60))
def test_lifecycle_follows_the_table(inputs: list[str]) -> None:
    life, state = new_life(Context("a")), "gone"
    for name in inputs:
        state = step(life, state, name)
        assert life.name() == state


@given(st.lists(st.sampled_from(INPUTS), max_size=60))
def test_only_an_idle_lifecycle_starts(inputs: list[str]) -> None:
    life = new_life(Context("a"))
    states = [life.name()]
    for name in inputs:
        try:
            getattr(life, name)()
        except HostError:
            assert life.name() == states[-1], "a refusal changes nothing"
        states.append(life.name())
    for before, now in pairwise(states):
        assert now != "running" or before in ("idle", "running", "waiting")
        assert now != "idle" or before in ("starting", "idle", "running", "waiting")


def test_lifecycles_are_independent() -> None:
    one, other = new_life(Context("a")), new_life(Context("b"))
    one.start()
    assert (one.name(), other.name()) == ("starting", "gone")
