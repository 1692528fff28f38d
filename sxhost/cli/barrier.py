"""``sxhost wait``: return once a session is idle, asks, has said something or is over."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Literal

import click

from sxhost.cli.admin import seconds
from sxhost.cli.names import find_session, session_argument
from sxhost.cli.output import Flow, put
from sxhost.cli.terminal import HostLink, linked
from sxhost.model.delivery import OVER

if TYPE_CHECKING:
    from sxhost.client.host import HostClient
    from sxhost.model.session import Summary

__all__ = ["commands"]

Until = Literal["idle", "asks", "message", "ended"]

ENDED_FIRST, TOO_LATE = 4, 124
"""What it exits with if the session is over before, or the time."""


def is_over(session: Summary) -> bool:
    """Return whether nothing more comes of a session by itself."""
    return session.detail_state in OVER or session.rest == "ended"


IS_SO: Mapping[str, Callable[[Summary], bool]] = {
    "idle": lambda one: one.detail_state == "idle" and not one.queued_messages,
    "asks": lambda one: bool(one.pending_approvals),
    "ended": is_over,
    "message": lambda _: False,  # the stream tells
}
"""Whether a session is as somebody waits for."""


@click.command("wait")
@session_argument
@click.option(
    "--until",
    type=click.Choice([*IS_SO]),
    default="idle",
    show_default=True,
    help="What to wait for: its work is over and no message waits, its agent asks, it says"
    " something, it has ended.",
)
@click.option(
    "--timeout", callback=seconds, metavar="30m", help="How long: 30s, 10m, 2h.  [for ever]"
)
@linked
def wait(link: HostLink, session_id: str, until: Until, timeout: float | None) -> None:
    """Wait for a session, for scripts.

    It exits with 0 once it is so, with 4 if the session is over before, and with 124 if the
    time is.  With --until message it prints what the agent has said.
    """

    async def work(host: HostClient) -> int:
        from twisted.internet import defer

        waiting = defer.Deferred.fromCoroutine(wait_for(link, host, session_id, until))
        if timeout is not None:
            waiting.addTimeout(timeout, link.reactor)
        try:
            return await waiting
        except defer.TimeoutError:
            return TOO_LATE

    sys.exit(link.run_with_client(work))


async def wait_for(link: HostLink, host: HostClient, name: str, until: Until) -> int:
    """Return 0 once a session is as somebody waits for, `ENDED_FIRST` if it is over before."""
    from sxhost.model.event import Event
    from sxhost.model.event_types import MessageEvent, decode_event
    from sxhost.model.session import SessionRemoved, SummaryChange

    found = await find_session(host, name)
    kinds = ("message",) if until == "message" else ("ended",)
    async with host.subscribe(found, types=kinds, after="now", summary=True) as stream:
        async for value in stream:
            match value:
                case Event() if isinstance(said := decode_event(value), MessageEvent):
                    link.show(value, Flow(said.text))
                    return 0
                case SummaryChange(summary=session) if IS_SO[until](session):
                    link.show(session, f"{found} {_WORDS[until]}")
                    return 0
                case SummaryChange(summary=session) if is_over(session):
                    put(f"{found} is over: {session.reason}", err=True)
                    return ENDED_FIRST
                case SessionRemoved():
                    put(f"{found} was deleted", err=True)
                    return ENDED_FIRST
    return ENDED_FIRST


_WORDS: Mapping[Until, str] = {
    "idle": "is idle",
    "asks": "needs an answer",
    "ended": "has ended",
    "message": "has said something",
}


commands = (wait,)
