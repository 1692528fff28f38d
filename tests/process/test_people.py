"""What people read: every command against a host that tells all there can be told.

No value is printed as Python or JSON has it, no moment as a number, and no line of a list is
wider than the terminal.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from sxhost.cli.formats import columns_of
from tests.process.test_output import (
    LEAVES,
    LINKED,
    SGR,
    TALKING,
    at_a_terminal,
    variants,
)
from tests.support.daemons import SXHOST, clean_environ
from tests.support.fork_server import run_forked
from tests.support.hostile import hostile_host, settings

FORBIDDEN = {
    "a value of Python": re.compile(r"\b[A-Z]\w*\(\w+=|<\w[\w.]* object at|\bUNSET\b"),
    "None, True or False": re.compile(r"\b(None|True|False)\b"),
    "a dict or a list": re.compile(r"""\{['"]|\[['"]|['"]\]|': """),
    "milliseconds": re.compile(r"(?<!\d)\d{13}(?!\d)"),
    "seconds since 1970": re.compile(r"(?<!\d)17[89]\d{7}(?!\d)"),
    "an escape sequence": re.compile("\x1b"),
}
"""What nobody wants to read."""

SAYING = [name for name in LINKED if name not in {*TALKING, "wait"}]
"""Commands that are told all at once: others go on until an agent is done."""

LISTS = ("sessions", "events", "tail", "show", "audit", "token list", "discover")
"""Commands whose lines are cut to the terminal."""


@pytest.fixture(scope="module")
def host() -> Iterator[str]:
    with hostile_host("rich") as url:
        yield url


@pytest.mark.parametrize("name", SAYING)
def test_people_read_no_value_of_a_program(name: str, host: str, tmp_path: Path) -> None:
    settings(tmp_path)
    env = {**clean_environ(tmp_path), "XDG_STATE_HOME": str(tmp_path), "SXHOST_URL": host}
    for words in variants(LEAVES[name]):
        command = [*name.split(), *words]
        text = SGR.sub("", at_a_terminal(tmp_path, host, command))
        assert "Traceback" not in text
        check(text)
        if name in LISTS and "--follow" not in words:
            assert max(map(columns_of, text.splitlines())) <= 200
        check(run_forked([SXHOST, *command], tmp_path, env).stdout)


def check(text: str) -> None:
    for what, pattern in FORBIDDEN.items():
        found = pattern.search(text)
        assert not found, f"{what}: {text[max(found.start() - 200, 0) : found.end() + 80]}"
