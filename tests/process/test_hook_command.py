"""The command form of a hook: in haste, silent, and none the worse for any host or input."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from sxhost.hooks import command as hook
from tests.support.certificates import Authority
from tests.support.daemons import clean_environ
from tests.support.hosts import Host, StartHost, until

SAID = {"session_id": "a", "hook_event_name": "Stop", "cwd": "/nowhere"}
Ended = subprocess.CompletedProcess[bytes]


def run(home: Path, url: str, *words: str, stdin: bytes | None = None, **environ: str) -> Ended:
    text = json.dumps(SAID).encode() if stdin is None else stdin
    return subprocess.run(
        [sys.executable, "-m", "sxhost", "hook", *words],
        input=text,
        env={**clean_environ(home), "SXHOST_URL": url, hook.TIMEOUT: "60", **environ},
        capture_output=True,
        timeout=60,
        check=False,
    )


def events(host: Host, session: str = "a") -> list[Any]:
    with urlopen(f"{host.url}/sessions/{session}/events") as answer:
        return [json.loads(line) for line in answer.read().splitlines()]


@contextmanager
def server(answer: bytes) -> Iterator[str]:
    """Answer every connection with these bytes."""
    with socket.create_server(("127.0.0.1", 0)) as ear:

        def serve() -> None:
            while True:
                try:
                    link, _ = ear.accept()
                except OSError:
                    return
                with link:
                    link.recv(1 << 16)
                    link.sendall(answer)

        Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{ear.getsockname()[1]}"
        ear.shutdown(socket.SHUT_RDWR)


def test_host_on_any_port_is_found_while_it_runs(start_host: StartHost, tmp_path: Path) -> None:
    host = start_host("--port", "0")
    assert host.port
    found: dict[str, Any] = {"STATE_DIRECTORY": str(tmp_path / "state")}
    assert (run(tmp_path, "", "claude", **found).stderr, len(events(host))) == (b"", 1)
    address = tmp_path / "state" / "url"
    assert address.read_text() == f"{host.url}\n"
    host.stop()
    assert not address.exists()


def test_claude_hook_becomes_an_event(running_host: Host, tmp_path: Path) -> None:
    done = run(tmp_path, running_host.url, "claude")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert [event["event"] for event in events(running_host)] == ["complete"]


def test_codex_notification_comes_as_an_argument(running_host: Host, tmp_path: Path) -> None:
    sent = {"type": "agent-turn-complete", "thread-id": "b", "turn-id": "1"}
    done = run(tmp_path, running_host.url, "codex", json.dumps(sent), stdin=b"")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert [event["event"] for event in events(running_host, "b")] == ["complete"]


def test_hook_prints_the_hosts_answer(running_host: Host, tmp_path: Path) -> None:
    run(tmp_path, running_host.url, "claude")
    command = [sys.executable, "-m", "sxhost", "send", "a", "go on", "--url", running_host.url]
    subprocess.run(command, check=True, env=clean_environ(tmp_path), stdout=subprocess.DEVNULL)
    done = run(tmp_path, running_host.url, "claude")
    assert json.loads(done.stdout) == {"decision": "block", "reason": "go on"}


def test_hook_asks_again_after_its_host_was_killed(
    start_host: StartHost, tmp_path: Path
) -> None:
    host = start_host("--port", "0")
    asking = {**SAID, "hook_event_name": "PermissionRequest", "tool_name": "Bash"}
    line = [sys.executable, "-m", "sxhost", "hook", "claude", json.dumps(asking)]
    environ = {**clean_environ(tmp_path), "SXHOST_URL": host.url, hook.TIMEOUT: "60"}
    with subprocess.Popen(line, env=environ, stdout=subprocess.PIPE) as process:
        (asked,) = until(lambda: approvals(host))
        host.process.kill()
        host.wait()
        host = start_host("--port", str(host.port))
        body = json.dumps({"decision": "deny"}).encode()
        path = f"{host.url}/sessions/a/approvals/{asked['id']}"
        deny = Request(path, body, {"Content-Type": "application/json"})

        def denied() -> bool:
            try:
                urlopen(deny).close()
            except HTTPError as error:  # until the hook asks again, only its terminal can
                if error.code != HTTPStatus.CONFLICT:
                    raise
                error.close()
                return False
            return True

        try:
            until(denied)
            answer, _ = process.communicate(timeout=60)
        finally:
            process.kill()
    assert json.loads(answer)["hookSpecificOutput"]["decision"]["behavior"] == "deny"


def test_hook_ends_with_the_agent_that_waits_for_it(running_host: Host, tmp_path: Path) -> None:
    asking = {**SAID, "hook_event_name": "PermissionRequest", "tool_name": "Bash"}
    line = [sys.executable, "-m", "sxhost", "hook", "claude", json.dumps(asking)]
    environ = {**clean_environ(tmp_path), "SXHOST_URL": running_host.url, hook.TIMEOUT: "60"}
    with subprocess.Popen(line, env=environ, stdout=subprocess.PIPE) as process:
        until(lambda: approvals(running_host))
        assert process.stdout is not None
        process.stdout.close()
        assert process.wait(60) == 0
    until(lambda: [a for a in approvals(running_host) if a["at_terminal_ms"] is not None])


def approvals(host: Host) -> list[Any]:
    with urlopen(f"{host.url}/approvals") as answer:
        return list(json.load(answer))


def test_hook_of_a_hosted_agent_is_not_reported_twice(
    running_host: Host, tmp_path: Path
) -> None:
    done = run(tmp_path, running_host.url, "claude", "--verbose", SXHOST_AGENT="1")
    assert b"the host runs this agent itself" in done.stderr
    with urlopen(f"{running_host.url}/sessions") as answer:
        assert answer.read() == b"[]"


@pytest.mark.parametrize(
    "stdin", [b"", b"rubbish", b"\xff\xfe", b"x" * 10_000_000, b"[]"], ids=len
)
def test_malformed_hook_input_is_ignored(
    running_host: Host, tmp_path: Path, stdin: bytes
) -> None:
    done = run(tmp_path, running_host.url, "claude", stdin=stdin)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert run(tmp_path, running_host.url, "claude", "--verbose", stdin=stdin).stderr


def test_hook_of_ten_megabytes_is_shortened(running_host: Host, tmp_path: Path) -> None:
    sent = {**SAID, "hook_event_name": "PostToolUse", "tool_response": "x" * 10_000_000}
    run(tmp_path, running_host.url, "claude", stdin=json.dumps(sent).encode())
    (event,) = events(running_host)
    assert event["data"]["output"].endswith("… (9952000 characters more)")


@pytest.mark.parametrize(
    "output", [["x" * 40_000] * 30, ["字" * 40_000] * 8, "字" * 400_000, [["x"] * 300_000]]
)
def test_a_fact_over_the_limit_is_kept(
    running_host: Host, tmp_path: Path, output: object
) -> None:
    used = {**SAID, "hook_event_name": "PostToolUse", "tool_use_id": "t1", "tool_name": "Bash"}
    text = json.dumps({**used, "tool_response": output}).encode()
    done = run(tmp_path, running_host.url, "claude", "--verbose", stdin=text)
    (event,) = events(running_host)
    assert event["event"] == "tool-done", done.stderr
    assert (event["data"]["item"], event["data"]["status"]) == ("t1", "completed")
    assert "… (" in str(event["data"]["output"])


def test_odd_characters_cost_no_hook(running_host: Host, tmp_path: Path) -> None:
    begun = b'{"session_id":"a","hook_event_name":"UserPromptSubmit","prompt":"%s"}'
    long = b"x" * 1_000_000
    for said in (rb"x\ud83d", b"x\xff", b"x\x1b", rb"x\ud83d" + long, b"x\xff" + long):
        run(tmp_path, running_host.url, "claude", stdin=begun % said)
    argument = os.fsdecode(begun % b"caf\xe9")
    run(tmp_path, running_host.url, "claude", argument)
    texts = [e["data"]["text"][:4] for e in events(running_host) if e["event"] != "register"]
    assert texts == ["x\ufffd", "x\ufffd", "x\x1b", "x\ufffdxx", "x\ufffdxx", "caf\ufffd"]


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"nonsense",
        b"HTTP/1.1 x",
        b"HTTP/1.1 401 No\r\n\r\n{}",
        b"HTTP/1.1 429 No\r\n\r\n",
        b"HTTP/1.1 500 No\r\n\r\n{}",
    ],
)
def test_broken_host_is_ignored(tmp_path: Path, answer: bytes) -> None:
    with server(answer) as url, ThreadPoolExecutor() as pool:
        quiet = pool.submit(run, tmp_path, url, "claude")
        verbose = pool.submit(run, tmp_path, url, "claude", "--verbose")
        done = quiet.result()
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
        assert verbose.result().stderr.count(b"\n") == 1


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9", "ftp://x", "unix:/nowhere", "", "http://"]
)
def test_absent_host_is_ignored(tmp_path: Path, url: str) -> None:
    done = run(tmp_path, url or "http://127.0.0.1:9", "claude")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_hook_reaches_a_host_over_unix_socket_tls_or_with_a_token(
    start_host: StartHost, tmp_path: Path
) -> None:
    pair = Authority(tmp_path, "ours").issue("localhost", "127.0.0.1")
    path = tmp_path / "socket"
    listen = ("--listen", f"unix:{path}", "--listen", "tcp:0:interface=127.0.0.1")
    host = start_host(*listen, "--require-token", *pair.options)
    secure = f"https://localhost:{host.port}"
    trusted: dict[str, Any] = {
        "SXHOST_CA": str(tmp_path / "ours.pem"),
        "STATE_DIRECTORY": str(tmp_path / "state"),
    }
    for url in (f"unix:{path}", secure):
        done = run(tmp_path, url, "claude", "--verbose", **trusted)
        assert (done.returncode, done.stderr) == (0, b"")
    token = (tmp_path / "state" / "token").read_text().strip()
    done = run(
        tmp_path,
        secure,
        "claude",
        "--verbose",
        SXHOST_TOKEN=token,
        SXHOST_CA=trusted["SXHOST_CA"],
    )
    assert done.stderr == b""
    assert b"certificate" in run(tmp_path, secure, "claude", "--verbose").stderr
    file = tmp_path / "state" / "token"
    sent = ("--url", secure, "--token-file", str(file), "--ca", str(tmp_path / "ours.pem"))
    done = run(tmp_path, "http://127.0.0.1:9", "claude", "--verbose", *sent)
    assert (done.returncode, done.stderr) == (0, b"")


def test_missing_or_wrong_token_is_no_error(start_host: StartHost, tmp_path: Path) -> None:
    host = start_host("--port", "0", "--require-token")
    ways: list[dict[str, Any]] = [
        {"SXHOST_TOKEN": "wrong"},
        {"SXHOST_TOKEN_FILE": "/nowhere"},
        {},
    ]
    for shown in ways:
        done = run(tmp_path, host.url, "claude", **shown)
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
        why = run(tmp_path, host.url, "claude", "--verbose", **shown).stderr
        assert (b"401" in why, why.count(b"\n")) == ("SXHOST_TOKEN_FILE" not in shown, 1)


def test_hook_imports_no_heavy_module() -> None:
    heavy = "twisted treq msgspec click argparse json re typing pathlib"
    look = f"import sxhost.hooks.command; print(*set({heavy.split()}) & set(sys.modules))"
    code = f"import sys; sys.path[:] = {sys.path}; {look}"
    argv = [sys.executable, "-ISc", code]
    found = subprocess.run(argv, check=True, capture_output=True, env=dict(os.environ))
    assert found.stdout.split() == []


def test_hook_help_is_printed() -> None:
    done = run(Path("/"), "", "claude", "--help")
    assert done.stdout.startswith(b"usage: sxhost hook claude|codex")


WOKEN = b'HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n{"wake":true}'
LEFT = b'HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n{"wake":false}'
ATTENDED = {"AI_AGENT": "claude-code_2-1-329_harness", "CLAUDE_CODE_SESSION_ATTENDED": "1"}


@contextmanager
def beside_claude(home: Path, url: str, **environ: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a listener below a process that is called ``claude``, which prints how it ended."""
    claude = home / "claude"
    claude.symlink_to("/bin/sh")
    program = f"{sys.executable} -m sxhost hook claude --listen; echo ended $?"
    with subprocess.Popen(
        [claude, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**clean_environ(home), "SXHOST_URL": url, **ATTENDED, **environ},
    ) as running:
        assert running.stdin is not None
        running.stdin.write(json.dumps(SAID).encode())
        running.stdin.close()
        running.stdin = None
        try:
            yield running
        finally:
            running.kill()


