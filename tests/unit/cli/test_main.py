"""The help: what somebody wants stands first, and nothing stands there without a word."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from sxhost.cli.main import SECTIONS, sxhost
from sxhost.daemon.serving_options import SERVING_OPTIONS
from tests.support.commands import leaf_commands

LEAVES = dict(leaf_commands(sxhost))


def help_of(*words: str, width: int = 80) -> str:
    done = CliRunner().invoke(sxhost, [*words, "--help"], terminal_width=width)
    assert done.exit_code == 0
    return str(done.output)


@pytest.mark.parametrize("name", ["", *LEAVES])
def test_every_option_says_what_it_does(name: str) -> None:
    command = LEAVES[name] if name else sxhost
    options = [param for param in command.params if isinstance(param, click.Option)]
    assert [option.opts for option in options if not option.help] == []


@pytest.mark.parametrize("name", LEAVES)
def test_every_command_says_what_it_does_in_a_short_line(name: str) -> None:
    line = LEAVES[name].get_short_help_str(62)
    assert line
    assert not line.endswith("..."), "it must fit beside the name at 80 columns"


def test_every_command_is_in_one_section() -> None:
    named = [name for names in SECTIONS.values() for name in names]
    assert sxhost.commands.keys() <= set(named)
    assert len(named) == len(set(named))
    assert "Others" not in help_of()


def test_commands_come_first_by_what_somebody_wants() -> None:
    text = help_of()
    places = [text.index(f"\n{title}:\n") for title in (*SECTIONS, "Options")]
    assert places == sorted(places)
    assert max(map(len, text.splitlines())) <= 80


def test_options_of_the_host_are_those_of_serve() -> None:
    top, serve = help_of(), help_of("serve")
    names = [option.name for option in SERVING_OPTIONS] + ["daemon", "addr"]
    assert [name for name in names if f"--{name} " in top] == []
    assert [name for name in names if f"--{name}" not in serve] == []


def test_options_of_the_host_are_not_for_other_commands() -> None:
    done = CliRunner().invoke(sxhost, ["--port", "1", "status"])
    assert done.exit_code == 2
    assert "--port is for serving, not for status." in done.output


WITHOUT_JSON = {
    *("attach", "completion", "emit", "serve", "stdio", "token show"),
    *("hook claude", "hook codex", "hook install", "hook uninstall", "notify check"),
    *("service install", "service uninstall"),
}
"""Commands that print nothing of a host: what a program says, a script, a token, a check."""


def test_every_command_that_prints_what_a_host_knows_prints_json() -> None:
    without = {
        name
        for name, command in LEAVES.items()
        if not any("--json" in param.opts for param in command.params)
    }
    assert without == WITHOUT_JSON
