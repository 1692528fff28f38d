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

_NOT_READ: Final[Mapping[Trait, str]] = {
    EXCLUSIVE._replace(starts=True): "create_session load_session",
    EXCLUSIVE: "delete_session",
    Trait("approve", overtakes=True, time_limit="short"): "extension_ui_response",
    WORK: "prompt compact",
    RUN: "bash new_session switch_session_file fork",
    ADD_INPUT: "steer follow_up",
    ABORT: "abort abort_compaction abort_retry abort_bash",
    SETTING: (
        "set_model cycle_model set_thinking_level cycle_thinking_level set_auto_compaction"
        " set_auto_retry set_session_name navigate_tree"
    ),
    Trait("admin", mutates=True): "export_html",
}

TRAITS: Final[Mapping[str, Trait]] = dict.fromkeys(COMMANDS, READ) | {
    name: trait for trait, names in _NOT_READ.items() for name in names.split()
}
"""The traits by command; commands that are not named above only read."""
