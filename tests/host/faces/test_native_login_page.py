"""Login links that programs open before people do: previews, scanners, prefetching."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.host.http.test_http_authentication import HERE, Gate

FIREFOX = "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
NAVIGATES = ("Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document", "Sec-Fetch-Site: none")

AHEAD = [
    ["User-Agent: Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)"],
    ["User-Agent: facebookexternalhit/1.1"],
    ["User-Agent: WhatsApp/2.23.20.0"],
    ["User-Agent: TelegramBot (like TwitterBot)"],
    ["User-Agent: Mozilla/5.0 (compatible; Discordbot/2.0; +https://discordapp.com)"],
    ["User-Agent: Mozilla/5.0 (Windows NT 6.1; WOW64) SkypeUriPreview Preview/0.5"],
    ["User-Agent: Synapse (bot; +https://github.com/matrix-org/synapse)"],
    ["User-Agent: UptimeRobot/2.0", "Range: bytes=0-1023"],
    [FIREFOX],
    [FIREFOX, *NAVIGATES, "Sec-Purpose: prefetch"],
    [FIREFOX, *NAVIGATES, "Sec-Purpose: prefetch;prerender"],
    [FIREFOX, *NAVIGATES, "Purpose: preview"],
    [FIREFOX, *NAVIGATES, "X-Moz: prefetch"],
    [FIREFOX, "Sec-Fetch-Mode: no-cors", "Sec-Fetch-Dest: image", "Sec-Fetch-Site: none"],
    ["Sec-Fetch-Mode: cors", "Sec-Fetch-Site: same-origin"],
    ["User-Agent: Googlebot/2.1", *NAVIGATES],
]


@pytest.fixture
def link(gate: Gate) -> str:
    return str(gate.ask("/logins", method="POST").body["path"])


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    return Gate(tmp_path)


@pytest.mark.parametrize("headers", AHEAD, ids=" ".join)
def test_link_that_is_opened_ahead_survives(gate: Gate, link: str, headers: list[str]) -> None:
    client = gate.ask(link, *headers, uid=None)
    head = client.got.partition(b"\r\n\r\n")[0].decode()
    assert client.status == 200
    assert "Set-Cookie" not in head
    assert "\r\nContent-Type: text/html" in head
    assert "\r\nCache-Control: no-store" in head
    assert "frame-ancestors 'none'" in head
    assert b'<form method="post">' in client.got
    assert gate.ask(link, FIREFOX, *NAVIGATES, uid=None).status == 303


@pytest.mark.parametrize(
    "headers", [[], ["User-Agent: curl/8.5.0"], [FIREFOX, *NAVIGATES]], ids=" ".join
)
def test_person_is_logged_in_at_once(gate: Gate, link: str, headers: list[str]) -> None:
    client = gate.ask(link, *headers, uid=None)
    assert client.status == 303
    assert b"\r\nSet-Cookie: " in client.got


def test_button_of_the_page_logs_in_once(gate: Gate, link: str) -> None:
    assert gate.ask(link, FIREFOX, uid=None).status == 200
    origin = (FIREFOX, f"Origin: http://{HERE}", "Content-Length: 0")
    client = gate.ask(link, *origin, method="POST", uid=None)
    assert client.status == 303
    assert b"\r\nLocation: /#page=" in client.got
    assert gate.ask(link, *origin, method="POST", uid=None).status == 401
    assert gate.refused(link, FIREFOX, uid=None) == "unauthorized"


def test_other_site_cannot_press_the_button(gate: Gate, link: str) -> None:
    for origin in ("Origin: null", "Origin: http://evil.test"):
        assert gate.refused(link, origin, method="POST", uid=None) == "forbidden_origin"
    assert gate.ask(link, uid=None).status == 303


def test_page_is_for_the_hosts_user_alone(gate: Gate, link: str) -> None:
    assert gate.refused(link, FIREFOX, uid=0) == "unauthorized"
    assert gate.ask(link, FIREFOX, uid=None).status == 200
    gate.lab.clock.advance(61)
    assert gate.refused(link, FIREFOX, uid=None) == "unauthorized"
