"""The commands that go on: real processes that print a stream as it comes."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
from pathlib import Path
from typing import Any, cast

import pytest
from msgspec import Raw

from sxhost.cli.follow import LinePrinter, approval_of
from sxhost.model.approval import Approval
from sxhost.model.event import Event, Gap
from sxhost.model.session import StateChange
from sxhost.testing import result_of
from tests.host.faces.test_readers import Asked, event
from tests.process.test_cli import (
    ESCAPE,
    ESCAPED,
    SXHOST,
    Shell,
    ask,
    is_refused,
    nowhere,
    shell,
)
from tests.support.hosts import PATIENCE, StartHost, running_host, start_host

__all__ = ["nowhere", "running_host", "shell", "start_host"]

Process = subprocess.Popen[str]


# A line.

EVENT = Event("tool-start", Raw(b'"Bash: ls"'), 1_710_312_005, 7, 70, 0, "abc-123")
STATE = StateChange("abc-123", "active", "waiting", "approval-requested", 1_710_312_005_000)
GAP = Gap("e:1", "e:9", "retention")


def lines(*, json: bool = False, names: bool = True, colours: bool = False) -> LinePrinter:
    return LinePrinter(json=json, names=names, colours=colours)


def text(printer: LinePrinter, value: Event | StateChange | Gap) -> str:
    return printer.line(value)[0]


def test_approval_event_shows_what_the_host_knows() -> None:
    known = Approval(
        id=1, session="a", kind="command", title="rm -rf /", detail={}, choices=["deny"],
        opened_ms=0, expires_ms=None, native=None, key="k",
    )  # fmt: skip
    seen: list[Any] = []
    for data in ({"id": 1, "title": "ls -la"}, {"id": 9, "title": "ls -la"}, "ls -la"):
        told = event("approval-requested", data)
        seen.append(result_of(approval_of(cast("Any", Asked(known)), told)))
    shown, *others = seen
    assert ("rm -rf /" in text(lines(), shown), others) == (True, [None, None])
    assert "ls -la" not in text(lines(), shown)
    assert result_of(approval_of(cast("Any", Asked()), GAP)) is GAP


def test_a_narrow_terminal_has_room_for_what_is_said() -> None:
    def narrow(value: Event | StateChange | Gap) -> str:
        return text(LinePrinter(json=False, names=False, colours=False, width=30), value)

    assert narrow(EVENT) == "tool-start    Bash: ls"
    assert narrow(STATE).startswith("= waiting     approval-")
    assert narrow(GAP).startswith("gap           events are")


def test_columns_are_aligned() -> None:
    printer = lines()
    tool, state, gap = text(printer, EVENT), text(printer, STATE), text(printer, GAP)
    assert tool.index("tool-start") == state.index("= waiting") == gap.index("gap")
    assert tool.index("Bash: ls") == state.index("approval-") == gap.index("events are")
    assert tool.startswith("abc-123 ")
    assert gap.startswith(" ")


def test_longer_name_widens_the_columns_from_there_on() -> None:
    printer = lines()
    before = text(printer, EVENT)
    long = Event("x", Raw(b"1"), 0, 1, 1, 0, "a-session-with-a-long-name")
    longer = text(printer, long)
    assert longer.index("  1  ") > before.index("  7  ")
    assert text(printer, EVENT).index("7") == longer.index("1")


def test_events_of_one_session_show_no_session_name() -> None:
    assert text(lines(names=False), EVENT).split()[0] == "7"


def test_json_prints_frames_as_the_host_sends_them(capsys: pytest.CaptureFixture[str]) -> None:
    printer = lines(json=True, colours=True)
    for value in (EVENT, STATE, GAP):
        printer.show(value)
    event, state, gap = map(json.loads, capsys.readouterr().out.splitlines())
    assert event["session"] == "abc-123"
    assert state["frame"] == "state"
    assert gap == {
        "frame": "gap", "from": "e:1", "to": "e:9", "reason": "retention",
    }  # fmt: skip


def test_only_events_that_need_attention_are_coloured() -> None:
    printer = lines(colours=True)
    colours = [printer.line(value)[1] for value in (GAP, STATE, EVENT)]
    assert colours == ["red", "yellow", None]
    assert lines().line(GAP)[1] is None


# The commands.


@pytest.fixture
def session(shell: Shell) -> str:
    """Return the id of a session with one event."""
    session = f"w{shell.session()}"
    fire(shell, session, "thinking", "first")
    return session


def fire(shell: Shell, session: str, event: str, data: Any = None) -> None:
    ask(f"{shell.url}/sessions/{session}/events", {"event": event, "data": data})


def line(process: Process) -> str:
    """Return the next line that it prints, while it still runs."""
    assert process.stdout is not None
    return process.stdout.readline()


def is_live(shell: Shell, process: Process) -> bool:
    """Return once the host has the reader; False if that has ended instead."""
    while process.poll() is None:
        if ask(f"{shell.url}/status")["subscribers"]:
            return True
    return False


def interrupted(process: Process) -> bool:
    """Interrupt it; return whether it ends as all commands do, without a word."""
    process.send_signal(signal.SIGINT)
    output = process.communicate(timeout=PATIENCE)
    return (process.returncode, output) == (130, ("", ""))


@pytest.mark.parametrize("option", ["-f", "--follow"])
def test_events_follow_continues_with_new_events(
    shell: Shell, session: str, option: str
) -> None:
    with shell.start("events", session, option) as process:
        assert line(process).split()[2:] == ["thinking", "first"]
        fire(shell, session, "tool-start", f"a\n{ESCAPE}")
        assert line(process).split("tool-start")[1].strip() == rf"a\n{ESCAPED}"
        assert interrupted(process)


def test_followed_events_are_filtered(shell: Shell, session: str) -> None:
    for number in range(5):
        fire(shell, session, "x" if number % 2 else "y", number)
    words = ("events", session, "-f", "--types", "x,thinking", "--after", "1")
    assert [event["data"] for event in shell.lines(*words, "--limit", "2")] == [1, 3]


def test_tail_is_live_over_all_sessions_from_now(shell: Shell, session: str) -> None:
    other = shell.session()
    with shell.start("tail") as process:
        assert is_live(shell, process)
        fire(shell, session, "complete", "done")
        assert line(process).split()[::2] == [session, line_time(shell, session), "done"]
        fire(shell, other, "idle")
        assert line(process).split()[0] == other
        assert interrupted(process)


def line_time(shell: Shell, session: str) -> str:
    """Return the time of day that a session's last line shows."""
    return shell.output("events", session).splitlines()[-1].split()[1]


