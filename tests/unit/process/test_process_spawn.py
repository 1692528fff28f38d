"""Where programs are looked for, and why one cannot be run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sxhost.errors import AgentFailed, BadField
from sxhost.process.contracts import Command
from sxhost.process.spawn import find_program, start_program


def program(place: Path, text: str = "#!/bin/sh\n", mode: int = 0o755) -> Path:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text, encoding="ascii")
    place.chmod(mode)
    return place


def test_first_match_in_path_is_run(tmp_path: Path) -> None:
    program(tmp_path / "a" / "it", mode=0o644)
    second = program(tmp_path / "b" / "it")
    program(tmp_path / "c" / "it")
    path = os.pathsep.join(str(tmp_path / name) for name in "abc")
    assert find_program("it", "/", path) == str(second)


def test_relative_path_entries_are_ignored(tmp_path: Path) -> None:
    program(tmp_path / "bin" / "codex")
    for path in ("bin", ".", "", "./bin:bin", ":"):
        with pytest.raises(AgentFailed, match="empty PATH"):
            find_program("codex", str(tmp_path), path)


def test_program_with_a_slash_is_relative_to_its_directory(tmp_path: Path) -> None:
    made = program(tmp_path / "bin" / "it")
    assert find_program("./bin/it", str(tmp_path), "") == str(made)
    assert find_program(str(made), "/", "") == str(made)
    for wrong, why in (("./it", "no program"), ("./bin", "no program")):
        with pytest.raises(AgentFailed, match=why):
            find_program(wrong, str(tmp_path), "")
    made.chmod(0o644)
    with pytest.raises(AgentFailed, match=r"not executable|no program"):
        find_program("./bin/it", str(tmp_path), "")


@pytest.mark.parametrize("text", ["#!/no/such/interpreter\n", "rubbish", ""])
def test_missing_program_error_has_a_reason(tmp_path: Path, text: str) -> None:
    made = program(tmp_path / "it", text)
    with pytest.raises(AgentFailed, match="cannot be run"):
        start_program(Command(argv=[str(made)], cwd=str(tmp_path)), {})


def test_missing_directory_runs_nothing(tmp_path: Path) -> None:
    with pytest.raises(BadField):
        start_program(Command(argv=["/bin/sh"], cwd=str(tmp_path / "nowhere")), {})
