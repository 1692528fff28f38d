"""Pictures in the dashboard, in a real Chromium: shown, sent, and never markup."""

from __future__ import annotations

import random
import re
import struct
import zlib
from base64 import b64encode
from typing import Any

from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import FilePayload, expect

from sxhost.model.pictures import PICTURES_MOST
from tests.support.dashboards import Dashboard, Feed, browser, dashboard, feed

__all__ = ["browser", "dashboard", "feed"]

SVG = b64encode(b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>").decode()


def png(width: int, height: int, noise: bool = False) -> bytes:
    """Return a picture; of noise it cannot be compressed."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)

    chance = random.Random(1)
    row = chance.randbytes if noise else bytes
    lines = b"".join(b"\0" + row(3 * width) for _ in range(height))
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def picture(width: int = 40, height: int = 30) -> dict[str, str]:
    return {"mime_type": "image/png", "data": b64encode(png(width, height)).decode()}


def widths(page: Any) -> list[int]:
    found: list[int] = page.locator(".picture img").evaluate_all(
        "all => all.map(img => img.naturalWidth)"
    )
    return found


def test_pictures_of_words_tools_and_answers_are_shown(
    dashboard: Dashboard, feed: Feed
) -> None:
    feed.register("a")
    feed.fire("a", "user-message", text="what is\n[image]\nthis?", images=[picture(40)])
    hook = {"session_id": "a", "tool_name": "Read", "tool_use_id": "1"}
    block = {"type": "image", "file": {"base64": picture(50)["data"], "type": "image/png"}}
    for name, more in (("PreToolUse", {}), ("PostToolUse", {"tool_response": block})):
        feed.ask("/hooks/claude", {**hook, "hook_event_name": name, **more})
    feed.fire("a", "message", text=f"![a plot](data:image/png;base64,{picture(60)['data']})")
    page = dashboard.open("s/a")
    expect(page.locator(".picture img")).to_have_count(3)
    expect(page.locator(".item.user .said")).to_have_text(re.compile("what is\nthis?"))
    assert widths(page) == [40, 50, 60]
    expect(page.get_by_role("img", name="a plot")).to_be_visible()
    assert Axe().run(page).response["violations"] == []
    page.get_by_role("button", name="Show picture 1 of 1").first.click()
    large = page.get_by_role("dialog")
    expect(large.get_by_role("img")).to_be_visible()
    assert Axe().run(page).response["violations"] == []
    page.keyboard.press("Escape")
    expect(large).to_have_count(0)
    expect(page).to_have_url(re.compile("#/s/a$"))  # Escape closes what is open, and no more


def test_what_is_no_picture_is_not_shown_as_one(dashboard: Dashboard, feed: Feed) -> None:
    feed.register("a")
    hostile = [
        {"mime_type": "image/svg+xml", "data": SVG},
        {"mime_type": "text/html", "data": SVG},
        {"mime_type": 'image/png"><script>alert(1)</script>', "data": SVG},
        {"mime_type": "image/png", "data": '"><script>alert(1)</script>'},
        {"mime_type": "image/png", "data": SVG},
    ]
    for each in hostile:
        feed.fire("a", "user-message", text="[image]", images=[each])
        source = f"data:{each['mime_type']};base64,{each['data']}"
        feed.fire("a", "message", text=f"![x]({source})")
    feed.fire("a", "message", text="the end")
    page = dashboard.open("s/a")
    expect(page.get_by_text("the end")).to_be_visible()
    # Two say that they are PNG and are none: a browser finds nothing to draw in them.
    expect(page.get_by_text("a picture that cannot be shown")).to_have_count(2)
    assert page.locator("main img, main script, main svg").count() == 0


def give(page: Any, how: str, name: str, kind: str, text: str = "") -> None:
    """Paste or drop a file at the line to write in, from a program that may give words too."""
    page.get_by_label("Message", exact=True).evaluate(
        "(field, [how, name, type, text]) => { const data = new DataTransfer();"
        " data.items.add(new File(['x'], name, { type }));"
        " if (text) data.setData('text/plain', text);"
        " const more = { bubbles: true, cancelable: true };"
        " field.dispatchEvent(how === 'paste'"
        "   ? new ClipboardEvent(how, { clipboardData: data, ...more })"
        "   : new DragEvent(how, { dataTransfer: data, ...more })); }",
        [how, name, kind, text],
    )


def test_what_else_is_pasted_or_dropped_is_no_picture(dashboard: Dashboard, feed: Feed) -> None:
    feed.ask("/sessions", {"agent": "echo", "id": "e"})
    page = dashboard.open("s/e")
    composer = page.locator(".composer")
    expect(composer).to_contain_text("this begins a turn")
    give(page, "paste", "cells.png", "image/png", text="1\t2")  # of a spreadsheet: its words
    expect(composer).to_contain_text("this begins a turn")
    give(page, "drop", "notes.txt", "text/plain")
    expect(composer).to_contain_text("Only pictures go with a message.")
    give(page, "drop", "broken.png", "image/png")
    expect(composer).to_contain_text("This is no picture that can be shown here.")
    give(page, "paste", "markup.svg", "image/svg+xml")
    expect(composer).to_contain_text("This is no picture that can be shown here.")
    expect(page.locator(".composer img")).to_have_count(0)


def test_picture_goes_with_a_message(dashboard: Dashboard, feed: Feed) -> None:
    feed.ask("/sessions", {"agent": "echo", "id": "e"})
    page = dashboard.open("s/e")
    large = FilePayload(name="x", mimeType="image/png", buffer=png(1000, 700, noise=True))
    small = FilePayload(name="y", mimeType="image/png", buffer=png(30, 20))
    field = page.get_by_label("Picture…")
    field.set_input_files([large, small])
    tray = page.locator(".composer .picture img")
    expect(tray).to_have_count(2)
    page.get_by_label("Message", exact=True).fill("what is this?")
    page.get_by_role("button", name="Leave out picture 2").click()
    expect(tray).to_have_count(1)
    expect(page.get_by_label("When")).to_be_disabled()
    page.keyboard.press("c")
    page.keyboard.press("Control+Enter")
    expect(page.locator(".item.user .picture img")).to_have_count(1)
    expect(tray).to_have_count(0)
    items = feed.ask("/sessions/e/transcript?detail=full")["items"]
    (kept,) = (item for item in items if item["kind"] == "user")
    assert kept["text"] == "what is this?\n[image]"
    assert 10_000 < len(kept["images"][0]["data"]) <= PICTURES_MOST


def test_agent_at_its_terminal_is_sent_words_only(dashboard: Dashboard, feed: Feed) -> None:
    feed.register("a")
    page = dashboard.open("s/a")
    expect(page.get_by_label("Message", exact=True)).to_be_visible()
    expect(page.get_by_label("Picture…")).to_have_count(0)
    give(page, "paste", "picture.png", "image/png")
    expect(page.locator(".composer")).to_contain_text("takes words only")
