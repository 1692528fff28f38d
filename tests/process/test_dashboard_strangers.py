"""Pages of others against the dashboard of somebody who is logged in, in a real Chromium.

Each page stands at another site, or at another port of the host's own name: that is the same
site for a browser, so that no attribute of a cookie keeps it away.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from sxhost.auth.tokens import token_file
from tests.process.test_browser import link_to
from tests.support.dashboards import Dashboard, Feed, browser
from tests.support.hosts import Host, StartHost, until

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

__all__ = ["browser"]


class Blank(BaseHTTPRequestHandler):
    """Serves an empty page at every path."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>another site</title>")

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def blank_site() -> Iterator[int]:
    """Run another site; its port."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Blank) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


class Victim:
    """Somebody whose browser is logged in, and whose agent asks something just now."""

    def __init__(self, browser: Browser, host: Host, state: Path) -> None:
        token = token_file(state).read_text(encoding="ascii").strip()
        self.feed = Feed(host, token)
        self.feed.register("a", title="a secret")
        self.asking = self.feed.permission("a", command="make deploy")
        assert until(lambda: self.feed.ask("/approvals"))
        self.dashboard = Dashboard(browser, host.url)
        self.page = self.dashboard.page
        self.page.goto(host.url + link_to(host, state))
        expect(self.page.locator("a.row")).to_contain_text("a secret")

    def stranger(self, url: str) -> Page:
        """Open a page of others in the same browser."""
        page = self.dashboard.context.new_page()
        page.goto(url)
        return page

    def check_nothing_was_done(self) -> None:
        """See that the question waits and no message does, and that the page still works."""
        (approval,) = self.feed.ask("/approvals")
        assert approval["state"] == "pending"
        assert self.feed.ask("/sessions/a/messages?peek=1") == []
        assert [each["id"] for each in self.feed.ask("/sessions")] == ["a"]
        self.page.goto(f"{self.dashboard.url}/#/inbox")
        self.page.get_by_role("button", name="Deny…").click()
        self.page.get_by_label("Words to the agent").press("Enter")
        assert self.asking.decision["behavior"] == "deny"


@pytest.fixture
def victim(browser: Browser, start_host: StartHost, tmp_path: Path) -> Iterator[Victim]:
    host = start_host("--port", "0", "--require-token")
    assert host.port
    victim = Victim(browser, host, tmp_path / "state")
    yield victim
    victim.dashboard.close()


@pytest.fixture(params=["evil.test", "127.0.0.1", "localhost"])
def stranger(request: pytest.FixtureRequest, victim: Victim) -> Iterator[Page]:
    """A page at another site, or at another port of this name."""
    with blank_site() as port:
        page = victim.stranger(f"http://{request.param}:{port}")
        yield page
        page.close()


FORM = """([url, body]) => {
  const form = document.createElement("form");
  Object.assign(form, {method: "POST", action: url, enctype: "text/plain"});
  const field = document.createElement("input");
  // Of what a form sends as plain text, a page can make JSON.
  Object.assign(field, {name: body.slice(0, -1) + ',"x":"', value: '"}'});
  form.append(field);
  document.body.append(form);
  form.submit();
}"""

FETCH = """async ([url, body]) => {
  const got = [];
  for (const type of ["text/plain", "application/json"])
    for (const mode of ["no-cors", "cors"])
      try {
        const headers = {"Content-Type": type};
        const how = {method: "POST", body, mode, headers, credentials: "include"};
        const answer = await fetch(url, how);
        got.push(answer.type === "opaque" ? "opaque" : await answer.text());
      } catch { got.push("blocked"); }
  return got;
}"""

SOCKET = """([url, protocols]) => new Promise(done => {
  const socket = new WebSocket(url, protocols);
  socket.onmessage = said => done(said.data);
  socket.onclose = () => done("closed");
})"""

ACTS = {
    "/sessions/a/approvals/1": '{"decision":"approve"}',
    "/approvals": '{"answers":[{"session":"a","id":1,"decision":"approve"}]}',
    "/sessions/a/messages": '{"content":"rm -rf"}',
    "/sessions": '{"agent":"echo","prompt":"x"}',
}


def test_page_of_others_does_nothing_with_the_login_of_a_browser(
    victim: Victim, stranger: Page
) -> None:
    url, place = victim.dashboard.url, stranger.url
    for path, body in ACTS.items():
        got = stranger.evaluate(FETCH, [url + path, body])
        assert set(got) <= {"blocked", "opaque"}, path
        with stranger.expect_navigation(url=url + path) as answer:
            stranger.evaluate(FORM, [url + path, body])
        assert answer.value.status in (401, 403, 415), path
        stranger.goto(place)
    stream = f"{url.replace('http', 'ws')}/v1/stream?after=0"
    for protocols in ([], ["sxhost"], ["sxhost", "sxhost-page.guess"]):
        assert stranger.evaluate(SOCKET, [stream, protocols]) == "closed"
    victim.check_nothing_was_done()


OPEN = """url => new Promise(done => {
  const opened = window.open(url);
  const look = () => {
    if (!opened || opened.closed) return done("nothing");
    try { opened.document.title; } catch { /* it is elsewhere by now */ }
    setTimeout(look, 50);
  };
  look();
})"""


def test_page_of_others_has_no_hold_on_the_dashboard(victim: Victim, stranger: Page) -> None:
    url = victim.dashboard.url
    stranger.evaluate(
        "url => { const frame = document.createElement('iframe');"
        " frame.src = url; document.body.append(frame); }",
        url,
    )
    assert until(lambda: stranger.frames[1:])
    frame = stranger.frames[1]
    frame.wait_for_load_state()
    assert frame.url.startswith("chrome-error:")
    assert "a secret" not in frame.content()
    with victim.dashboard.context.expect_page() as opening:
        assert stranger.evaluate(OPEN, url) == "nothing"  # it is cut off from its opener
    opened = opening.value
    assert opened.evaluate("window.opener") is None
    victim.check_nothing_was_done()


def test_login_of_a_browser_cannot_be_read(victim: Victim, stranger: Page) -> None:
    everything = "[document.cookie, ...Object.values({...localStorage, ...sessionStorage})]"
    assert victim.page.evaluate("document.cookie") == ""
    secret = victim.page.evaluate("localStorage.getItem('sxhost.page')")
    assert secret
    assert stranger.evaluate(everything) == [""]
    (cookie,) = victim.dashboard.context.cookies(victim.dashboard.url)
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
    victim.check_nothing_was_done()
