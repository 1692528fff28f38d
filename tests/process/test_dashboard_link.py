"""The dashboard's link in a real Chromium: whatever becomes of it, all is shown once."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from tests.support.dashboards import Dashboard, Feed, browser, feed
from tests.support.driving import ask
from tests.support.hosts import Host, StartHost, until
from tests.support.wires import Wire, wire

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

__all__ = ["browser", "feed"]

SLEEP_S = 120
"""What the clock of a page is put forward by: more than any heartbeat."""

NIGHT_S = 9 * 3600


@pytest.fixture
def network(running_host: Host) -> Iterator[Wire]:
    with wire(running_host.port) as between:
        yield between


@pytest.fixture
def dashboard(browser: Browser, network: Wire) -> Iterator[Dashboard]:
    shown = Dashboard(browser, network.url)
    yield shown
    shown.close()


def say(feed: Feed, first: int, last: int, session: str = "a") -> None:
    """Let an agent say some numbers, the even ones in pieces."""
    for number in range(first, last + 1):
        if number % 2 == 0:
            for piece in ("word ", f"{number}"):
                feed.fire(session, "message-delta", text=piece, item=f"m{number}")
        feed.fire(session, "message", text=f"word {number}", item=f"m{number}")


def expect_words(page: Page, first: int, last: int) -> None:
    """Wait until all that was said is shown, once and in order."""
    words = [f"word {number}" for number in range(first, last + 1)]
    expect(page.locator(".item.message .body")).to_have_text(words)


def opened(dashboard: Dashboard, feed: Feed) -> Page:
    say(feed, 1, 3)
    page = dashboard.open("s/a")
    expect_words(page, 1, 3)
    page.get_by_label("Message", exact=True).fill("a draft")
    return page


def expect_well(page: Page, feed: Feed, last: int) -> None:
    """Wait until everything is as if the link had never been lost."""
    expect_words(page, 1, last)
    expect(page.locator(".link")).to_have_count(0)
    expect(page.get_by_label("Message", exact=True)).to_have_value("a draft")
    say(feed, last + 1, last + 1)
    expect_words(page, 1, last + 1)


@pytest.mark.parametrize("way", ["cut", "half_close"])
def test_page_goes_on_after_connections_ended(
    dashboard: Dashboard, feed: Feed, network: Wire, way: str
) -> None:
    page = opened(dashboard, feed)
    for last in (6, 9):
        getattr(network, way)()
        say(feed, last - 2, last)
    expect_well(page, feed, 9)


def test_page_goes_on_after_the_network_swallowed_everything(
    dashboard: Dashboard, feed: Feed, network: Wire
) -> None:
    dashboard.page.clock.install()
    page = opened(dashboard, feed)
    network.stall()
    say(feed, 4, 6)
    page.clock.fast_forward(SLEEP_S * 1000)
    expect(page.get_by_text("Link lost")).to_be_visible()
    network.flow()
    page.clock.fast_forward(SLEEP_S * 1000)
    page.clock.resume()
    expect_well(page, feed, 6)


def test_page_goes_on_after_the_machine_slept(
    dashboard: Dashboard, feed: Feed, network: Wire
) -> None:
    dashboard.page.clock.install()
    page = opened(dashboard, feed)
    devtools = dashboard.context.new_cdp_session(page)
    devtools.send("Page.setWebLifecycleState", {"state": "frozen"})
    network.stall()  # what was on its way when the lid was closed never comes
    say(feed, 4, 8)
    network.cut()
    network.flow()
    devtools.send("Page.setWebLifecycleState", {"state": "active"})
    page.clock.fast_forward(SLEEP_S * 1000)
    page.clock.resume()
    expect_well(page, feed, 8)


def test_page_goes_on_after_the_browser_was_offline(dashboard: Dashboard, feed: Feed) -> None:
    dashboard.page.clock.install()
    page = opened(dashboard, feed)
    dashboard.context.set_offline(True)
    say(feed, 4, 6)
    page.clock.fast_forward(SLEEP_S * 1000)
    expect(page.get_by_text("Link lost")).to_be_visible()
    dashboard.context.set_offline(False)
    page.clock.resume()
    expect_well(page, feed, 6)


def test_page_goes_on_after_the_host_slept(
    dashboard: Dashboard, running_host: Host, feed: Feed
) -> None:
    dashboard.page.clock.install()
    page = opened(dashboard, feed)
    with asleep(running_host):
        page.clock.fast_forward(SLEEP_S * 1000)
        expect(page.get_by_text("Link lost")).to_be_visible()
        page.clock.fast_forward(SLEEP_S * 1000)  # tries again, and is not answered
    page.clock.resume()
    say(feed, 4, 6)
    expect_well(page, feed, 6)


@contextmanager
def asleep(host: Host) -> Iterator[None]:
    """Stop a host as a laptop's lid does: its sockets stay, and nothing comes of them."""
    os.kill(host.process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(host.process.pid, signal.SIGCONT)


HIDE = """
const make = (name, get) => Object.defineProperty(document, name, { get });
make("hidden", () => window.isHidden === true);
make("visibilityState", () => (document.hidden ? "hidden" : "visible"));
"""
LOOK_AWAY, LOOK = (
    f"window.isHidden = {hidden}; document.dispatchEvent(new Event('visibilitychange'))"
    for hidden in ("true", "false")
)


def test_board_is_right_after_a_night_in_the_background(
    browser: Browser, running_host: Host, start_host: StartHost, feed: Feed, network: Wire
) -> None:
    for session in ("stays", "goes", "works"):
        feed.register(session, title=session)
    shown = Dashboard(browser, network.url)
    shown.page.add_init_script(HIDE)
    shown.page.clock.install()
    page = shown.open()
    expect(page.locator("a.row")).to_have_count(3)
    devtools = shown.context.new_cdp_session(page)
    page.evaluate(LOOK_AWAY)
    devtools.send("Page.setWebLifecycleState", {"state": "frozen"})
    network.stall()
    running_host.stop()
    again = start_host("--port", str(running_host.port))
    assert until(lambda: again.port)
    later = Feed(again)
    assert ask(again, "DELETE", "/sessions/goes")[0] == 200
    later.register("comes", title="comes")
    later.fire("works", "tool-start", tool="Bash", item="1", title="Bash: make test")
    asking = later.permission("asks", command="make deploy")
    network.cut()
    network.flow()
    page.clock.fast_forward(NIGHT_S * 1000)
    devtools.send("Page.setWebLifecycleState", {"state": "active"})
    page.evaluate(LOOK)
    page.clock.resume()
    expect(page.locator("a.row")).to_have_count(4)
    for name, session in (("Needs you", "asks"), ("Working", "works"), ("Idle", "comes")):
        group = page.get_by_role("region", name=name)
        expect(group.locator("a.row").filter(has_text=session)).to_have_count(1)
    expect(page).to_have_title("(1) sxhost")
    expect(page.locator(".link")).to_have_count(0)
    later.ask("/sessions/asks/approvals/1", {"decision": "deny"})
    assert asking.decision["behavior"] == "deny"
    expect(page).to_have_title("sxhost")
    shown.close()


def test_page_says_that_the_host_restarts(
    dashboard: Dashboard, running_host: Host, start_host: StartHost, feed: Feed
) -> None:
    page = opened(dashboard, feed)
    running_host.stop()
    expect(page.get_by_text("The host restarts")).to_be_visible()
    again = start_host("--port", str(running_host.port))
    assert until(lambda: again.port)
    say(Feed(again), 4, 5)
    expect_well(page, Feed(again), 5)


def test_page_says_where_retention_has_passed_it(
    browser: Browser, start_host: StartHost
) -> None:
    host = start_host("--port", "0", "--retain", "10", "--max-events", "5")
    feed = Feed(host)
    with wire(host.port) as network:
        shown = Dashboard(browser, network.url)
        page = opened(shown, feed)
        network.stall()
        say(feed, 4, 60)
        network.cut()
        network.flow()
        gap = page.get_by_text("are not kept any more: they went while this page had no link")
        expect(gap).to_have_count(1)
        expect(page.get_by_text("word 60", exact=True)).to_have_count(1)
        told = page.locator(".item .body").all_inner_texts()
        assert told[:3] == ["word 1", "word 2", "word 3"]
        assert "not kept any more" in told[3]
        numbers = [int(words.removeprefix("word ")) for words in told[4:]]
        assert numbers == list(range(numbers[0], 61))
        expect(page.get_by_label("Message", exact=True)).to_have_value("a draft")
        shown.close()


def test_page_begins_again_with_another_log(
    dashboard: Dashboard, running_host: Host, start_host: StartHost, feed: Feed, tmp_path: Path
) -> None:
    page = opened(dashboard, feed)
    running_host.process.kill()
    running_host.wait()
    shutil.rmtree(tmp_path / "state")
    again = start_host("--port", str(running_host.port))
    assert until(lambda: again.port)
    other = Feed(again)
    for number in range(10):
        other.fire("a", "message", text=f"another life {number}")
    expect(page.get_by_text("another life 9")).to_have_count(1)
    expect(page.locator(".item.message")).to_have_count(10)
    expect(page.get_by_label("Message", exact=True)).to_have_value("a draft")


def test_page_begins_again_once_its_session_is_in_the_other_log(
    dashboard: Dashboard, running_host: Host, start_host: StartHost, feed: Feed, tmp_path: Path
) -> None:
    page = opened(dashboard, feed)
    running_host.process.kill()
    running_host.wait()
    shutil.rmtree(tmp_path / "state")
    again = start_host("--port", str(running_host.port))
    assert until(lambda: again.port)
    expect(page.get_by_text("This host has no such session").first).to_be_visible()
    Feed(again).fire("a", "message", text="another life")
    expect(page.locator(".item.message")).to_have_count(1)
    expect(page.get_by_text("This host has no such session")).to_have_count(0)
    Feed(again).fire("a", "message", text="and on")
    expect(page.locator(".item.message")).to_have_count(2)


def test_nothing_is_lost_while_much_is_said(
    dashboard: Dashboard, feed: Feed, network: Wire
) -> None:
    page = opened(dashboard, feed)
    for last in range(4, 60):
        say(feed, last, last)
        if last % 15 == 0:
            network.cut()
    expect_well(page, feed, 59)


def test_twelve_pages_are_all_live(dashboard: Dashboard, feed: Feed) -> None:
    say(feed, 1, 1)
    pages: list[Any] = [dashboard.context.new_page() for _ in range(11)]
    for page in pages:
        page.goto(f"{dashboard.url}/#/s/a")
    pages.append(dashboard.open("s/a"))
    say(feed, 2, 5)
    for page in pages:
        expect_words(page, 1, 5)
