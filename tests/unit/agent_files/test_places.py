"""Which paths of transcripts are believed, and where they are looked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from sxhost.agent_files.places import (
    claude_status_directory,
    find_transcript,
    transcript_path,
)
from sxhost.files import UnsafeFile

CODEX = "01a22c4c-91c8-7f92-b258-93218cda7b46"
"""Begun on 30 November 2026."""


@pytest.mark.parametrize(
    ("agent", "session", "place"),
    [
        ("claude", "a-1", ".claude/projects/-work/a-1.jsonl"),
        ("claude", "a-1", "elsewhere/projects/-work/a-1.jsonl"),
        ("codex", CODEX, f".codex/sessions/2026/11/30/rollout-2026-11-30T11-{CODEX}.jsonl"),
        ("pi", "b-2", ".pi/agent/sessions/--work--/2026_b-2.jsonl"),
    ],
)
def test_a_transcript_lies_where_its_agent_keeps_it(
    tmp_path: Path, agent: str, session: str, place: str
) -> None:
    path = str(tmp_path.resolve() / place)
    assert transcript_path(agent, session, path) == path


@pytest.mark.parametrize(
    "place",
    [
        "projects/-work/other.jsonl",
        "projects/-work/a-1.json",
        "projects/x/y/a-1.jsonl",
        "elsewhere/a-1.jsonl",
        "projects/../../a-1.jsonl",
        "projects/-work/\0/a-1.jsonl",
    ],
)
def test_any_other_path_is_refused(tmp_path: Path, place: str) -> None:
    with pytest.raises(UnsafeFile):
        transcript_path("claude", "a-1", f"{tmp_path}/{place}")


def test_a_relative_path_and_an_unknown_agent_are_refused() -> None:
    with pytest.raises(UnsafeFile):
        transcript_path("claude", "a-1", "projects/-work/a-1.jsonl")
    with pytest.raises(UnsafeFile):
        transcript_path("script", "a-1", "/projects/-work/a-1.jsonl")


def test_links_may_lead_to_the_agents_directory_but_not_out_of_it(tmp_path: Path) -> None:
    home = tmp_path.resolve()
    (home / "real" / "projects").mkdir(parents=True)
    (home / "linked").symlink_to("real")
    (home / "out").mkdir()
    (home / "real" / "projects" / "-out").symlink_to(home / "out")
    found = transcript_path("claude", "a-1", f"{home}/linked/projects/-work/a-1.jsonl")
    assert found == f"{home}/real/projects/-work/a-1.jsonl"
    with pytest.raises(UnsafeFile):
        transcript_path("claude", "a-1", f"{home}/linked/projects/-out/a-1.jsonl")


def test_claude_has_its_status_beside_its_projects() -> None:
    assert claude_status_directory("/c/projects/-w/a.jsonl") == "/c/sessions"


def test_a_rollout_is_found_by_its_id(tmp_path: Path) -> None:
    place = tmp_path / "sessions" / "2026" / "11" / "30"
    place.mkdir(parents=True)
    rollout = place / f"rollout-2026-11-30T11-52-25-{CODEX}.jsonl"
    environ = {"CODEX_HOME": str(tmp_path)}
    assert find_transcript("codex", CODEX, environ) is None
    rollout.touch()
    assert find_transcript("codex", CODEX, environ) == str(rollout)
    assert find_transcript("codex", "../x", environ) is None


def test_a_session_file_of_pi_is_found_by_its_id(tmp_path: Path) -> None:
    place = tmp_path / "sessions" / "--work--"
    place.mkdir(parents=True)
    (place / "2026_12345678.jsonl").touch()
    environ = {"PI_CODING_AGENT_DIR": str(tmp_path)}
    assert find_transcript("pi", "12345678", environ) == str(place / "2026_12345678.jsonl")
    assert find_transcript("pi", "1234*", environ) is None
