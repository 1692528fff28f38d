"""No terminal is driven by what others say: every command, every field, and no way around."""

from __future__ import annotations

import ast
import json
import os
import pty
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click
import pytest

import sxhost
from sxhost.cli.main import sxhost as commands
from sxhost.cli.output import Flow, put, put_json, put_pieces
from sxhost.visible import escape_hidden
from tests.support.commands import leaf_commands
from tests.support.daemons import PATIENCE, SXHOST
from tests.support.fork_server import fork
from tests.support.hostile import HOSTILE, Manner, hostile_host, settings

PLACE = Path(sxhost.__file__).parent

GIVEN = {
    "session_id": "s",
    "names": "s",
    "approval": "s 1",
    "words": "1 x",
    "answer": "1 x",
    "token_id": "t",
    "text": "x",
    "prompt": "x",
    "event": "e",
    "agent": "echo",
    "channel": "x",
}
"""What the parameters of a command get that must have something."""

FLAGS = {"follow", "state", "everything", "for_session", "rm", "wait"}
"""Flags that make a command tell other things."""

APART: dict[str, list[list[str]]] = {
    "attach": [["--verbose", "--", "true"], ["--", HOSTILE.replace("\0", "")]],
    "completion": [["bash"]],
    "emit": [["--verbose", "--type", "user", "--content", "x"], [HOSTILE.replace("\0", "")]],
    "hook claude": [["--verbose", "{}"]],
    "hook codex": [["--verbose", "{}"]],
    "hook install": [["claude", "--project"], ["codex", "--project", "--dry-run"]],
    "hook status": [[], ["--json"]],
    "hook uninstall": [["claude", "--project"]],
    "notify check": [["notify.toml"], [HOSTILE.replace("\0", "")]],
    "policy test": [
        *(["policy.toml", "--command", "ls"], ["policy.toml", "--command", "ls", "--json"]),
        *(["wrong.toml", "--command", "ls"], [HOSTILE.replace("\0", ""), "--command", "ls"]),
    ],
    "serve": [["--listen", f"tcp:{HOSTILE[1:8]}"]],
    "stdio": [["--connect", "http://127.0.0.1:1"]],
    "backup": [["copy.db"], [HOSTILE.replace("\0", "")]],
    "restore": [["nothing"], [HOSTILE.replace("\0", "")]],
    "service install": [["--dry-run"], ["--dry-run", "--port", HOSTILE.replace("\0", "")]],
    "service uninstall": [["--dry-run"]],
    "store copy": [
        *(["sqlite:nothing", "sqlite:copy"], [HOSTILE.replace("\0", ""), "sqlite:copy"]),
    ],
    "token show": [[]],
    "top": [["--json"]],
    "trust": [["--revoke"], [], ["--json"], ["--list"], ["--list", "--json"], ["--revoke"]],
}
"""Commands that ask no host, or not in the way of the others."""

TALKING = {"chat", "new", "run", "turn"}
"""Commands that follow a session; the host has to call it by what can be an id."""

FLOWING = {
    *TALKING,
    "log",
    "transcript",
    "pull",
    "hook install",
    "trust",
    "service install",
    "wait",
}
"""Commands that print texts of others in lines of their own."""

SGR = re.compile(
    r"\x1b\[(?:(?:0|1|2|3|4|9|[39][0-7]|49)(?:;(?:[1-4]|[39][0-7]|49))*)?m",
)
"""The colours that are ours; none of them is in a hostile text."""


LEAVES = dict(leaf_commands(commands))
LINKED = [name for name in LEAVES if name not in APART]


def variants(command: click.Command) -> list[list[str]]:
    """Return the words behind a command, in all ways that tell something else."""
    words, flags = [], []
    for param in command.params:
        if isinstance(param, click.Option):
            if param.required or (command.name == "run" and param.name == "agent"):
                words += [param.opts[0], GIVEN[str(param.name)]]
            if param.is_flag and param.name in FLAGS:
                flags.append(param.opts[0])
        elif param.required or param.name in ("names", "approval", "text"):
            words += GIVEN[str(param.name)].split()
    return [words, *([flag, *words] for flag in flags)]


def at_a_terminal(place: Path, url: str, words: Sequence[str]) -> str:
    """Return what a terminal gets of a command."""
    ours, theirs = pty.openpty()
    env = {
        "PATH": os.environ["PATH"], "HOME": str(place), "XDG_STATE_HOME": str(place),
        "TERM": "xterm-256color", "COLUMNS": "200", "LANG": "C.UTF-8", "SXHOST_URL": url,
        "PAGER": "cat",
        "EMIT_SESSION_TRACKING": "1", "EMIT_SESSION_API_URL": f"{url}/telemetry",
    }  # fmt: skip
    with fork([SXHOST, *words], place, env, (theirs, theirs, theirs)) as process:
        os.close(theirs)
        text = b""
        try:
            while data := os.read(ours, 1 << 16):
                text += data
        except OSError:  # so ends a terminal
            pass
        process.wait(PATIENCE)
    os.close(ours)
    return text.decode().replace("\r\n", "\n")


