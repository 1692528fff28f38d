"""What commands import: quick ones are quick because it is little.  Counted, not timed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence

import pytest

from sxhost.cli.commands import MODULES
from sxhost.cli.main import sxhost
from tests.process.test_cli import Shell, ask, shell
from tests.process.test_cli_agents import asked

__all__ = ["shell"]

FOR_SCREENS = {"rich", "markdown_it", "textual", "pygments", "segno"}
"""Packages for what few commands show."""

FOR_SERVERS = {"OpenSSL", "cryptography", "websockets", "klein", "werkzeug", "automat", "re2"}
"""Packages of a host, and of TLS."""

FOR_ASKING = {"twisted", "treq", "zope", "attr", "asyncio", "ssl"}
"""What it takes to ask a host: none of it for help, for completion, for wrong words."""

EVENTS = {"sxhost.model.event_types", "sxhost.model.search", "sxhost.model.search_text"}
"""The types of all events: half as much as all the rest of ours."""

QUICK = ("status", "send", "fire", "pull", "approve")
"""Commands that people and scripts use all the time."""

MOST = 520
"""Modules that a quick command has, those of Python included."""


def imports(commands: Sequence[Sequence[str]], **environ: str) -> list[set[str]]:
    """Return the modules that each command has once it is done."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.command_imports"],
        input=json.dumps(commands),
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **environ},
        check=True,
        capture_output=True,
        text=True,
    )
    return [set(modules) for modules in json.loads(done.stdout)]


@pytest.fixture(scope="module")
def helps() -> Mapping[str, set[str]]:
    names = list(sxhost.commands)
    return dict(zip(names, imports([[name, "--help"] for name in names]), strict=True))


@pytest.mark.parametrize("name", sxhost.commands)
def test_a_command_that_is_loaded_has_nothing_heavy(
    name: str, helps: Mapping[str, set[str]]
) -> None:
    assert helps[name] & (FOR_SCREENS | FOR_SERVERS | FOR_ASKING) == set()


def test_a_command_is_loaded_without_the_others(helps: Mapping[str, set[str]]) -> None:
    modules = {f"sxhost.cli.{module}" for module in MODULES} - {"sxhost.cli.serve"}
    assert helps["status"] & modules == {"sxhost.cli.admin"}
    assert helps["send"] & modules == {"sxhost.cli.messages"}


def test_each_module_has_the_commands_that_it_is_asked_for() -> None:
    for module, names in MODULES.items():
        loaded = sys.modules.get(f"sxhost.cli.{module}") or __import__(
            f"sxhost.cli.{module}", fromlist=["commands"]
        )
        assert {command.name for command in loaded.commands} == set(names.split())


@pytest.fixture(scope="module")
def quick(shell: Shell) -> Mapping[str, set[str]]:
    session = shell.session()
    ask(f"{shell.url}/sessions", {"id": session, "agent": "echo"})
    number = asked(shell, session, "ASK: may I")
    words = {
        "status": ["status"],
        "send": ["send", session, "hello"],
        "fire": ["fire", session, "thinking"],
        "pull": ["pull", session],
        "approve": ["approve", session, number],
    }
    found = imports([words[name] for name in QUICK], SXHOST_URL=shell.url)
    return dict(zip(QUICK, found, strict=True))


@pytest.mark.parametrize("name", QUICK)
def test_a_quick_command_imports_what_it_takes_to_ask(
    name: str, quick: Mapping[str, set[str]]
) -> None:
    modules = quick[name]
    assert modules >= {"treq", "sxhost.client.host"}, "it has asked"
    assert modules & (FOR_SCREENS | FOR_SERVERS | EVENTS) == set()
    assert len(modules) <= MOST
