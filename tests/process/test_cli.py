"""The commands as a user gives them: real processes against a real host."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import count
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any
from urllib.request import Request, urlopen

import pytest

from sxhost import __version__
from sxhost.cli.main import sxhost
from tests.support.daemons import clean_environ
from tests.support.fork_server import run_forked
from tests.support.hosts import FOREGROUND
from tests.support.hosts import run as running

if TYPE_CHECKING:
    from tests.support.hosts import Host, StartHost

SXHOST = str(Path(sys.executable).with_name("sxhost"))
Ended = subprocess.CompletedProcess[str]

ESCAPE = "\x1b[31mred\x07"
ESCAPED = r"\x1b[31mred\x07"


class Shell:
    """Someone at a shell, with the address of a host in the environment."""

    def __init__(self, home: Path, url: str) -> None:
        self.url = url
        self._environ = {**clean_environ(home), "SXHOST_URL": url, "LC_ALL": "C.UTF-8"}
        self._home = home
        self._numbers = count(1)

    def run(self, *words: str | bytes, stdin: bytes = b"", **environ: str) -> Ended:
        """Run ``sxhost`` with these words to its end."""
        whole_environ = {**self._environ, **environ}
        command = [SXHOST, *map(os.fsdecode, words)]
        return run_forked(command, self._home, whole_environ, stdin)

    def output(self, *words: str, stdin: bytes = b"", **environ: str) -> str:
        """Return what a command prints that must succeed, and must not complain."""
        done = self.run(*words, stdin=stdin, **environ)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    def json(self, *words: str) -> Any:
        """Return the one object that a command prints for machines."""
        (line,) = self.output(*words, "--json").splitlines()
        return json.loads(line)

    def lines(self, *words: str) -> list[Any]:
        """Return the objects that a command prints for machines, one a line."""
        return [json.loads(line) for line in self.output(*words, "--json").splitlines()]

    @contextmanager
    def start(self, *words: str) -> Iterator[subprocess.Popen[str]]:
        """Run a command that waits; end it if the test does not."""
        process = subprocess.Popen(
            [SXHOST, *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=self._home,
            env=self._environ,
            text=True,
        )
        with process:
            try:
                yield process
            finally:
                if process.poll() is None:
                    process.kill()

    def session(self) -> str:
        """Return the id of a session that nobody has used, nor the beginning of another's."""
        return f"s{next(self._numbers):04}"


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    home = tmp_path_factory.mktemp("home")
    command = (*FOREGROUND, "--port", "0", "--state-dir", str(home / "state"))
    with running(command, home, {}) as host:
        yield Shell(home, host.url)


@pytest.fixture
def registered(shell: Shell) -> str:
    """Return the id of a session of the test's own."""
    session = shell.session()
    ask(f"{shell.url}/sessions/{session}/register", {})
    return session


def ask(url: str, body: Any = None) -> Any:
    """Ask the host itself; with a body, POST it (a list goes as NDJSON)."""
    kind, data = "application/json", None if body is None else json.dumps(body).encode()
    if isinstance(body, list):
        kind, data = "application/x-ndjson", "\n".join(map(json.dumps, body)).encode()
    with urlopen(Request(url, data, {"Content-Type": kind})) as answer:
        return json.load(answer)


def is_refused(done: Ended, code: int, sentence: str) -> None:
    """Assert that a command failed with that exit status, and said why on stderr alone."""
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


# The source system's document, word for word.


@pytest.fixture
def walker(running_host: Host, tmp_path: Path) -> Shell:
    """Someone with a host of their own."""
    return Shell(tmp_path, running_host.url)


