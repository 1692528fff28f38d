"""Sessions and approvals as people name them, and how a shell completes them.

A session is named by its id, by any beginning of the id that no other has, or by its title;
an approval by its number, which the host gives out once.  The host itself takes only whole
ids: a name is looked up when the host says that it is none, so that an exact id costs no
request more and is never taken for another.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import redirect_stderr
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import click

from sxhost.cli.output import fail, put
from sxhost.cli.terminal import HostLink
from sxhost.config import host_url
from sxhost.visible import escape_hidden

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from sxhost.client.host import HostClient
    from sxhost.errors import ForbiddenScope
    from sxhost.model.approval import Approval, ApprovalQuery
    from sxhost.model.session import Detail, SessionQuery, Summary

__all__ = [
    "ApprovalName",
    "approval_and_texts",
    "approval_name",
    "ask_to_complete",
    "complete_approval",
    "complete_session",
    "complete_sessions",
    "find_approval",
    "find_session",
    "is_number",
    "listed_sessions",
    "matching_sessions",
    "on_session",
    "session_argument",
    "sessions_argument",
]

T = TypeVar("T")

MAX_CANDIDATES = 20
"""Lines of an ambiguous name's candidates; more do not help to choose."""

COMPLETION_WITHIN = 2.0
"""Seconds that someone who has pressed Tab waits for the host."""


class ApprovalName(NamedTuple):
    """An approval as it is named: by its number, and by its session if that is given."""

    session: str | None
    number: int


# Sessions.


async def on_session(
    host: HostClient,
    name: str,
    act: Callable[[str], Awaitable[T]],
    *,
    may_be_new: bool = False,
) -> tuple[str, T]:
    """Do something to the session that is meant; return its id, and what `act` has returned.

    :param act: called with the id; for a second time if the name was none.
    :param may_be_new: whether `act` makes the session if there is none: what can be an id is
        taken as it is then, since `build-1` is not `build-10`.
    :raises HostError: no session has this name, or the host refuses.
    """
    from sxhost.errors import BadField, ForbiddenScope, UnknownSession
    from sxhost.model.names import SESSION_ID

    is_id = re.match(SESSION_ID, name) is not None
    try:
        return name, await act(name)
    except (UnknownSession, ForbiddenScope, BadField) as error:
        if not name or (is_id and (may_be_new or isinstance(error, BadField))):
            raise
        known = await listed_sessions(host)
        matches = matching_sessions(name, known)
        if not matches:
            raise
    if len(matches) > 1:
        _list_candidates(name, matches)
    (session,) = matches
    return session.id, await act(session.id)


async def find_session(host: HostClient, name: str) -> str:
    """Return the id of the session that is meant.

    :raises HostError: no session has this name.
    """
    return (await on_session(host, name, host.session))[0]


async def listed_sessions(
    host: HostClient, query: SessionQuery | None = None
) -> Sequence[Summary | Detail]:
    """Return the sessions that match a query; of the one that a token is for, then.

    :raises HostError: the host refuses.
    """
    from sxhost.errors import ForbiddenScope
    from sxhost.model.session import SessionQuery
    from sxhost.model.summaries import summary_filter

    query = query or SessionQuery()
    try:
        return await host.sessions(query)
    except ForbiddenScope as refusal:
        only = await host.session(_only_session(refusal))
        return [only] if summary_filter(query)(only) else []


def _only_session(refusal: ForbiddenScope) -> str:
    """Return the one session that a refused token is for.

    :raises ForbiddenScope: it is for no session; this is the refusal itself.
    """
    only = refusal.details.get("session")
    if not isinstance(only, str):
        raise refusal
    return only


def matching_sessions(
    name: str, sessions: Sequence[Summary | Detail]
) -> list[Summary | Detail]:
    """Return the sessions that a name may mean: the only one, or the candidates.

    The id itself means its session alone.  Else ids that begin with the name and titles that
    are the name count alike; where there are none, titles that begin with it.  Capitals do
    not matter in titles.
    """
    exact = [session for session in sessions if session.id == name]
    if exact:
        return exact
    folded = name.casefold()
    titles = {session.id: (session.title or "").casefold() for session in sessions}
    named = [s for s in sessions if s.id.startswith(name) or titles[s.id] == folded]
    return named or [s for s in sessions if titles[s.id].startswith(folded)]


def _list_candidates(name: str, sessions: Sequence[Summary | Detail]) -> None:
    """Print which sessions a name may mean, and end the process."""
    put(f"{name!r} may be any of {len(sessions)} sessions:", err=True)
    width = max(len(session.id) for session in sessions[:MAX_CANDIDATES])
    for session in sessions[:MAX_CANDIDATES]:
        put(f"  {session.id:<{width}}  {session.title or ''}".rstrip(), err=True)
    more = len(sessions) - MAX_CANDIDATES
    fail(1, f"  and {more} more." if more > 0 else "Write more of the one that you mean.")


