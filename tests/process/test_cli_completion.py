"""Completion in real shells: what Tab makes of a line, which is then run."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import click
import pytest
from click.shell_completion import ShellComplete

from sxhost.cli.main import sxhost
from tests.process.test_cli import SXHOST, Shell, ask, shell
from tests.process.test_cli_run import Terminal
from tests.support.commands import leaf_commands

__all__ = ["shell"]

SHELLS = {
    "bash": (
        ("setsid", "-c", "bash", "--norc", "--noprofile", "-i"),
        "source <(sxhost completion bash); echo READY$((1+1))",
    ),
    "zsh": (
        ("setsid", "-c", "zsh", "-f", "-i"),
        "autoload -U compinit; compinit -u; . <(sxhost completion zsh); echo READY$((1+1))",
    ),
    "fish": (
        ("setsid", "-c", "fish", "--no-config", "-i"),
        "sxhost completion fish | source; echo READY(math 1 + 1)",
    ),
}
MISSING = [name for name in SHELLS if shutil.which(name) is None]

EVIL = "$(touch pwned)"


def at_prompt(shell: Shell, home: Path, name: str) -> Terminal:
    """Return an interactive shell that completes."""
    command, setup = SHELLS[name]
    path = f"{Path(SXHOST).parent}{os.pathsep}{os.environ['PATH']}"
    environ = {"HOME": str(home), "PATH": path, "TERM": "xterm" if name == "fish" else "dumb"}
    terminal = Terminal(shell, command=command, **environ)
    terminal.type(setup)
    terminal.until("READY2")
    return terminal


@pytest.mark.skipif(bool(MISSING), reason=f"there is no {', '.join(MISSING)}")
@pytest.mark.parametrize("name", SHELLS)
def test_a_real_shell_completes(shell: Shell, tmp_path: Path, name: str) -> None:
    first, agent = f"{name}:one", f"{name}-agent"
    ask(f"{shell.url}/sessions/{first}/register", {"title": f"Mend {name}, all", "agent": EVIL})
    launch = {
        "agent": "echo",
        "id": agent,
        "labels": {f"in-{name}": "yes"},
        "prompt": "ASK: ls",
    }
    ask(f"{shell.url}/sessions", launch)
    shell.output("events", agent, "-f", "--types", "approval-requested", "--limit", "1")
    (number,) = (one["id"] for one in shell.lines("approvals") if one["session"] == agent)
    terminal = at_prompt(shell, tmp_path, name)
    for typed, printed in (
        (f"sxhost show {name}:\t --json", f'{{"id":"{first}"'),
        (f"sxhost show Mend\\ {name}\t --json", f'{{"id":"{first}"'),
        (
            f"sxhost sessions --label in-{name}:\t --agent e\t --json | cat",
            f'[{{"id":"{agent}"',
        ),
        (f"sxhost new --agent ec\t --id {name}-new", f"{name}-new"),
        (f"sxhost rm --yes {name}-n\t {name}:\t", "2 forgotten."),
        (f"sxhost approve {str(number)[:-1]}\t", f"{agent} approval {number}: approve"),
    ):
        terminal.type(typed)
        terminal.until(printed.removeprefix("["))
    terminal.type("exit")
    terminal.close()
    assert not (tmp_path / "pwned").exists()


def test_what_a_shell_would_run_is_not_offered(shell: Shell) -> None:
    name = shell.session()
    fields = {"agent": EVIL, "cwd": "/x/a;b", "labels": {"a b": "c", "ok": "yes"}}
    ask(f"{shell.url}/sessions/{name}/register", fields)
    for option in ("--agent", "--project", "--label"):
        line = f"sxhost sessions --url {shell.url} {option} "
        offered = shell.output(_SXHOST_COMPLETE="bash_complete", COMP_LINE=line)
        assert not set("$;( ") & set(offered)
        assert ("plain,ok:yes\n" in offered) == (option == "--label")


def test_no_option_of_any_command_breaks_completion() -> None:
    complete = ShellComplete(sxhost, {}, "sxhost", "_SXHOST_COMPLETE")
    for name, command in leaf_commands(sxhost):
        offered = [item.value for item in complete.get_completions(name.split(), "--")]
        assert "--help" in offered or name == "emit", name
        for param in command.params:
            if isinstance(param, click.Option) and not (
                param.is_flag or param._custom_shell_complete
            ):
                complete.get_completions([*name.split(), param.opts[-1]], "x")
