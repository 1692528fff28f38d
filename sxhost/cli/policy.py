"""``sxhost policy``: what the rules of a file would decide.

Quick commands must be quick: what only some of them need is imported where it is needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sxhost.cli.output import fail, put, put_json
from sxhost.config import USAGE_ERROR

if TYPE_CHECKING:
    from sxhost.model.approval import Question
    from sxhost.policy.rules import Policy

__all__ = ["commands"]

KINDS = ("command", "file-change", "permission", "tool", "question", "dialog")


@click.group()
def policy() -> None:
    """Try out the rules that decide approvals."""


@policy.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--agent", default="", help="The driver's name: codex, pi, …")
@click.option(
    "--kind", type=click.Choice(KINDS), help="The kind of question.  [by the other options]"
)
@click.option("--command", metavar="LINE", help="The command that the agent wants to run.")
@click.option("--path", "paths", multiple=True, help="A file that it wants to change.")
@click.option("--tool", help="The tool that it wants to use.")
@click.option("--cwd", help="The session's working directory.")
@click.option("--session", default="", metavar="ID", help="The session's id.")
@click.option(
    "--label", "labels", multiple=True, metavar="NAME:VALUE", help="A label of the session."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def test(
    file: Path, *, agent: str, cwd: str | None, session: str, as_json: bool, **asked: Any
) -> None:
    """Print what FILE decides, and by which rule."""
    from sxhost.policy.rules import AskingSession

    labels = dict(label.partition(":")[::2] for label in asked.pop("labels"))
    about = AskingSession(agent=agent, session=session, labels=labels, cwd=cwd)
    verdict = _loaded(file).decide(_question(**asked), about)
    if as_json:
        put_json(verdict)
    else:
        reason = f": {verdict.reason}" if verdict.reason else ""
        put(f"{verdict.decision or 'ask'} ({verdict.rule}){reason}")


def _loaded(file: Path) -> Policy:
    from sxhost.policy.rules import Policy, PolicyError

    try:
        return Policy.load(file)
    except PolicyError as error:
        fail(USAGE_ERROR, str(error))


def _question(
    kind: str | None, command: str | None, paths: Sequence[str], tool: str | None
) -> Question:
    from sxhost.model.approval import Question

    guess = "file-change" if paths else "tool" if tool else "command"
    asked: Any = kind or ("command" if command else guess)
    detail = {"command": command, "paths": list(paths) or None, "tool": tool}
    choices = ["approve", "approve_session", "deny", "cancel"]
    return Question(key="test", kind=asked, title="", detail=detail, choices=choices)


commands = (policy,)
