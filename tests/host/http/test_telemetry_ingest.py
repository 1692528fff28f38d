"""A host as the collector of others' telemetry."""

from __future__ import annotations

import re
from typing import Any

import pytest

from sxhost.http.routes import JSON, Route
from sxhost.telemetry.sender import payload
from sxhost.testing import HostInMemory

WHO = {"hostname": "box", "os": "linux", "arch": "x86_64", "git_branch": "main", "project": "p"}


def report(lab: HostInMemory, **more: Any) -> int:
    sent = {"session_id": "s1", "type": "user", "content": "hi", "metadata": WHO, **more}
    return lab.request("POST", "/telemetry", sent).status


def events(lab: HostInMemory, session: str = "telemetry:s1") -> list[Any]:
    return lab.request("GET", f"/sessions/{session}/events").lines()


def test_telemetry_payload_becomes_an_event_of_its_session(lab: HostInMemory) -> None:
    stamp = "2026-03-13T15:43:21+13:00"
    assert report(lab, timestamp=stamp) == 204
    (event,) = events(lab)
    assert (event["event"], event["data"]) == ("user-message", {"text": "hi"})
    assert event["ts"] == 1773369801
    shown = lab.request("GET", "/sessions/telemetry:s1").json()
    assert (shown["git_branch"], shown["title"], shown["agent"]) == ("main", "p", "telemetry")
    assert shown["metadata"]["hostname"] == "box"


@pytest.mark.parametrize(
    ("kind", "event"),
    [
        ("assistant", "message"),
        ("tool_call", "tool-start"),
        ("tool_result", "tool-done"),
        ("system", "system"),
        ("error", "error"),
    ],
)
def test_each_payload_type_has_its_event(lab: HostInMemory, kind: str, event: str) -> None:
    report(lab, type=kind)
    assert [found["event"] for found in events(lab)] == [event]


def test_payload_of_sxhost_emit_is_accepted(lab: HostInMemory) -> None:
    text = payload("", "assistant", "x", "/nowhere", 1.0)
    assert lab.request("POST", "/telemetry", text).status == 204
    (event,) = events(lab, f"telemetry:{text['session_id']}")
    assert event["ts"] == 1


ROUTES = HostInMemory().routes


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_other_routes_refuse_telemetry(lab: HostInMemory, route: Route) -> None:
    """Whatever somebody's settings say where it goes."""
    path = re.sub(r"<\w+>", "a", route.path)
    for body in (None, payload("", "user", "x", "/nowhere", 1.0)):
        marked = {"Sxhost_Telemetry": "1"}
        if route.consumes != JSON:
            marked["Content_Type"] = route.consumes
        answer = lab.request(route.method, path, body, **marked)
        taken = (route.method, route.path) == ("POST", "/telemetry")
        assert (answer.status != 403) == taken, answer.body
    assert lab.request("GET", "/audit").json() == []


@pytest.mark.parametrize(
    "stamp", ["", "yesterday", "2026-01-01T00:00:00", "0001-01-01T00:00:00+00:00"]
)
def test_invalid_payload_time_becomes_the_hosts(lab: HostInMemory, stamp: str) -> None:
    assert report(lab, timestamp=stamp) == 204
    assert events(lab)[0]["ts"] == lab.wall_ms() // 1000


@pytest.mark.parametrize("name", ["a/b", "ü", "x" * 1000, "-", "a b"])
def test_any_source_session_gets_a_valid_id(lab: HostInMemory, name: str) -> None:
    assert report(lab, session_id=name) == 204
    assert report(lab, session_id=name + "2") == 204
    sessions = [each["id"] for each in lab.request("GET", "/sessions").json()]
    assert len(sessions) == 2
    assert all(each.startswith("telemetry:") for each in sessions)


@pytest.mark.parametrize(
    "more", [{"type": "nonsense"}, {"session_id": ""}, {"session_id": 7}, {"metadata": []}]
)
def test_malformed_payload_is_refused(lab: HostInMemory, more: dict[str, Any]) -> None:
    assert report(lab, **more) == 400


def test_unknown_metadata_is_ignored(lab: HostInMemory) -> None:
    assert report(lab, metadata={"hostname": 7, "git_branch": "x" * 9999, "more": []}) == 204


def test_long_payload_text_is_shortened(lab: HostInMemory) -> None:
    assert report(lab, content="x" * 900_000) == 204
    assert events(lab)[0]["data"]["text"].endswith("characters more)")