def test_tail_filters(shell: Shell, session: str) -> None:
    mine, third = shell.session(), shell.session()
    ask(f"{shell.url}/sessions/{mine}/register", {"labels": {"who": mine}})
    with (
        shell.start("tail", "--session", f"{mine},{session}", "--after", "0") as both,
        shell.start("tail", "--label", f"who:{mine}", "--json", "--types", "x") as mine_only,
    ):
        assert line(both).split()[0] == session
        assert is_live(shell, mine_only)
        while ask(f"{shell.url}/status")["subscribers"] < 2:
            assert mine_only.poll() is None
        for name in (third, session, mine):
            fire(shell, name, "x")
        fire(shell, mine, "y")
        assert [line(both).split()[0] for _ in range(3)] == [session, mine, mine]
        assert json.loads(line(mine_only))["session"] == mine
        assert interrupted(both)
        assert interrupted(mine_only)


def test_tail_json_has_states_and_gaps(shell: Shell, session: str) -> None:
    words = ("tail", "--json", "--state", "--after", "0:7", "--session", session)
    with shell.start(*words) as process:
        reported = [json.loads(line(process)) for _ in range(3)]
        assert [value.get("frame", value.get("seq")) for value in reported] == [
            "gap",
            1,
            "state",
        ]
        assert reported[0]["reason"] == "another epoch"
        assert (reported[2]["session"], reported[2]["detail_state"]) == (session, "working")
        assert interrupted(process)


def test_following_ends_when_the_session_is_forgotten(shell: Shell, session: str) -> None:
    with shell.start("events", session, "-f") as process:
        assert line(process)
        shell.output("rm", session)
        output = process.communicate(timeout=PATIENCE)
    assert (process.returncode, output) == (0, ("", "The end: the session is forgotten.\n"))


