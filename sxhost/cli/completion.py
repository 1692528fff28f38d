"""What a shell completes of what the running host knows: agents, projects, labels.

What agents say of themselves ends up on a command line here, where the next Enter runs it: only
what no shell makes anything of is offered.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from sxhost.cli.names import ask_to_complete, listed_sessions

if TYPE_CHECKING:
    import click

    from sxhost.model.session import Detail, Summary

__all__ = [
    "complete_agent",
    "complete_known_agent",
    "complete_label",
    "complete_project",
    "complete_state",
]

PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:@%+,/-]*")
"""Words in which no shell sees anything but letters."""

ONLY_OF_SESSIONS = ("active", "idle", "working", "waiting", "stalled", "ended", "lost")


def complete_agent(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Complete the name of an agent that can be started."""
    from sxhost.drivers.registry import installed

    return _offered([*installed()], incomplete)


def complete_state(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Complete the state of a session."""
    return _offered(ONLY_OF_SESSIONS, incomplete)


def complete_known_agent(
    ctx: click.Context, _param: click.Parameter, incomplete: str
) -> list[str]:
    """Complete the agent of a session."""
    return _of_sessions(ctx, incomplete, lambda session: [session.agent])


def complete_project(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Complete the project of a session."""
    return _of_sessions(ctx, incomplete, lambda session: [session.project])


def complete_label(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Complete a label of a session."""
    return _of_sessions(
        ctx, incomplete, lambda session: [f"{n}:{value}" for n, value in session.labels.items()]
    )


def _of_sessions(
    ctx: click.Context,
    incomplete: str,
    words: Callable[[Summary | Detail], Iterable[str]],
) -> list[str]:
    sessions = ask_to_complete(ctx, listed_sessions)
    return _offered((word for session in sessions for word in words(session)), incomplete)


def _offered(words: Iterable[str], incomplete: str) -> list[str]:
    fitting = {word for word in words if word.startswith(incomplete)}
    return sorted(word for word in fitting if PLAIN.fullmatch(word))
