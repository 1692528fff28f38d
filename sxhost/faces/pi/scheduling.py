"""What the multiplexer's commands are like: who may, what they wait for, how long."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

from sxhost.faces.pi.commands import COMMANDS
from sxhost.model.names import Scope

__all__ = ["TRAITS", "Trait"]


class Trait(NamedTuple):
    """What a command is like.

    `overtakes`: it does not wait behind work that has begun.  `rules`: it waits for nothing
    that a session does, and all else in the session for it.  `mutates`: the session has
    another version after it.  `patience`: ``short`` or ``long``, or nothing, for commands
    that must not be cut.  `starts`: it starts a program, which is for no token that is for
    one session alone.
    """

    scope: Scope
    overtakes: bool = False
    rules: bool = False
    mutates: bool = False
    patience: Literal["short", "long"] | None = None
    starts: bool = False


READ: Final = Trait("read", overtakes=True, patience="short")
STOPS: Final = Trait("send", overtakes=True, mutates=True, patience="short")
ADDS: Final = Trait("send", overtakes=True, mutates=True, patience="long")
WORKS: Final = Trait("send", mutates=True, patience="long")
SETS: Final = Trait("send", mutates=True)
RUNS: Final = Trait("admin", mutates=True, patience="long")
RULES: Final = Trait("admin", rules=True, mutates=True)

_OTHERS: Final[Mapping[str, Trait]] = {
    "create_session": RULES._replace(starts=True),
    "load_session": RULES._replace(starts=True),
    "delete_session": RULES,
    "extension_ui_response": Trait("approve", overtakes=True, patience="short"),
    "prompt": WORKS,
    "compact": WORKS,
    "bash": RUNS,
    "new_session": RUNS,
    "switch_session_file": RUNS,
    "fork": RUNS,
    "steer": ADDS,
    "follow_up": ADDS,
    "abort": STOPS,
    "abort_compaction": STOPS,
    "abort_retry": STOPS,
    "abort_bash": STOPS,
    "set_model": SETS,
    "cycle_model": SETS,
    "set_thinking_level": SETS,
    "cycle_thinking_level": SETS,
    "set_auto_compaction": SETS,
    "set_auto_retry": SETS,
    "set_session_name": SETS,
    "export_html": Trait("admin", mutates=True),
    "navigate_tree": SETS,
}

TRAITS: Final[Mapping[str, Trait]] = {name: _OTHERS.get(name, READ) for name in COMMANDS}
"""What each command is like; all that is not named is a read."""
