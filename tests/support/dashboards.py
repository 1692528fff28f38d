"""The dashboard in a real Chromium, driven by Playwright, and the sessions that it shows."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.support.feeds import Feed
from tests.support.hosts import PATIENCE, Host

__all__ = ["ALLOWED", "Dashboard", "Feed", "browser", "chromium", "dashboard", "feed"]

# Nothing here is timed: see `PATIENCE`.
expect.set_options(timeout=PATIENCE * 1000)

ARGUMENTS = ("--no-sandbox", "--host-resolver-rules=MAP evil.test 127.0.0.1")

CHROMIUMS = ("chromium-headless-shell", "chromium", "chromium-browser")
"""Each page of the first costs a third of what one of the others does."""

ALLOWED = ("net::ERR_", "WebSocket connection to", "status of 4", "status of 502")
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


class Dashboard:
    """A page of a browser of its own, and what went wrong in it."""

    def __init__(self, browser: Browser, url: str, **options: Any) -> None:
        self.url = url
        # What a worker does is its own tests' matter; routes of other tests would not see it.
        options = {"service_workers": "block", **options}
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
