"""Secrets are planted wherever a client can put one, and then found nowhere."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

import pytest

from sxhost.auth.tokens import token_file
from tests.support.daemons import PATIENCE, SXHOST

if TYPE_CHECKING:
    from tests.support.hosts import Host, StartHost

PLANTED = "pl4nted"
"""Is part of every secret that is made up here."""


class Still(HTTPRedirectHandler):
    """Follows nowhere."""

    def redirect_request(self, *_: Any) -> None:
        return None


class Asking:
    """Asks a host; keeps what it answers, and what is to be found nowhere."""

    def __init__(self, host: Host, state: Path) -> None:
        self.host = host
        self.state = state
        self.answers: list[str] = []
        self.own = token_file(state).read_text().strip()
        self.secrets = {PLANTED, self.own}

    def ask(self, path: str, body: Any = None, method: str | None = None, **named: str) -> Any:
        headers = {name.replace("_", "-"): value for name, value in named.items()}
        data = None if body is None else json.dumps(body).encode()
        headers |= {} if data is None else {"Content-Type": "application/json"}
        request = Request(self.host.url + path, data, headers, method=method)
        try:
            with build_opener(Still).open(request, timeout=PATIENCE) as answer:
                text = answer.read().decode()
        except HTTPError as error:
            text = f"{error.headers}{error.read().decode()}"
        self.answers.append(text)
        return text

    def admin(self, path: str, body: Any = None, method: str | None = None) -> Any:
        """Ask with the host's own token; the answer is for nobody else's eyes."""
        self.ask(path, body, method, Authorization=f"Bearer {self.own}")
        return json.loads(self.answers.pop())

    def plant(self) -> None:
        """Put secrets wherever somebody could."""
        made = self.admin("/tokens", {"scopes": ["read"], "name": "x"})["secret"]
        self.secrets.add(made)
        self.ask("/status", Authorization=f"Bearer {made}")
        self.ask("/status", Authorization=f"Bearer {made}x")
        self.ask("/status", Authorization=f"Bearer {PLANTED}")
        self.ask("/status", Authorization=f"Basic {PLANTED}")
        self.ask("/status", Authorization=PLANTED)
        self.ask("/status", Cookie=f"sxhost-{self.host.port}={PLANTED}; other={made}")
        self.ask(f"/status?token={PLANTED}&access_token={made}&{PLANTED}")
        self.ask(f"/nowhere?token={PLANTED}")
        self.ask(f"/status?token={PLANTED}", Host="evil.example")
        self.ask("/status", Referer=f"{self.host.url}/login/{PLANTED}?token={PLANTED}")
        self.ask(f"/sessions/a/events?after={made}", Authorization=f"Bearer {made}")
        self.log_in()
        self.admin(f"/tokens/{made.split('_')[1]}", method="DELETE")
        self.ask("/status", Authorization=f"Bearer {made}")

    def log_in(self) -> None:
        """Use links of a login: good ones, old ones, ones that are made up or refused."""
        code = self.admin("/logins", {})["path"]
        unused = self.admin("/logins", {})["path"]
        self.secrets |= {code.rpartition("/")[2], unused.rpartition("/")[2]}
        self.ask(code)
        self.use(self.answers.pop())
        self.ask(code)
        self.ask(unused, Host="evil.example")
        self.ask(unused, Sec_Fetch_Site="cross-site")
        self.ask(unused, {}, "POST")
        self.ask(unused.replace("login", "%6cogin"), Host="evil.example")
        self.ask(f"/login/{PLANTED}")

    def use(self, welcome: str) -> None:
        """Show what a login has given, in all ways and in wrong ones."""
        cookie = re.findall(r"Set-Cookie: sxhost-\d+=([^;]+);", welcome)[0]
        page = re.findall(r"Location: /#page=(\S+)", welcome)[0]
        self.secrets |= {cookie.rpartition(".")[2], page}
        ours = f"sxhost-{self.host.port}={cookie}"
        self.ask("/status", Cookie=ours, Sxhost_Page=page)
        self.ask("/tokens", Cookie=ours, Sxhost_Page="wrong")
        self.ask(
            "/v1/stream", Cookie=ours, Sec_WebSocket_Protocol=f"sxhost, sxhost-page.{page}"
        )
        for secret in (cookie, page):
            self.ask("/status", Authorization=f"Bearer {secret}")
            self.ask(f"/status?page={secret}", Cookie=secret)

    def found(self, *texts: str) -> list[tuple[str, str]]:
        """Return where a secret stands: it, and the line."""
        lines = [line for text in texts for line in text.splitlines()]
        return [(secret, line) for secret in self.secrets for line in lines if secret in line]


@pytest.fixture
def log_format() -> str:
    return "text"


@pytest.fixture
def asking(log_format: str, start_host: StartHost, tmp_path: Path) -> Asking:
    words = ("--require-token", "--log-level", "debug", "--log-format", log_format)
    host = start_host("--port", "0", *words)
    assert host.port
    return Asking(host, tmp_path / "state")


@pytest.mark.parametrize("forks_hosts", [False])  # else ``/proc`` would show the server's
@pytest.mark.parametrize("log_format", ["text", "json", "combined"])
def test_secrets_are_in_no_log_file_environment_or_answer(asking: Asking) -> None:
    asking.plant()
    metrics = asking.ask("/metrics", Authorization=f"Bearer {asking.own}")
    assert "sxhost_requests_total" in metrics
    assert asking.found(*asking.answers) == []
    assert asking.found(*process(asking.host.process.pid)) == []
    asking.host.stop()
    log = asking.host.output()
    assert log.count("/login/<code>") >= 6
    assert asking.found(log) == []
    assert "Traceback" not in log


def process(pid: int) -> Sequence[str]:
    """Return what other processes can see of one."""
    files = (Path(f"/proc/{pid}/{name}") for name in ("environ", "cmdline"))
    texts = [file.read_text().replace("\0", "\n") for file in files]
    assert all(texts)
    return texts


@contextmanager
def waiting(asking: Asking, tmp_path: Path, *words: str, **environ: str) -> Iterator[int]:
    """Run a command that waits for a message; its pid, once it waits."""
    from tests.support.daemons import clean_environ

    env = {**clean_environ(tmp_path), "SXHOST_URL": asking.host.url, **environ}
    command = [SXHOST, "pull", "a", "--wait", *words]
    with subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL) as running:
        while not asking.admin("/status")["waiting"]:
            assert running.poll() is None
        yield running.pid
        asking.admin("/sessions/a/messages", {"content": "done"})
        assert running.wait(PATIENCE) == 0


@pytest.mark.parametrize("way", ["own", "option", "environment"])
def test_token_of_a_command_is_hidden_from_other_processes(
    asking: Asking, tmp_path: Path, way: str
) -> None:
    asking.admin("/sessions/a/register", {})
    file = str(token_file(asking.state))
    words = ("--token-file", file) if way == "option" else ()
    environ = {
        "own": {"STATE_DIRECTORY": str(asking.state)},
        "option": {},
        "environment": {"SXHOST_TOKEN_FILE": file},
    }[way]
    with waiting(asking, tmp_path, *words, **environ) as pid:
        assert asking.found(*process(pid)) == []


def test_login_link_lets_a_browser_in(asking: Asking) -> None:
    """The first test would pass as well if no link worked."""
    path = asking.admin("/logins", {})["path"]
    assert urlsplit(path).path == path
    assert "Location: /#page=" in asking.ask(path)
