"""A host on an IPv6 address, through everything that takes or prints its URL."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from socket import AF_INET6
from threading import Thread
from typing import Any
from urllib.request import urlopen

import pytest

from sxhost.cli.main import sxhost
from tests.process.test_cli import SXHOST, Shell
from tests.support.certificates import Authority
from tests.support.commands import leaf_commands
from tests.support.daemons import clean_environ, run
from tests.support.hosts import FOREGROUND, PATIENCE, StartHost
from tests.support.hosts import run as running

SAID = json.dumps({"session_id": "h", "hook_event_name": "Stop", "cwd": "/nowhere"}).encode()


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    home = tmp_path_factory.mktemp("home")
    command = (*FOREGROUND, "--host", "::1", "--port", "0", "--state-dir", str(home / "state"))
    with running(command, home, {}) as host:
        yield Shell(home, f"http://[::1]:{host.port}")


COMMANDS = {
    "adopt": ["adopt", "s"],
    "answer": ["answer", "s", "1", "x"],
    "approvals": ["approvals"],
    "approve": ["approve", "s", "1"],
    "attach": ["attach", "--id", "x", "--", "true"],
    "audit": ["audit"],
    "cost": ["cost"],
    "deny": ["deny", "s", "1"],
    "discover": ["discover"],
    "doctor": ["doctor"],
    "end": ["end", "s"],
    "events": ["events", "s"],
    "fire": ["fire", "s", "note", "hi"],
    "give": ["give", "s"],
    "hook install": ["hook", "install", "claude", "--http", "--dry-run"],
    "interrupt": ["interrupt", "s"],
    "log": ["log", "s"],
    "transcript": ["transcript", "s"],
    "new": ["new", "--agent", "echo", "--id", "n"],
    "notify log": ["notify", "log"],
    "notify show": ["notify", "show"],
    "notify test": ["notify", "test", "x"],
    "open": ["open", "--print"],
    "prune": ["prune"],
    "pull": ["pull", "s"],
    "register": ["register", "s"],
    "rm": ["rm", "s"],
    "chat": ["chat", "s"],
    "run": ["run", "--agent", "echo", "hello"],
    "search": ["search", "hi"],
    "send": ["send", "s", "hi"],
    "sessions": ["sessions"],
    "show": ["show", "s"],
    "status": ["status"],
    "steer": ["steer", "s", "hi"],
    "take": ["take", "s"],
    "tail": ["tail", "--session", "s", "--after", "0"],
    "token create": ["token", "create"],
    "token list": ["token", "list"],
    "token revoke": ["token", "revoke", "nothing"],
    "token rotate": ["token", "rotate"],
    "turn": ["turn", "n", "hi"],
    "wait": ["wait", "nobody"],
}
"""What is asked of every command that has a host; `stop`, `stdio` and `hook claude` below."""

REFUSED = {
    *("answer", "approve", "deny", "end", "interrupt", "steer", "token revoke", "turn"),
    *("adopt", "give", "notify test", "take", "wait"),
}
"""Commands for which there is nothing to do."""

NO_HOST = {
    *("completion", "emit", "hook claude", "hook codex", "hook status", "hook uninstall"),
    *(
        "notify check",
        "policy test",
        "serve",
        "stdio",
        "stop",
        "store copy",
        "service install",
        "service uninstall",
        "backup",
        "restore",
        "token show",
    ),
    "trust",
    "top",  # it needs a terminal: test_top.py
}


def test_every_command_is_here() -> None:
    assert dict(leaf_commands(sxhost)).keys() == COMMANDS.keys() | NO_HOST


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "tail"])
def test_command_reaches_a_host_on_ipv6(shell: Shell, name: str) -> None:
    shell.output("register", "s")
    done = shell.run(*COMMANDS[name])
    assert done.returncode in (0, 1), done.stderr
    assert "Codepoint" not in done.stderr
    assert "No host answers" not in done.stderr
    if done.returncode:  # it is the host that says no
        assert name in REFUSED


def test_stream_of_a_host_on_ipv6_is_followed(shell: Shell) -> None:
    shell.output("fire", "t", "note", "hi")
    assert "hi" in shell.output("events", "t", "-f", "--after", "0", "--limit", "1")


def test_urls_that_are_printed_have_brackets(shell: Shell) -> None:
    link = shell.output("open", "--print").strip()
    assert link.startswith(f"{shell.url}/login/")
    hooks = shell.output("hook", "install", "claude", "--http", "--dry-run")
    assert f'"{shell.url}/hooks/claude' in hooks
    with urlopen(f"{shell.url}/healthz", timeout=PATIENCE) as answer:
        service = json.load(answer)["service"]
    assert service["configuredBaseUrl"] == shell.url


def test_hook_and_pipes_reach_a_host_on_ipv6(shell: Shell) -> None:
    environ = {"SXHOST_HOOK_TIMEOUT": "60"}
    done = shell.run("hook", "claude", "--verbose", stdin=SAID, **environ)
    assert (done.returncode, done.stderr) == (0, "")
    assert "complete" in shell.output("events", "h")
    command = b'{"id":"1","type":"list_sessions"}\n'
    done = shell.run("stdio", "--connect", shell.url, stdin=command)
    assert json.loads(done.stdout.splitlines()[-1])["success"], done.stderr


@pytest.mark.parametrize("host", ["::1", "[::1]", "::", "0.0.0.0"])
def test_own_host_is_found_wherever_it_listens(
    start_host: StartHost, tmp_path: Path, host: str
) -> None:
    started = start_host("--host", host, "--port", "0")
    assert started.port
    found = {"STATE_DIRECTORY": str(tmp_path / "state")}
    for words in (["status"], ["register", "a"], ["stop"]):
        done = run(tmp_path, SXHOST, *words, **found)
        assert (done.returncode, done.stderr) == (0, "")
    assert started.wait() == 0


@pytest.mark.parametrize(
    "name", ["[::]", "0.0.0.0", "[::1]", "[0:0:0:0:0:0:0:1]", "[::1%25lo]"]
)
def test_every_spelling_of_this_machine_leads_to_the_host(
    start_host: StartHost, tmp_path: Path, name: str
) -> None:
    host = start_host("--host", "::", "--port", "0")
    url = f"http://{name}:{host.port}"
    for words in (
        ["register", "a"],
        ["hook", "claude", "--verbose", "{}"],
        ["open", "--print"],
    ):
        done = run(tmp_path, SXHOST, *words, "--url", url, SXHOST_HOOK_TIMEOUT="60")
        assert (done.returncode, "No host" in done.stderr) == (0, False), done.stderr
    assert "//[::]" not in done.stdout
    assert "//0.0.0.0" not in done.stdout


def test_tls_on_ipv6(start_host: StartHost, tmp_path: Path) -> None:
    pair = Authority(tmp_path, "ours").issue("localhost", "::1")
    host = start_host("--host", "::1", "--port", "0", *pair.options)
    trusted = ("--url", f"https://[::1]:{host.port}", "--ca", str(tmp_path / "ours.pem"))
    done = run(tmp_path, SXHOST, "status", *trusted)
    assert (done.returncode, done.stderr) == (0, "")
    done = run(tmp_path, SXHOST, "hook", "claude", "--verbose", *trusted, "{}")
    assert "certificate" not in done.stderr


def test_telemetry_is_sent_over_ipv6(tmp_path: Path) -> None:
    bodies: list[Any] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    class Server(HTTPServer):
        address_family = AF_INET6

    with Server(("::1", 0), Collector) as server:
        thread = Thread(target=server.handle_request)
        thread.start()
        url = f"http://[::1]:{server.server_port}/in"
        told = {"EMIT_SESSION_TRACKING": "1", "EMIT_SESSION_API_URL": url}
        words = ("emit", "--type", "user", "--content", "x", "--verbose")
        done = subprocess.run(
            [sys.executable, "-m", "sxhost", *words],
            env={**clean_environ(tmp_path), **told},
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )
        thread.join()
    assert done.stderr == "sxhost-emit: sent\n"
    assert bodies[0]["content"] == "x"


def test_port_in_use_is_said_with_brackets(start_host: StartHost, tmp_path: Path) -> None:
    host = start_host("--host", "::1", "--port", "0")
    place = ("--host", "::1", "--port", str(host.port), "--state-dir", str(tmp_path / "other"))
    done = run(tmp_path, SXHOST, *place)
    assert f"cannot listen on [::1]:{host.port}: " in done.stderr


def test_zone_that_is_no_interface_has_no_host(tmp_path: Path) -> None:
    url = "http://[fe80::1%25nowhere]:7432"
    for words in (["status"], ["events", "a", "-f"], ["tail"], ["send", "a", "hi"]):
        done = run(tmp_path, SXHOST, *words, "--url", url)
        assert (done.returncode, done.stdout) == (3, ""), done.stderr
        assert done.stderr.startswith("No host answers (http://[fe80::1%25nowhere]:7432: ")
    place = ("--host", "fe80::1%nowhere", "--state-dir", str(tmp_path / "state"))
    done = run(tmp_path, SXHOST, *place)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