def check(name: str, text: str) -> None:
    """See that nothing of it is obeyed, and that it is one with what was written."""
    bare = SGR.sub("", text)
    assert escape_hidden(bare, "\n\t") == bare, repr(bare)
    if name not in FLOWING:
        assert "\nFORGED" not in bare, bare


@pytest.fixture(name="place")
def _place(tmp_path: Path) -> Path:
    settings(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", LINKED)
def test_no_field_of_the_host_drives_a_terminal(name: str, place: Path) -> None:
    seen = ""
    manners: tuple[Manner, ...] = ("all", "names", "refuse")
    for manner in manners:
        with hostile_host(manner) as url:
            for words in variants(LEAVES[name])[: 1 if manner == "refuse" else None]:
                if manner != "names" or name in TALKING:
                    text = at_a_terminal(place, url, [*name.split(), *words])
                    check(name, text)
                    seen += text
    assert r"\x1b[8m" in seen, seen


# An answer needs a question of one shape, none of the hostile sessions can be named, and a
# program that is run here says what it says.
SILENT = ("answer", "prune", "take")


@pytest.mark.parametrize("name", [name for name in LINKED if name not in SILENT])
def test_json_output_is_exact_and_drives_no_terminal(name: str, place: Path) -> None:
    with hostile_host("names" if name in TALKING else "all") as url:
        for words in variants(LEAVES[name]):
            text = at_a_terminal(place, url, [*name.split(), "--json", *words])
            check(name, text)
            reported = [line for line in text.splitlines() if line.startswith("{")]
            assert reported, text
            for line in reported:
                json.loads(line)
            assert all(
                json.dumps(HOSTILE)[1:20] in line for line in reported if "\\u001b" in line
            )


@pytest.mark.parametrize("name", APART)
def test_local_files_and_arguments_drive_no_terminal(name: str, place: Path) -> None:
    with hostile_host("refuse") as url:
        for words in APART[name]:
            check(name, at_a_terminal(place, url, [*name.split(), *words]))


@pytest.mark.parametrize(
    "words", [["no\x1b[8m"], ["status", "--no\u202e"], ["show"], ["--port"]]
)
def test_wrong_arguments_are_escaped_in_errors(words: list[str], place: Path) -> None:
    check("", at_a_terminal(place, "http://127.0.0.1:1", words))


@pytest.mark.parametrize(
    "words",
    [
        ["--listen", "tcp:\x1b[8m"],
        ["--host", "\x1b[8m", "--port", "0"],
        ["--limit", "events=\x1b[8m"],
        ["--policy", "wrong.toml"],
        ["--tls-cert", "\x1b[8m", "--tls-key", "\x1b[8m"],
        ["--state-dir", "/dev/null/\x1b[8m"],
        ["--store", "sqlite:/dev/null/\x1b[8m", "--port", "0"],
    ],
)
def test_error_of_a_failed_start_is_escaped(words: list[str], place: Path) -> None:
    text = at_a_terminal(place, "", words)
    check("", text)
    assert text


# The one place.


def test_put_escapes_line_ends_but_not_in_a_flow(capsys: pytest.CaptureFixture[str]) -> None:
    put("a\nb", Flow("c\n\td\r"), "")
    put("e\x1b", nl=False, err=True)
    assert capsys.readouterr() == ("a\\nb\nc\n\td\\r\n\n", "e\\x1b")


def test_put_json_keeps_the_value(capsys: pytest.CaptureFixture[str]) -> None:
    put_json({"a": HOSTILE}, 7)
    first, second = capsys.readouterr().out.splitlines()
    assert json.loads(first) == {"a": HOSTILE}
    assert second == "7"


def test_put_pieces_escapes_each(capsys: pytest.CaptureFixture[str]) -> None:
    put_pieces([("a\n", "red"), (HOSTILE, None)], [("b", "dim")])
    output = capsys.readouterr().out
    assert output == f"a\\n{escape_hidden(HOSTILE)}\nb\n"


# Nothing else prints.

PRINTS = {"print", "echo", "secho", "echo_via_pager", "Console", "write", "writelines"}
ALLOWED = {
    "cli/output.py": {"echo", "Console", "print"},  # the one place of the commands
    "cli/board/items.py": {"Console"},  # lays out Markdown, and prints nothing
    "visible.py": {"write"},  # the one place of all others
    "hooks/command.py": {"write"},  # its usage, and the host's answer to the agent that runs it
    "hooks/listener.py": {"write"},  # a word to the agent, which is woken by its exit status
    "telemetry/command.py": {"write"},  # its usage
    "daemon/options.py": {"write"},  # the version
}
"""What prints, and why it may."""


def printing(tree: ast.AST) -> Iterator[str]:
    """Yield the calls that print: `print`, click's, and what writes to the standard streams."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        called: Any = node.func
        name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
        written = ast.unparse(called)
        if name.startswith("write") and not re.match(r"sys\.__?std|sys\.std", written):
            continue
        if name in PRINTS:
            yield name
        words = isinstance(node.args[0], ast.JoinedStr) if node.args else False
        if written in ("sys.exit", "SystemExit") and words:
            yield written


def test_no_other_module_prints() -> None:
    found = {
        str(path.relative_to(PLACE)): names
        for path in PLACE.rglob("*.py")
        if (names := set(printing(ast.parse(path.read_text()))))
    }
    assert found == ALLOWED