def test_the_walk_through(walker: Shell, running_host: Host) -> None:
    walker.output("register", "abc-123", "--model", "gpt-4.1", "--provider", "openai")
    walker.output("register", "def-456", "--model", "claude", "--provider", "anthropic")
    fire_many(walker, "abc-123", ["thinking"] * 41 + ["tool-start"])
    fire_many(walker, "def-456", ["thinking"] * 17 + ["complete"])
    assert walker.output("sessions").splitlines() == [
        "abc-123  active   tool-start   openai/gpt-4.1  events:42",
        "def-456  idle     complete     anthropic/claude  events:18",
    ]
    fire_many(walker, "my-session", ["thinking"])
    running = f"Host running on :{running_host.port} — 3 sessions, 2 active\n"
    assert walker.output("status") == running
    sent = walker.output("send", "abc-123", "refactor the auth module").partition(": ")
    assert sent[0] == "Message 1 queued for abc-123 (1 waiting)"
    assert sent[2] == "heard when its agent asks for messages\n"
    assert walker.output("pull", "abc-123") == "refactor the auth module\n"
    assert walker.output("stop") == "Host stopping\n"
    assert running_host.wait() == 0
    is_refused(walker.run("status"), 3, "sxhost --daemon")


def fire_many(shell: Shell, session: str, events: list[str]) -> None:
    url = f"{shell.url}/sessions/{session}/events"
    answer = ask(url, [{"event": event} for event in events])
    assert answer["accepted"] == len(events)


# Every command.


def test_status_for_machines(shell: Shell) -> None:
    status = shell.json("status")
    assert (status["version"], status["store"]) == (__version__, "sqlite")
    assert shell.url.endswith(f":{status['port']}")


def test_sessions_are_filtered(shell: Shell) -> None:
    busy, idle = shell.session(), shell.session()
    label = f"only:{busy}"
    for session in (busy, idle):
        ask(f"{shell.url}/sessions/{session}/register", {"labels": {"only": busy}})
    ask(f"{shell.url}/sessions/{busy}/events", {"event": "thinking"})
    assert [s["id"] for s in shell.lines("sessions", "--label", label)] == [busy, idle]
    assert [s["id"] for s in shell.lines("sessions", "--label", label, "--state", "idle")] == [
        idle
    ]
    assert shell.output("sessions", "--label", "only:nobody") == ""
    assert shell.lines("sessions", "--label", "only:nobody") == []


def test_register_tells_whether_the_session_is_new(shell: Shell) -> None:
    session = shell.session()
    labels = ("--label", "team:a", "--label", "url:http://x")
    first = shell.output("register", session, *labels, "--title", "T", "--pid", "7")
    again = shell.json("register", session, "--agent", "codex", "--cwd", "/w")
    assert (first, again["created"]) == (f"{session} registered\n", False)
    assert shell.output("register", session, "--git-branch", "main") == f"{session} updated\n"
    shown = shell.json("show", session)
    assert shown["labels"] == {"team": "a", "url": "http://x"}
    assert (shown["title"], shown["pid"], shown["agent"]) == ("T", 7, "codex")
    assert (shown["cwd"], shown["git_branch"]) == ("/w", "main")


def test_show_prints_every_field(shell: Shell, registered: str) -> None:
    shell.output("fire", registered, "thinking", "analyzing codebase")
    lines = shell.output("show", registered).splitlines()
    assert lines[0].split() == ["id", registered]
    assert lines[-1].endswith("thinking      analyzing codebase")
    assert [event["event"] for event in shell.json("show", registered)["events"]] == [
        "thinking"
    ]


def test_fire_and_events(shell: Shell, registered: str) -> None:
    first = shell.output("fire", registered, "tool-start", "Bash: git status")
    assert first == f"{registered} event 1: tool-start\n"
    assert shell.json("fire", registered, "thinking")["event_count"] == 2
    shell.output("fire", registered, "usage", '{"tokens": [1]}', "--raw")
    shell.output("fire", registered, "complete", '{"tokens": [1]}')
    fired = shell.lines("events", registered)
    assert [event["seq"] for event in fired] == [1, 2, 3, 4]
    assert [event["data"] for event in fired] == [
        "Bash: git status",
        None,
        {"tokens": [1]},
        '{"tokens": [1]}',
    ]
    lines = shell.output("events", registered).splitlines()
    assert [line.split()[0] for line in lines] == ["1", "2", "3", "4"]
    assert lines[0].endswith("  tool-start    Bash: git status")


