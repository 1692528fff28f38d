"""A hosted agent, driven over HTTP by a test: it waits for events, never for time."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Any

from msgspec import to_builtins

from sxhost.model.turn import Launch
from tests.support.hosts import PATIENCE, Host

Object = dict[str, Any]


def ask(
    host: Host, method: str, path: str, body: Any = None, token: str = ""
) -> tuple[int, Any]:
    """Send a request, by a token if one is given; return the status and the answer."""
    link = http.client.HTTPConnection("127.0.0.1", host.port, timeout=PATIENCE)
    with closing(link):
        data = None if body is None else json.dumps(body)
        headers = {"Content-Type": "application/json"} if data else {}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        link.request(method, path, data, headers)
        answer = link.getresponse()
        return answer.status, json.loads(answer.read() or b"null")


class Driven:
    """One hosted session of a host."""

    def __init__(self, host: Host, session_id: str) -> None:
        self.host = host
        self.id = session_id
        self.seen = 0
        """The number of the last event that was waited for."""
        self._live: Iterator[Object] | None = None
        """What happens from the turn on that was begun last."""

    @classmethod
    def start(cls, host: Host, launch: Launch, **more: Any) -> Driven:
        """Start an agent."""
        status, answer = ask(host, "POST", "/sessions", {**to_builtins(launch), **more})
        assert status == 201, answer
        return cls(host, answer["session"]["id"])

    def ask(self, verb: str, **body: Any) -> Object:
        """Ask for a verb, which works."""
        status, answer = ask(self.host, "POST", f"/sessions/{self.id}/{verb}", body)
        assert status < 300, answer
        return dict(answer)

    def refused(self, verb: str, **body: Any) -> str:
        """Ask for a verb, which does not work; return the code of the refusal."""
        status, answer = ask(self.host, "POST", f"/sessions/{self.id}/{verb}", body)
        assert status >= 400, answer
        return str(answer["error"])

    def detail(self) -> Object:
        """Return the session."""
        return dict(ask(self.host, "GET", f"/sessions/{self.id}")[1])

    def begin(self, text: str, types: str = "") -> None:
        """Begin a turn whose events (of some types) the next `until` returns.

        They are followed from before it begins: pieces that are there whole stay for a moment,
        and under load whoever comes after the turn comes too late for them.
        """
        self._live = self._follow(types)
        next(self._live)
        self.ask("turns", input=text)

    def until(self, *names: str) -> list[Object]:
        """Return what happens next until an event of one of these names."""
        found: list[Object] = []
        live, self._live = self._live or self._follow(), None
        for event in live:
            if "frame" in event:
                continue
            found.append(event)
            if event["event"] in names:
                break
        self.seen = found[-1]["seq"]
        return found

    def turn(self, text: str) -> list[Object]:
        """Run a turn to its end."""
        self.begin(text)
        return self.until("complete", "error")

    def decide(self, decision: str, **more: Any) -> Object:
        """Answer what the agent asks, once it does."""
        self.until("approval-requested")
        (approval,) = ask(self.host, "GET", f"/sessions/{self.id}/approvals")[1]
        return self.ask(f"approvals/{approval['id']}", decision=decision, **more)

    def _follow(self, types: str = "") -> Iterator[Object]:
        """Go through the lines of a response that is open from its first line on."""
        link = http.client.HTTPConnection("127.0.0.1", self.host.port, timeout=PATIENCE)
        with closing(link):
            path = f"/sessions/{self.id}/events?follow=1&after={self.seen}&types={types}"
            link.request("GET", path)
            for line in link.getresponse():
                yield json.loads(line)


def texts(events: list[Object], name: str) -> list[str]:
    """Return the texts of the events of a name."""
    return [event["data"]["text"] for event in events if event["event"] == name]


def last(events: list[Object]) -> Mapping[str, Any]:
    """Return the data of the last event."""
    return dict(events[-1]["data"], event=events[-1]["event"])
