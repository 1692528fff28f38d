"""The dashboard's session and search screens in a real Chromium, and how one gets about."""

from __future__ import annotations

import re
from typing import Any

from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import expect

from tests.process.test_dashboard import HOSTILE
from tests.support.dashboards import Dashboard, Feed, browser, dashboard, feed
from tests.support.hosts import Host, until

__all__ = ["browser", "dashboard", "feed"]

KEPT = 600
"""Items that a page keeps of a conversation."""


def seqs_at(page: Any, height: str) -> list[int]:
    """Scroll a conversation; return the numbers of the items that are kept there."""
    page.locator(".log").evaluate(f"log => {{ log.scrollTop = {height}; }}")
    found: list[int] = page.locator(".item").evaluate_all(
        "all => all.map(each => +each.dataset.seq)"
    )
    return found


def test_link_leads_to_its_event_and_the_window_stays_bounded(
    dashboard: Dashboard, running_host: Host, feed: Feed
) -> None:
    feed.register("a")
    feed.say("a", 2 * KEPT)
    page = dashboard.open("s/a/e400")
    expect(page.locator(".aimed")).to_have_text(re.compile("word 400"))
    expect(page.locator(".aimed")).to_be_in_viewport()
    assert until(lambda: seqs_at(page, "0")[0] <= 100)
    feed.fire("a", "message", text="news")
    expect(page.get_by_role("button", name="1 new below")).to_be_visible()
    assert until(lambda: seqs_at(page, "log.scrollHeight")[-1] >= 2 * KEPT - 100)
    seqs = seqs_at(page, "log.scrollTop")
    assert len(seqs) <= KEPT
    assert seqs == list(range(seqs[0], seqs[0] + len(seqs)))
    page.keyboard.press("f")
    expect(page.get_by_text("news")).to_be_in_viewport()
    expect(page.get_by_role("button", name="Newer")).to_have_count(0)


def test_words_are_searched_and_lead_to_where_they_were_said(
    dashboard: Dashboard, feed: Feed
) -> None:
    feed.register("a", title="Fix the login")
    for text in ("nothing", "a <b>pelican</b> 🐦 flies", "nothing else"):
        feed.fire("a", "message", text=text)
    page = dashboard.open("search")
    expect(page.get_by_label("Search all conversations")).to_be_visible()
    page.keyboard.press("/")
    page.keyboard.type("pelican")
    hit = page.locator("a.hit")
    expect(hit).to_have_count(1)
    expect(hit.locator("mark")).to_have_text("pelican")
    hit.click()
    expect(page.locator(".aimed")).to_have_text(re.compile("<?pelican"))
    page.keyboard.press("Control+k")
    expect(page.get_by_label("Session, place or words")).to_be_focused()
    page.keyboard.type("login")
    expect(page.get_by_role("option", name="Fix the login")).to_be_visible()
    page.get_by_label("Session, place or words").fill("pelican")
    expect(page.get_by_role("option").locator("mark")).to_have_text("pelican")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"#/s/a/e2$"))
    page.goto(f"{dashboard.url}/#/search/{'%22'}")
    expect(page.get_by_role("status").first).not_to_be_empty()


def test_what_tools_and_subagents_did_is_folded(dashboard: Dashboard, feed: Feed) -> None:
    feed.register("a")

    def tool(item: str, name: str = "Read", **more: Any) -> None:
        feed.fire("a", "tool-start", tool=name, item=item, title=f"{name}: {item}", **more)

    def done(item: str, name: str = "Read", **more: Any) -> None:
        feed.fire("a", "tool-done", tool=name, item=item, status="completed", **more)

    for item in ("one", "two", "three"):
        tool(item)
        done(item, output="ok")
    tool("agent", "Task")
    tool("inner", "Bash", parent="agent")
    done("inner", "Bash", parent="agent", output="x" * 50_000)
    feed.fire("a", "message", text="inner words", parent="agent")
    feed.fire("a", "message", text="the end")
    page = dashboard.open("s/a")
    expect(page.get_by_text("3 tools (Read 3)")).to_be_visible()
    expect(page.get_by_text("Read: two")).to_have_count(0)
    page.get_by_text("3 tools (Read 3)").click()
    expect(page.get_by_text("Read: two")).to_be_visible()
    inside = page.locator(".subagent")
    expect(inside).to_have_count(1)
    expect(inside.get_by_text("inner words").last).to_be_visible()
    inside.get_by_text("Bash: inner").click()
    inside.get_by_role("button", name="show it whole").click()
    inside.get_by_role("button", name="show all").click()
    expect(inside.locator(".chunk").first).to_be_visible()
    text = "".join(inside.locator(".chunk").all_text_contents())
    assert text.count("x") == 50_000