def test_events_are_filtered(shell: Shell, registered: str) -> None:
    fire_many(shell, registered, ["thinking", "tool-start", "tool-done", "complete"])
    chosen = shell.lines("events", registered, "--after", "1", "--limit", "2")
    assert [event["seq"] for event in chosen] == [2, 3]
    named = shell.lines("events", registered, "--types", "thinking,complete")
    assert [event["seq"] for event in named] == [1, 4]
    assert shell.output("events", registered, "--after", "4") == ""


def test_pieces_of_what_is_not_there_whole_are_always_read(
    shell: Shell, registered: str
) -> None:
    fire_many(shell, registered, ["message", "message-delta"])
    for words in ([], ["--pieces"], ["--pieces", "--follow", "--limit", "2"]):
        assert [event["seq"] for event in shell.lines("events", registered, *words)] == [1, 2]


def test_fire_with_the_same_key_is_one_event(shell: Shell, registered: str) -> None:
    fire = partial(shell.json, "fire", registered, "complete", "--key", "k")
    assert fire() == fire()


def test_standard_input_is_the_text(shell: Shell, registered: str) -> None:
    shell.output("send", registered, "-", stdin="zwei\nZeilen ü".encode())
    assert shell.output("pull", registered) == "zwei\nZeilen ü\n"
    shell.output("fire", registered, "thinking", "-", stdin=b"a\n")
    shell.output("fire", registered, "usage", "-", "--raw", stdin=b'{"n":\n1}')
    assert [e["data"] for e in shell.lines("events", registered)] == ["a\n", {"n": 1}]


def test_send_and_pull_for_machines(shell: Shell, registered: str) -> None:
    sent = shell.json("send", registered, "one", "--mode", "interrupt")
    assert (sent["ok"], sent["queued"]) == (True, 1)
    shell.output("send", registered, "two")
    (one, two) = shell.lines("pull", registered)
    assert (one["id"], one["content"], one["mode"]) == (sent["id"], "one", "interrupt")
    assert (two["content"], two["mode"]) == ("two", "auto")
    assert shell.lines("pull", registered) == []
    assert shell.output("pull", registered) == ""


def waits(shell: Shell, process: subprocess.Popen[str]) -> bool:
    """Return once the host has the pull of `process`; False if that has ended instead."""
    while process.poll() is None:
        if ask(f"{shell.url}/status")["waiting"]:
            return True
    return False


def test_pull_waits_for_a_message(shell: Shell, registered: str) -> None:
    with shell.start("pull", registered, "--wait") as waiting:
        assert waits(shell, waiting)
        shell.output("send", registered, "at last")
        assert waiting.communicate(timeout=60) == ("at last\n", "")
    assert waiting.returncode == 0


def test_pull_is_interrupted_silently(shell: Shell, registered: str) -> None:
    with shell.start("pull", registered, "--wait") as waiting:
        assert waits(shell, waiting)
        waiting.send_signal(signal.SIGINT)
        assert waiting.communicate(timeout=60) == ("", "")
    assert waiting.returncode == 130


def test_rm_forgets_the_session(shell: Shell, registered: str) -> None:
    assert shell.output("rm", registered) == f"{registered} forgotten\n"
    is_refused(shell.run("rm", registered), 1, f"There is no session '{registered}'")
    again = shell.session()
    shell.output("register", again)
    assert shell.json("rm", again) == {"ok": True}


def test_stop_for_machines(walker: Shell, running_host: Host) -> None:
    assert walker.json("stop") == {"ok": True}
    assert running_host.wait() == 0


def test_emit_is_its_own_program(shell: Shell) -> None:
    assert shell.output("emit", "--help").startswith("usage: sxhost-emit --type ")
    is_refused(shell.run("emit", "--type", "nonsense"), 2, "usage: sxhost-emit")
    assert shell.output("emit", "--type", "user", "--content", "x") == ""


@pytest.mark.parametrize("name", ["bash", "zsh", "fish"])
def test_completion_is_a_script_of_the_shell(shell: Shell, name: str) -> None:
    script = shell.output("completion", name)
    assert f"_SXHOST_COMPLETE={name}_complete" in script


def test_completion_knows_the_commands(shell: Shell) -> None:
    completed = shell.output(
        _SXHOST_COMPLETE="bash_complete", COMP_WORDS="sxhost st", COMP_CWORD="1"
    )
    assert {"plain,status", "plain,stdio", "plain,stop"} <= set(completed.split())


