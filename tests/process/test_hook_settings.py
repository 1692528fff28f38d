"""Settings files with our hooks in them, and as they were before."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from msgspec.structs import replace

from sxhost.hooks.listener import WAKE_MESSAGE, WAKE_SUMMARY
from sxhost.hooks.settings import (
    CLAUDE_HOOKS,
    BadSettings,
    Wiring,
    our_hooks,
    settings_files,
    with_our_hooks,
    without_our_hooks,
    write,
)
from tests.support.daemons import clean_environ

WIRING = Wiring(command=("/my place/sxhost",), url="http://127.0.0.1:7432", http=True)
THEIRS = """{
    "model": "opus",   "permissions": {"allow": ["Bash(ls:*)"]},
    "hooks": {
        "Stop": [ {"hooks": [{"type": "command", "command": "say done"}]} ]
    }
}
"""


@pytest.mark.parametrize("text", ["", "{}\n", THEIRS, THEIRS.replace("\n", "\r\n"), '{"a":1}'])
@pytest.mark.parametrize("agent", ["claude", "codex"])
def test_uninstall_restores_the_settings(agent: str, text: str) -> None:
    wired = with_our_hooks(agent, "hooks", text, WIRING)
    assert "Stop" in our_hooks("hooks", wired)
    assert with_our_hooks(agent, "hooks", wired, WIRING) == wired
    assert without_our_hooks("hooks", wired) == (text or "{}\n")
    assert not our_hooks("hooks", text)


def test_hooks_of_others_stay() -> None:
    hooks = json.loads(with_our_hooks("claude", "hooks", THEIRS, WIRING))["hooks"]
    theirs, ours = hooks["Stop"]
    assert theirs["hooks"][0]["command"] == "say done"
    assert ours["hooks"][0]["url"] == "http://127.0.0.1:7432/hooks/claude"


OURS = {"type": "command", "command": "/opt/sxhost hook claude", "timeout": 5}
THEIR = {"type": "command", "command": "say done"}


@pytest.mark.parametrize(
    ("groups", "left"),
    [
        ([{"matcher": "*", "hooks": [OURS, THEIR]}], [{"matcher": "*", "hooks": [THEIR]}]),
        ([{"hooks": [THEIR, OURS]}], [{"hooks": [THEIR]}]),
        ([{"hooks": [OURS, THEIR, OURS]}], [{"hooks": [THEIR]}]),
        ([{"matcher": "Bash", "hooks": [OURS]}], None),
        ([{"hooks": [OURS, {**OURS, "timeout": 9}]}], None),
        (
            [{"hooks": [THEIR]}, {"hooks": [OURS, THEIR]}, {"hooks": [OURS]}],
            [{"hooks": [THEIR]}] * 2,
        ),
        ([{"hooks": []}, {"hooks": [OURS]}, 7], [{"hooks": []}, 7]),
    ],
)
def test_our_hooks_are_ours_wherever_they_stand(groups: list[object], left: object) -> None:
    text = json.dumps({"model": "opus", "hooks": {"Stop": groups}}, indent=2)
    assert list(our_hooks("hooks", text)) == ["Stop"]
    hooks = {} if left is None else {"hooks": {"Stop": left}}
    assert json.loads(without_our_hooks("hooks", text)) == {"model": "opus", **hooks}
    wired = with_our_hooks("claude", "hooks", text, WIRING)
    assert with_our_hooks("claude", "hooks", wired, WIRING) == wired
    placed = json.dumps(json.loads(wired)["hooks"]["Stop"])
    assert placed.count("/hooks/claude") + placed.count("hook claude") == 1


@pytest.mark.parametrize(
    "text",
    [
        'notify = ["/opt/sxhost", "hook", "codex"]\n',
        'notify = [\n  "/opt/sx]host", # here\n  "hook", "codex",\n  "--url", "http://x"\n]\n',
        "notify=['/opt/sxhost', 'hook', 'codex']",
    ],
)
def test_notify_is_ours_however_it_is_written(text: str) -> None:
    settings = f'model = "gpt"\n{text}'
    assert list(our_hooks("notify", settings)) == ["notify"]
    assert without_our_hooks("notify", settings) == 'model = "gpt"\n'


def test_session_start_hook_is_always_a_command() -> None:
    hooks = json.loads(with_our_hooks("claude", "hooks", "", WIRING))["hooks"]
    entry, _listener = hooks["SessionStart"][0]["hooks"]
    assert entry == {
        "type": "command",
        "command": "'/my place/sxhost' hook claude",
        "timeout": 5,
    }


LISTENER = {
    "type": "command",
    "command": "'/my place/sxhost' hook claude --listen",
    "timeout": 2_000_000,
    "async": True,
    "asyncRewake": True,
    "rewakeMessage": WAKE_MESSAGE,
    "rewakeSummary": WAKE_SUMMARY,
}


@pytest.mark.parametrize("http", [False, True])
def test_listener_is_armed_as_a_session_and_a_turn_begin(http: bool) -> None:
    wiring = replace(WIRING, http=http)
    text = with_our_hooks("claude", "hooks", "", wiring)
    hooks = json.loads(text)["hooks"]
    listeners = [name for name in hooks if LISTENER in hooks[name][0]["hooks"]]
    assert listeners == ["SessionStart", "UserPromptSubmit"]
    assert json.loads(without_our_hooks("hooks", text)) in ({}, {"hooks": {}})
    assert "--listen" not in with_our_hooks("claude", "hooks", "", replace(wiring, wake=False))
    assert "--listen" not in with_our_hooks("codex", "hooks", "", wiring)


ELSEWHERE = "http://box.example:7432"


@pytest.mark.parametrize(
    ("url", "variable", "commands"),
    [
        ("http://127.0.0.1:7432", "", {"PermissionRequest"}),
        ("http://box.example:7432", "", {"PermissionRequest", "Stop", "StopFailure"}),
        (
            "http://box.example:7432",
            "SXHOST_TOKEN",
            {"PermissionRequest", "Stop", "StopFailure"},
        ),
        (ELSEWHERE, "MINE", set()),  # which no command would look at
    ],
)
def test_hooks_that_only_a_command_does_well_are_commands(
    url: str, variable: str, commands: set[str]
) -> None:
    wiring = replace(WIRING, url=url, token_variable=variable)
    hooks = json.loads(with_our_hooks("claude", "hooks", "", wiring))["hooks"]
    kinds = {name: groups[0]["hooks"][0]["type"] for name, groups in hooks.items()}
    found = {name for name, kind in kinds.items() if kind == "command"}
    assert found - {"SessionStart", "SessionEnd"} == commands


def test_the_agent_shows_how_long_a_hook_waits() -> None:
    hooks = json.loads(with_our_hooks("codex", "hooks", "", replace(WIRING, ask=True)))["hooks"]
    asks, uses = hooks["PermissionRequest"][0]["hooks"][0], hooks["PreToolUse"][0]["hooks"][0]
    assert asks["statusMessage"] == "waiting 60 s for an answer in sxhost, then Codex asks here"
    assert uses["statusMessage"] == "waiting 60 s for an answer in sxhost, then Codex goes on"
    assert "statusMessage" not in hooks["Stop"][0]["hooks"][0]
    hooks = json.loads(with_our_hooks("codex", "hooks", "", replace(WIRING, wait=600.0)))[
        "hooks"
    ]
    assert "waiting 10 min" in hooks["PermissionRequest"][0]["hooks"][0]["statusMessage"]


def test_deciding_hooks_get_a_longer_timeout() -> None:
    wiring = replace(WIRING, ask=True, wait=90.0, http=False)
    hooks = json.loads(with_our_hooks("claude", "hooks", "", wiring))["hooks"]
    (entry,) = hooks["PreToolUse"][0]["hooks"]
    assert entry["command"].endswith("hook claude --ask --wait 90")
    assert (entry["timeout"], hooks["Stop"][0]["hooks"][0]["timeout"]) == (100, 5)


def test_settings_name_the_token_variable_not_the_token() -> None:
    text = with_our_hooks("claude", "hooks", "", replace(WIRING, token_variable="SXHOST_TOKEN"))
    (entry,) = json.loads(text)["hooks"]["Stop"][0]["hooks"]
    assert entry["headers"] == {"Authorization": "Bearer $SXHOST_TOKEN"}
    assert entry["allowedEnvVars"] == ["SXHOST_TOKEN"]


def test_hook_commands_carry_url_and_token_file() -> None:
    wiring = replace(WIRING, http=False, options=("--url", "unix:/s", "--token-file", "/my t"))
    hooks = json.loads(with_our_hooks("claude", "hooks", "", wiring))["hooks"]
    (entry,) = hooks["Stop"][0]["hooks"]
    assert entry["command"].endswith("hook claude --url unix:/s --token-file '/my t'")
    wired = with_our_hooks("codex", "notify", TOML, wiring)
    assert tomllib.loads(wired)["notify"][1:] == ["hook", "codex", *wiring.options]
    assert with_our_hooks("codex", "notify", wired, WIRING) == with_our_hooks(
        "codex", "notify", TOML, WIRING
    )
    assert without_our_hooks("notify", wired) == TOML


@pytest.mark.parametrize(
    "text", ["nonsense", "[]", '{"hooks": 7}', '{"hooks": {"Stop": 1}}', "{,}"]
)
def test_malformed_settings_are_not_touched(text: str) -> None:
    with pytest.raises(BadSettings):
        with_our_hooks("claude", "hooks", text, WIRING)


TOML = '# mine\nmodel = "gpt"\n\n[features]\napps = false\n'


def test_codex_notify_is_installed() -> None:
    wired = with_our_hooks("codex", "notify", TOML, WIRING)
    assert tomllib.loads(wired)["notify"] == ["/my place/sxhost", "hook", "codex"]
    assert list(our_hooks("notify", wired)) == ["notify"]
    assert with_our_hooks("codex", "notify", wired, WIRING) == wired
    assert without_our_hooks("notify", wired) == TOML


@pytest.mark.parametrize("text", ['notify = ["mine"]\n', "no toml ["])
def test_notify_of_another_program_stays(text: str) -> None:
    with pytest.raises(BadSettings):
        with_our_hooks("codex", "notify", text, WIRING)


def test_settings_files_are_where_the_agents_look() -> None:
    environ = {"HOME": "/h"}
    assert settings_files("claude", environ, None) == {
        "hooks": Path("/h/.claude/settings.json")
    }
    assert str(settings_files("claude", environ, Path("/p"))["hooks"]).startswith("/p/.claude/")
    codex = settings_files("codex", {"CODEX_HOME": "/c"}, None)
    assert codex == {"hooks": Path("/c/hooks.json"), "notify": Path("/c/config.toml")}


def test_linked_settings_are_replaced_at_their_target_with_a_backup(tmp_path: Path) -> None:
    real = tmp_path / "dotfiles" / "settings.json"
    real.parent.mkdir()
    real.write_text("before")
    real.chmod(0o640)
    link = tmp_path / "settings.json"
    link.symlink_to(real)
    write(link, "after")
    assert link.is_symlink()
    assert (real.read_text(), real.stat().st_mode & 0o777) == ("after", 0o640)
    assert real.with_name("settings.json.sxhost-backup").read_text() == "before"
    assert sorted(path.name for path in real.parent.iterdir()) == [
        "settings.json",
        "settings.json.sxhost-backup",
    ]


def test_unwritable_settings_stay_unchanged(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(BadSettings):
        write(tmp_path / "file" / "settings.json", "after")


# The commands.


def run(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sxhost", "hook", *words],
        cwd=home,
        env=clean_environ(home),
        capture_output=True,
        text=True,
        check=False,
    )


def test_hook_commands_install_show_status_and_uninstall(tmp_path: Path) -> None:
    settings = tmp_path / ".claude" / "settings.json"
    settings.parent.mkdir()
    settings.write_text(THEIRS)
    shown = run(tmp_path, "install", "claude", "--dry-run").stdout
    assert '"command": "' in shown
    assert settings.read_text() == THEIRS
    assert run(tmp_path, "install", "claude").stdout == f"{settings} changed\n"
    assert "PermissionRequest" in run(tmp_path, "status").stdout
    assert run(tmp_path, "install", "claude").stdout == "There is nothing to change.\n"
    assert run(tmp_path, "uninstall", "claude").stdout == f"{settings} changed\n"
    assert settings.read_text() == THEIRS


def test_hook_status_json(tmp_path: Path) -> None:
    run(tmp_path, "install", "claude")
    (tmp_path / ".codex").mkdir()
    (tmp_path / ".codex" / "hooks.json").write_text("nonsense")
    reported = [
        json.loads(line) for line in run(tmp_path, "status", "--json").stdout.splitlines()
    ]
    found = {(each["agent"], Path(each["file"]).name): each for each in reported}
    assert found["claude", "settings.json"]["hooks"] == list(CLAUDE_HOOKS)
    assert found["codex", "hooks.json"]["error"].startswith("It is no JSON")
    assert found["codex", "config.toml"] == {
        "agent": "codex",
        "file": str(tmp_path / ".codex" / "config.toml"),
        "hooks": [],
        "missing": [],
        "absent": [],
        "wakes": False,
        "error": "",
    }


def test_install_refuses_a_file_that_is_no_settings(tmp_path: Path) -> None:
    settings = tmp_path / ".claude" / "settings.json"
    settings.parent.mkdir()
    settings.write_text("{nonsense")
    done = run(tmp_path, "install", "claude")
    assert (done.returncode, settings.read_text()) == (1, "{nonsense")
    assert done.stderr.startswith(f"{settings} stays as it is. It is no JSON")


def test_options_of_the_installation_are_those_of_each_hook(tmp_path: Path) -> None:
    sent = ("--url", "https://h:1", "--token-file", "t", "--ca", "c.pem")
    run(tmp_path, "install", "claude", *sent)
    text = (tmp_path / ".claude" / "settings.json").read_text()
    files = f"--token-file {tmp_path}/t --ca {tmp_path}/c.pem"
    assert text.count(f"hook claude --url https://h:1 {files}") == len(CLAUDE_HOOKS)


def test_token_is_never_written_to_settings(tmp_path: Path) -> None:
    for agent, more in (("claude", ("--http", "--token-env", "MINE")), ("codex", ())):
        shown = {**clean_environ(tmp_path), "SXHOST_TOKEN": "s3cret", "MINE": "s3cret"}
        command = [sys.executable, "-m", "sxhost", "hook", "install", agent, *more]
        subprocess.run(command, cwd=tmp_path, env=shown, check=True, capture_output=True)
    written = [path.read_text() for path in tmp_path.rglob("*") if path.is_file()]
    assert len(written) >= 3
    assert not any("s3cret" in text for text in written)
    assert any("Bearer $MINE" in text for text in written)


def test_project_has_its_own_settings(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    below = tmp_path / "src"
    below.mkdir()
    command = [sys.executable, "-m", "sxhost", "hook", "install", "claude", "--project"]
    subprocess.run(
        command, cwd=below, env=clean_environ(tmp_path), check=True, capture_output=True
    )
    assert (tmp_path / ".claude" / "settings.local.json").exists()
