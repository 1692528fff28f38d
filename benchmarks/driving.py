"""Hosted agents, as a client drives them."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Sequence
from typing import Any, Self

from tests.stress.host_process import Client, Host, request
from tests.stress.stream_client import Stream, Wanted

__all__ = ["HEARD", "Listener", "delete", "finish", "get", "post", "times"]

HEARD = "heard "
"""Begins what a made-up agent says when it is told something."""


def times(seconds: Sequence[float]) -> str:
    """Write how long something took, in milliseconds."""
    took = sorted(1000 * second for second in seconds)
    p90 = took[int(len(took) * 0.9)]
    return f"min {took[0]:.1f}, median {statistics.median(took):.1f}, p90 {p90:.1f} ms"


def post(host: Host, path: str, body: Any) -> Any:
    """Post over a connection of its own; return the answer, which must be a success."""
    with Client(host.port) as client:
        status, answer = client.ask(request("POST", path, json.dumps(body).encode()))
    assert status < 300, (status, answer[:500])
    return json.loads(answer)


def get(host: Host, path: str) -> Any:
    """Return a resource."""
    with Client(host.port) as client:
        return json.loads(client.exchange(request("GET", path)))


def delete(host: Host, session: str) -> None:
    """End a session, and its agent."""
    with Client(host.port) as client:
        client.exchange(request("DELETE", f"/sessions/{session}"))


def finish(host: Host, session: str) -> None:
    """Wait until a session's agent is idle."""
    while get(host, f"/sessions/{session}")["detail_state"] != "idle":
        time.sleep(0.01)


class Listener:
    """One who follows the events of a session, or of all, from now on."""

    def __init__(self, host: Host, *session: str) -> None:
        self._stream = Stream(host.port, "sse", Wanted(session), "now")
        self._stream.begin()
        self._events: list[Any] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    def until(self, name: str, text: str = "") -> Any:
        """Return the data of the next event of this name in whose text is this."""
        while True:
            while self._events:
                event = self._events.pop(0)
                data = event["data"]
                if event["event"] == name and text in (data.get("text") or ""):
                    return data
            self._events += [f.value for f in self._stream.frames() if not f.name]

    def heard(self) -> float:
        """Return when the agent heard what it was told, as it says itself."""
        text = self.until("message-delta", HEARD)["text"]
        return float(text.removeprefix(HEARD))
