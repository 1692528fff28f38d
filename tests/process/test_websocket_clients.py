"""WebSockets are opened by `ws` of Node and by Chromium, whatever subprotocols they offer."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.process.test_sse_clients import MODULES
from tests.support.dashboards import chromium
from tests.support.hosts import PATIENCE

if TYPE_CHECKING:
    from tests.support.hosts import Host

Offer = tuple[str, tuple[str, ...]]
"""A URL, and the subprotocols that are offered there."""

SCRIPT = Path(__file__).parents[1] / "support" / "websocket_client.mjs"

OFFERS: dict[tuple[str, ...], str] = {
    (): "",
    ("pi-app-server",): "pi-app-server",
    ("b", "a"): "b",
    ("other", "sxhost"): "sxhost",
    ("sxhost-page.secret", "other"): "other",
}
"""What is offered, and what the host chooses."""

CHROMIUM = """([url, offered]) => new Promise(done => {
  const socket = new WebSocket(url, offered), got = {};
  socket.onopen = () => Object.assign(got, {
    protocol: socket.protocol, extensions: socket.extensions });
  socket.onmessage = ({data}) => { got.first ??= data; socket.close(4000, "enough"); };
  socket.onclose = ({code}) => done({...got, code});
})"""


def by_ws(url: str, offered: tuple[str, ...]) -> dict[str, Any]:
    """Return what a user of `ws` gets."""
    command = ["node", str(SCRIPT), str(MODULES), url, *offered]
    done = subprocess.run(command, capture_output=True, timeout=PATIENCE, check=True)
    got: dict[str, Any] = json.loads(done.stdout)
    return got


def by_chromium(host: Host, urls: Iterable[str]) -> dict[Offer, dict[str, Any]]:
    """Return what a page gets at each URL for each offer."""
    with chromium() as browser:
        page = browser.new_page()
        page.goto(host.url)
        asked = product(urls, OFFERS)
        return {(url, words): page.evaluate(CHROMIUM, [url, [*words]]) for url, words in asked}


@pytest.mark.skipif(
    not (MODULES / "node_modules" / "ws").exists(), reason=".ci/clients has not installed ws"
)
def test_offered_subprotocol_is_answered(running_host: Host) -> None:
    base = f"ws://127.0.0.1:{running_host.port}"
    firsts = {f"{base}/ws": "server_ready", f"{base}/v1/stream?after=0": "hello"}
    for (url, offered), seen in by_chromium(running_host, firsts).items():
        for got in (seen, by_ws(url, offered)):
            chosen = (got["protocol"], got["extensions"], got["code"])
            assert chosen == (OFFERS[offered], "", 1000)
            assert firsts[url] in got["first"]
