"""A program is asked for its version: what it says, how long, and what is left of it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from sxhost.process.versions import program_version

ENVIRON = {"PATH": os.environ["PATH"], "MARK": "7.8.9"}


@pytest.fixture
def program(tmp_path: Path) -> Callable[[str], str]:
    def make(script: str) -> str:
        place = tmp_path / "program"
        place.write_text(f"#!/bin/sh\n{script}\n")
        place.chmod(0o755)
        return str(place)

    return make


@pytest.mark.parametrize(
    ("script", "version"),
    [
        ("echo codex-cli 0.169.0", "0.169.0"),
        ("echo '2.1.329 (Claude Code)'", "2.1.329"),
        ("echo v1.2.3-beta.4+5 and 9.9", "1.2.3-beta.4+5"),
        ('echo "$MARK"; exit 3', "7.8.9"),
        ("echo 1.5.2 >&2", ""),
        ("echo no number", ""),
        ('test "$1" = --version && echo 4.5', "4.5"),
        ("head -c 100000 /dev/zero | tr '\\0' x; echo 1.2", ""),
        ("cat; echo 1.1", "1.1"),
    ],
)
def test_a_version_is_the_first_number_that_is_printed(
    program: Callable[[str], str], script: str, version: str
) -> None:
    assert program_version(program(script), ENVIRON) == version


def test_a_program_that_does_not_answer_is_killed_with_what_it_has_started(
    program: Callable[[str], str], tmp_path: Path
) -> None:
    place = program(f"sleep 300 & echo $! > {tmp_path}/child; wait")
    assert program_version(place, ENVIRON, within=0.5) == ""
    child = int((tmp_path / "child").read_text())
    stat = Path(f"/proc/{child}/stat")
    assert not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] in "ZX"


def test_what_cannot_be_run_is_an_error(tmp_path: Path) -> None:
    place = tmp_path / "program"
    place.write_text("#!/no/such/interpreter\n")
    place.chmod(0o755)
    with pytest.raises(OSError, match=r"interpreter|No such"):
        program_version(str(place), ENVIRON)
