"""Plain Twisted and Klein: the two hot requests, with nothing around them."""

from __future__ import annotations

import json
import time
from collections import defaultdict, deque
from typing import Any

from klein import Klein
from twisted.internet import reactor
from twisted.web.server import Request, Site

app = Klein()
sessions: defaultdict[str, deque[Any]] = defaultdict(lambda: deque(maxlen=256))
last = 0


def answer(request: Request, value: object) -> bytes:
    body = json.dumps(value).encode()
    request.setHeader("Content-Type", "application/json")
    request.setHeader("Content-Length", str(len(body)))
    return body


@app.route("/health")
def health(request: Request) -> bytes:
    return answer(request, {"status": "ok"})


@app.route("/sessions/<session_id>/events", methods=["POST"])
def fire(request: Request, session_id: str) -> bytes:
    global last  # noqa: PLW0603 - as plain as it can be
    assert request.content is not None
    draft = json.load(request.content)
    last += 1
    sessions[session_id].append({"id": last, "ts": time.time(), **draft})
    return answer(request, {"ok": True, "event_count": last, "seq": last, "id": last})


if __name__ == "__main__":
    loop: Any = reactor
    site = Site(app.resource())
    site.noisy = False
    port = loop.listenTCP(0, site, backlog=1024, interface="127.0.0.1")
    print(f"listening on {port.getHost().port}", flush=True)
    loop.run()
