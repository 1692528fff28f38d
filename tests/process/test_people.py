"""What people read: every command against a host that tells all there can be told.

No value is printed as Python or JSON has it, no moment as a number, and no line of a list is
wider than the terminal.
"""

from __future__ import annotations

import re
import subprocess
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
from tests.support.daemons import PATIENCE, SXHOST, clean_environ
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

SAYING = [name for name in LINKED if name not in TALKING]
"""Commands that are told all at once: those that talk with an agent go on until it is done."""

LISTS = ("sessions", "events", "tail", "show", "audit", "token list", "discover")
"""Commands whose lines are cut to the terminal."""


@pytest.fixture(name="place")
def _place(tmp_path: Path) -> Path:
    settings(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", SAYING)
def test_people_at_a_terminal_read_no_value_of_a_program(name: str, place: Path) -> None:
    with hostile_host("rich") as url:
        for words in variants(LEAVES[name]):
            text = SGR.sub("", at_a_terminal(place, url, [*name.split(), *words]))
            assert "Traceback" not in text
            check(text)
            if name in LISTS and "--follow" not in words:
                assert max(map(columns_of, text.splitlines())) <= 200


@pytest.mark.parametrize("name", SAYING)
def test_pipes_have_no_value_of_a_program_either(name: str, place: Path) -> None:
    env = {**clean_environ(place), "XDG_STATE_HOME": str(place)}
    with hostile_host("rich") as url:
        for words in variants(LEAVES[name]):
            done = subprocess.run(
                [SXHOST, *name.split(), *words, "--url", url],
                env=env, cwd=place, stdin=subprocess.DEVNULL, capture_output=True,
                encoding="utf-8", timeout=PATIENCE, check=False,
            )  # fmt: skip
            check(done.stdout)


def check(text: str) -> None:
    for what, pattern in FORBIDDEN.items():
        found = pattern.search(text)
        assert not found, f"{what}: {text[max(found.start() - 200, 0) : found.end() + 80]}"
