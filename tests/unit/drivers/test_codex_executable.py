"""Which program is run."""

from __future__ import annotations

from pathlib import Path

from sxhost.drivers.codex.executable import app_server


def executable(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def installed(root: Path) -> Path:
    """Install the wrapper of npm; return the directory that PATH has."""
    script = executable(root / "node_modules/@openai/codex/bin/codex.js")
    commands = root / "node_modules/.bin"
    commands.mkdir()
    (commands / "codex").symlink_to(script)
    return commands


def test_without_a_program_its_name_is_left_to_the_search(tmp_path: Path) -> None:
    assert app_server(str(tmp_path)) == ("codex", "app-server")


def test_a_program_that_is_no_wrapper_is_run_by_its_name(tmp_path: Path) -> None:
    executable(tmp_path / "codex")
    assert app_server(str(tmp_path)) == ("codex", "app-server")


def test_the_wrapper_is_passed_by(tmp_path: Path) -> None:
    path = installed(tmp_path)
    vendor = tmp_path / "node_modules/@openai/codex-linux-x64/vendor/x86_64-linux"
    program = executable(vendor / "bin/codex")
    assert app_server(str(path)) == (str(program), "app-server")


def test_a_platform_package_may_be_inside(tmp_path: Path) -> None:
    path = installed(tmp_path)
    inside = tmp_path / "node_modules/@openai/codex/node_modules/@openai"
    program = executable(inside / "codex-linux-x64/vendor/x86_64-linux/bin/codex")
    assert app_server(str(path)) == (str(program), "app-server")


def test_of_two_programs_none_is_chosen(tmp_path: Path) -> None:
    path = installed(tmp_path)
    for platform in ("linux-x64", "linux-arm64"):
        package = tmp_path / f"node_modules/@openai/codex-{platform}"
        executable(package / "vendor/triple/bin/codex")
    assert app_server(str(path)) == ("codex", "app-server")


def test_a_program_that_cannot_be_run_is_none(tmp_path: Path) -> None:
    path = installed(tmp_path)
    package = tmp_path / "node_modules/@openai/codex-linux-x64"
    executable(package / "vendor/triple/bin/codex").chmod(0o644)
    assert app_server(str(path)) == ("codex", "app-server")
