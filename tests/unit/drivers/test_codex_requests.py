"""Drafts as parameters of codex's methods."""

from __future__ import annotations

from typing import Any

import pytest

from sxhost.drivers.codex.requests import input_of, resume_of, settings_of, start_of, turn_of
from sxhost.errors import BadField
from sxhost.model.turn import File, Image, Item, Launch, LocalImage, ModelDraft, Text, TurnDraft


def test_a_start_says_what_was_said_only() -> None:
    assert start_of(Launch(agent="codex", cwd="/w", model="", sandbox="")) == {"cwd": "/w"}


def test_a_start_with_everything() -> None:
    launch = Launch(
        agent="codex",
        cwd="/w",
        model="m",
        provider="p",
        approval_policy="never",
        sandbox="read-only",
        effort="high",
        native={"ephemeral": True, "cwd": "/v"},
    )
    assert start_of(launch) == {
        "cwd": "/w",
        "model": "m",
        "modelProvider": "p",
        "approvalPolicy": "never",
        "sandbox": "read-only",
        "ephemeral": True,
    }


@pytest.mark.parametrize("name", ["workspace-write", "workspaceWrite"])
def test_a_sandbox_has_two_spellings(name: str) -> None:
    assert start_of(Launch(agent="codex", sandbox=name)) == {"sandbox": "workspace-write"}
    policy = turn_of("t", TurnDraft(input="x", sandbox=name))["sandboxPolicy"]
    assert policy == {"type": "workspaceWrite"}


def test_a_resume_leaves_out_what_was_unless_told() -> None:
    launch = Launch(agent="codex", cwd="/w", resume="t")
    assert resume_of(launch) == {"threadId": "t", "cwd": "/w", "excludeTurns": True}
    whole = Launch(agent="codex", resume="t", native={"excludeTurns": False})
    assert resume_of(whole) == {"threadId": "t", "excludeTurns": False}


def test_a_turn() -> None:
    draft = TurnDraft(
        input="go",
        model="m",
        effort="low",
        cwd="/w",
        approval_policy="on-request",
        native={"summary": "concise"},
    )
    assert turn_of("t", draft) == {
        "threadId": "t",
        "input": [{"type": "text", "text": "go"}],
        "model": "m",
        "effort": "low",
        "cwd": "/w",
        "approvalPolicy": "on-request",
        "summary": "concise",
    }


def test_native_words_lead_to_no_other_conversation() -> None:
    native = {"threadId": "other", "cwd": "/etc"}
    turn = turn_of("t", TurnDraft(input="x", cwd="/w", native=native))
    assert (turn["threadId"], turn["cwd"]) == ("t", "/w")
    resumed = resume_of(Launch(agent="codex", cwd="/w", resume="t", native=native))
    assert (resumed["threadId"], resumed["cwd"]) == ("t", "/w")


def test_native_input_is_sent_as_it_is() -> None:
    skill = [{"type": "skill", "name": "s", "path": "/s"}]
    assert turn_of("t", TurnDraft(input="x", native={"input": skill}))["input"] == skill


@pytest.mark.parametrize(
    ("item", "words"),
    [
        (Text(text="a"), {"type": "text", "text": "a"}),
        (Image(data="AAAA"), {"type": "image", "url": "data:image/png;base64,AAAA"}),
        (Image(url="https://x/y.png"), {"type": "image", "url": "https://x/y.png"}),
        (LocalImage(path="/p.png"), {"type": "localImage", "path": "/p.png"}),
        (File(path="/f.txt"), {"type": "text", "text": "/f.txt"}),
    ],
)
def test_items(item: Item, words: dict[str, Any]) -> None:
    assert input_of([item]) == [words]


def test_settings() -> None:
    draft = ModelDraft(model="m", effort="high")
    assert settings_of("t", draft) == {"threadId": "t", "model": "m", "effort": "high"}


@pytest.mark.parametrize("name", ["cwd", "model", "effort"])
def test_what_the_host_looks_at_is_not_said_past_it(name: str) -> None:
    with pytest.raises(BadField, match=f"field `{name}`"):
        turn_of("t", TurnDraft(input="x", native={name: "/etc"}))
