"""What codexd's clients ask for, as launches, turns and steers."""

from __future__ import annotations

from typing import Any

import pytest

from sxhost.errors import BadField
from sxhost.faces.codexd.requests import Refusal, SessionInput, TurnInput
from sxhost.faces.codexd.requests_to_host import (
    launch_of,
    native_turn_of,
    steer_input_of,
    turn_draft_of,
)
from sxhost.model.turn import File, Image, LocalImage, Text


def turn(given: Any, **fields: Any) -> TurnInput:
    return TurnInput(session_id="s", input=given, **fields)


def test_a_launch_with_nothing_said() -> None:
    launch = launch_of(SessionInput())
    assert (launch.agent, launch.native, launch.resume) == ("codex", {}, None)
    assert launch.metadata == {"codexd": {"purpose": "duplex"}}


def test_a_launch_with_all() -> None:
    launch = launch_of(
        SessionInput(
            approval_policy="never",
            base_instructions="b",
            config={"a": 1},
            cwd="/w",
            developer_instructions="d",
            ephemeral=False,
            metadata={"k": "v"},
            model="m",
            model_provider="p",
            personality="q",
            purpose="worker",
            sandbox={"type": "x"},
            service_tier="flex",
            thread_id="t",
        )
    )
    native = {
        "approvalPolicy": "never",
        "baseInstructions": "b",
        "config": {"a": 1},
        "developerInstructions": "d",
        "ephemeral": False,
        "personality": "q",
        "sandbox": {"type": "x"},
        "serviceTier": "flex",
    }
    assert launch.native == native
    assert launch.metadata == {"k": "v", "codexd": {**native, "purpose": "worker"}}
    assert (launch.cwd, launch.model, launch.provider, launch.resume) == ("/w", "m", "p", "t")
    assert (launch.approval_policy, launch.sandbox) == ("never", None)


def test_metadata_that_is_called_as_ours_is_not_lost() -> None:
    launch = launch_of(SessionInput(metadata={"codexd": "x"}))
    kept = launch.metadata["codexd"]
    assert isinstance(kept, dict)
    assert kept["metadata"] == {"codexd": "x"}


def test_what_is_too_long_is_refused() -> None:
    with pytest.raises(BadField, match="model"):
        launch_of(SessionInput(model="x" * 513))
    with pytest.raises(BadField, match="cwd"):
        turn_draft_of(turn("x", cwd="x" * 5000))


def test_a_turn_of_words() -> None:
    draft = turn_draft_of(turn("hello", effort="low", model="m", approval_policy="never"))
    assert (draft.input, draft.effort, draft.model) == ("hello", "low", "m")
    assert (draft.approval_policy, draft.native) == ("never", {})


def test_a_turn_of_items_goes_to_codex_as_it_is() -> None:
    items = [
        {"type": "text", "text": "look"},
        {"type": "skill", "name": "s", "path": "/s"},
        {"type": "image", "url": "https://x"},
        7,
    ]
    given = turn(items, summary="auto")
    assert turn_draft_of(given).input == "look\n[/s]\n[image]\n[item]"
    assert native_turn_of(given) == {"input": items, "summary": "auto"}


def test_what_widens_is_no_mere_word() -> None:
    policies = {"approval_policy": {"granular": {}}, "collaboration_mode": {"mode": "plan"}}
    given = turn("x", sandbox_policy={"type": "readOnly", "networkAccess": True}, **policies)
    draft = turn_draft_of(given)
    assert draft.native == {
        "approvalPolicy": {"granular": {}},
        "collaborationMode": {"mode": "plan"},
        "sandboxPolicy": {"type": "readOnly", "networkAccess": True},
    }
    assert (draft.approval_policy, draft.sandbox, native_turn_of(given)) == (None, None, {})


def test_a_sandbox_may_be_a_name() -> None:
    for policy in ("read-only", {"type": "readOnly"}):
        draft = turn_draft_of(turn("x", sandbox_policy=policy))
        assert (draft.sandbox, draft.native) == ("read-only", {})
    assert turn_draft_of(turn("x", sandbox_policy={"type": 7})).native["sandboxPolicy"] == {
        "type": 7
    }


def test_a_steer() -> None:
    assert steer_input_of(turn("more")) == "more"
    items = [
        {"type": "text", "text": "a", "text_elements": []},
        {"type": "image", "url": "u"},
        {"type": "localImage", "path": "p"},
        {"type": "mention", "name": "n", "path": "q"},
    ]
    expected = [Text(text="a"), Image(url="u"), LocalImage(path="p"), File(path="q")]
    assert steer_input_of(turn(items)) == expected


@pytest.mark.parametrize("item", [7, {}, {"type": "skill", "path": "x"}, {"type": "text"}])
def test_a_steer_with_what_only_codex_knows(item: Any) -> None:
    with pytest.raises(Refusal, match="takes items of text"):
        steer_input_of(turn([item]))
