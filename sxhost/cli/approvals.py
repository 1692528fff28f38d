"""``sxhost approvals``, ``approve``, ``deny``, ``answer``: what agents ask, and the answers."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from sxhost.cli.filters import filter_options, session_filter
from sxhost.cli.formats import clock
from sxhost.cli.names import (
    ApprovalName,
    approval_and_texts,
    approval_name,
    complete_approval,
    complete_session,
    find_approval,
    find_session,
    is_number,
    on_session,
)
from sxhost.cli.output import at_terminal, put, put_pieces, terminal_width
from sxhost.cli.terminal import HOST_SAID_NO, HostLink, linked, text_or_stdin
from sxhost.cli.words import WordsCommand

if TYPE_CHECKING:
    from sxhost.client.host import HostClient
    from sxhost.client.stream import EventStream, Value
    from sxhost.model.approval import Answer, Approval
    from sxhost.model.session import SessionQuery, Summary

__all__ = ["approval_line", "approval_lines", "commands"]


@click.command()
@click.option("--all", "everything", is_flag=True, help="Include those that are decided.")
@click.option(
    "--follow",
    "-f",
    is_flag=True,
    help="Go on with new ones; at a terminal, answer each with a key.",
)
@filter_options
@linked
def approvals(link: HostLink, *, everything: bool, follow: bool, query: SessionQuery) -> None:
    """List what agents wait for."""
    from sxhost.model.approval import ApprovalQuery

    chosen = session_filter(query)

    async def listed(host: HostClient) -> list[Approval]:
        known = await host.approvals(ApprovalQuery(all=everything))
        return [approval for approval in known if await chosen(host, approval)]

    async def with_sessions(host: HostClient) -> tuple[list[Approval], list[Summary]]:
        from sxhost.model.session import SessionQuery

        found = await listed(host)
        return found, await host.sessions(SessionQuery()) if found else []

    if follow:
        _follow(link, query)
    elif link.json or not at_terminal():
        found = link.run_with_client(listed)
        link.show(found, *(line for each in found for line in approval_lines(each)))
    else:
        from sxhost.cli.approval_view import approvals_view

        found, sessions = link.run_with_client(with_sessions)
        now_ms = time.time_ns() // 1_000_000
        put_pieces(*approvals_view(found, sessions, now_ms, terminal_width()))


def _follow(link: HostLink, query: SessionQuery) -> None:
    """Print what is asked and decided as it comes; at a terminal, ask for the decisions."""
    from sxhost.cli.follow import approval_of, watch
    from sxhost.model.rights import APPROVAL_EVENTS

    chosen = session_filter(query)
    if at_terminal() and sys.stdin.isatty() and not link.json:
        from sxhost.cli.approval_desk import ApprovalDesk

        link.run_with_client(lambda host: ApprovalDesk(link, host, chosen).run())
        return

    async def subscribe(host: HostClient, link_options: dict[str, Any]) -> EventStream:
        return host.subscribe(types=sorted(APPROVAL_EVENTS), **link_options)

    async def of_chosen(host: HostClient, value: Value) -> Value | None:
        return await approval_of(host, value) if await chosen(host, value) else None

    watch(link, subscribe, names=True, look=of_chosen)


@click.command()
@click.argument(
    "approval", nargs=-1, metavar="[ID] NUMBER | --all", shell_complete=complete_approval
)
@click.option("--all", "whole_session", is_flag=True, help="All that --session ID waits for.")
@click.option(
    "--session",
    is_flag=False,
    flag_value="",
    metavar="[ID]",
    help="Approve all like it in its session, too; with --all, the session.",
)
@click.option("--decision", help="Another of the choices that the agent offers.")
@click.option(
    "--answer", multiple=True, metavar="NAME=TEXT", help="The answer to one of its questions."
)
@click.option("--reason", help="Why, for the log.")
@linked
def approve(
    link: HostLink,
    approval: Sequence[str],
    *,
    whole_session: bool,
    session: str | None,
    decision: str | None,
    answer: Sequence[str],
    reason: str | None,
) -> None:
    """Approve what an agent asks for."""
    from sxhost.model.approval import Answer

    if whole_session:
        _decide_all(
            link, session, approval, Answer(decision=decision or "approve", reason=reason)
        )
        return
    if session:  # it was the flag, and what stands behind it names the approval
        after = is_number(session)
        approval = [*approval, session] if after else [session, *approval]
    chosen = decision or ("approve" if session is None else "approve_session")
    answers: dict[str, str | list[str]] = dict(word.partition("=")[::2] for word in answer)
    decision_answer = Answer(decision=chosen, reason=reason, answers=answers or None)
    decide(link, approval_name(approval), decision_answer)


@click.command(cls=WordsCommand)
@click.argument(
    "approval", nargs=-1, metavar="[ID] NUMBER [REASON]", shell_complete=complete_approval
)
@click.option("--all", "whole_session", is_flag=True, help="All that --session ID waits for.")
@click.option(
    "--session", metavar="ID", help="The session, with --all.", shell_complete=complete_session
)
@click.option("--cancel", is_flag=True, help="Stop the turn, too.")
@click.option("--reason", help="A reason, for the agent.")
@linked
def deny(
    link: HostLink,
    approval: Sequence[str],
    *,
    whole_session: bool,
    session: str | None,
    cancel: bool,
    reason: str | None,
) -> None:
    """Deny what an agent asks for.

    REASON is for the agent: `sxhost deny 7 "use the test database"`.
    """

    decision = "cancel" if cancel else "deny"
    if whole_session:
        _decide_all(link, session, (), _because(decision, approval, reason))
        return
    name, why = approval_and_texts(approval, needs_text=False)
    decide(link, name, _because(decision, why, reason))


def _because(decision: str, words: Sequence[str], reason: str | None) -> Answer:
    """Return a decision with its reason, which is given in words or by the option."""
    from sxhost.model.approval import Answer

    if words and reason is not None:
        raise click.UsageError("The reason is given twice.")
    return Answer(decision=decision, reason=reason or " ".join(words) or None)


@click.command(cls=WordsCommand)
@click.argument(
    "answer",
    nargs=-1,
    required=True,
    metavar="[ID] NUMBER TEXT...",
    shell_complete=complete_approval,
)
@linked
def answer(link: HostLink, answer: Sequence[str]) -> None:
    """Answer what an agent wants to know.

    TEXT is one of the choices or its number (1 is the first), or the answer in words. If there
    are several questions, each TEXT is the answer to the next one, or NAME=TEXT to the one of
    that name. TEXT may be - for standard input.
    """
    from sxhost.cli.answers import answer_from_words

    approval, texts = approval_and_texts(answer)
    texts = [text_or_stdin(text) for text in texts]

    async def work(host: HostClient) -> Approval:
        asked = await find_approval(host, approval)
        return await host.answer(asked.session, asked.id, answer_from_words(asked, texts))

    _show_decision(link, link.run_with_client(work))


def decide(link: HostLink, name: ApprovalName, answer: Answer) -> None:
    """Send a decision on an approval, and print it."""
    number = name.number

    async def work(host: HostClient) -> Approval:
        if name.session is None:
            session = (await find_approval(host, name)).session
            return await host.answer(session, number, answer)
        found = await on_session(host, name.session, lambda s: host.answer(s, number, answer))
        return found[1]

    _show_decision(link, link.run_with_client(work))


def _decide_all(
    link: HostLink, session: str | None, words: Sequence[str], answer: Answer
) -> None:
    """Send a decision on all that a session waits for now, one by one, and print each.

    What comes meanwhile is not decided: nobody has seen it.  Questions are left: they want an
    answer.
    """
    if not session or words:
        raise click.UsageError("--all is about one session: name it with --session ID.")
    name: str = session

    async def work(host: HostClient) -> int:
        from sxhost.errors import HostError
        from sxhost.model.approval import ApprovalQuery

        found, left = await find_session(host, name), 0
        for approval in await host.session_approvals(found, ApprovalQuery()):
            if approval.inquiries:
                left += 1
                put(f"{found} approval {approval.id} is a question: answer it.", err=True)
                continue
            try:
                _show_decision(link, await host.answer(found, approval.id, answer))
            except HostError as error:
                left += 1
                put(f"{found} approval {approval.id}: {error.message}", err=True)
        return left

    if link.run_with_client(work):
        sys.exit(HOST_SAID_NO)


def _show_decision(link: HostLink, done: Approval) -> None:
    """Print an approval that has been decided."""
    decision = done.resolution.decision if done.resolution else done.state
    link.show(done, f"{done.session} approval {done.id}: {decision}")


def approval_lines(approval: Approval) -> list[str]:
    """Return the line of an approval, and if it waits for a decision what it is about."""
    from sxhost.codec.approval_text import approval_details

    if approval.state != "pending":
        return [approval_line(approval)]
    since = approval.at_terminal_ms
    where = [] if since is None else [f"  only at its terminal, since {clock(since / 1000)}"]
    return [approval_line(approval), *where, *approval_details(approval)]


def approval_line(approval: Approval) -> str:
    """Return the line of an approval: session, number, state, kind, title, choices."""
    from sxhost.cli.answers import question_text
    from sxhost.model.approval import TERMINAL

    state = approval.resolution.decision if approval.resolution else approval.state
    name = f"{approval.session}  {approval.id}"
    line = f"{name}  {state:<8}  {approval.kind:<11}  {approval.title}"
    how = approval.resolution
    if how is not None and how.by == TERMINAL:
        return f"{line}  ({how.reason})"
    asked = question_text(approval) if approval.state == "pending" else ""
    return f"{line}  {asked.removeprefix(approval.title).strip()}".rstrip()


commands = (approvals, approve, deny, answer)
