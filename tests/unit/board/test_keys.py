"""Keys of the board: each has a meaning, and says why a token does not allow it."""

from __future__ import annotations

import re
from typing import Any

import pytest

from sxhost.cli.board.app import Board
from sxhost.cli.board.keys import HELP, KEYS, footer, refusal
from sxhost.model.auth import HostIdentity, Identity
from tests.support.places import TOP

HOST = HostIdentity(name="h", version="1", epoch="e")


def identity(*scopes: Any, session: str | None = None) -> Identity:
    return Identity(scopes=list(scopes), session=session, host=HOST)


def test_every_key_does_something() -> None:
    for key in KEYS:
        name = key.action.partition("(")[0]
        assert callable(getattr(Board, f"action_{name}")), key


def test_no_key_is_bound_twice() -> None:
    bound = [name for key in KEYS for name in key.bound.split(",")]
    assert len(bound) == len(set(bound))


def test_help_has_a_line_for_every_key_that_is_shown() -> None:
    assert len(HELP.splitlines()) == sum(1 for key in KEYS if key.shown)
    assert all(len(line) <= 72 for line in HELP.splitlines())


def test_every_key_stands_in_the_documents() -> None:
    page = (TOP / "docs" / "top.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    told = set(re.findall(r"`([^`]+)`", "".join(rows)))
    assert {name for key in KEYS for name in key.shown.split() if name != "1-9"} <= told


@pytest.mark.parametrize(
    ("who", "scope", "session", "why"),
    [
        (None, "admin", "a", ""),
        (identity("admin"), "approve", "a", ""),
        (identity("read"), "read", "a", ""),
        (identity("read"), "send", "a", "This token may read; that takes send."),
        (identity("read", "send"), "approve", "a",
         "This token may read, send; that takes approve."),
        (identity("read", "send", session="b"), "send", "b", ""),
        (identity("read", "send", session="b"), "send", "a",
         "This token is for the session b alone."),
    ],
)  # fmt: skip
def test_refusal_says_what_is_missing(
    who: Identity | None, scope: Any, session: str, why: str
) -> None:
    assert refusal(who, scope, session) == why


def test_keys_that_are_not_allowed_are_struck_out() -> None:
    shown = footer(identity("read", "approve"), "a")
    struck = {shown.plain[s.start : s.end].strip() for s in shown.spans
              if not isinstance(s.style, str) and s.style.strike}  # fmt: skip
    assert struck == {"send", "stop", "new"}
    assert len(shown.plain) <= 80