@pytest.mark.parametrize(
    ("answer", "environ", "ended"),
    [
        (WOKEN, {}, (b"ended 2\n", b"(sxhost)\n")),
        (LEFT, {}, (b"ended 0\n", b"")),
        (WOKEN, {"CLAUDE_CODE_SESSION_ATTENDED": "0"}, (b"ended 0\n", b"")),
        (WOKEN, {"SXHOST_AGENT": "h.1"}, (b"ended 0\n", b"")),
    ],
    ids=["woken", "replaced", "headless", "hosted"],
)
def test_listener_wakes_with_its_exit_status(
    tmp_path: Path, answer: bytes, environ: dict[str, str], ended: tuple[bytes, bytes]
) -> None:
    with server(answer) as url, beside_claude(tmp_path, url, **environ) as claude:
        assert claude.communicate(timeout=60) == ended


def test_listener_waits_for_a_host_that_is_away_and_ends_with_its_agent(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as ear:
        url = f"http://127.0.0.1:{ear.getsockname()[1]}"
        with beside_claude(tmp_path, url) as claude:
            ear.accept()[0].close()  # it is asked, and goes away
            link, _ = ear.accept()  # and is asked again
            with link:
                link.recv(1 << 16)
                claude.kill()
                assert link.recv(1 << 16) == b"", "the listener is there, and its agent is not"
