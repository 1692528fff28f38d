"""How each command is scheduled: its scope, what it waits for, how long it may take."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

from msgspec import UNSET

from sxhost.faces.pi.commands import COMMANDS, Command, Prompt
from sxhost.faces.pi.lanes import Priority, Ride
from sxhost.model.names import Scope

__all__ = ["TRAITS", "Trait", "ride_of"]


class Trait(NamedTuple):
    """How one command is scheduled.

    `priority`, `controls`, `stops`, `surveys`: what it waits for; see `sxhost.faces.pi.lanes`.
    `mutates`: it increases the session's version.  `time_limit`: ``short`` or ``long``; None
    for commands that must not be cut.  `starts`: it starts a program, for which a token for one
    session is not enough.
    """

    scope: Scope
    priority: Priority = "in_order"
    controls: frozenset[str] | None = None
    stops: bool = False
    surveys: bool = False
    mutates: bool = False
    time_limit: Literal["short", "long"] | None = None
    starts: bool = False


TURNS: Final = frozenset({"prompt"})
"""The commands that run a turn."""

READ: Final = Trait("read", "reads", time_limit="short")
ABORT: Final = Trait("send", "controls", stops=True, mutates=True, time_limit="short")
ADD_INPUT: Final = Trait("send", "controls", TURNS, mutates=True, time_limit="long")
WORK: Final = Trait("send", mutates=True, time_limit="long")
SETTING: Final = Trait("send", mutates=True)
RUN: Final = Trait("admin", mutates=True, time_limit="long")
EXCLUSIVE: Final = Trait("admin", "exclusive", mutates=True)

_NOT_READ: Final[Mapping[Trait, str]] = {
    EXCLUSIVE._replace(starts=True): "create_session load_session",
    EXCLUSIVE: "delete_session",
    READ._replace(priority="controls"): "switch_session unsubscribe",
    READ._replace(surveys=True): "list_sessions list_stored_sessions",
    Trait("approve", "answers", time_limit="short"): "extension_ui_response",
    WORK: "prompt compact",
    RUN: "bash new_session switch_session_file fork",
    ADD_INPUT: "steer follow_up",
    ABORT._replace(controls=TURNS | {"compact"}): "abort",
    ABORT._replace(controls=TURNS): "abort_retry",
    ABORT._replace(controls=frozenset({"compact"})): "abort_compaction",
    ABORT._replace(controls=frozenset({"bash"})): "abort_bash",
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


def ride_of(command: Command, client: object) -> Ride:
    """Return a command as its lane sees it; one with ``dependsOn`` overtakes nothing."""
    name, trait = command.type, TRAITS[command.type]
    if command.depends_on:
        return Ride(name, "in_order", client)
    if isinstance(command, Prompt) and command.streaming_behavior is not UNSET:
        return Ride(name, "controls", client, TURNS)
    return Ride(name, trait.priority, client, trait.controls, trait.stops, trait.surveys)
