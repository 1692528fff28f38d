"""``sxhost policy``: rules tried on the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

import pytest
from click.testing import CliRunner, Result

from sxhost.cli.main import sxhost
from sxhost.cli.policy import KINDS
from sxhost.model.approval import ApprovalKind
from sxhost.policy.rules import Policy
from tests.support.daemons import SXHOST, run
from tests.support.places import TOP

DOCUMENT = TOP / "docs" / "policy.md"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The policy that the document shows."""
    text = DOCUMENT.read_text(encoding="utf-8").split("```toml\n", 1)[1].split("```", 1)[0]
    path = tmp_path / "policy.toml"
    path.write_text(text.replace("~/work", str(tmp_path)), encoding="utf-8")
    return path


def tried(file: Path, *words: str) -> Result:
    return CliRunner().invoke(sxhost, ["policy", "test", str(file), *words])


def test_rule_kinds_are_those_of_questions() -> None:
    assert get_args(ApprovalKind) == KINDS


POLICY_VERDICTS = [
    (["--command", "git log -3", "--agent", "pi", "--cwd", "{}/site"], "approve (reading)"),
    (["--command", "git log -3", "--agent", "pi", "--cwd", "/"], "ask (default)"),
    (["--command", "git log -3", "--cwd", "{}"], "ask (default)"),
    (
        ["--command", "git log --output=x", "--agent", "pi", "--cwd", "{}"],
        "ask (writing by options)",
    ),
    (["--command", "cd x; git push -f"], "deny (pushing): Pushing is for people."),
    (["--path", "{}/a", "--path", "{}/b"], "approve (sources)"),
    (["--path", "{}/a", "--path", "{}/../b"], "ask (default)"),
    (["--path", "a", "--cwd", "{}"], "approve (sources)"),
    (
        ["--tool", "mcp__playwright__x", "--session", "ci-1", "--label", "stage:test"],
        "approve_session (the tests' servers)",
    ),
    (["--tool", "mcp__playwright__x", "--session", "ci-1"], "ask (default)"),
    (["--kind", "dialog"], "ask (default)"),
    (
        ["--command", "x" * 5000],
        "ask (pushing): it cannot be told whether the rule 'pushing' holds",
    ),
]


@pytest.mark.parametrize(("words", "message"), POLICY_VERDICTS)
def test_documented_policy_does_what_the_document_says(
    file: Path, words: list[str], message: str
) -> None:
    done = tried(file, *(word.format(file.parent) for word in words))
    assert (done.output, done.exit_code) == (f"{message}\n", 0)


def test_policy_test_json(file: Path) -> None:
    done = tried(file, "--command", "git push", "--json")
    assert done.exit_code == 0
    assert json.loads(done.output) == {
        "decision": "deny",
        "rule": "pushing",
        "reason": "Pushing is for people.",
        "expire_s": 86400.0,
        "on_expiry": "deny",
    }


def test_malformed_policy_file_is_a_readable_error(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text("[[rule]]\nname='n'\ndecision='allow'\ncommand='('\n", encoding="utf-8")
    done = run(tmp_path, SXHOST, "policy", "test", str(path))
    text = f"{path}: rule 'n': The field `command` is wrong: a group is not closed."
    assert (done.returncode, done.stdout) == (2, "")
    assert text in done.stderr


def test_missing_policy_file_is_a_readable_error(tmp_path: Path) -> None:
    done = tried(tmp_path / "none.toml")
    assert done.exit_code == 2
    assert "It cannot be read: No such file or directory." in done.stderr


def test_documented_policy_loads_with_all_its_rules(file: Path) -> None:
    Policy.load(file)
    assert DOCUMENT.read_text(encoding="utf-8").count("[[rule]]") == 5
