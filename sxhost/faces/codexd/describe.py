"""Codexd's paths, and its description of itself (``GET /describe``)."""

from __future__ import annotations

from typing import Final

__all__ = ["EVENTS", "SESSIONS", "STATUS", "TURN", "description_of", "event_url"]

HEALTH: Final = "/healthz"
DESCRIBE: Final = "/describe"
STATUS: Final = "/v1/codexd/status"
SESSIONS: Final = "/v1/codexd/sessions"
TURN: Final = "/v1/codexd/turn"
EVENTS: Final = "/v1/codexd/events"

ROUTES: Final = (
    ("Lightweight health probe for the local daemon.", "GET", HEALTH),
    ("Machine-readable description of the official codexd surface.", "GET", DESCRIBE),
    ("Current daemon, child, session, and recent event snapshot.", "GET", STATUS),
    ("List the currently known codexd sessions.", "GET", SESSIONS),
    (
        "Read a single codexd session and its recent events.",
        "GET",
        f"{SESSIONS}/:session_id",
    ),
    ("Create or resume a codexd session.", "POST", SESSIONS),
    ("Submit one turn to an existing codexd session.", "POST", TURN),
    ("WebSocket event stream for live codexd session and daemon updates.", "WS", EVENTS),
)

CAPABILITIES: Final = (
    *("health_probe", "session_create", "session_list", "session_read", "turn_create"),
    *("turn_readback_via_session", "websocket_events"),
)

DESCRIPTION: Final = (
    "Independent local Codex daemon for session lifecycle, turn submission, status reads, and"
    " live event streaming."
)

NOTES: Final = (
    (
        "Use GET /describe first when an AI client needs to discover the official local codexd"
        " surface."
    ),
    (
        "codexd is the long-running Codex runtime; conductor-daemon only proxies this service"
        " and does not host the Codex session truth."
    ),
    (
        "This surface is limited to health, status, sessions, turn submission, and websocket"
        " event consumption."
    ),
)

MODE: Final = {
    "conductor_role": "proxy",
    "current": "app-server",
    "daemon": "independent",
    "supervisor": "systemd",  # codexd says launchd, which would not be true
    "transport": "codex app-server",
}


def event_url(base_url: str) -> str:
    """Return the URL of the WebSocket of a host at `base_url`."""
    return base_url.replace("http", "ws", 1) + EVENTS


def description_of(base_url: str) -> dict[str, object]:
    """Return codexd's description of itself, with the URLs of a host at `base_url`."""
    return {
        "base_url": base_url,
        "capabilities": dict.fromkeys(CAPABILITIES, True),
        "description": DESCRIPTION,
        "event_stream": {"path": EVENTS, "transport": "websocket", "url": event_url(base_url)},
        "mode": MODE,
        "name": "codexd",
        "notes": NOTES,
        "ok": True,
        "routes": [
            {"description": text, "method": method, "path": path}
            for text, method, path in ROUTES
        ],
        "surface": "local-api",
    }