def session_argument(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the argument ID of a session; it is passed on as `session_id`."""
    return click.argument("session_id", metavar="ID", shell_complete=complete_session)(command)


def sessions_argument(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the arguments ID of many sessions; they are passed on as `names`."""
    return click.argument(
        "names", nargs=-1, metavar="[ID]...", shell_complete=complete_session
    )(command)


# Approvals.


async def find_approval(host: HostClient, name: ApprovalName) -> Approval:
    """Return an approval that waits, or is decided and still remembered.

    :raises HostError: there is no such approval, or no such session.
    """
    from sxhost.errors import UnknownApproval
    from sxhost.model.approval import ApprovalQuery

    for query in (ApprovalQuery(), ApprovalQuery(all=True)):  # all may be many
        known = await _listed_approvals(host, name.session, query)
        for approval in known:
            if approval.id == name.number:
                return approval
    if name.session is None:
        fail(1, f"No approval has number {name.number}: see `sxhost approvals`.")
    raise UnknownApproval(name.session, name.number)


async def _listed_approvals(
    host: HostClient, session: str | None, query: ApprovalQuery
) -> Sequence[Approval]:
    """Return the approvals of a session, or of all; of the one that a token is for, then."""
    from sxhost.errors import ForbiddenScope

    if session is not None:
        _, known = await on_session(
            host, session, lambda one: host.session_approvals(one, query)
        )
        return known
    try:
        return await host.approvals(query)
    except ForbiddenScope as refusal:
        return await host.session_approvals(_only_session(refusal), query)


def approval_name(words: Sequence[str]) -> ApprovalName:
    """Return the approval that words name: [ID] NUMBER.

    :raises click.UsageError: they are not a number, or a session and a number.
    """
    if not words:
        raise click.UsageError("Missing argument '[ID] NUMBER'.")
    *session, number = words
    if len(session) > 1:
        raise click.UsageError(f"Got unexpected extra argument ({words[-1]})")
    if not is_number(number):
        raise click.BadParameter(f"{number!r} is no number of an approval.")
    return ApprovalName(session[0] if session else None, int(number))


def approval_and_texts(
    words: Sequence[str], *, needs_text: bool = True
) -> tuple[ApprovalName, Sequence[str]]:
    """Return the approval that words begin with, and the words after it.

    A session comes first if the first word is no number and the second is one.

    :raises click.UsageError: no approval is named, or nothing follows that must.
    """
    if not words:
        raise click.UsageError("Missing argument '[ID] NUMBER'.")
    end = 1 if is_number(words[0]) else 2
    if len(words) < end or not is_number(words[end - 1]):
        raise click.UsageError(f"{words[0]!r} is no number of an approval.")
    if len(words) == end and needs_text:
        raise click.UsageError("Missing argument 'TEXT...'.")
    return ApprovalName(words[0] if end > 1 else None, int(words[end - 1])), words[end:]


def is_number(word: str) -> bool:
    """Tell whether a word is the number of an approval."""
    return re.fullmatch(r"[0-9]{1,18}", word) is not None


# Completion.


def complete_session(
    ctx: click.Context, _param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete the id of a session; a title's beginning is completed to its session's id."""
    from click.shell_completion import CompletionItem

    sessions = ask_to_complete(ctx, listed_sessions)
    return [
        CompletionItem(session.id, help=escape_hidden(session.title or session.agent or ""))
        for session in (matching_sessions(incomplete, sessions) if incomplete else sessions)
    ]


def complete_sessions(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete the last id of a list with commas."""
    head, comma, last = incomplete.rpartition(",")
    found = complete_session(ctx, param, last)
    for item in found:
        item.value = f"{head}{comma}{item.value}"
    return found


def complete_approval(
    ctx: click.Context, _param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete the number of an approval that waits."""
    from click.shell_completion import CompletionItem

    return [
        CompletionItem(str(one.id), help=escape_hidden(f"{one.session}: {one.title}"))
        for one in ask_to_complete(ctx, _approvals)
        if str(one.id).startswith(incomplete)
    ]


async def _approvals(host: HostClient) -> Sequence[Approval]:
    from sxhost.model.approval import ApprovalQuery

    return await _listed_approvals(host, None, ApprovalQuery())


def ask_to_complete(
    ctx: click.Context, question: Callable[[HostClient], Coroutine[Any, Any, Sequence[T]]]
) -> Sequence[T]:
    """Ask the host that a half-written command names; without an answer there is nothing.

    A shell shows what a completion prints in the middle of the line: nothing is.
    """
    given = ctx.params
    url = given.get("url") or host_url(os.environ)
    link = HostLink(url, json=False, token_file=given.get("token_file"), ca=given.get("ca"))

    async def work(host: HostClient) -> Sequence[T]:
        from twisted.internet.defer import Deferred

        asking = Deferred.fromCoroutine(question(host))
        return await asking.addTimeout(COMPLETION_WITHIN, link.reactor)

    try:
        with redirect_stderr(io.StringIO()):
            return link.run_with_client(work)
    except SystemExit:
        return []
