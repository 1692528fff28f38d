"""The README and the quickstart, run for real."""

from __future__ import annotations

import json
import os
import re
import select
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.support.daemons import clean_environ
from tests.support.hosts import PATIENCE, Host, StartHost
from tests.support.places import TOP

BIN = Path(sys.executable).parent
SXHOST = str(BIN / "sxhost")
NEEDED = [name for name in ("curl", "jq") if shutil.which(name) is None]

VARYING = {
    "limits",
    "epoch",
    "last_seen_ms",
    "pid",
    "since_ms",
    "start_time",
    "ts",
    "ts_ms",
    "uptime",
    "version",
}
"""What is another value each time, but of the same type."""


class Step(NamedTuple):
    """A command, and what the document says that it prints."""

    command: str
    output: str


def blocks(document: str, language: str, heading: str = "") -> list[str]:
    """Return a document's fenced blocks in a language, those after a heading."""
    text = (TOP / document).read_text(encoding="utf-8")
    text = text.split(heading, 1)[1] if heading else text
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def lines(block: str) -> list[str]:
    return [line for line in block.splitlines() if line.strip()]


def steps(document: str) -> Iterator[Step]:
    for block in blocks(document, "console"):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            yield Step(command, output)


def environ(home: Path, url: str) -> dict[str, str]:
    path = f"{BIN}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    return {**clean_environ(home), "PATH": path, "SXHOST_URL": url, "no_proxy": "*"}


def run(command: str, env: Mapping[str, str]) -> str:
    """Run a shell's command line, which must succeed; what it prints on stdout."""
    done = subprocess.run(
        command,
        shell=True,
        env=env,
        capture_output=True,
        encoding="utf-8",
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stderr}"
    return done.stdout


def steady(value: Any) -> Any:
    """Replace what varies by its type."""
    if isinstance(value, dict):
        return {k: type(v) if k in VARYING else steady(v) for k, v in value.items()}
    return [steady(v) for v in value] if isinstance(value, list) else value


def normal(text: str) -> list[Any]:
    """Return a text as JSON values, as far as it is JSON: whole, or line by line."""
    with suppress(ValueError):
        return [steady(json.loads(text))]
    return [_normal_line(line) for line in text.splitlines()]


def _normal_line(line: str) -> Any:
    with suppress(ValueError):
        return steady(json.loads(line))
    return line


def test_documented_output_may_vary_only_where_it_must() -> None:
    assert normal('{"ts": 1, "seq": 1}') == normal('{"ts": 2, "seq": 1}')
    assert normal('{"ts": 1}') != normal('{"ts": "1"}')
    assert normal('{"seq": 1}') != normal('{"seq": 2}')
    assert normal("a\n[1]\n") == ["a", [1]]


@pytest.mark.skipif("curl" in NEEDED, reason="there is no curl")
@pytest.mark.parametrize("document", ["README.md", "docs/quickstart.md", "docs/agents.md"])
def test_each_command_prints_what_the_document_says(
    running_host: Host, tmp_path: Path, document: str
) -> None:
    env = environ(tmp_path, running_host.url)
    told = list(steps(document))
    assert told
    for step in told:
        command = step.command if "jq" not in NEEDED else step.command.replace(" | jq .", "")
        printed = run(command.replace("7432", str(running_host.port)), env)
        expected = step.output.replace("7432", str(running_host.port))
        assert normal(printed) == normal(expected), step.command


@pytest.mark.skipif("curl" in NEEDED, reason="there is no curl")
def test_walk_through_ends_the_host(running_host: Host, tmp_path: Path) -> None:
    *_, last = steps("README.md")
    run(last.command, environ(tmp_path, running_host.url))
    assert running_host.wait() == 0


def test_walk_through_has_the_original_hubs_lines() -> None:
    walked = [step.command for step in steps("README.md")]
    host, json_ = "http://localhost:7432", '  -H "Content-Type: application/json"   -d'
    session = f"{host}/sessions/my-session"
    registration = '{"model":"gpt-4.1","provider":"openai","cwd":"/home/dev/project"}'
    event = '{"event":"thinking","data":"analyzing codebase"}'
    message = '{"content":"fix the failing test in auth.c"}'
    source = [
        f"curl -s {host}/health",
        f"curl -s {host}/status | jq .",
        f"curl -X POST {session}/register {json_} '{registration}'",
        f"curl -X POST {session}/events {json_} '{event}'",
        f"curl -X POST {session}/messages {json_} '{message}'",
        f"curl -s {session}/messages",
        f"curl -s {session}/events",
    ]
    assert [command for command in walked if command.startswith("curl ")] == source


# Set-up, run, test: a line each, where a machine finds it.


def test_set_up_is_two_commands() -> None:
    assert lines(blocks("README.md", "sh", "\n## Set up\n")[0]) == [
        "python3.11 -m venv .venv",
        ".venv/bin/pip install --config-settings editable_mode=compat -e '.[test]'",
    ]


def test_users_install_no_packages_of_the_tests() -> None:
    install = lines(blocks("README.md", "sh", "\n## Install\n")[0])
    assert install[:2] == [
        "python3.11 -m venv ~/.local/share/sxhost",
        "~/.local/share/sxhost/bin/pip install .",
    ]


def test_first_three_commands_bring_agents_in(running_host: Host, tmp_path: Path) -> None:
    block = lines(blocks("README.md", "sh", "\n## First steps\n")[0])
    start, hook, agent = (shlex.split(line, comments=True) for line in block)
    assert (start, hook[:3], agent[:3]) == (
        ["sxhost", "--daemon"],
        ["sxhost", "hook", "install"],
        ["sxhost", "run", "--agent"],
    )
    env = environ(tmp_path, running_host.url)
    run(shlex.join(hook), env)
    assert "hook claude" in (tmp_path / ".claude" / "settings.json").read_text()
    agent[3] = "echo"
    assert run(shlex.join(agent), env) == f"{agent[4]}\n"


