"""How each command is scheduled: its scope, what it waits for, how long it may take."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

from sxhost.faces.pi.commands import COMMANDS
from sxhost.model.names import Scope

__all__ = ["TRAITS", "Trait"]


class Trait(NamedTuple):
    """How one command is scheduled.

    `overtakes`: it does not wait behind work that runs.  `exclusive`: it waits for nothing
    that a session does, and all else in the session waits for it.  `mutates`: it increases
    the session's version.  `time_limit`: ``short`` or ``long``; None for commands that must
    not be cut.  `starts`: it starts a program, for which a token for one session is not
    enough.
    """

    scope: Scope
    overtakes: bool = False
    exclusive: bool = False
    mutates: bool = False
    time_limit: Literal["short", "long"] | None = None
    starts: bool = False


READ: Final = Trait("read", overtakes=True, time_limit="short")
ABORT: Final = Trait("send", overtakes=True, mutates=True, time_limit="short")
ADD_INPUT: Final = Trait("send", overtakes=True, mutates=True, time_limit="long")
WORK: Final = Trait("send", mutates=True, time_limit="long")
SETTING: Final = Trait("send", mutates=True)
RUN: Final = Trait("admin", mutates=True, time_limit="long")
EXCLUSIVE: Final = Trait("admin", exclusive=True, mutates=True)

_NOT_READ: Final[Mapping[str, Trait]] = {
    "create_session": EXCLUSIVE._replace(starts=True),
    "load_session": EXCLUSIVE._replace(starts=True),
    "delete_session": EXCLUSIVE,
    "extension_ui_response": Trait("approve", overtakes=True, time_limit="short"),
    "prompt": WORK,
    "compact": WORK,
    "bash": RUN,
    "new_session": RUN,
    "switch_session_file": RUN,
    "fork": RUN,
    "steer": ADD_INPUT,
    "follow_up": ADD_INPUT,
    "abort": ABORT,
    "abort_compaction": ABORT,
    "abort_retry": ABORT,
    "abort_bash": ABORT,
    "set_model": SETTING,
    "cycle_model": SETTING,
    "set_thinking_level": SETTING,
    "cycle_thinking_level": SETTING,
    "set_auto_compaction": SETTING,
    "set_auto_retry": SETTING,
    "set_session_name": SETTING,
    "export_html": Trait("admin", mutates=True),
    "navigate_tree": SETTING,
}

TRAITS: Final[Mapping[str, Trait]] = {name: _NOT_READ.get(name, READ) for name in COMMANDS}
"""The traits by command; commands that are not named above only read."""
