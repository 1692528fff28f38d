"""Real agents in the dashboard: what they ask is approved by a key, what they say is read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from tests.support.agents.real_agents import RealAgents
from tests.support.dashboards import Dashboard, browser
from tests.support.driving import Driven
from tests.support.hosts import StartHost
from tests.support.leftovers import no_leftovers

if TYPE_CHECKING:
    from playwright.sync_api import Browser

__all__ = ["browser"]

PROMPT = "RUN: touch made.txt && echo '**made** it'"
ASKS: dict[str, dict[str, Any]] = {
    # In its sandbox it tries an approved command first, and notices too late on a busy machine.
    "codex": {"approval_policy": "untrusted", "sandbox": "danger-full-access"},
    "claude": {},
}
"""Which agents, and what makes each ask before it runs a command."""


@pytest.mark.parametrize("name", ASKS)
def test_real_agent_is_spoken_to_approved_by_a_key_and_read(
    name: str,
    browser: Browser,
    real_agents: RealAgents,
    agent_home: Path,
    start_host: StartHost,
) -> None:
    agent, host = real_agents.make(name, agent_home), start_host("--port", "0")
    Driven.start(host, agent.launch(id=name), **ASKS[name])
    dashboard = Dashboard(browser, host.url)
    page = dashboard.open(f"s/{name}")
    expect(page.get_by_label("Message", exact=True)).to_be_visible()
    page.keyboard.press("c")
    page.keyboard.type(PROMPT)
    page.keyboard.press("Control+Enter")
    card = page.locator("article.card")
    expect(card.locator("pre").first).to_contain_text("touch made.txt")
    expect(card.get_by_role("button", name="Approve once")).to_have_attribute(
        "aria-disabled", "false"
    )
    assert not (agent.cwd / "made.txt").exists()
    page.keyboard.press("Escape")  # out of the field, where keys are letters
    page.keyboard.press("j")
    expect(card).to_be_focused()
    page.keyboard.press("a")
    expect(page.locator(".item.message strong", has_text="made")).to_be_visible()
    expect(page.locator(".item.user")).to_contain_text("RUN: touch made.txt")
    expect(page.locator(".tool").first).to_contain_text("touch made.txt")
    expect(card).to_have_count(0)
    assert (agent.cwd / "made.txt").exists()
    dashboard.close()
    host.stop()
    no_leftovers(agent_home)
