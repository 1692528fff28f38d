"""What holds for a hosted agent, and what of it a turn changes."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from sxhost.agents.settings import (
    PERSISTENT_FIELDS,
    apply_turn,
    check_turn,
    describe_changes,
    describe_launch,
    in_force,
)
from sxhost.drivers.codex.requests import start_of
from sxhost.model.caller import HOST
from sxhost.model.rights import TURN_SCOPES
from sxhost.model.turn import Launch, TurnDraft

LAUNCH = Launch(agent="codex", cwd="/w", approval_policy="untrusted", sandbox="read-only")
POLICY: dict[str, Any] = {"type": "workspaceWrite", "networkAccess": True}


def test_every_turn_field_but_the_input_is_a_setting() -> None:
    assert {*PERSISTENT_FIELDS, "input"} == set(TURN_SCOPES)


@pytest.mark.parametrize("name", ["model", "effort", "cwd", "approval_policy", "sandbox"])
def test_settings_of_a_turn_persist(name: str) -> None:
    new: dict[str, Any] = {name: "new"}
    draft = TurnDraft(input="x", **new)
    assert apply_turn(LAUNCH, draft) == replace(LAUNCH, **new)
    assert check_turn(HOST, "a", draft, LAUNCH) == new
    assert check_turn(HOST, "a", draft, apply_turn(LAUNCH, draft)) == {}


def test_settings_of_one_turn_only_do_not_persist() -> None:
    native = {"outputSchema": {}, "sandboxPolicy": POLICY}
    draft = TurnDraft(input="x", native=native)
    assert apply_turn(replace(LAUNCH, agent="pi"), draft) == replace(LAUNCH, agent="pi")
    assert apply_turn(LAUNCH, draft).native == {"sandboxPolicy": POLICY}


def test_native_codex_object_replaces_the_setting_and_back() -> None:
    wide = apply_turn(LAUNCH, TurnDraft(input="x", native={"sandboxPolicy": POLICY}))
    assert in_force(wide) == ("untrusted", '{"type":"workspaceWrite","networkAccess":true}')
    assert start_of(wide)["sandbox"] == "workspace-write"
    assert "sandboxPolicy" not in start_of(wide)
    narrow = apply_turn(wide, TurnDraft(input="x", sandbox="read-only"))
    assert (narrow, in_force(narrow)) == (LAUNCH, ("untrusted", "read-only"))


def test_sandbox_that_a_thread_cannot_start_with_is_set_by_its_turns() -> None:
    for kind in ("externalSandbox", 7):
        native = {"sandboxPolicy": {"type": kind}}
        assert "sandbox" not in start_of(
            apply_turn(LAUNCH, TurnDraft(input="x", native=native))
        )


def test_attached_session_has_no_settings() -> None:
    assert in_force(None) == (None, None)


def test_long_setting_is_shortened_in_the_audit() -> None:
    assert describe_changes({"native": {"a": "x" * 500}}) == 'native={"a":"' + "x" * 194
    assert describe_launch(Launch(agent="pi", command=["pi", "x"])) == 'pi: command=["pi","x"]'
