"""What can be wrong on a machine, and what is said of it."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sxhost.cli import doctor_checks
from sxhost.cli.doctor_checks import Finding, file_system, local_findings

MOUNTS = r"""
21 1 254:0 / / rw,relatime shared:1 - ext4 /dev/root rw
40 21 0:35 / /home rw - nfs4 server:/home rw
41 40 0:36 / /home/own\040disk rw - xfs /dev/vdb rw
broken
"""

Check = Callable[..., dict[str, Finding]]


@pytest.fixture
def ours(tmp_path: Path) -> str:
    """A program in a directory that has blanks and quotes in its name."""
    place = tmp_path / 'it\'s a "place"' / "sxhost"
    place.parent.mkdir()
    place.touch(0o755)
    return str(place)


@pytest.fixture
def check(tmp_path: Path, ours: str) -> Check:
    """Check a machine whose home is the test's; return what was found, by what it is about."""

    def check(encoding: str = "utf-8", **environ: str) -> dict[str, Finding]:
        given = {"HOME": str(tmp_path), "PATH": str(Path(ours).parent), **environ}
        return {one.about: one for one in local_findings(given, ours, encoding)}

    return check


def install(tmp_path: Path, program: str) -> None:
    command = f"{shlex.quote(program)} hook claude"
    names = doctor_checks_names()
    hooks = {name: [{"hooks": [{"type": "command", "command": command}]}] for name in names}
    (tmp_path / ".claude").mkdir()
    (tmp_path / ".claude" / "settings.json").write_text(json.dumps({"hooks": hooks}))


def doctor_checks_names() -> Any:
    from sxhost.hooks.settings import CLAUDE_HOOKS

    return CLAUDE_HOOKS


def test_a_machine_that_is_well_has_no_fault(check: Check) -> None:
    found = check()
    assert {one.state for one in found.values()} <= {"ok", "note"}
    assert found["program"].state == found["state"].state == "ok"
    assert "made at the first start" in found["state"].says


def test_no_home_is_a_fault(check: Check) -> None:
    assert check(HOME="")["home"].state == "fault"


@pytest.mark.parametrize(("encoding", "is_said"), [("ascii", True), ("UTF-8", False)])
def test_a_locale_that_is_not_utf_8_is_said(check: Check, encoding: str, is_said: bool) -> None:
    assert ("locale" in check(encoding)) == is_said


def test_hooks_of_this_program_are_good(check: Check, tmp_path: Path, ours: str) -> None:
    install(tmp_path, ours)
    assert check()["claude hooks"].state == "ok"


def test_hooks_of_another_environment_are_said(check: Check, tmp_path: Path) -> None:
    other = tmp_path / "other" / "sxhost"
    other.parent.mkdir()
    other.touch(0o755)
    install(tmp_path, str(other))
    found = check()["claude hooks"]
    assert found.state == "note"
    assert "runs another sxhost than" in found.says
    other.unlink()
    found = check()["claude hooks"]
    assert found.state == "fault"
    assert f"runs {other}, which is not there any more" in found.says
    assert found.todo == "sxhost hook install claude"


def test_a_state_directory_that_others_may_change_is_a_fault(
    check: Check, tmp_path: Path
) -> None:
    state = tmp_path / ".local" / "state" / "sxhost"
    state.mkdir(parents=True)
    state.chmod(0o777)
    assert check()["state"].state == "fault"
    state.chmod(0o700)
    assert check()["state"].state == "ok"


def test_a_disk_that_is_full_is_a_fault(check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor_checks, "ROOM", 1 << 62)
    found = check()["state"]
    assert found.state == "fault"
    assert "make room" in found.todo


def test_a_network_file_system_is_a_fault(
    check: Check, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text("21 1 254:0 / / rw - nfs4 server:/ rw\n")
    monkeypatch.setattr(doctor_checks, "MOUNTS", mounts)
    found = check()["state"]
    assert found.state == "fault"
    assert "is on nfs4" in found.says


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/var/lib", "ext4"),
        ("/home/me", "nfs4"),
        ("/home/own disk/x", "xfs"),
        ("/homes", "ext4"),
    ],
)
def test_the_nearest_mount_tells_the_file_system(path: str, kind: str) -> None:
    assert file_system(Path(path), MOUNTS) == kind
    assert file_system(Path(path), "") == ""


def test_transcripts_are_looked_for_where_agents_write_them(
    check: Check, tmp_path: Path
) -> None:
    assert check()["transcripts"].says == "No agent has written any yet."
    place = tmp_path / "elsewhere" / "projects"
    place.mkdir(parents=True)
    assert (
        check(CLAUDE_CONFIG_DIR=str(place.parent))["transcripts"].says == f"claude in {place}."
    )


def test_another_program_on_the_path_is_said(check: Check, tmp_path: Path) -> None:
    other = tmp_path / "bin" / "sxhost"
    other.parent.mkdir()
    other.touch(0o755)
    assert f"another one, {other}" in check(PATH=str(other.parent))["program"].says
    assert "not on your PATH" in check(PATH=os.devnull)["program"].says
