"""How pi is started: its arguments, the session it goes on with, what it is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sxhost.drivers.pi.launch import (
    arguments,
    check_launch,
    check_turn,
    prompt_fields,
    session_file,
)
from sxhost.errors import AgentFailed, BadField, Unsupported
from sxhost.model.turn import File, Image, Item, Launch, LocalImage, Text, TurnDraft
from tests.support.agents.recorded_pi import printed

ID = "01a1f9ef-0e5c-727a-b04d-7ac62c804d0a"
NAME = f"2026-11-20T17-09-15-997Z_{ID}.jsonl"


@pytest.fixture
def agent_dir(tmp_path: Path) -> Path:
    """Pi's directory, with one session in it."""
    place = tmp_path / "sessions" / "--w--"
    place.mkdir(parents=True)
    header = {"type": "session", "version": 3, "id": ID, "cwd": "/w"}
    (place / NAME).write_bytes(printed(header) + b"\n" + printed({"type": "message"}))
    return tmp_path


def resuming(agent_dir: Path, name: str, **more: Any) -> Launch:
    env = {"PI_CODING_AGENT_DIR": str(agent_dir)}
    return Launch(agent="pi", cwd=str(agent_dir), resume=name, env=env, **more)


def test_a_program_of_ones_own() -> None:
    launch = Launch(
        agent="pi",
        command=["node", "cli.js"],
        native={"args": ["--no-skills"], "extensions": ["a.js", "b.js"], "session_dir": "/s"},
    )
    expected = (
        "node cli.js --mode rpc --session-dir /s --session f.jsonl"
        " --extension a.js --extension b.js --no-skills"
    )
    assert arguments(launch, "f.jsonl") == expected.split()


def test_what_pi_does_not_have() -> None:
    check_launch(Launch(agent="pi", approval_policy="never", sandbox="danger-full-access"))
    with pytest.raises(Unsupported):
        check_launch(Launch(agent="pi", approval_policy="untrusted"))
    with pytest.raises(Unsupported):
        check_turn(TurnDraft(input="x", sandbox="read-only"), Launch(agent="pi"))
    with pytest.raises(BadField, match="unknown field"):
        check_launch(Launch(agent="pi", native={"profile": "x"}))
    check_turn(TurnDraft(input="x", cwd="/w"), Launch(agent="pi", cwd="/w"))


def test_a_new_session() -> None:
    assert session_file(Launch(agent="pi")) is None


def test_a_session_by_its_file(agent_dir: Path) -> None:
    path = str(agent_dir / "sessions" / "--w--" / NAME)
    assert session_file(resuming(agent_dir, path)) == path


def test_a_session_by_its_id(agent_dir: Path) -> None:
    path = str(agent_dir / "sessions" / "--w--" / NAME)
    assert session_file(resuming(agent_dir, ID)) == path
    flat = {"session_dir": str(agent_dir / "sessions" / "--w--")}
    assert session_file(Launch(agent="pi", resume=ID, native=flat)) == path


def test_a_session_that_pi_had_nothing_to_write_of(agent_dir: Path) -> None:
    path = str(agent_dir / "sessions" / "--w--" / NAME.replace("01a1", "01a2"))
    assert session_file(resuming(agent_dir, path)) == path


@pytest.mark.parametrize(
    "name", [ID[:8], "*", "nobody", "/nowhere/x.jsonl", f"/nowhere/{NAME}", "./notes.jsonl"]
)
def test_no_session(agent_dir: Path, name: str) -> None:
    (agent_dir / "notes.jsonl").write_text("not a session: pi would empty it\n")
    with pytest.raises(AgentFailed, match="pi has no session"):
        session_file(resuming(agent_dir, name))


@pytest.mark.parametrize("text", ["", "[]", '{"type":"session","id":"other"}', "\xff"])
def test_a_file_that_is_no_session(agent_dir: Path, text: str) -> None:
    (agent_dir / "sessions" / "--w--" / NAME).write_text(text, encoding="latin-1")
    with pytest.raises(AgentFailed):
        session_file(resuming(agent_dir, ID))


PNG = {"type": "image", "data": "QUJD", "mimeType": "image/png"}


@pytest.mark.parametrize(
    ("items", "fields"),
    [
        ([Text(text="a"), Text(text="b")], {"message": "a\nb"}),
        ([Text(text="a"), Image(data="QUJD")], {"message": "a", "images": [PNG]}),
        ([Image(url="data:image/png;base64,QUJD")], {"message": "", "images": [PNG]}),
        ([Image(url="https://x.example/a.png")], {"message": "https://x.example/a.png"}),
        ([File(path="/a.txt"), LocalImage(path="/b.png")], {"message": "@/a.txt\n@/b.png"}),
    ],
)
def test_what_is_said(items: list[Item], fields: Any) -> None:
    assert prompt_fields(items) == fields