def test_help_lists_the_commands(shell: Shell) -> None:
    text = shell.output("--help")
    assert text == shell.output("-h")
    listed = {line.split()[0] for line in text.splitlines() if line.startswith("  ")}
    assert sxhost.commands.keys() <= listed


def test_every_command_takes_json_and_url(shell: Shell) -> None:
    text = shell.output("pull", "--help")
    assert "--json" in text
    assert "--url" in text


def test_version(shell: Shell) -> None:
    assert shell.output("--version") == f"sxhost {__version__}\n"


# What an agent says is not to be trusted with a terminal.


def test_control_characters_are_escaped(shell: Shell, registered: str) -> None:
    fields = {"model": ESCAPE, "title": ESCAPE, "metadata": {ESCAPE: ESCAPE}}
    ask(f"{shell.url}/sessions/{registered}/register", fields)
    ask(f"{shell.url}/sessions/{registered}/events", {"event": "thinking", "data": ESCAPE})
    ask(f"{shell.url}/sessions/{registered}/messages", {"content": f"a\n\tb {ESCAPE}"})
    for command in (["sessions"], ["show", registered], ["events", registered]):
        printed = shell.output(*command)
        assert ESCAPED in printed
        assert set(map(ord, printed)) & set(range(32)) == {10}
    assert shell.output("pull", registered) == f"a\n\tb {ESCAPED}\n"


class Stranger(BaseHTTPRequestHandler):
    """Refuses everything in the host's form, with words of its own and what was asked."""

    def do_GET(self) -> None:
        message = f"{ESCAPE} {self.path}"
        body = json.dumps({"ok": False, "error": "made_up", "message": message}).encode()
        self.send_response(500)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing on stderr."""


@pytest.fixture
def stranger() -> Iterator[str]:
    """Return the address of something that is not our host."""
    with HTTPServer(("127.0.0.1", 0), Stranger) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_control_characters_of_a_refusal_are_escaped(shell: Shell, stranger: str) -> None:
    done = shell.run("status", "--url", stranger)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"{ESCAPED} /status\n")


@pytest.mark.parametrize(
    ("words", "query"),
    [([], ""), (["--pieces"], "?pieces=1"), (["--after", "7"], "?after=7")],
)
def test_a_read_asks_for_what_its_options_say(
    words: list[str], query: str, shell: Shell, stranger: str
) -> None:
    done = shell.run("events", "a", *words, "--url", stranger)
    assert done.stderr == f"{ESCAPED} /sessions/a/events{query}\n"


# Where the host is.


@pytest.fixture
def nowhere() -> str:
    """Return the address of a port where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_url_option_overrides_the_environment(shell: Shell, nowhere: str) -> None:
    assert shell.output("status", "--url", shell.url, SXHOST_URL=nowhere).startswith(
        "Host running"
    )
    assert shell.run("status", "--url", nowhere).returncode == 3


def test_command_reaches_a_host_at_a_unix_socket(start_host: StartHost, tmp_path: Path) -> None:
    path = tmp_path / "sock"
    host = start_host(
        "--listen", f"unix:{path}:mode=600", "--listen", "tcp:0:interface=127.0.0.1"
    )
    assert host.port
    shell = Shell(tmp_path, f"unix:{path}")
    assert shell.output("status") == f"Host running on :{host.port} — 0 sessions, 0 active\n"


# What goes wrong.


def test_unreachable_host_is_an_error(shell: Shell, nowhere: str) -> None:
    for words in (["status"], ["status", "--json"], ["send", "a", "b"], ["stop"]):
        done = shell.run(*words, SXHOST_URL=nowhere)
        is_refused(done, 3, f"No host answers ({nowhere}: ")
        assert done.stderr.endswith("Start one with: sxhost --daemon\n")
        assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            ["show", "nobody"],
            "There is no session 'nobody'; register it, or fire its first event.",
        ),
        (["show", ""], "A session id is 1 to 128 letters, digits and `_.:-`"),
        (["rm", "a/b"], "A session id is 1 to 128 letters, digits and `_.:-`"),
        (["pull", "nobody", "--json"], "There is no session 'nobody'"),
        (["send", "nobody", "hello"], "There is no session 'nobody'"),
        (["fire", "a", "Bad Name"], "The field `event` is wrong"),
        (["register", "a", "--pid", "0"], "The field `pid` is wrong"),
        (["sessions", "--label", "no-colon"], "label"),
    ],
)
def test_refusal_of_the_host_is_an_error(shell: Shell, words: list[str], sentence: str) -> None:
    done = shell.run(*words)
    is_refused(done, 1, sentence)
    assert len(done.stderr.splitlines()) == 1


