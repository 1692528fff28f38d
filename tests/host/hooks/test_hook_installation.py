"""Whether hooks are installed: what a person is told of agents' settings files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sxhost.hooks.installation import HookSettings, hook_settings
from sxhost.hooks.settings import CLAUDE_HOOKS, CODEX_HOOKS, Wiring, with_our_hooks
from sxhost.testing import HostInMemory


def wired(agent: str, what: str = "hooks", program: str = "/bin/sh") -> str:
    wiring = Wiring(command=[program, "sxhost"], url="http://127.0.0.1:7432")
    return with_our_hooks(agent, what, "", wiring)


def write(home: Path, name: str, text: str) -> None:
    path = home / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)


def looked_at(home: Path) -> dict[str, HookSettings]:
    found = hook_settings({"HOME": str(home)})
    return {f"{each.agent} {Path(each.file).name}": each for each in found}


def test_nothing_is_installed_where_no_file_is(tmp_path: Path) -> None:
    found = looked_at(tmp_path)
    assert list(found) == ["claude settings.json", "codex hooks.json", "codex config.toml"]
    for each in found.values():
        assert (each.hooks, each.missing, each.absent, each.error) == ([], [], [], "")


def test_file_that_is_the_users_and_the_projects_is_told_once(tmp_path: Path) -> None:
    files = [each.file for each in hook_settings({"HOME": str(tmp_path)}, (None, tmp_path))]
    assert len(files) == len(set(files)) == 4


def test_hooks_that_are_whole_lack_nothing(tmp_path: Path) -> None:
    write(tmp_path, ".claude/settings.json", wired("claude"))
    write(tmp_path, ".codex/hooks.json", wired("codex"))
    write(tmp_path, ".codex/config.toml", wired("codex", "notify"))
    found = looked_at(tmp_path)
    assert found["claude settings.json"].hooks == list(CLAUDE_HOOKS)
    assert found["codex hooks.json"].hooks == list(CODEX_HOOKS)
    assert found["codex config.toml"].hooks == ["notify"]
    assert not any(each.missing or each.absent for each in found.values())


def test_hooks_of_an_older_version_and_of_a_program_that_went_are_told(tmp_path: Path) -> None:
    settings = json.loads(wired("claude", program="/nowhere/sxhost"))
    del settings["hooks"]["StopFailure"]
    settings["hooks"]["Stop"].append({"hooks": [{"type": "command", "command": 'say "x'}]})
    write(tmp_path, ".claude/settings.json", json.dumps(settings))
    write(tmp_path, ".codex/config.toml", wired("codex", "notify", "/nowhere/else"))
    found = looked_at(tmp_path)
    assert found["claude settings.json"].missing == ["StopFailure"]
    assert found["claude settings.json"].absent == ["/nowhere/sxhost"]
    assert found["codex config.toml"].absent == ["/nowhere/else"]


@pytest.mark.parametrize("text", ["{", '{"hooks": []', "\udcff"])
def test_file_that_cannot_be_understood_says_why(tmp_path: Path, text: str) -> None:
    path = tmp_path / ".claude" / "settings.json"
    path.parent.mkdir()
    path.write_bytes(text.encode(errors="surrogateescape"))
    found = looked_at(tmp_path)["claude settings.json"]
    assert found.error
    assert found.hooks == []


def test_route_shows_them_to_whoever_may_everything(lab: HostInMemory) -> None:
    assert lab.request("GET", "/hooks").json() == []
