"""A real host tells somebody, over a real network and by a program; a kill loses nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from tests.support.feeds import Feed
from tests.support.hosts import StartHost, until


class Phone(ThreadingHTTPServer):
    """A server like ntfy; while it is `out`, it takes nothing."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answering)
        self.got: list[tuple[str, str]] = []
        self.refused = 0
        self.out = False


class Answering(BaseHTTPRequestHandler):
    server: Phone

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        if self.server.out:
            self.server.refused += 1
        else:
            self.server.got.append((self.headers["Title"], body))
        self.send_response(503 if self.server.out else 200)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(name="phone")
def _phone() -> Iterator[Phone]:
    with Phone() as phone:
        Thread(target=phone.serve_forever, daemon=True).start()
        yield phone
        phone.shutdown()


def states(feed: Feed, channel: str) -> list[str]:
    """Return what became of a channel's notices."""
    found = feed.ask("/notify")["deliveries"]
    return [one["state"] for one in found if one["channel"] == channel]


def test_people_are_told_and_a_kill_loses_nothing(
    start_host: StartHost, tmp_path: Path, phone: Phone
) -> None:
    told = tmp_path / "told"
    file = tmp_path / "notify.toml"
    file.write_text(f"""
[channel.phone]
kind = "ntfy"
url = "http://127.0.0.1:{phone.server_address[1]}/agents"
[channel.program]
kind = "command"
argv = ["sh", "-c", "cat >> {told}"]
[[rule]]
when = ["asks", "failed"]
to = ["phone", "program"]
content = true
""")
    options = ("--port", "0", "--notify", str(file))
    host = start_host(*options)
    feed = Feed(host)
    assert feed.ask("/notify/test", {"channel": "program"}) == {"ok": True}
    phone.out = True
    feed.fire("a", "error", reason="no model")
    until(lambda: phone.refused and states(feed, "program") == ["sent", "sent"])
    host.process.kill()
    host.process.wait()
    phone.out = False
    feed = Feed(start_host(*options))
    until(lambda: phone.got)
    assert phone.got == [("Failed: a", "no model")]
    assert until(lambda: states(feed, "phone")) == ["sent"]
    lines = [json.loads(line) for line in told.read_text().splitlines()]
    assert [line["kind"] for line in lines] == ["test", "failed"]
