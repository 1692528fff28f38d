"""Every stream of events is read by the public clients of such streams, and by Chromium."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

import pytest

from tests.process.test_codex_sse_real import Open, place
from tests.support.dashboards import chromium
from tests.support.hosts import PATIENCE
from tests.support.places import TOP

if TYPE_CHECKING:
    from tests.support.hosts import Host

__all__ = ["place"]

MODULES = Path(os.environ.get("SXHOST_CLIENTS") or TOP / ".clients").absolute()
SCRIPT = Path(__file__).parents[1] / "support" / "sse_clients.mjs"
BY_REQUEST = ("@microsoft/fetch-event-source", "eventsource-parser")
CLIENTS = (*BY_REQUEST, "eventsource", "event-source-polyfill")

CHROMIUM = """([url, end]) => new Promise(done => {
  const got = [], source = new EventSource(url);
  const take = ({type, data}) => {
    got.push({event: type, data});
    if (data.includes(end)) { source.close(); done(got); }
  };
  for (const kind of ["message", "hello", "listed"]) source.addEventListener(kind, take);
})"""

pytestmark = pytest.mark.skipif(
    not (MODULES / "installed").exists(), reason=".ci/clients has not installed them"
)


def read(client: str, url: str, end: str, body: Any = None) -> list[dict[str, str]]:
    """Return what a client's user gets, up to a message that contains `end`."""
    words = [] if body is None else [json.dumps(body)]
    command = ["node", str(SCRIPT), str(MODULES), client, url, end, *words]
    done = subprocess.run(command, capture_output=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stderr.decode()
    messages: list[dict[str, str]] = json.loads(done.stdout)
    return messages


def read_in_chromium(host: Host, paths: dict[str, str]) -> dict[str, list[dict[str, str]]]:
    with chromium() as browser:
        page = browser.new_page()
        page.goto(host.url)
        return {path: page.evaluate(CHROMIUM, [path, end]) for path, end in paths.items()}


def types(messages: list[dict[str, str]]) -> list[str]:
    """Return the types of Codex's frames; each message has to be one."""
    named = [json.loads(each["data"])["type"] for each in messages if each["data"] != "ping"]
    return [name for name in named if name != "warning"]


def test_streams_are_read_by_public_clients(place: Open) -> None:
    here = place()
    url = here.host.url
    message = {"type": "user_message", "message": "SAY: hello", "work_dir": str(here.agent.cwd)}
    for number, client in enumerate(BY_REQUEST):
        got = types(read(client, f"{url}/messages", "task_complete", message))
        assert got[0] == "session_configured", client
        with urlopen(f"{url}/sessions") as answer:
            assert len(json.load(answer)) == number + 1, "one conversation for one call"
    named = {**message, "id": "r"}
    expected = types(read("eventsource-parser", f"{url}/messages", "task_complete", named))
    log = f"{url}/events?after=0"
    for client in CLIENTS:
        assert types(read(client, f"{url}/messages/r", "task_complete")) == expected, client
        hello, *events = read(client, log, '"complete"')
        assert (hello["event"], "cursor" in hello["data"]) == ("hello", True), client
        assert json.loads(events[0]["data"])["seq"] == 1, client
    seen = read_in_chromium(
        here.host, {"/messages/r": "task_complete", "/events?after=0": '"complete"'}
    )
    assert types(seen["/messages/r"]) == expected
    assert seen["/events?after=0"][0]["event"] == "hello"
