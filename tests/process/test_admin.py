"""``sxhost token``, ``open`` and ``audit``, and which token a command shows to whom."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import click
import pytest

from sxhost.auth.client_tokens import BadToken, given_token, own_host_token
from sxhost.auth.peer_credentials import listening_uids
from sxhost.auth.tokens import token_file
from sxhost.cli.admin import audit_line, seconds, token_line
from sxhost.cli.qr import qr_lines
from sxhost.localnet import is_local_url
from sxhost.model.auth import AuditEntry, Token
from tests.support.daemons import SXHOST, Ended, clean_environ, run
from tests.support.fork_server import run_forked

if TYPE_CHECKING:
    from tests.support.hosts import Host, StartHost

NOBODY = 65534


class User:
    """Somebody at a shell whose host asks everyone for a token."""

    def __init__(self, home: Path, host: Host) -> None:
        self.home = home
        self.host = host
        self.state = {"STATE_DIRECTORY": str(home / "state")}

    def run(self, *words: str, **environ: str) -> Ended:
        whole_environ = {**clean_environ(self.home), "SXHOST_URL": self.host.url, **environ}
        return run_forked([SXHOST, *words], self.home, whole_environ)

    def own(self, *words: str, **environ: str) -> Ended:
        """Run a command that can find the token of the user's own host."""
        return self.run(*words, **self.state, **environ)

    def output(self, *words: str) -> str:
        done = self.own(*words)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    @property
    def token(self) -> str:
        return token_file(self.home / "state").read_text().strip()


@pytest.fixture
def user(start_host: StartHost, tmp_path: Path) -> User:
    host = start_host("--require-token", "--port", "0")
    assert host.port
    return User(tmp_path, host)


def allowed(url: str, token: str) -> int:
    """Return the status that a token gets at /status."""
    request = Request(f"{url}/status", headers={"Authorization": f"Bearer {token}"})
    try:
        with urlopen(request) as answer:
            return int(answer.status)
    except HTTPError as error:
        return error.code


# Where a command finds a token.


def test_command_finds_the_hosts_token_once_the_host_asks_for_one(user: User) -> None:
    assert user.output("status").startswith("Host running")
    refused = user.run("status")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "this host asks everyone for one. Send a token" in refused.stderr
    assert f"or read {user.home / 'state' / 'token'}" in refused.stderr
    assert f"This command has none for {user.host.url}: name its file" in refused.stderr
    wrong = user.run("status", SXHOST_TOKEN="wrong")
    assert "The token that came is not known to this host" in wrong.stderr
    assert f"has shown {user.host.url} the token in SXHOST_TOKEN." in wrong.stderr


def test_a_token_is_taken_from_a_file_or_the_environment(user: User, tmp_path: Path) -> None:
    good, bad = tmp_path / "good", tmp_path / "bad"
    good.write_text(f"{user.token}\n")
    bad.write_text("sxhost_admin_wrong\n")
    right, wrong = str(good), str(bad)
    for words, environ, code in [
        ((), {"SXHOST_TOKEN": user.token}, 0),
        ((), {"SXHOST_TOKEN_FILE": right, "SXHOST_TOKEN": "wrong"}, 0),
        (("--token-file", right), {"SXHOST_TOKEN_FILE": wrong}, 0),
        (("--token-file", wrong), {"SXHOST_TOKEN_FILE": right, **user.state}, 1),
        ((), {"SXHOST_TOKEN": "wrong", **user.state}, 1),
    ]:
        done = user.run("status", *words, **environ)
        assert done.returncode == code, done.stderr


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "No token can be read from {}: no such file or directory."),
        (b"", "What stands in {} is no token."),
        (b"two words", "What stands in {} is no token."),
        (b"a\nb", "What stands in {} is no token."),
        (b"\xff", "No token can be read from {}: it is not text."),
    ],
)
def test_malformed_token_file_is_refused_and_its_content_not_shown(
    tmp_path: Path, content: bytes | None, message: str
) -> None:
    path = tmp_path / "token"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BadToken) as caught:
        given_token(str(path), {})
    assert str(caught.value) == message.format(path)
    done = run(tmp_path, SXHOST, "status", "--token-file", str(path))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"This cannot be asked: {message.format(path)}\n"


def test_token_is_read_from_the_environment(tmp_path: Path) -> None:
    assert given_token(None, {"SXHOST_TOKEN": " x \n"}) == "x"
    assert given_token(None, {"SXHOST_TOKEN": " "}) is None
    assert given_token(None, {}) is None
    with pytest.raises(BadToken, match="What stands in SXHOST_TOKEN is no token"):
        given_token(None, {"SXHOST_TOKEN": "a b"})


