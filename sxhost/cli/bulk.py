"""Commands on many sessions: each is told what became of it, and at the end how many.

Sessions are named one by one, or chosen by what they have in common.  What fails for one is
said for that one, and the others go on; the exit status tells that something did.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from sxhost.cli.filters import is_empty
from sxhost.cli.names import listed_sessions, matching_sessions, on_session
from sxhost.cli.output import fail, put, put_json
from sxhost.cli.terminal import HOST_SAID_NO, INTERRUPTED, HostLink

if TYPE_CHECKING:
    from sxhost.client.host import HostClient
    from sxhost.model.message import Sent
    from sxhost.model.session import Detail, Done, Forgotten, SessionQuery, Summary

__all__ = ["Action", "do_to_many", "do_to_named", "yes_option"]

yes_option = click.option("--yes", "-y", is_flag=True, help="Do not ask.")

AT_ONCE = 8
"""Sessions that something is done to at the same time: an agent takes its time to end."""

LISTED = 10
"""Sessions that are named before they are deleted; of more there is a number."""


class Action(NamedTuple):
    """What is done to sessions, the word for its outcome, and what is asked before it."""

    act: Callable[[HostClient, str], Awaitable[Done | Forgotten | Sent]]
    done: str
    question: str = ""
    """Asked at a terminal before it is done to more than one; empty: it needs no asking."""
    concerns: Callable[[Summary | Detail], bool] = lambda _session: True
    """Whether it can be done to a session that was not named, but chosen with others."""


class Chosen(NamedTuple):
    """A session that something is done to."""

    id: str
    session: Summary | Detail | None = None
    """None: it is in no list, and the host says what that means."""


def do_to_named(
    link: HostLink,
    names: Sequence[str],
    query: SessionQuery,
    action: Action,
    *,
    yes: bool = False,
) -> None:
    """Do something to the sessions that are named, or else to those that a query chooses.

    :raises click.UsageError: neither is given, or both are.
    """
    if bool(names) is not is_empty(query):
        how = "Name sessions, or choose them by --state, --label, --agent, --project or --dir"
        raise click.UsageError(f"{how}{', not both' if names else ''}.")
    if len(names) == 1:
        found, done = link.run_with_client(
            lambda host: on_session(host, names[0], partial(action.act, host))
        )
        link.show(done, outcome_line(action, found, done))
        return

    async def choose(host: HostClient) -> list[Chosen]:
        if not names:
            found = filter(action.concerns, await listed_sessions(host, query))
            return [Chosen(one.id, one) for one in found]
        return work.named(names, await listed_sessions(host))

    work = Work(link, action, yes=yes)
    work.run(choose)


def do_to_many(
    link: HostLink,
    choose: Callable[[HostClient], Awaitable[Sequence[Summary]]],
    action: Action,
    *,
    yes: bool = False,
) -> None:
    """Do something to the sessions that `choose` returns; machines are given them whole."""

    async def chosen(host: HostClient) -> list[Chosen]:
        return [Chosen(one.id, one) for one in await choose(host)]

    Work(link, action, yes=yes, whole=True).run(chosen)


def outcome_line(action: Action, session_id: str, done: Done | Forgotten | Sent) -> str:
    """Return the line that it is done, and what the host notes about it."""
    note = getattr(done, "note", "")
    return f"{session_id} {action.done}{'; ' if note else ''}{note}"


class Work:
    """Something that is done to many sessions.

    :param yes: whether nobody is asked.
    :param whole: whether machines are given the sessions, and not what became of each.
    """

    def __init__(
        self, link: HostLink, action: Action, *, yes: bool = False, whole: bool = False
    ) -> None:
        self._link = link
        self._action = action
        self._yes = yes
        self._whole = whole
        self._done = self._failed = 0
        self._lost: Exception | None = None
        """Why the host does not answer any more."""

    def run(self, choose: Callable[[HostClient], Awaitable[list[Chosen]]]) -> None:
        """Do it; end the process with 1 if it failed for any of them."""

        async def work(host: HostClient) -> None:
            chosen = await choose(host)
            if not await self._agreed(chosen):
                interrupted = self._link.interrupted
                fail(INTERRUPTED if interrupted else HOST_SAID_NO, "Nothing was done.")
            await self._do_to_all(host, chosen)

        self._link.run_with_client(work)
        if self._failed:
            sys.exit(HOST_SAID_NO)

    def named(self, names: Sequence[str], known: Sequence[Summary | Detail]) -> list[Chosen]:
        """Return the sessions that names mean; say of which names it cannot be told."""
        chosen = {}
        for name in names:
            matches = matching_sessions(name, known) if name else []
            if len(matches) > 1:
                candidates = ", ".join(session.id for session in matches[:LISTED])
                more = ", …" if len(matches) > LISTED else ""
                self._fail(name, f"It may be any of {candidates}{more}.", "ambiguous")
            else:
                one = Chosen(matches[0].id, matches[0]) if matches else Chosen(name)
                chosen[one.id] = one  # once, however often it is named
        return list(chosen.values())

    async def _agreed(self, chosen: Sequence[Chosen]) -> bool:
        """Return whether whoever sits at the terminal wants it to be done to so many."""
        if len(chosen) < 2 or self._yes or not self._action.question:  # noqa: PLR2004
            return True
        if self._link.json or not (sys.stdin.isatty() and sys.stderr.isatty()):
            return True
        from sxhost.cli.keyboard import ask

        for one in chosen[:LISTED]:
            title = one.session.title if one.session else ""
            put(f"  {one.id}  {title}".rstrip(), err=True)
        if len(chosen) > LISTED:
            put(f"  and {len(chosen) - LISTED} more", err=True)
        question = f"{self._action.question.format(len(chosen))} [y/N] "
        return (await ask(self._link.reactor, question)).lower() in ("y", "yes")

    async def _do_to_all(self, host: HostClient, chosen: Sequence[Chosen]) -> None:
        from twisted.internet.defer import Deferred, DeferredSemaphore, gatherResults

        def begin(one: Chosen) -> Deferred[None]:
            return Deferred.fromCoroutine(self._do_to(host, one))

        turns: Any = DeferredSemaphore(AT_ONCE)
        await gatherResults([turns.run(begin, one) for one in chosen])
        if not (self._link.json or (len(chosen) == 1 and not self._failed)):
            done = f"{self._done} {self._action.done}" if chosen else "No session matches"
            failed = f", {self._failed} failed" if self._failed else ""
            put(f"{done}{failed}.", err=True)
        if self._lost is not None:
            raise self._lost

    async def _do_to(self, host: HostClient, one: Chosen) -> None:
        from sxhost.errors import HostError, HostUnreachable

        if self._lost is not None:
            return
        try:
            done = await self._action.act(host, one.id)
        except HostError as error:
            self._fail(one.id, error.message, error.code)
        except HostUnreachable as error:
            self._lost = error
        else:
            self._done += 1
            outcome = one.session if self._whole else {"session": one.id, "ok": True}
            self._link.show(outcome, outcome_line(self._action, one.id, done))

    def _fail(self, name: str, message: str, code: str) -> None:
        self._failed += 1
        if self._link.json and not self._whole:
            error = {"code": code, "message": message}
            put_json({"session": name, "ok": False, "error": error})
        else:
            put(f"{name}: {message}", err=True)
