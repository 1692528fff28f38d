"""Commands for hosted agents: start one, tell it what to do, answer what it asks."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from sxhost.cli.output import fail
from sxhost.cli.terminal import HostLink, linked

if TYPE_CHECKING:
    from sxhost.model.approval import Answer, Approval
    from sxhost.model.turn import Launch

__all__ = ["approval_line", "commands", "launch_from_options", "launch_options"]


def launch_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that say how an agent is started."""
    for option in reversed(
        (
            click.option("--agent", required=True, help="codex, pi, claude, acp, echo, …"),
            click.option("--id", help="What the session is to be called."),
            click.option("--cwd", help="Where it works.  [here]"),
            click.option("--model"),
            click.option("--provider"),
            click.option("--effort"),
            click.option("--approval-policy"),
            click.option("--sandbox"),
            click.option("--title"),
            click.option("--resume", metavar="ID", help="The agent's own id of a talk."),
            click.option("--command", metavar="WORDS", help="The program, if not the usual."),
            click.option("--env", multiple=True, metavar="NAME=VALUE"),
            click.option("--label", "labels", multiple=True, metavar="NAME:VALUE"),
            click.option("--native", metavar="JSON", help="More, in the agent's own words."),
        )
    ):
        command = option(command)
    return command


def launch_from_options(prompt: str | None, options: dict[str, Any]) -> Launch:
    """Return how an agent is started by these options, or end the process with a sentence."""
    import os
    import shlex

    from sxhost.codec.json import decode
    from sxhost.errors import HostError
    from sxhost.model.turn import Launch

    env = dict(word.partition("=")[::2] for word in options.pop("env"))
    labels = dict(word.partition(":")[::2] for word in options.pop("labels"))
    command, native = options.pop("command"), options.pop("native")
    options["cwd"] = os.path.abspath(options["cwd"] or ".")  # noqa: PTH100 - links stay
    try:
        program = shlex.split(command) if command else None
        native_options: dict[str, Any] = decode((native or "{}").encode(), dict[str, Any])
    except (HostError, ValueError) as error:
        fail(2, f"This cannot be understood: {error}.")
    return Launch(
        prompt=prompt, command=program, env=env, labels=labels, native=native_options, **options
    )


@click.command()
@click.argument("prompt", required=False)
@launch_options
@linked
def new(link: HostLink, prompt: str | None, **options: Any) -> None:
    """Start an agent in a new session; PROMPT is its first turn, - reads standard input."""
    launch = launch_from_options(_read_if_dash(prompt), options)
    made = link.run_with_client(lambda host: host.start(launch))
    link.show(made, made.session.id)


@click.command()
@click.argument("session_id", metavar="ID")
@click.argument("text")
@click.option("--model")
@click.option("--effort")
@linked
def turn(link: HostLink, session_id: str, text: str, **options: Any) -> None:
    """Begin a turn; TEXT may be - for standard input."""
    from sxhost.model.turn import TurnDraft

    draft = TurnDraft(input=_read_if_dash(text) or "", **options)
    begun = link.run_with_client(lambda host: host.submit(session_id, draft))
    link.show(begun, f"{session_id} turn {begun.turn.id}: {begun.turn.status}")


@click.command()
@click.argument("session_id", metavar="ID")
@click.argument("text")
@linked
def steer(link: HostLink, session_id: str, text: str) -> None:
    """Add to the running turn; TEXT may be - for standard input."""
    from sxhost.model.turn import SteerDraft

    draft = SteerDraft(input=_read_if_dash(text) or "")
    done = link.run_with_client(lambda host: host.steer(session_id, draft))
    link.show(done, f"{session_id} steered")


@click.command()
@click.argument("session_id", metavar="ID")
@linked
def interrupt(link: HostLink, session_id: str) -> None:
    """Stop the running turn."""
    done = link.run_with_client(lambda host: host.interrupt(session_id))
    link.show(done, f"{session_id} interrupted")


@click.command()
@click.option("--all", "everything", is_flag=True, help="Those that are closed, too.")
@click.option("--follow", "-f", is_flag=True, help="Go on with what is asked, and decided.")
@linked
def approvals(link: HostLink, *, everything: bool, follow: bool) -> None:
    """List what agents ask."""
    from sxhost.model.approval import ApprovalQuery

    query = ApprovalQuery(all=everything)
    found = link.run_with_client(lambda host: host.approvals(query)) if not follow else []
    if not follow:
        link.show(found, *map(approval_line, found))
        return
    from sxhost.cli.follow import approval_of, watch

    types = ("approval-requested", "approval-resolved")
    watch(
        link,
        lambda host, link_options: host.subscribe(types=types, **link_options),
        names=True,
        look=approval_of,
    )


@click.command()
@click.argument("session_id", metavar="ID")
@click.argument("approval", type=int)
@click.option("--session", "for_session", is_flag=True, help="And all like it.")
@click.option("--decision", help="One of the agent's own choices.")
@click.option("--answer", multiple=True, metavar="NAME=TEXT", help="What it wants to know.")
@click.option("--reason")
@linked
def approve(
    link: HostLink,
    session_id: str,
    approval: int,
    *,
    for_session: bool,
    decision: str | None,
    answer: Sequence[str],
    reason: str | None,
) -> None:
    """Say yes to what an agent asks."""
    from sxhost.model.approval import Answer

    chosen = decision or ("approve_session" if for_session else "approve")
    answers: dict[str, str | list[str]] = dict(word.partition("=")[::2] for word in answer)
    decision_answer = Answer(decision=chosen, reason=reason, answers=answers or None)
    decide(link, session_id, approval, decision_answer)


@click.command()
@click.argument("session_id", metavar="ID")
@click.argument("approval", type=int)
@click.option("--cancel", is_flag=True, help="And stop the turn.")
@click.option("--reason", help="What the agent is told.")
@linked
def deny(
    link: HostLink, session_id: str, approval: int, *, cancel: bool, reason: str | None
) -> None:
    """Say no to what an agent asks."""
    from sxhost.model.approval import Answer

    decision = "cancel" if cancel else "deny"
    decide(link, session_id, approval, Answer(decision=decision, reason=reason))


def decide(link: HostLink, session_id: str, approval: int, answer: Answer) -> None:
    """Answer an agent."""
    done = link.run_with_client(lambda host: host.answer(session_id, approval, answer))
    link.show(done, f"{session_id} approval {approval}: {answer.decision}")


@click.command()
@click.argument("prompt")
@launch_options
@click.option("--rm", is_flag=True, help="Forget the session at the end.")
@linked
def run(link: HostLink, prompt: str, *, rm: bool, **options: Any) -> None:
    """Start an agent, show what it does, ask what it asks; end with its turn's result."""
    from sxhost.cli.run import TurnView

    view = TurnView(link, launch_from_options(None, options), _read_if_dash(prompt) or "")
    status = link.run_with_client(lambda host: view.run_turn(host, forget=rm))
    sys.exit(0 if status == "completed" else 1)


def approval_line(approval: Approval) -> str:
    """Write what an agent asks in a line."""
    state = approval.resolution.decision if approval.resolution else approval.state
    name = f"{approval.session}  {approval.id}"
    return f"{name}  {state:<8}  {approval.kind:<11}  {approval.title}"


def _read_if_dash(text: str | None) -> str | None:
    return sys.stdin.read() if text == "-" else text


commands = (new, turn, steer, interrupt, approvals, approve, deny, run)
