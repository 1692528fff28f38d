"""Words that begin with a dash, and the options beside them."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from sxhost.cli.main import sxhost
from sxhost.cli.words import WordsCommand
from tests.support.commands import leaf_commands

DASHED = (
    *("- fix this", "-1", "-x", "-how are you", "-h is broken", "--- a/file", "--force"),
    *(
        "-- see below",
        "--json is wrong",
        "--json=1",
        "--no-verify",
        "-\n- list",
        "-rf /",
        "---",
    ),
)


@click.command(cls=WordsCommand)
@click.argument("session")
@click.argument("text", required=False)
@click.option("--mode", "-m", default="auto")
@click.option("--json", is_flag=True)
def say(**given: object) -> None:
    click.echo(repr(given))


def said(*words: str) -> object:
    done = CliRunner().invoke(say, words)
    assert done.exit_code == 0, done.output
    return {"mode": "auto", "json": False, **eval(done.output)}


@pytest.mark.parametrize("text", DASHED)
@pytest.mark.parametrize(
    "words",
    [
        ["a", "TEXT", "--mode", "queue", "--json"],
        ["--json", "--mode=queue", "a", "TEXT"],
        ["a", "-m", "queue", "TEXT", "--json"],
        ["--mode", "queue", "--json", "a", "--", "TEXT"],
        ["--mode", "queue", "--json", "--", "a", "TEXT"],
    ],
    ids=" ".join,
)
def test_text_may_begin_with_a_dash(text: str, words: list[str]) -> None:
    given = [text if word == "TEXT" else word for word in words]
    assert said(*given) == {"session": "a", "text": text, "mode": "queue", "json": True}


@pytest.mark.parametrize("text", ["--json", "--help", "-m", "--", "--jsno"])
def test_options_name_is_text_after_two_dashes(text: str) -> None:
    assert said("a", "--", text) == {
        "session": "a",
        "text": text,
        "mode": "auto",
        "json": False,
    }


def test_options_value_may_begin_with_a_dash() -> None:
    assert said("a", "--mode", "- x", "- y") == {
        "session": "a", "text": "- y", "mode": "- x", "json": False,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["a", "--jsno"], "put -- before it. Did you mean '--json'?"),
        (["a", "--mod=queue", "text"], "No such option '--mod'"),
        (["a", "text", "-x"], "unexpected extra argument"),
        (["a", "text", "--mode"], "requires an argument"),
        (["-x", "text", "--mode", "q", "-1"], "unexpected extra argument"),
        ([], "Missing argument"),
    ],
)
def test_wrong_command_line_is_refused(words: list[str], sentence: str) -> None:
    done = CliRunner().invoke(say, words)
    assert done.exit_code == 2
    assert sentence in done.output


def test_help_is_an_option_alone() -> None:
    assert "Usage: say" in CliRunner().invoke(say, ["a", "--help"]).output


def test_all_commands_that_take_a_persons_words_are_such() -> None:
    words = {"text", "prompt", "data", "message", "reason", "answer"}
    taking = {
        name
        for name, command in leaf_commands(sxhost)
        if words & {p.name for p in command.params if isinstance(p, click.Argument)}
    }
    assert taking == {"send", "turn", "steer", "new", "run", "fire", "answer"}
    taking |= {"deny", "search"}  # a reason may follow what is denied
    assert taking == {n for n, c in leaf_commands(sxhost) if isinstance(c, WordsCommand)}