def test_too_long_message_is_refused(shell: Shell, registered: str) -> None:
    done = shell.run("send", registered, "-", stdin=b"x" * 8193)
    is_refused(done, 1, "The message has 8193 bytes of UTF-8; 8192 are possible.")


def test_full_inbox_is_refused(shell: Shell, registered: str) -> None:
    for number in range(32):
        ask(f"{shell.url}/sessions/{registered}/messages", {"content": str(number)})
    is_refused(shell.run("send", registered, "one more"), 1, "32 messages already wait")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["nonsense"], "No such command"),
        (["status", "--nonsense"], "No such option"),
        (["--nonsense"], "No such option"),
        (["show"], "Missing argument 'ID'"),
        (["send", "a"], "Say to whom and what"),
        (["send", "a", "b", "--mode", "shout"], "'shout' is not one of"),
        (["events", "a", "--limit", "0"], "Invalid value for '--limit'"),
        (["completion", "csh"], "'csh' is not one of"),
        (["register", "a", "--label", "none"], "A label is written NAME:VALUE."),
        (["register", "a", "--label", ":x"], "A label is written NAME:VALUE."),
        (["fire", "a", "thinking", "{", "--raw"], "The body is not JSON"),
        (["status", "--url", "ftp://h"], "'ftp://h' is not an http:, https: or unix: address."),
        (["status", "--url", "http://h:x"], "This cannot be asked: Port could not be cast"),
    ],
)
def test_wrong_arguments_are_refused(
    shell: Shell, words: list[str | bytes], sentence: str
) -> None:
    is_refused(shell.run(*words), 2, sentence)


def test_binary_standard_input_is_refused(shell: Shell, registered: str) -> None:
    done = shell.run("send", registered, "-", stdin=b"\xff\xfe")
    is_refused(done, 2, "Standard input is not UTF-8.")


def test_a_script_waits_until_a_session_is_as_it_should_be(shell: Shell) -> None:
    session = shell.session()
    ask(f"{shell.url}/sessions", {"agent": "echo", "id": session})
    shell.run("turn", session, "ASK: make test", "--no-wait")
    assert shell.output("wait", session, "--until", "asks") == f"{session} needs an answer\n"
    late = shell.run("wait", session, "--timeout", "1s")
    assert (late.returncode, late.stdout) == (124, "")
    shell.output("deny", "--all", "--session", session)
    assert shell.json("wait", session)["detail_state"] == "idle"
    shell.output("end", session)
    assert shell.output("wait", session, "--until", "ended") == f"{session} has ended\n"
    over = shell.run("wait", session)
    assert (over.returncode, over.stderr) == (4, f"{session} is over: ended\n")


def test_one_word_reaches_many(shell: Shell) -> None:
    team = shell.session()
    for name in ("one", "two", "over"):
        labelled = ("--label", f"team:{team}", "--id", f"{team}-{name}")
        shell.output("new", "--agent", "echo", *labelled)
    shell.output("end", f"{team}-over")
    said = shell.run("send", "--label", f"team:{team}", "SAY: hello")
    assert (said.returncode, said.stderr) == (0, "2 sent.\n")
    lines = said.stdout.splitlines()
    assert sorted(line.partition(" ")[0] for line in lines) == [f"{team}-one", f"{team}-two"]
    assert all(line.endswith("sent; given to its agent now") for line in lines)
    for words in (["SAY: hello"], ["--label", f"team:{team}", team, "SAY: hello"]):
        assert "Say to whom and what" in shell.run("send", *words).stderr