def test_events_follow_sends_the_token(user: User) -> None:
    user.output("fire", "a", "thinking")
    command = [SXHOST, "events", "a", "--follow", "--json", "--url", user.host.url]
    environ = {**os.environ, **user.state}
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True) as following:
        assert following.stdout is not None
        assert json.loads(following.stdout.readline())["event"] == "thinking"
        user.output("fire", "a", "complete")
        assert json.loads(following.stdout.readline())["event"] == "complete"
        following.terminate()


# To whom it shows its own.


class Stranger(BaseHTTPRequestHandler):
    """Wants a token."""

    shown: list[str | None]

    def do_GET(self) -> None:
        self.shown.append(self.headers["Authorization"])
        body = b'{"ok":false,"error":"unauthorized","message":"A token, please."}'
        self.send_response(401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing on stderr."""


@contextmanager
def wanting() -> Iterator[tuple[str, list[str | None]]]:
    """Listen as somebody who wants a token; what was shown to them."""

    class Shown(Stranger):
        shown: list[str | None] = []  # noqa: RUF012 - one for each class

    with HTTPServer(("127.0.0.1", 0), Shown) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", Shown.shown
        server.shutdown()
        thread.join()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return the home of a user whose host has a token."""
    token_file(tmp_path).write_text("sxhost_admin_secret")
    token_file(tmp_path).chmod(0o600)
    return tmp_path


def test_token_is_sent_only_after_a_401(home: Path) -> None:
    with wanting() as (url, shown):
        done = run(home, SXHOST, "status", "--url", url, STATE_DIRECTORY=str(home))
    assert shown == [None, "Bearer sxhost_admin_secret"]
    shown_words = f"A token, please. This command has shown {url} the token of your own host.\n"
    assert (done.returncode, done.stderr) == (1, shown_words)


def test_token_named_by_the_user_is_sent_at_once_and_alone(home: Path) -> None:
    environ = {"STATE_DIRECTORY": str(home), "SXHOST_TOKEN": "other"}
    with wanting() as (url, shown):
        run(home, SXHOST, "status", "--url", url, **environ)
    assert shown == ["Bearer other"]


@pytest.fixture
def stranger(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """Return a listening socket of a user who is neither this one nor root."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(NOBODY)  # a socket belongs to whoever makes it
    try:
        listener = socket.create_server(("127.0.0.1", 0))
    finally:
        if root:
            os.seteuid(0)
    if not root:  # then this is another user, from now on
        monkeypatch.setattr(os, "getuid", lambda: NOBODY)
    with listener:
        yield listener


def test_token_is_sent_to_a_unix_socket_of_this_user(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as ours:
        for name in ("127.0.0.1", "localhost"):
            url = f"http://{name}:{ours.getsockname()[1]}"
            assert own_host_token(url, {"STATE_DIRECTORY": str(home)}) == "sxhost_admin_secret"


def test_token_is_not_sent_to_a_unix_socket_of_another_user(
    home: Path, stranger: socket.socket
) -> None:
    port = stranger.getsockname()[1]
    assert listening_uids(["127.0.0.1"], port)
    for name in ("127.0.0.1", "localhost"):
        assert own_host_token(f"http://{name}:{port}", {"STATE_DIRECTORY": str(home)}) is None


def test_listening_uids_are_those_of_the_ports_addresses() -> None:
    with socket.create_server(("127.0.0.1", 0)) as here:
        port = here.getsockname()[1]
        assert listening_uids(["127.0.0.1"], port) == {os.getuid()}
        assert listening_uids(["127.0.0.2", "::1"], port) == set()
    with socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as all_:
        assert listening_uids(["127.0.0.1"], all_.getsockname()[1]) == {os.getuid()}


def test_token_is_not_sent_to_a_port_of_another_user(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    assert own_host_token(f"http://127.0.0.1:{port}", {"STATE_DIRECTORY": str(home)}) is None


@pytest.mark.parametrize(
    ("url", "here"),
    [
        ("http://127.0.0.1:7432", True),
        ("http://127.1.2.3", True),
        ("https://[::1]:1", True),
        ("http://localhost:1", True),
        ("unix:/s", True),
        ("http://192.0.2.1:7432", False),
        ("http://localhost.example", False),
        ("http://127.0.0.1.example", False),
        ("http://[2001:db8::1]", False),
    ],
)
def test_url_is_local_or_not(url: str, here: bool, home: Path) -> None:
    assert is_local_url(url) is here
    if not here:
        assert own_host_token(url, {"STATE_DIRECTORY": str(home)}) is None


def test_unix_socket_belongs_to_its_owner(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environ = {"STATE_DIRECTORY": str(home)}
    url = f"unix:{home}/s"
    assert own_host_token(url, environ) is None
    with socket.socket(socket.AF_UNIX) as ours:
        ours.bind(f"{home}/s")
        assert own_host_token(url, environ) == "sxhost_admin_secret"
    os.chown(home / "s", os.getuid() or NOBODY, -1)
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    assert own_host_token(url, environ) is None


def test_command_without_a_token_sends_none(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as ours:
        url = f"http://127.0.0.1:{ours.getsockname()[1]}"
        assert own_host_token(url, {"STATE_DIRECTORY": str(tmp_path)}) is None


# sxhost token.


def test_token_show_prints_the_hosts_token(user: User) -> None:
    assert user.output("token", "show") == f"{user.token}\n"
    place = str(user.home / "state")
    assert user.run("token", "show", "--state-dir", place).stdout == f"{user.token}\n"
    done = user.run("token", "show", "--state-dir", str(user.home / "none"))
    assert (done.returncode, done.stdout) == (1, "")
    assert "A host makes one when it starts" in done.stderr


def test_token_rotate_replaces_the_hosts_token(user: User) -> None:
    old = user.token
    assert user.output("token", "rotate") == (
        "The host has a new token; `sxhost token show` prints it\n"
    )
    assert user.token != old
    assert (allowed(user.host.url, old), allowed(user.host.url, user.token)) == (401, 200)


def test_a_token_is_made_listed_and_revoked(user: User) -> None:
    words = ("--scope", "read,send", "--session", "a", "--expires", "7d", "--name", "phone")
    secret = user.output("token", "create", *words).strip()
    user.output("register", "a")
    listed = [json.loads(line) for line in user.output("token", "list", "--json").splitlines()]
    (own, made) = listed
    assert own["id"] == "admin"
    assert (made["scopes"], made["session"], made["name"]) == (["read", "send"], "a", "phone")
    assert made["expires_ms"] - made["created_ms"] == 7 * 86_400_000
    assert secret not in json.dumps(listed)
    environ = {"SXHOST_TOKEN": secret}
    assert user.run("show", "a", **environ).returncode == 0
    assert "scope" in user.run("rm", "a", **environ).stderr
    lines = user.output("token", "list").splitlines()
    assert lines[1].split()[:3] == [made["id"], "read,send", "a"]
    assert user.output("token", "revoke", made["id"]) == f"{made['id']} revoked\n"
    assert "not known" in user.run("show", "a", **environ).stderr
    assert "There is no token 'x?y'" in user.own("token", "revoke", "x?y").stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["create", "--expires", "soon"], "'soon' is no duration such as 30m, 12h or 7d."),
        (["create", "--scope", "read,all"], "--scope takes read, send, approve, admin, not"),
        (["create", "secret"], "unexpected extra argument"),
        (["nonsense"], "No such command"),
    ],
)
def test_wrong_token_arguments_are_refused(
    words: list[str], message: str, tmp_path: Path
) -> None:
    done = run(tmp_path, SXHOST, "token", *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr


@pytest.mark.parametrize(
    ("text", "meant"),
    [("1s", 1), ("30m", 1800), ("12h", 43_200), ("7d", 604_800), ("2w", 1_209_600)],
)
def test_durations_are_parsed(text: str, meant: float) -> None:
    context, option = click.Context(click.Command("x")), click.Option(["--x"])
    assert seconds(context, option, text) == meant
    assert seconds(context, option, None) is None
    for wrong in ("", "0d", "7", "d", "-1d", "1.5h", "1 d", "٣d", "7D", "9" * 10 + "d"):
        with pytest.raises(click.BadParameter):
            seconds(context, option, wrong)


def test_token_list_prints_one_line_a_token() -> None:
    line = token_line(Token("ab", ["read"], "s", "phone", 0, None))
    assert line == "ab        read          s  for ever  phone"


# sxhost open.


def test_open_prints_a_link_that_works_once(user: User) -> None:
    link = user.output("open", "--print").strip()
    assert re.fullmatch(rf"{user.host.url}/login/[\w-]{{40,}}", link)
    command = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", link]
    codes = [subprocess.run(command, capture_output=True, text=True, check=True).stdout
             for _ in range(2)]  # fmt: skip
    assert codes == ["303", "401"]


def test_open_starts_a_browser_if_there_is_a_display(user: User) -> None:
    browser = user.home / "browser"
    browser.write_text('#!/bin/sh\necho "$1" > opened\n')
    browser.chmod(0o755)
    opened = user.home / "opened"
    for words in (["--print"], ["--json"]):
        assert user.own("open", *words, BROWSER=f"{browser}").returncode == 0
        assert not opened.exists()
    done = user.own("open", BROWSER=f"{browser}", DISPLAY="")
    assert opened.read_text() == done.stdout


def test_open_without_a_display_prints_the_link(user: User) -> None:
    done = user.own("open", BROWSER="", DISPLAY="", WAYLAND_DISPLAY="")
    assert (done.returncode, done.stderr) == (0, "")
    assert "/login/" in done.stdout


def test_open_refuses_a_unix_socket(tmp_path: Path) -> None:
    done = run(tmp_path, SXHOST, "open", "--url", "unix:/s")
    assert (done.returncode, done.stdout) == (2, "")
    assert "A browser needs an http: or https: address" in done.stderr


def test_open_shows_a_phone_where_the_host_is(start_host: StartHost, tmp_path: Path) -> None:
    host = start_host("--port", "0", "--allow-host", "sxhost.example.org")
    done = run(tmp_path, SXHOST, "open", "--qr", "--url", host.url, COLUMNS="80")
    assert (done.returncode, done.stderr) == (0, "")
    *code, link, words = done.stdout.splitlines()
    assert re.fullmatch(r"https://sxhost\.example\.org/login/[\w-]{43}", link)
    assert code == [*qr_lines(link, 80, 24)]
    assert "within a minute" in words
    narrow = run(tmp_path, SXHOST, "open", "--qr", "--url", host.url, COLUMNS="30")
    assert narrow.stdout.startswith("https://sxhost.example.org/login/")
    assert "too small for a QR code" in narrow.stderr


def test_open_says_that_no_phone_reaches_a_host_of_this_machine_alone(
    start_host: StartHost, tmp_path: Path
) -> None:
    host = start_host("--port", "0")
    done = run(tmp_path, SXHOST, "open", "--qr", "--url", host.url)
    assert (done.returncode, done.stdout) == (1, "")
    assert "listens on this machine alone" in done.stderr
    assert "--tls-cert" in done.stderr


def test_token_sent_in_clear_over_the_network_is_warned_of(tmp_path: Path) -> None:
    nowhere = "http://nowhere.invalid:7432"
    done = run(tmp_path, SXHOST, "status", "--url", nowhere, SXHOST_TOKEN="x")
    assert done.stderr.startswith("The token crosses the network in clear; use https:.\n")


def test_hosts_user_needs_no_token_by_default(start_host: StartHost) -> None:
    host = start_host("--port", "0")
    done = run(Path.cwd(), SXHOST, "token", "list", "--url", host.url)
    assert (done.returncode, done.stderr) == (0, "")
    host.process.send_signal(signal.SIGTERM)


# The audit.


def test_audit_lists_who_did_what(user: User) -> None:
    user.output("register", "a")
    user.output("send", "a", "hello")
    made = json.loads(user.output("token", "create", "--json"))
    first, last = user.output("audit").splitlines()
    assert re.fullmatch(
        r" +1  [-0-9]{10} [:0-9]{8}  send a message 1  by token admin at .+", first
    )
    assert f"create token {made['token']['id']}  by token admin at " in last
    assert user.output("audit", "--after", "1") == last + "\n"
    assert user.output("audit", "--limit", "1") == last + "\n"
    (entry,) = user.output("audit", "--after", "1", "--json").splitlines()
    assert json.loads(entry)["what"] == "create token"


def test_audit_needs_the_admin_scope(user: User) -> None:
    made = json.loads(user.output("token", "create", "--json"))
    refused = user.run("audit", SXHOST_TOKEN=made["secret"])
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "scope 'admin'" in refused.stderr
    assert user.own("audit", "--limit", "0").returncode == 2


@pytest.mark.parametrize(
    ("token", "uid", "by"),
    [("admin", 7, "token admin"), (None, 7, "user 7"), (None, None, "somebody")],
)
def test_audit_line_names_the_best_known_caller(
    token: str | None, uid: int | None, by: str
) -> None:
    entry = AuditEntry(3, "send", "a", "x", token, uid, "127.0.0.1", 0)
    line = audit_line(entry)
    assert line.endswith(f"  send a x  by {by} at 127.0.0.1")
