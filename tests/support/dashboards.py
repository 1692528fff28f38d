"""The dashboard in a real Chromium, driven by Playwright, and the sessions that it shows."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.support.driving import ask
from tests.support.hosts import PATIENCE, Host

__all__ = ["ALLOWED", "Dashboard", "Feed", "browser", "chromium", "dashboard", "feed"]

# Nothing here is timed: see `PATIENCE`.
expect.set_options(timeout=PATIENCE * 1000)

ARGUMENTS = ("--no-sandbox", "--host-resolver-rules=MAP evil.test 127.0.0.1")

CHROMIUMS = ("chromium-headless-shell", "chromium", "chromium-browser")
"""Each page of the first costs a third of what one of the others does."""

ALLOWED = ("net::ERR_", "WebSocket connection to", "status of 4")
"""What Chromium itself says of a host that is away, or that refuses; nothing else may come."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """Run the system's Chromium, the one without windows if it is there."""
    path = next(filter(None, map(shutil.which, CHROMIUMS)), None)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


class Feed:
    """What agents and their hooks say to a host."""

    def __init__(self, host: Host, token: str = "") -> None:
        self._host = host
        self._token = token

    def ask(self, path: str, body: Any = None) -> Any:
        """Ask the host as its own user does, or by a token; it does not refuse."""
        method = "GET" if body is None else "POST"
        status, answer = ask(self._host, method, path, body, self._token)
        assert status < 300, answer
        return answer

    def register(self, session: str, **fields: Any) -> None:
        """Register an attached session."""
        self.ask(f"/sessions/{session}/register", {"agent": "claude", **fields})

    def fire(self, session: str, event: str, **data: Any) -> int:
        """Fire an event; return its number."""
        body = {"event": event, "data": data}
        return int(self.ask(f"/sessions/{session}/events", body)["seq"])

    def permission(self, session: str, cwd: str = "/work", **given: Any) -> Asking:
        """Let an agent's hook ask for a permission, and wait for the decision."""
        hook = {
            "session_id": session,
            "hook_event_name": "PermissionRequest",
            "tool_name": "Bash",
            "tool_input": given,
            "cwd": cwd,
        }
        return Asking(self, hook)


class Asking:
    """A hook that waits for a decision."""

    def __init__(self, feed: Feed, hook: dict[str, Any]) -> None:
        self._answers: list[Any] = []
        path = f"/hooks/claude?wait={PATIENCE:.0f}"
        self._thread = Thread(target=lambda: self._answers.append(feed.ask(path, hook)))
        self._thread.start()

    @property
    def decision(self) -> dict[str, Any]:
        """What the hook was answered; waits for it."""
        self._thread.join(PATIENCE)
        found: dict[str, Any] = self._answers[0]["hookSpecificOutput"]["decision"]
        return found


class Dashboard:
    """A page of a browser of its own, and what went wrong in it."""

    def __init__(self, browser: Browser, url: str, **options: Any) -> None:
        self.url = url
        self.context: BrowserContext = browser.new_context(**options)
        self.context.set_default_timeout(PATIENCE * 1000)
        self.page: Page = self.context.new_page()
        self.faults: list[str] = []
        self.strange: list[str] = []
        """Requests to anybody but the host."""
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("console", self._hear)
        self.page.on("dialog", lambda dialog: self.faults.append(f"dialog {dialog.message}"))
        self.page.on("request", self._see)

    def open(self, place: str = "") -> Page:
        """Open a screen of the page."""
        self.page.goto(f"{self.url}/#/{place}")
        return self.page

    def _hear(self, message: Any) -> None:
        if message.type == "error" and not any(part in message.text for part in ALLOWED):
            self.faults.append(message.text)

    def _see(self, request: Any) -> None:
        if not request.url.startswith((self.url, self.url.replace("http", "ws"), "data:")):
            self.strange.append(request.url)

    def close(self) -> None:
        """Close the page; nothing has gone wrong in it, and nobody else was asked."""
        self.context.close()
        assert not self.faults, self.faults
        assert not self.strange


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Run the system's Chromium for the tests of a module."""
    with chromium() as running:
        yield running


@pytest.fixture
def feed(running_host: Host) -> Feed:
    """Return what agents say to the test's host."""
    return Feed(running_host)


@pytest.fixture
def dashboard(browser: Browser, running_host: Host) -> Iterator[Dashboard]:
    """Return a page of the test's host; at the end nothing has gone wrong in it."""
    shown = Dashboard(browser, running_host.url)
    yield shown
    shown.close()