def test_curl_comes_after_the_first_agents() -> None:
    text = (TOP / "README.md").read_text()
    assert text.index("## First steps") < text.index("sxhost run") < text.index("$ curl ")


def test_one_line_passes_the_tests() -> None:
    (line,) = lines(blocks("README.md", "sh", "\n## Test\n")[0])
    assert line == ".venv/bin/python -m pytest -n 2"


def test_one_line_runs_the_host(start_host: StartHost) -> None:
    (line,) = lines(blocks("README.md", "sh", "\n## Run\n")[0])
    assert line == ".venv/bin/twistd -n sxhost --port 7432"
    here = line.replace(".venv/bin", str(BIN)).replace("7432", "0")
    host = start_host(command=shlex.split(here))
    assert host.port
    assert host.stop() in (0, -signal.SIGTERM)


# Other ways to start.


def starts() -> list[list[str]]:
    """Return the command lines that start a host, on a free port."""
    block = blocks("README.md", "sh", "\n## Walk-through\n")[0]
    told = [shlex.split(line, comments=True) for line in lines(block)]
    return [[w if w != "9000" else "0" for w in words] for words in told]


@pytest.mark.parametrize(
    "words", [words for words in starts() if "--daemon" not in words], ids=shlex.join
)
def test_documented_foreground_start_works(start_host: StartHost, words: list[str]) -> None:
    port = () if "--port" in words else ("--port", "0")
    host = start_host(command=(SXHOST, *words[1:], *port))
    assert host.port


def test_documented_background_start_works(tmp_path: Path) -> None:
    (words,) = (words for words in starts() if "--daemon" in words)
    assert words == ["sxhost", "--daemon"]
    env = environ(tmp_path, "")
    said = run(f"{shlex.join(words)} --port 0", env)
    state = tmp_path / ".local" / "state" / "sxhost"
    with daemon(state / "sxhost.pid") as ended:
        found = re.search(r"Listening on (http://\S+)", (state / "sxhost.log").read_text())
        assert found
        assert f"Listening on {found[1]}." in said
        assert f"Log: {state / 'sxhost.log'}" in said
        assert "running" in run("sxhost status", {**env, "SXHOST_URL": found[1]})
        run("sxhost stop", {**env, "SXHOST_URL": found[1]})
        assert select.select([ended], [], [], PATIENCE)[0]
    assert not (state / "sxhost.pid").exists()


@contextmanager
def daemon(pidfile: Path) -> Iterator[int]:
    """Give a file descriptor that is readable once the daemon has ended; see to its end."""
    pid = int(pidfile.read_text())
    ended = os.pidfd_open(pid)
    with closing(os.fdopen(ended, "rb", buffering=0)):
        try:
            yield ended
        finally:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(ended, signal.SIGKILL)


# The examples in Python.


def test_documented_stream_example_prints_events(running_host: Host, tmp_path: Path) -> None:
    (script,) = blocks("docs/api.md", "python", "\n## Streams\n")
    (tmp_path / "watch.py").write_text(script, encoding="utf-8")
    env = environ(tmp_path, running_host.url)
    command = [sys.executable, str(tmp_path / "watch.py"), running_host.url]
    with started(command, env) as (watcher, printed):
        while json.loads(run("sxhost status --json", env))["subscribers"] == 0:
            assert watcher.poll() is None
        run("sxhost fire demo thinking", env)
        run("sxhost fire demo complete done", env)
        assert next(printed).startswith("Event(event='complete', ")


# The agents of the quickstart.


def agent_in_shell(place: Path, url: str) -> list[str]:
    (script,) = (b for b in blocks("docs/quickstart.md", "sh") if b.startswith("#!/bin/sh"))
    (place / "agent.sh").write_text(script, encoding="utf-8")
    return ["sh", str(place / "agent.sh"), "agent-1"]


def agent_in_python(place: Path, url: str) -> list[str]:
    (script,) = blocks("docs/quickstart.md", "python")
    (place / "agent.py").write_text(script, encoding="utf-8")
    return [sys.executable, str(place / "agent.py"), "agent-1", url]


@contextmanager
def started(
    command: list[str], env: Mapping[str, str]
) -> Iterator[tuple[subprocess.Popen[str], Iterator[str]]]:
    """Give a running process and the lines that it prints; see to its end."""
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process, process.stdout
        finally:
            process.kill()


@pytest.mark.skipif(bool(NEEDED), reason=f"there is no {' and no '.join(NEEDED)}")
@pytest.mark.parametrize("make_agent", [agent_in_shell, agent_in_python])
def test_quickstart_agent_works(running_host: Host, tmp_path: Path, make_agent: Any) -> None:
    env = environ(tmp_path, running_host.url)
    run("sxhost register agent-1", env)
    run("sxhost send agent-1 'the first'", env)
    with started(make_agent(tmp_path, running_host.url), env) as (agent, printed):
        assert next(printed) == "told: the first\n"
        run("sxhost send agent-1 'the second'", env)
        assert next(printed) == "told: the second\n"
        messages = json.loads(
            run(f"curl -fsS '{running_host.url}/sessions/agent-1/messages?peek=1'", env)
        )
        events = run("sxhost events agent-1 --json", env)
        run("sxhost stop", env)
        assert agent.wait(PATIENCE) == 0
    assert messages[0]["state"] == "delivered", "it was confirmed before the second was taken"
    fired = [json.loads(line)["event"] for line in events.splitlines()]
    assert fired[:4] == ["idle", "user-message", "complete", "user-message"]