def test_session_is_renamed_marked_and_copied(
    dashboard: Dashboard, running_host: Host, feed: Feed
) -> None:
    feed.register("a", title="Old", labels={"team": "site"})
    feed.register("b", title="Other")
    feed.fire("a", "message", text="done")
    feed.fire("a", "complete")
    dashboard.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = dashboard.open()
    expect(page.locator("a.row", has_text="Old").get_by_title("not looked at")).to_be_visible()
    page.get_by_role("button", name="team:site").click()
    expect(page.locator("a.row")).to_have_count(1)
    page.keyboard.press("j")
    page.keyboard.press("y")
    expect(page.get_by_text("Copied: sxhost log a")).to_be_visible()
    page.keyboard.press("Enter")
    until(lambda: feed.ask("/sessions/a")["seen_seq"] == 2)
    page.keyboard.press("Shift+Y")
    expect(page.get_by_text("/#/s/a")).to_be_visible()
    page.get_by_label("More").click()
    page.get_by_label("Title").fill("New name")
    feed.fire("a", "note", text="something else happens meanwhile")
    expect(page.get_by_text("something else happens meanwhile")).to_be_visible()
    expect(page.get_by_label("Title")).to_have_value("New name")
    page.get_by_role("button", name="Change").click()
    expect(page.get_by_role("heading", name="New name")).to_be_visible()
    page.keyboard.press("Escape")  # closes what is open, and no more
    expect(page.get_by_label("Title")).to_have_count(0)
    page.get_by_label("More").click()
    page.get_by_role("heading", name="New name").click()
    expect(page.get_by_label("Title")).to_have_count(0)
    page.get_by_label("More").click()
    expect(page.get_by_label("Title")).to_have_value("New name")
    page.keyboard.press("m")
    assert until(lambda: feed.ask("/sessions/a")["flagged"])
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_role("heading", name="New name")).to_be_visible()


def test_changes_are_shown_side_by_side(dashboard: Dashboard, feed: Feed) -> None:
    feed.register("a")
    diff = "--- a/x\n+++ b/x\n@@ -1,3 +1,3 @@\n same\n-old\n+new\n+more\n end"
    feed.fire("a", "diff", diff=diff, path="x")
    page = dashboard.open("s/a/changes")
    page.get_by_role("button", name="side by side").click()
    rows = page.locator(".beside tr")
    expect(rows.filter(has_text="old")).to_have_text("oldnew")
    expect(rows.filter(has_text="more").locator("td").first).to_be_empty()
    page.set_viewport_size({"width": 390, "height": 844})
    expect(page.locator("pre.diff .added")).to_have_text(["+new", "+more"])


def test_message_that_waits_is_shown_until_it_is_heard(
    dashboard: Dashboard, feed: Feed
) -> None:
    feed.register("a")
    feed.ask("/sessions/a/messages", {"content": "and the docs"})
    page = dashboard.open("s/a")
    line = page.locator(".composer li")
    expect(line).to_contain_text("queued and the docs")
    taken = feed.ask("/sessions/a/messages?lease=60")
    expect(line).to_contain_text("taken, not yet heard")
    feed.ask(f"/sessions/a/messages/{taken[0]['id']}/ack", {})
    expect(line).to_contain_text("heard and the docs")


