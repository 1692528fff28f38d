"""The host as a service of its user: what is written, and what the system is told."""

from __future__ import annotations

import os
import plistlib
import subprocess
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from sxhost.cli.main import sxhost
from sxhost.cli.service import launchd, systemd

ODD = '/home/o\'b "x" 50% $HOME \\n/sxhost'


def program(place: Path, name: str, script: str = "") -> None:
    """Make a program that writes down what it is told."""
    place.mkdir(exist_ok=True)
    path = place / name
    path.write_text(f'#!/bin/sh\necho "{name} $*" >> "{place}/told"\n{script}\n')
    path.chmod(0o755)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    program(tmp_path / "bin", "systemctl")
    return tmp_path


def run(*words: str) -> Result:
    return CliRunner().invoke(sxhost, ["service", *words])


def told(home: Path) -> list[str]:
    path = home / "bin" / "told"
    return path.read_text().splitlines() if path.exists() else []


UNIT = Path(".config/systemd/user/sxhost.service")


def test_a_unit_is_written_and_started(home: Path) -> None:
    done = run("install", "--port", "7433")
    assert done.exit_code == 0, done.output
    assert told(home) == [
        "systemctl --user daemon-reload",
        "systemctl --user enable --now sxhost",
    ]
    text = (home / UNIT).read_text()
    assert '"serve" "--port" "7433"\n' in text
    assert f"PATH={home / 'bin'}:" in text, "agents are found as they are here"
    done = run("uninstall")
    assert done.exit_code == 0
    assert told(home)[-1] == "systemctl --user disable --now sxhost"
    assert not (home / UNIT).exists()
    assert run("uninstall").output == "There is nothing to remove.\n"


def test_a_dry_run_does_nothing(home: Path) -> None:
    said = run("install", "--dry-run").output
    assert "ExecStart=" in said
    assert "systemctl --user enable --now sxhost" in said
    assert told(home) == []
    assert not (home / UNIT).exists()


def test_a_unit_of_somebody_else_stays(home: Path) -> None:
    (home / UNIT).parent.mkdir(parents=True)
    (home / UNIT).write_text("[Service]\nExecStart=/mine\n")
    for words in ("install", "uninstall"):
        done = run(words)
        assert done.exit_code == 1
        assert "was not written by sxhost" in done.output
    assert (home / UNIT).read_text() == "[Service]\nExecStart=/mine\n"


def test_what_the_system_refuses_is_said(home: Path) -> None:
    program(home / "bin", "systemctl", "echo 'Failed to connect to bus' >&2; exit 1")
    done = run("install")
    assert done.exit_code == 1
    assert "says: Failed to connect to bus" in done.output


def test_a_mac_has_launchd(home: Path) -> None:
    program(home / "bin", "launchctl")
    assert run("install").exit_code == 0
    file = home / "Library" / "LaunchAgents" / "sxhost.plist"
    assert told(home) == [f"launchctl bootstrap gui/{os.getuid()} {file}"]
    assert plistlib.loads(file.read_bytes())["RunAtLoad"] is True


def test_no_home_is_said(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOME")
    assert "HOME is not set" in run("install").output


def test_odd_paths_arrive_as_they_are_at_launchd() -> None:
    agent: dict[str, Any] = plistlib.loads(
        launchd([ODD, "serve"], {"HOME": "/h"}).text.encode()
    )
    assert agent["ProgramArguments"] == [ODD, "serve"]


def test_systemd_takes_a_unit_with_odd_paths(tmp_path: Path) -> None:
    place = tmp_path / 'it\'s 50% "odd"'
    place.mkdir()
    (place / "sxhost").touch(0o755)
    unit = systemd(
        [str(place / "sxhost"), "serve", "a$b"], {"HOME": str(tmp_path), "PATH": "/x y"}
    )
    path = tmp_path / "sxhost.service"
    path.write_text(unit.text)
    done = subprocess.run(
        ["systemd-analyze", "--user", "verify", "--man=no", str(path)],
        env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
