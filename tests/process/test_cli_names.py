"""Sessions by the beginning of an id or by a title, approvals by their number alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import click
import pytest

from sxhost.cli.main import sxhost
from tests.process.test_cli import Shell, ask, is_refused, shell
from tests.process.test_cli_agents import asked, ended

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["shell"]

BY_NAME: dict[str, list[str]] = {
    "show": ["show", "{name}"],
    "log": ["log", "{name}"],
    "transcript": ["transcript", "{name}"],
    "events": ["events", "{name}"],
    "send": ["send", "{name}", "hello"],
    "turn": ["turn", "{name}", "SAY: hello"],
    "steer": ["steer", "{name}", "SAY: left"],
    "interrupt": ["interrupt", "{name}"],
    "end": ["end", "{name}"],
    "approve": ["approve", "{name}", "{number}"],
    "deny": ["deny", "{name}", "{number}"],
    "answer": ["answer", "{name}", "{number}", "approve"],
    "give": ["give", "{name}"],
    "adopt": ["adopt", "{name}"],
    "wait": ["wait", "{name}"],
    "rm": ["rm", "{name}"],
}
"""Commands about a session that there is."""

ATTACHED: dict[str, list[str]] = {
    "pull": ["pull", "{name}"],
    "send": ["send", "{name}", "hello"],
    "cost": ["cost", "--session", "{name}"],
}
"""Those about a session whose agent is not the host's."""

FOLLOWING: dict[str, list[str]] = {
    "events": ["events", "{name}", "-f", "--limit", "1"],
    "search": ["search", "hello", "--session", "{name}"],
    "tail": ["tail", "--session", "{name}", "--after", "0"],
}

TAKING: dict[str, list[str]] = {"take": ["take", "{name}"]}
"""Those that go on at this terminal: the echo agent has no program for that."""

TALKING: dict[str, list[str]] = {"chat": ["chat", "{name}"]}
"""Those that read what is typed."""

MAY_BE_NEW: dict[str, list[str]] = {
    "register": ["register", "{name}"],
    "fire": ["fire", "{name}", "thinking"],
}
"""Commands that make a session: what can be an id is one."""

OTHERS = {"policy", "token", "new", "run", "attach", "open", "audit", "trust", "hook", "emit"}
"""Commands whose --session or --id is the name of a session that need not exist."""


@pytest.fixture
def hosted(shell: Shell) -> Iterator[str]:
    """Return the id of a hosted session with a title, that no other begins like."""
    name = f"hosted-{shell.session()}"
    ask(f"{shell.url}/sessions", {"agent": "echo", "id": name, "title": f"Mend {name}"})
    yield name
    shell.run("rm", name)


def named(words: list[str], name: str, number: str = "") -> list[str]:
    return [word.format(name=name, number=number) for word in words]


def beginning(session: str) -> str:
    return session[:-1]


def title(session: str) -> str:
    return f"Mend {session}"


def title_beginning(session: str) -> str:
    return f"mend {session}"[:-1]


@pytest.mark.parametrize("name_of", [beginning, title, title_beginning])
@pytest.mark.parametrize("command", BY_NAME)
def test_a_command_takes_a_beginning_or_a_title(
    shell: Shell, hosted: str, command: str, name_of: Callable[[str], str]
) -> None:
    number = ""
    if command in ("approve", "deny", "answer"):
        number = asked(shell, hosted, "ASK: make test")
    elif command in ("steer", "interrupt"):
        shell.output("turn", hosted, "HANG")
    before = ask(f"{shell.url}/sessions/{hosted}")["event_count"]
    printed = shell.output(*named(BY_NAME[command], name_of(hosted), number))
    assert hosted in printed or command in ("events", "log", "transcript")
    if command in ("turn", "approve", "deny", "answer", "interrupt"):
        ended(shell, hosted)
        assert ask(f"{shell.url}/sessions/{hosted}")["event_count"] > before


@pytest.mark.parametrize("name_of", [beginning, title, title_beginning])
def test_messages_find_their_session(shell: Shell, name_of: Callable[[str], str]) -> None:
    session = f"attached-{shell.session()}"
    ask(f"{shell.url}/sessions/{session}/register", {"title": title(session)})
    name = name_of(session)
    assert f"queued for {session} " in shell.output(*named(ATTACHED["send"], name))
    assert shell.output(*named(ATTACHED["pull"], name)) == "hello\n"
    used = {"event": "usage", "data": {"output_tokens": 7}}
    ask(f"{shell.url}/sessions/{session}/events", used)
    assert shell.output(*named(ATTACHED["cost"], name)) == f"0 0 0 7 7 unknown {session}\n"
    shell.output("rm", session)