def test_long_paste_is_refused_with_words_and_stays(dashboard: Dashboard, feed: Feed) -> None:
    feed.register("a")
    page = dashboard.open("s/a")
    field = page.get_by_label("Message", exact=True)
    field.fill("x" * 3_000_000)
    page.keyboard.press("Control+Enter")
    verdict = page.locator(".composer .verdict")
    expect(verdict).to_contain_text("larger than")
    assert len(field.input_value()) == 3_000_000
    field.fill("y" * 8_000)
    page.keyboard.press("Control+Enter")
    expect(field).to_have_value("")
    messages = feed.ask("/sessions/a/messages?peek=1")
    assert [each["content"] for each in messages] == ["y" * 8_000]


def test_host_is_shown_over_time_with_its_agents_hooks_and_policy(
    dashboard: Dashboard, running_host: Host, feed: Feed
) -> None:
    """The samples are those of a busy day, which no test waits for."""
    begin = 1_700_000_000_000
    samples = [
        {
            "at_ms": begin + 60_000 * minute,
            "events": 10 * minute,
            "sessions": 5,
            "working": minute % 4,
            "waiting": minute % 2,
            "tokens": 1000 * minute,
            "cost_usd": 0.01 * minute,
        }
        for minute in range(1440)
    ]
    words = HOSTILE[0]
    settings = {"agent": "claude", "file": words, "hooks": ["Stop"], "error": ""}
    hooks = [
        {**settings, "missing": ["StopFailure"], "absent": []},
        {**settings, "file": "/b", "missing": [], "absent": [words]},
        {**settings, "file": "/c", "missing": [], "absent": []},
        {**settings, "file": "/d", "hooks": [], "missing": [], "absent": []},
        {**settings, "file": "/e", "hooks": [], "missing": [], "absent": [], "error": words},
    ]
    rules = [{"name": words, "decision": words, "conditions": {}, "hits": 3}]
    policy = {"file": words, "default": "ask", "rules": rules, "hits": 1}
    agents = [
        {"name": "codex", "installed": True, "program": words, "version": words, "why": ""},
        {"name": "pi", "installed": False, "program": "", "version": "", "why": words},
    ]
    answers = {
        "history": {"every_s": 60, "samples": samples},
        "hooks": hooks,
        "policy": policy,
        "agents": agents,
    }
    assert feed.ask("/history")["every_s"] == 60
    assert {each["agent"] for each in feed.ask("/hooks")} == {"claude", "codex"}
    assert feed.ask("/policy")["rules"] == []
    page = dashboard.page

    def answer(route: Any) -> None:
        route.fulfill(json=answers[route.request.url.rpartition("/")[2]])

    page.route(re.compile(f"{dashboard.url}/({'|'.join(answers)})$"), answer)
    dashboard.open("host")
    plot = page.get_by_role("img", name=re.compile("^Events, since .*14.4k in all"))
    expect(plot.locator("g")).to_have_count(60)
    expect(plot.locator("title").last).to_have_text(re.compile(": 240 events"))
    expect(
        page.get_by_role("img", name=re.compile(r"^Cost, since .*\$14.39 in all"))
    ).to_be_visible()
    shown = page.locator("main")
    for part in (
        "of an older version",
        "not there any more",
        "not installed",
        "cannot be read",
    ):
        expect(shown).to_contain_text(part)
    expect(shown).to_contain_text("3 times")
    assert page.locator("main img, main script").count() == 0
    assert Axe().run(page).response["violations"] == []


