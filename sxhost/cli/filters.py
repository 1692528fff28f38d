"""Which sessions a list or a command on many is about: ``--agent``, ``--dir``, ``--label`` …"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

from sxhost.cli.completion import (
    complete_known_agent,
    complete_label,
    complete_project,
    complete_state,
)

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from sxhost.client.host import HostClient
    from sxhost.client.stream import Value
    from sxhost.model.approval import Approval
    from sxhost.model.session import SessionQuery

__all__ = ["filter_options", "is_empty", "lasting_filter_options", "session_filter"]


def _directories(
    _ctx: click.Context, _param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem

    return [CompletionItem(incomplete, type="dir")]


def _option(name: str, metavar: str | None, help_text: str, complete: Any) -> Any:
    return click.option(
        f"--{name}", default="", metavar=metavar, help=help_text, shell_complete=complete
    )


STATES = "Only sessions in this state: active, idle, working, waiting, stalled, …"

OPTIONS = {
    name: _option(name, *option)
    for name, option in {
        "state": (None, STATES, complete_state),
        "label": ("NAME:VALUE", "Only those with this label.", complete_label),
        "agent": ("NAME", "Only those of this agent.", complete_known_agent),
        "project": ("NAME", "Only those that work in this project.", complete_project),
        "dir": ("DIR", "Only those that work in DIR or below it.", _directories),
    }.items()
}
"""The options by the fields of `SessionQuery`."""


def filter_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that choose sessions; they are passed on as `query`."""
    return _with_options(command, [*OPTIONS])


def lasting_filter_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command those that choose sessions by what they are, not by what they do."""
    return _with_options(command, [name for name in OPTIONS if name != "state"])


def _with_options(command: Callable[..., None], names: Sequence[str]) -> Callable[..., None]:
    @wraps(command)
    def filtered(*words: Any, **named: Any) -> None:
        from sxhost.model.session import SessionQuery

        fields = {name: named.pop(name) for name in names}
        if fields["dir"]:
            fields["dir"] = os.path.abspath(fields["dir"])  # noqa: PTH100 - links stay
        command(*words, query=SessionQuery(**fields), **named)

    decorated: Callable[..., None] = filtered
    for name in reversed(names):
        decorated = OPTIONS[name](decorated)
    return decorated


def is_empty(query: SessionQuery) -> bool:
    """Return whether a query chooses all sessions."""
    return query == type(query)()


def session_filter(
    query: SessionQuery,
) -> Callable[[HostClient, Value | Approval], Awaitable[bool]]:
    """Return a function that tells whether a value of a stream is of a session that matches.

    Each session is asked for once: what it is, and where it works, seldom changes.
    """
    from sxhost.errors import HostError
    from sxhost.model.event import Gap
    from sxhost.model.summaries import summary_filter

    matches = summary_filter(query)
    known: dict[str, bool] = {}

    async def chosen(host: HostClient, value: Value | Approval) -> bool:
        if isinstance(value, Gap) or is_empty(query):
            return True
        if value.session not in known:
            try:
                known[value.session] = matches(await host.session(value.session))
            except HostError:  # forgotten meanwhile
                return False
        return known[value.session]

    return chosen
