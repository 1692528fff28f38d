"""What a page of the dashboard holds is bounded, however much there is and happens."""

from __future__ import annotations

from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING, Any

from playwright.sync_api import expect

from tests.support.dashboards import Dashboard, Feed, browser, dashboard, feed

if TYPE_CHECKING:
    from playwright.sync_api import Page

__all__ = ["browser", "dashboard", "feed"]

SESSIONS = 300
ROWS = 50
"""Rows of idle sessions that are drawn at first."""

KEPT = 600
"""Items of a conversation that are kept."""

NODES_PER_ROW, NODES_PER_ITEM, FRAME = 45, 20, 500
"""Nodes that a row, an item and all else may take: fewer than are needed would be strange."""

ROUNDS = 7
"""Times that all screens are gone through: a leak grows each time."""

SLACK = {"documents": 0, "nodes": 20, "jsEventListeners": 2}
"""By how much rounds may differ: plots grow with time, and a screen has more than that."""

SCREENS = ("s/a", "inbox", "search", "s/b", "new", "host", "s/b/events", "s/b/usage", "")


def counted(page: Page) -> dict[str, Any]:
    """Return how many nodes and listeners a page has, those included that nobody lets go."""
    devtools = page.context.new_cdp_session(page)
    for _ in range(2):  # what the first has freed may have held others
        devtools.send("HeapProfiler.collectGarbage")
    found: dict[str, Any] = devtools.send("Memory.getDOMCounters")
    devtools.detach()
    return found


def test_board_draws_a_bounded_part_of_its_sessions(dashboard: Dashboard, feed: Feed) -> None:
    for number in range(SESSIONS):
        feed.register(f"s{number}", title=f"Task {number}", cwd=f"/work/p{number % 20}")
    page = dashboard.open()
    expect(page.locator("a.row")).to_have_count(ROWS)
    expect(page.get_by_role("button", name=f"{SESSIONS - ROWS} more")).to_be_visible()
    assert counted(page)["nodes"] < ROWS * NODES_PER_ROW + FRAME


def test_conversation_keeps_a_bounded_part_of_what_is_said(
    dashboard: Dashboard, feed: Feed
) -> None:
    feed.register("a")
    page = dashboard.open("s/a")
    for times in range(1, 4):
        feed.say("a", KEPT)
        expect(page.locator(".item")).to_have_count(KEPT)
        expect(page.locator(".item").last).to_have_attribute("data-seq", f"{times * KEPT}")
    assert counted(page)["nodes"] < KEPT * NODES_PER_ITEM + FRAME


def test_screens_that_were_left_leave_nothing_behind(dashboard: Dashboard, feed: Feed) -> None:
    for session in ("a", "b"):
        feed.register(session)
        feed.say(session, 20)
    page = dashboard.open()

    def visit() -> dict[str, Any]:
        for screen in SCREENS:
            page.goto(f"{dashboard.url}/#/{screen}")
            expect(page.locator("main > *").first).to_be_attached()
        expect(page.locator("a.row")).to_have_count(2)
        return counted(page)

    held = [visit() for _ in range(ROUNDS)]
    for what, slack in SLACK.items():
        # The browser may hold one screen that was left, now this one and then none: no leak.
        grown = [later[what] - earlier[what] for earlier, later in pairwise(held)]
        assert median(grown) <= slack, held