def test_usage_is_told_or_unknown_and_activity_is_shown_as_it_happens(
    dashboard: Dashboard, feed: Feed
) -> None:
    feed.register("a", title=HOSTILE[0], model="large")
    feed.register("b", title="Crawl", model="small")
    feed.register("c", title="Guessed", model="gpt-5.5")
    feed.fire("a", "usage", input_tokens=1000, output_tokens=50, cost_usd=0.25)
    feed.fire("b", "usage", input_tokens=3000, output_tokens=70)
    page = dashboard.open("usage")
    rows = page.locator("table.sums tbody tr")
    expect(rows).to_have_text("claude4k120$0.25 + 3.07k tokens without a price")
    feed.fire("c", "usage", input_tokens=1_000_000, output_tokens=10)
    page.get_by_label("By", exact=True).select_option("session")
    expect(rows).to_have_count(3)
    expect(rows.filter(has_text=HOSTILE[0])).to_contain_text("$0.25")
    expect(rows.filter(has_text="Crawl")).to_have_text("Crawl3k70unknown")
    expect(rows.filter(has_text="Guessed")).to_contain_text("~$")
    expect(page.locator("main")).to_contain_text("~ by the prices of")
    expect(page.locator("main")).to_contain_text("Without a price, so unknown: small")
    assert Axe().run(page).response["violations"] == []
    page.goto(f"{dashboard.url}/#/activity")
    lines = page.locator("a.happened")
    expect(lines).to_have_count(3)
    feed.fire("b", "message-delta", text="a piece", item="m")
    feed.fire("b", "message", text=HOSTILE[1], item="m")
    expect(lines.first).to_contain_text(HOSTILE[1])
    expect(lines).to_have_count(4)
    lines.first.hover()
    feed.fire("b", "message", text="news")
    page.get_by_role("button", name="1 new").click()
    expect(lines.first).to_contain_text("news")
    page.get_by_label("Only lines with these words").fill("crawl message")
    expect(lines).to_have_count(2)
    lines.first.click()
    expect(page).to_have_url(re.compile("#/s/b/e4$"))
    assert page.locator("main img, main script").count() == 0


def test_session_says_where_it_runs_when_it_hears_and_what_it_costs(
    dashboard: Dashboard, feed: Feed
) -> None:
    hook = {"session_id": "a", "hook_event_name": "SessionStart", "source": "startup"}
    feed.ask("/hooks/claude", {**hook, "cwd": "/work/site"})
    feed.register("a", title=HOSTILE[0], pid=4711, labels={"team": HOSTILE[1]})
    feed.fire("a", "usage", input_tokens=3000, output_tokens=70, cost_usd=0.25)
    page = dashboard.open("s/a")
    prospect = "nobody hears it until somebody types there"
    expect(page.locator(".composer [role=status]")).to_have_text(prospect)
    page.get_by_role("link", name="About").click()
    facts = page.locator("main dl.facts")
    expect(facts).to_contain_text("at its user's own terminal, process 4711")
    expect(facts).to_contain_text(prospect)
    expect(facts).to_contain_text("$0.25, 3.07k tokens")
    expect(facts).to_contain_text(f"team:{HOSTILE[1]}")
    expect(facts).to_contain_text("sxhost adopt a")
    assert Axe().run(page).response["violations"] == []
    assert page.locator("main img, main script").count() == 0


def test_hosted_session_is_renamed_told_a_model_compacted_ended_and_forgotten(
    dashboard: Dashboard, feed: Feed
) -> None:
    feed.ask("/sessions", {"agent": "echo", "id": "e", "prompt": "Roses are red"})
    page = dashboard.open("s/e")
    head = page.locator(".head")
    expect(head).to_contain_text("idle")
    page.get_by_label("More").click()
    changes = page.get_by_role("button", name="Change")
    page.get_by_label("Title").fill("Poems")
    changes.first.click()
    expect(page.get_by_role("heading", name="Poems")).to_be_visible()
    page.get_by_label("Model").fill("large")
    changes.last.click()
    expect(head).to_contain_text("echo · large")
    page.get_by_role("button", name="Compact").click()
    expect(page.get_by_text("The conversation was shortened here.")).to_be_visible()
    page.get_by_role("button", name="End its process").click()
    expect(head).to_contain_text("ended")
    expect(page.locator(".composer")).to_contain_text("this starts it again")
    page.get_by_label("Message", exact=True).fill("Violets are blue")
    page.keyboard.press("Control+Enter")
    expect(page.locator(".item.message").last).to_contain_text("Violets are blue")
    expect(head).to_contain_text("idle")
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Forget…").click()
    expect(page.get_by_text("This session was forgotten.")).to_be_visible()
    assert feed.ask("/sessions") == []
    assert [words for words in dashboard.faults if "Forget Poems" in words]
    dashboard.faults.clear()
