"""The page that a login's link shows to whoever opens it without meaning to log in.

Chats, mails and browsers open links ahead of people: to preview them, to scan them, to have
the page ready.  They get a page with a button, which uses the link up only when it is pressed.
"""

from __future__ import annotations

import re
from typing import Final

from twisted.web.server import Request

from sxhost.http.rendering import set_headers

__all__ = ["is_opened_ahead", "serve_page"]

PURPOSES: Final = ("sec-purpose", "purpose", "x-purpose", "x-moz")
"""Headers in which browsers say that nobody looks yet: ``prefetch``, ``preview``."""

ROBOTS: Final = re.compile(
    r"bot\b|preview|crawl|spider|scan|unfurl|embed|slack|whatsapp|facebook|telegram|discord"
    r"|signal|teams|skype|mattermost|matrix|synapse|rocket\.chat|validator|monitor",
    re.IGNORECASE,
)
"""How programs that look at links call themselves."""

BROWSER: Final = "Mozilla/"
"""How all browsers begin to call themselves, and robots that would not be told apart."""

PAGE: Final = b"""<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="robots" content="noindex">
<meta name="viewport" content="width=device-width"><title>sxhost</title>
<form method="post"><p>This link logs one browser in, once.</p>
<button>Log in</button></form></html>
"""


def is_opened_ahead(request: Request) -> bool:
    """Tell whether a link may have been opened by a program that nobody asked to log in.

    A browser says that it navigates, but only over TLS and on loopback: elsewhere it has to
    be asked.  Programs that are no browsers and name no such purpose mean what they do.
    """
    if any(request.requestHeaders.hasHeader(name) for name in PURPOSES):
        return True
    agent = request.getHeader("user-agent") or ""
    if ROBOTS.search(agent):
        return True
    mode = request.getHeader("sec-fetch-mode")
    return agent.startswith(BROWSER) if mode is None else mode != "navigate"


def serve_page(request: Request) -> None:
    """Answer with the page; its button posts to the link itself."""
    set_headers(request, "text/html; charset=utf-8", PAGE)
    # Else browsers would say of the button's request that it comes from nowhere.
    request.setHeader("Referrer-Policy", "same-origin")
    request.write(PAGE)
