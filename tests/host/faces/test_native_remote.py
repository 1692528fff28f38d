"""The native face over a client: the host of the agents is another one than the face's."""

from __future__ import annotations

from typing import Any

import pytest

from sxhost.faces.native import agents, sessions
from sxhost.http.router import make_tree
from sxhost.testing import HostInMemory, is_done, result_of


class RemoteFace:
    """A face whose verbs are those of a `HostClient`, before the host in memory `host`."""

    def __init__(self, host: HostInMemory) -> None:
        self.host = host
        self._inner: Any = host.treq
        routes = [*sessions.routes(host.client), *agents.routes(host.client)]
        host.serve(make_tree(routes, host.limits, {}, host.service.slices))

    def request(self, method: str, path: str, body: Any = None) -> Any:
        """Return the JSON of a response that has gone through both hosts."""
        response = self.host.begin(method, path, body)
        for _ in range(20):
            if is_done(response):
                break
            self.host.clock.advance(0)
            self._inner.flush()
            self.host.treq.flush()
        return result_of(response).json()


@pytest.fixture
def face(lab: HostInMemory) -> RemoteFace:
    return RemoteFace(lab)


def test_events_and_sessions_are_those_of_the_other_host(face: RemoteFace) -> None:
    fired = face.request("POST", "/sessions/a/events", {"event": "thinking"})
    assert (fired["ok"], fired["seq"]) == (True, 1)
    (session,) = face.request("GET", "/sessions")
    assert (session["id"], session["last_event"]) == ("a", "thinking")
    assert face.host.service.knows("a")


def test_agents_of_the_other_host_take_turns(face: RemoteFace) -> None:
    face.request("POST", "/sessions", {"agent": "fake", "id": "a"})
    begun = face.request("POST", "/sessions/a/turns", {"input": "go"})
    assert begun["turn"]["status"] == "running"
    assert face.host.drivers.last.did[-1] == ("submit", "go")


def test_refusals_of_the_other_host_are_passed_on(face: RemoteFace) -> None:
    refused = face.request("GET", "/sessions/unknown")
    assert refused["error"] == "unknown_session"
