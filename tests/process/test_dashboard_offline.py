"""The dashboard's service worker: the page opens while its host is away; no data is kept."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from sxhost.dashboard.assets import Assets
from tests.support.dashboards import Dashboard, Feed, browser, feed
from tests.support.hosts import Host, StartHost, until
from tests.support.wires import Wire, wire

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

__all__ = ["browser", "feed"]

VERSION = Assets.load().version
OTHER = "0123456789abcdef"

PLAIN = {b"Xccept-Encoding:": b"Accept-Encoding:", b"Xf-None-Match:": b"If-None-Match:"}
"""What hides from a host that clients take compressed answers, and have some already."""

UPDATED = {VERSION.encode(): OTHER.encode()}
AWAY = {b"HTTP/1.1 200 OK": b"HTTP/1.1 502 OK"}
WITHOUT = {b"Sxhost-Worker": b"Xxhost-Worker"}

KEPT = """async () => {
    const found = {};
    for (const name of await caches.keys()) {
        const requests = await (await caches.open(name)).keys();
        found[name] = requests.map((request) => new URL(request.url).pathname);
    }
    return found;
}"""

WORKERS = """async () => {
    const all = await navigator.serviceWorker.getRegistrations();
    return all.map((each) => each.active?.state);
}"""


@pytest.fixture
def network(running_host: Host) -> Iterator[Wire]:
    with wire(running_host.port) as between:
        between.spelling = dict(PLAIN)
        yield between


@pytest.fixture
def dashboard(browser: Browser, network: Wire) -> Iterator[Dashboard]:
    shown = Dashboard(browser, network.url, service_workers="allow")
    yield shown
    shown.close()


def kept(page: Page) -> dict[str, Any]:
    """Return the paths that are kept, by their version."""
    found: dict[str, Any] = page.evaluate(KEPT)
    return {name.split()[-1]: paths for name, paths in found.items()}


def wait_for_worker(page: Page, version: str) -> None:
    """Wait until the worker of a version is the only one, and keeps that version alone."""
    assert until(lambda: page.evaluate(WORKERS) == ["activated"])
    assert until(lambda: list(kept(page)) == [version])


def opened(dashboard: Dashboard, feed: Feed) -> Page:
    feed.register("a", title="Fix the login")
    page = dashboard.open()
    expect(page.get_by_role("link", name="Fix the login")).to_be_visible()
    wait_for_worker(page, VERSION)
    return page


def test_page_opens_while_its_host_is_away_and_is_right_when_that_is_back(
    dashboard: Dashboard, running_host: Host, start_host: StartHost, feed: Feed
) -> None:
    page = opened(dashboard, feed)
    running_host.stop()
    page.reload()
    expect(page.get_by_text("Connecting…").or_(page.get_by_text("Link lost"))).to_be_visible()
    expect(page.get_by_text("The host is being asked for its sessions")).to_be_visible()
    expect(page.get_by_text("No agent has been here yet")).to_have_count(0)
    page.keyboard.press("g")
    page.keyboard.press("i")
    expect(page.get_by_text("The host is being asked what waits")).to_be_visible()
    page.keyboard.press("g")
    page.keyboard.press("b")
    again = start_host("--port", str(running_host.port))
    assert until(lambda: again.port)
    expect(page.get_by_role("link", name="Fix the login")).to_be_visible()
    expect(page.locator("p.link")).to_have_count(0)


def test_nothing_is_kept_but_the_files_of_the_page(dashboard: Dashboard, feed: Feed) -> None:
    page = opened(dashboard, feed)
    feed.fire("a", "message", text="a secret of somebody")
    page.reload()
    for screen in ("s/a", "inbox", "host", "s/a/events", ""):
        page.goto(f"{dashboard.url}/#/{screen}")
        expect(page.locator("main > *").first).to_be_attached()
    expect(page.get_by_role("link", name="Fix the login")).to_be_visible()
    paths = kept(page)[VERSION]
    assert {path for path in paths if not path.startswith(f"/ui/{VERSION}/")} == {"/"}
    assert f"/ui/{VERSION}/main.js" in paths


def test_new_version_of_a_host_takes_over_at_the_next_visit(
    dashboard: Dashboard, network: Wire, feed: Feed
) -> None:
    page = opened(dashboard, feed)
    network.spelling = PLAIN | UPDATED
    network.cut()
    expect(page.get_by_text("a new version of this page")).to_be_visible()
    page.reload()
    expect(page.locator(f'script[src*="{OTHER}"]').first).to_be_attached()
    wait_for_worker(page, OTHER)
    network.stall()
    network.cut()
    page.reload()
    expect(page.locator(f'script[src*="{OTHER}"]').first).to_be_attached()
    network.flow()
    expect(page.get_by_role("link", name="Fix the login")).to_be_visible()


def test_page_that_was_kept_says_that_its_host_was_updated_meanwhile(
    dashboard: Dashboard, network: Wire, feed: Feed
) -> None:
    page = opened(dashboard, feed)
    network.spelling = PLAIN | AWAY
    network.cut()
    page.reload()
    expect(page.locator(f'script[src*="{VERSION}"]').first).to_be_attached()
    network.spelling = PLAIN | UPDATED
    network.cut()
    page.locator("p.link").get_by_role("button", name="reload").click()
    expect(page.locator(f'script[src*="{OTHER}"]').first).to_be_attached()
    expect(page.get_by_role("link", name="Fix the login")).to_be_visible()


def test_worker_goes_when_its_host_has_none(
    dashboard: Dashboard, network: Wire, feed: Feed
) -> None:
    page = opened(dashboard, feed)
    network.spelling = PLAIN | WITHOUT
    network.cut()
    page.reload()
    assert until(lambda: not page.evaluate(WORKERS))
    assert kept(page) == {}
    expect(page.get_by_role("link", name="Fix the login")).to_be_visible()


def test_link_on_a_page_of_another_site_still_opens_the_page(
    dashboard: Dashboard, feed: Feed
) -> None:
    page = opened(dashboard, feed)
    page.goto("about:blank")
    page.set_content(f'<a href="{dashboard.url}/">the dashboard</a>')
    page.get_by_role("link").click()
    expect(page.get_by_role("link", name="Fix the login")).to_be_visible()


def test_browser_that_has_a_worker_is_logged_in_by_a_link(
    browser: Browser, start_host: StartHost, tmp_path: Path
) -> None:
    host = start_host("--port", "0", "--require-token")
    assert host.port
    token = (tmp_path / "state" / "token").read_text().strip()
    shown = Dashboard(browser, host.url, service_workers="allow")
    page = shown.open()
    expect(page.get_by_text("This browser is not logged in")).to_be_visible()
    assert until(lambda: page.evaluate(WORKERS) == ["activated"])
    Feed(host, token).register("a", title="Fix the login")
    page.goto(host.url + Feed(host, token).ask("/logins", {})["path"])
    expect(page.get_by_role("link", name="Fix the login")).to_be_visible()
    paths = kept(page)[VERSION]
    assert not [path for path in paths if "login" in path]
    shown.close()


def test_what_a_proxy_says_in_place_of_its_host_is_not_shown_as_the_page(
    dashboard: Dashboard, network: Wire, feed: Feed
) -> None:
    page = opened(dashboard, feed)
    network.spelling = PLAIN | AWAY
    network.cut()
    page.reload()
    expect(page.get_by_role("link", name="Board")).to_be_visible()
    assert page.evaluate(WORKERS) == ["activated"]