# The pipe.


@pytest.mark.parametrize("busy", [True, False])
def test_closed_output_ends_following(shell: Shell, session: str, busy: bool) -> None:
    with shell.start("tail", "--after", "0", "--session", session) as process:
        assert line(process)
        if busy:
            ask(f"{shell.url}/sessions/{session}/events", [{"event": "x"}] * 5000)
            assert line(process)
        assert process.stdout is not None
        process.stdout.close()
        assert process.wait(PATIENCE) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""


def test_following_writes_to_a_file(shell: Shell, session: str, tmp_path: Path) -> None:
    place = tmp_path / "events"
    with place.open("w") as out:
        done = subprocess.run(
            [SXHOST, "events", session, "-f", "--limit", "1", "--url", shell.url],
            stdin=subprocess.DEVNULL,
            stdout=out,
            timeout=PATIENCE,
            check=False,
        )
    assert done.returncode == 0
    assert place.read_text(encoding="utf-8").split()[2:] == ["thinking", "first"]


@pytest.mark.parametrize(
    "words",
    [("tail", "--after", "0"), ("events", "SESSION", "-f"), ("run", "--agent", "echo", "hi")],
    ids=lambda words: words[0],
)
def test_full_disk_is_said_in_a_sentence(
    shell: Shell, session: str, words: tuple[str, ...]
) -> None:
    given = [session if word == "SESSION" else word for word in words]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [SXHOST, *given, "--url", shell.url],
            stdin=subprocess.DEVNULL,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "sxhost: no space left on device."
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("environ", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_terminal_output_is_coloured(
    shell: Shell, session: str, environ: dict[str, str], coloured: bool
) -> None:
    fire(shell, session, "error", "boom")
    given = {k: v for k, v in os.environ.items() if k != "NO_COLOR"} | environ
    ours, theirs = pty.openpty()
    try:
        subprocess.run(
            [SXHOST, "events", session, "-f", "--limit", "2", "--url", shell.url],
            stdout=theirs,
            env=given,
            timeout=PATIENCE,
            check=True,
        )
        printed = os.read(ours, 4096)
    finally:
        os.close(ours)
        os.close(theirs)
    assert printed.count(b"\r\n") == 2
    assert (b"\x1b[31m" in printed) is coloured


# The link.


def test_lost_host_is_waited_for(start_host: StartHost, tmp_path: Path) -> None:
    host = start_host("--port", "0")
    shell = Shell(tmp_path, host.url)
    fire(shell, "a", "x", 1)
    with shell.start("events", "a", "-f") as process:
        assert process.stderr is not None
        assert line(process).split()[-1] == "1"
        host.process.kill()
        shown = process.stderr.readline()
        assert shown.startswith("Lost the host (")
        assert shown.endswith("); trying again.\n")
        host.wait()
        host = start_host("--port", str(host.port))
        assert host.port
        fire(shell, "a", "x", 2)
        assert process.stderr.readline() == "Reconnected.\n"
        assert line(process).split()[-1] == "2"
        shell.output("stop")
        shown = process.stderr.readline()
        assert shown == "Lost the host (the host is stopping); trying again.\n"
        assert interrupted(process)


COMMANDS = (["events", "nobody", "-f"], ["tail"], ["tail", "--json"])


def test_following_an_unreachable_host_is_an_error(shell: Shell, nowhere: str) -> None:
    for words in COMMANDS:
        done = shell.run(*words, SXHOST_URL=nowhere)
        is_refused(done, 3, f"No host answers ({nowhere}: ")
        assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["events", "nobody", "-f"], "There is no session 'nobody'"),
        (["events", "a/b", "-f"], "A session id is 1 to 128"),
        (["tail", "--session", "nobody"], "There is no session 'nobody'"),
        (["tail", "--session", "/,a"], "A session id is 1 to 128"),
        (["tail", "--after", "x"], "The field `after` is wrong"),
        (["tail", "--label", "x"], "label"),
    ],
)
def test_following_an_unknown_session_is_an_error(
    shell: Shell, words: list[str], sentence: str
) -> None:
    is_refused(shell.run(*words), 1, sentence)