@pytest.mark.parametrize("command", FOLLOWING)
def test_a_stream_takes_a_beginning(shell: Shell, hosted: str, command: str) -> None:
    shell.output("turn", hosted, "SAY: hello")
    words = named(FOLLOWING[command], beginning(hosted))
    with shell.start(*words) as stream:
        assert stream.stdout is not None
        assert stream.stdout.readline()


@pytest.mark.parametrize("command", TALKING)
def test_a_conversation_takes_a_beginning(shell: Shell, hosted: str, command: str) -> None:
    words = named(TALKING[command], beginning(hosted))
    assert shell.run(*words, stdin=b"SAY: hello").stdout == "hello\n"


@pytest.mark.parametrize("command", TAKING)
def test_what_is_taken_takes_a_beginning(shell: Shell, hosted: str, command: str) -> None:
    shell.run("turn", hosted, "SAY: hello", "--wait")
    refused = shell.run(*named(TAKING[command], beginning(hosted)))
    is_refused(refused, 1, "echo has no program that could go on at a terminal.")


def test_every_command_that_takes_a_session_is_in_the_table() -> None:
    with_session = {name for name, command in sxhost.commands.items() if takes_id(command)}
    assert with_session == {*BY_NAME, *ATTACHED, *FOLLOWING, *TAKING, *TALKING, *MAY_BE_NEW}


def takes_id(command: click.Command) -> bool:
    """Tell whether a command has a parameter that names a session, and is completed so."""
    return any(completes_sessions(param) for param in command.params)


def completes_sessions(param: click.Parameter) -> bool:
    completer = param._custom_shell_complete
    return completer is not None and completer.__module__ == "sxhost.cli.names"


def test_every_parameter_called_id_is_completed() -> None:
    for name, command in sxhost.commands.items():
        if name not in OTHERS:
            for param in command.params:
                if isinstance(param, click.Argument) and "ID" in str(param.metavar):
                    assert completes_sessions(param), name


@pytest.mark.parametrize("command", MAY_BE_NEW)
def test_what_may_be_new_is_taken_as_it_is(shell: Shell, hosted: str, command: str) -> None:
    name = beginning(hosted)
    shell.output(*named(MAY_BE_NEW[command], name))
    try:
        assert ask(f"{shell.url}/sessions/{name}")["kind"] == "attached"
        shell.output("show", name)
        assert shell.json("show", name)["id"] == name, "the exact id counts"
    finally:
        shell.output("rm", name)


@pytest.mark.parametrize("command", MAY_BE_NEW)
def test_what_may_be_new_takes_a_title_that_is_no_id(shell: Shell, command: str) -> None:
    session = shell.session()
    ask(f"{shell.url}/sessions/{session}/register", {"title": title(session)})
    assert session in shell.output(*named(MAY_BE_NEW[command], title(session)))


def test_an_ambiguous_name_lists_the_candidates(shell: Shell) -> None:
    one, two = f"twin-{shell.session()}", f"twin-{shell.session()}"
    ask(f"{shell.url}/sessions/{one}/register", {"title": "left\n\x1b[31m"})
    ask(f"{shell.url}/sessions/{two}/register", {})
    for words in (*BY_NAME.values(), *ATTACHED.values()):
        done = shell.run(*named(words, "twin-", "1"))
        is_refused(done, 1, f"  {one}  left\\n\\x1b[31m\n  {two}\n")
        assert "2 sessions" in done.stderr
    is_refused(shell.run("tail", "--session", "twin-"), 1, f"  {two}\n")
    for session in (one, two):
        shell.output("rm", session)


def test_many_candidates_are_cut(shell: Shell) -> None:
    names = [f"crowd-{shell.session()}" for _ in range(25)]
    for name in names:
        ask(f"{shell.url}/sessions/{name}/register", {})
    done = shell.run("show", "crowd-")
    is_refused(done, 1, "25 sessions")
    assert "and 5 more" in done.stderr
    assert len(done.stderr.splitlines()) == 22


def test_a_name_of_nothing_is_refused_as_before(shell: Shell, hosted: str) -> None:
    is_refused(shell.run("show", f"{hosted}-x"), 1, f"There is no session '{hosted}-x'")
    is_refused(shell.run("show", "no such title"), 1, "A session id is")
    is_refused(shell.run("show", ""), 1, "A session id is")


def test_a_token_for_one_session_names_it_so_too(tmp_path: Path, shell: Shell) -> None:
    session, other = f"only-{shell.session()}", f"only-{shell.session()}"
    for name in (session, other):
        ask(f"{shell.url}/sessions", {"agent": "echo", "id": name})
    number = asked(shell, session, "ASK: make test")
    token = shell.output(
        "token", "create", "--scope", "read,approve", "--session", session
    ).strip()
    assert session in shell.output("show", session[:-2], SXHOST_TOKEN=token)
    shell.output("approve", number, SXHOST_TOKEN=token)
    is_refused(shell.run("show", "other", SXHOST_TOKEN=token), 1, "does not allow this")


# Approvals.


@pytest.mark.parametrize("command", ["approve", "deny"])
def test_the_number_is_enough(shell: Shell, hosted: str, command: str) -> None:
    number = asked(shell, hosted, "ASK: make test")
    printed = shell.output(command, number)
    assert printed == f"{hosted} approval {number}: {command}\n"
    ended(shell, hosted)
    is_refused(shell.run(command, number), 1, f"Approval {number} is closed already")
    is_refused(shell.run("answer", number, command), 1, f"{number} is closed already")


def test_numbers_are_given_out_once_for_all_sessions(shell: Shell) -> None:
    numbers = []
    for _ in range(3):
        session = shell.session()
        ask(f"{shell.url}/sessions", {"agent": "echo", "id": session})
        numbers.append(int(asked(shell, session, "ASK: make test")))
        shell.output("rm", session)
    assert numbers == sorted(set(numbers))


def test_a_number_of_no_approval_is_refused(shell: Shell, hosted: str) -> None:
    for command in ("approve", "deny"):
        is_refused(shell.run(command, "999999"), 1, "No approval has number 999999")
        is_refused(shell.run(command, hosted, "999999"), 1, "has no approval 999999")
        is_refused(shell.run(command, "x"), 2, "'x' is no number of an approval")
        is_refused(shell.run(command), 2, "Missing argument")
    is_refused(shell.run("approve", "a", "1", "2"), 2, "unexpected extra argument (2)")
    is_refused(shell.run("answer", "999999", "x"), 1, "No approval has number 999999")
    is_refused(shell.run("answer", "x", "y"), 2, "'x' is no number of an approval")
    is_refused(shell.run("answer", "x"), 2, "'x' is no number of an approval")
    is_refused(shell.run("answer", "7"), 2, "Missing argument 'TEXT...'")


def test_answer_gives_the_text(shell: Shell, hosted: str) -> None:
    number = asked(shell, hosted, "QUESTION: Which? | red | blue")
    shell.output("answer", number, "-", stdin=b"blue")
    assert ended(shell, hosted) == "completed"
    assert "blue" in shell.output("events", hosted, "--types", "message")


def test_answer_takes_a_choice(shell: Shell, hosted: str) -> None:
    number = asked(shell, hosted, "ASK: make test")
    is_refused(shell.run("answer", number, "maybe"), 2, "takes one of: approve, ")
    assert shell.output("answer", number, "Deny") == f"{hosted} approval {number}: deny\n"


# Completion.


def completed(shell: Shell, line: str, **environ: Any) -> list[str]:
    """Return what bash is offered at the end of a line."""
    printed = shell.output(
        _SXHOST_COMPLETE="bash_complete",
        COMP_WORDS=line,
        COMP_CWORD=str(line.count(" ")),
        **environ,
    )
    return printed.split()


def test_sessions_are_completed(shell: Shell, hosted: str) -> None:
    line = f"plain,{hosted}"
    assert completed(shell, f"sxhost show {beginning(hosted)}") == [line]
    assert line in completed(shell, "sxhost send ")
    tail = completed(shell, f"sxhost tail --session a,{beginning(hosted)}")
    assert tail == [f"plain,a,{hosted}"]


def test_approvals_are_completed(shell: Shell, hosted: str) -> None:
    number = asked(shell, hosted, "ASK: make test")
    for command in ("approve", "deny", "answer"):
        assert f"plain,{number}" in completed(shell, f"sxhost {command} ")


def test_without_a_host_nothing_is_completed(shell: Shell) -> None:
    assert completed(shell, "sxhost show a", SXHOST_URL="http://127.0.0.1:1") == []
