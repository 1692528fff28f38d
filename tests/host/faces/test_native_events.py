"""Logs over HTTP: which answer is live, in which form, from which place."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sxhost.testing import HostInMemory
from tests.host.http.test_site import Connection, Wire


@pytest.fixture
def wire() -> Wire:
    wire = Wire()
    for name in ("thinking", "complete"):
        wire.lab.request("POST", "/sessions/a/events", {"event": name})
    wire.lab.request("POST", "/sessions/b/events", {"event": "thinking"})
    return wire


def get(wire: Wire, path: str, *headers: str, version: str = "1.1") -> Connection:
    lines = [f"GET {path} HTTP/{version}", "Host: x", *headers, "", ""]
    return wire.connect("\r\n".join(lines).encode())


SSE = "Accept: text/event-stream"


def content(client: Connection) -> bytes:
    """Return an open answer's body, its chunks put together."""
    head, _, body = client.got.partition(b"\r\n\r\n")
    if b"chunked" not in head:
        return body
    whole = b""
    while body:
        size, _, rest = body.partition(b"\r\n")
        whole, body = whole + rest[: int(size, 16)], rest[int(size, 16) + 2 :]
    return whole


def lines(client: Connection) -> list[Any]:
    return [json.loads(line) for line in content(client).splitlines()]


def sse(client: Connection) -> list[dict[str, str]]:
    blocks = content(client).decode().split("\n\n")[:-1]
    return [dict(line.split(": ", 1) for line in block.split("\n")) for block in blocks]


def header(client: Connection, name: str) -> str:
    head = client.got.partition(b"\r\n\r\n")[0].decode()
    named = [line for line in head.splitlines() if line.startswith(f"{name}: ")]
    return named[0].partition(": ")[2]


def test_server_sent_events(wire: Wire) -> None:
    client = get(wire, "/sessions/a/events", SSE)
    assert header(client, "Content-Type") == "text/event-stream"
    assert header(client, "X-Accel-Buffering") == "no"
    hello, first, second = sse(client)
    assert hello["event"] == "hello"
    epoch = json.loads(hello["data"])["epoch"]
    assert [first["id"], second["id"]] == [f"{epoch}:1", f"{epoch}:2"]
    assert "event" not in first
    assert json.loads(second["data"])["event"] == "complete"


def test_new_events_arrive_live(wire: Wire) -> None:
    client = get(wire, "/sessions/a/events", SSE)
    wire.lab.request("POST", "/sessions/a/events", {"event": "later"})
    wire.lab.clock.advance(0.005)
    assert json.loads(sse(client)[-1]["data"])["event"] == "later"


def test_ndjson_ends_without_follow(wire: Wire) -> None:
    assert [line["seq"] for line in lines(get(wire, "/sessions/a/events"))] == [1, 2]
    followed = lines(get(wire, "/sessions/a/events?follow=1"))
    assert [line.get("frame", line.get("seq")) for line in followed] == ["hello", 1, 2]


@pytest.mark.parametrize(
    ("query", "ids"),
    [("", [1, 2, 3]), ("?session=a", [1, 2]), ("?session=a,b&types=thinking", [1, 3]),
     ("?after=1", [2, 3]), ("?after=now", []), ("?limit=2", [1, 2]), ("?label=k:v", [2])],
)  # fmt: skip
def test_events_of_all_sessions(query: str, ids: list[int]) -> None:
    wire = Wire()
    wire.lab.request("POST", "/sessions/a/events", {"event": "thinking"})
    wire.lab.request("POST", "/sessions/c/register", {"labels": {"k": "v"}})
    wire.lab.request("POST", "/sessions/a/events", {"event": "x"})
    wire.lab.request("POST", "/sessions/b/events", {"event": "thinking"})
    if "label" in query:
        wire.lab.request("POST", "/sessions/c/events", {"event": "x"})
        ids = [4]
    assert [line["id"] for line in lines(get(wire, f"/events{query}"))] == ids


def test_last_event_id_resumes_the_stream(wire: Wire) -> None:
    (hello, *_) = sse(get(wire, "/events", SSE))
    epoch = json.loads(hello["data"])["epoch"]
    client = get(wire, "/events?after=0", SSE, f"Last-Event-ID: {epoch}:2")
    assert [frame.get("id") for frame in sse(client)] == [f"{epoch}:2", f"{epoch}:3"]


def test_states_are_included_on_request(wire: Wire) -> None:
    followed = lines(get(wire, "/events?follow=1&state=1&after=now"))
    states = {line["session"]: line["state"] for line in followed if line["frame"] == "state"}
    assert states == {"a": "idle", "b": "active"}


def test_unknown_session_is_refused_before_the_stream_begins(wire: Wire) -> None:
    client = get(wire, "/sessions/x/events", SSE)
    assert (client.status, client.body["error"]) == (404, "unknown_session")


# Where an EventSource goes on: query, header, ids of the events after hello; "E" is the epoch.
RESUMED = [
    ("", "E:2", [3]),
    ("after=now", "E:2", [3]),
    ("after=0&lastEventId=E:2", "", [3]),
    ("after=now&last_event_id=E:2", "", [3]),
    ("lastEventId=E:1", "E:2", [3]),
    ("lastEventId=E:2", "E:1", [3]),
    ("lastEventId=old:3", "E:2", [3]),
    ("lastEventId=&after=2", "", [3]),
]


@pytest.mark.parametrize(("query", "last", "ids"), RESUMED)
def test_an_eventsource_goes_on_from_the_latest_place_that_it_names(
    wire: Wire, query: str, last: str, ids: list[int]
) -> None:
    epoch = json.loads(sse(get(wire, "/events", SSE))[0]["data"])["epoch"]
    header = [f"Last-Event-ID: {last.replace('E', epoch)}"] if last else []
    frames = sse(get(wire, f"/events?{query.replace('E:', f'{epoch}:')}", SSE, *header))
    assert [frame.get("event") for frame in frames] == ["hello", *[None] * len(ids)]
    assert [frame["id"] for frame in frames[1:]] == [f"{epoch}:{number}" for number in ids]


NEVER_GIVEN_OUT = ["nonsense", "another:2", "E:99", "99", "-1", "E:x", "\xff", "x" * 500]


@pytest.mark.parametrize("path", ["/events", "/sessions/a/events"])
@pytest.mark.parametrize("last", NEVER_GIVEN_OUT)
def test_a_place_that_no_stream_gave_out_is_a_gap_and_the_oldest_event(
    wire: Wire, path: str, last: str
) -> None:
    (hello, *events) = sse(get(wire, f"{path}?after=0", SSE))
    epoch = json.loads(hello["data"])["epoch"]
    resumed = sse(get(wire, path, SSE, f"Last-Event-ID: {last.replace('E', epoch)}"))
    assert [frame.get("event") for frame in resumed[:2]] == ["hello", "gap"]
    assert resumed[2:] == events


def test_an_unreadable_cursor_in_the_query_is_refused(wire: Wire) -> None:
    client = get(wire, "/events?after=nonsense", SSE)
    assert (client.status, client.body["field"]) == (400, "after")


def test_head_has_headers_only(wire: Wire) -> None:
    client = wire.connect(f"HEAD /events HTTP/1.1\r\nHost: x\r\n{SSE}\r\n\r\n".encode())
    assert header(client, "Content-Type") == "text/event-stream"
    assert client.got.endswith(b"\r\n\r\n")
    assert wire.lab.notifier.subscribers == 0


def test_http_1_0_client_gets_an_unchunked_stream(wire: Wire) -> None:
    client = get(wire, "/sessions/a/events", SSE, version="1.0")
    assert b"chunked" not in client.got
    assert [frame.get("event") for frame in sse(client)] == ["hello", None, None]


def test_disconnected_client_is_forgotten(wire: Wire) -> None:
    client = get(wire, "/events?follow=1")
    assert wire.lab.notifier.subscribers == 1
    client.release()
    assert wire.lab.notifier.subscribers == 0
    wire.lab.request("POST", "/sessions/a/events", {"event": "x"})
    wire.lab.clock.advance(1)


def test_slow_reader_pauses_the_stream(wire: Wire) -> None:
    client = get(wire, "/events?follow=1")
    producer: Any = client.transport.producer
    producer.pauseProducing()
    before = client.got
    wire.lab.request("POST", "/sessions/a/events", {"event": "x"})
    wire.lab.clock.advance(1)
    assert client.got == before
    producer.resumeProducing()
    assert lines(client)[-1]["event"] == "x"


def test_stop_ends_the_stream_with_an_end_frame(wire: Wire) -> None:
    client = get(wire, "/events?follow=1")
    wire.lab.notifier.close()
    assert lines(client)[-1] == {
        "frame": "end", "reason": "the host is stopping", "reconnect": True,
    }  # fmt: skip
    assert client.got.endswith(b"0\r\n\r\n")


def test_heartbeats_are_sse_events(lab: HostInMemory) -> None:
    wire = Wire()
    client = get(wire, "/events", SSE)
    for _ in range(15):
        wire.lab.clock.advance(1)
    assert [frame["event"] for frame in sse(client)] == ["hello", "heartbeat"]


LOG: list[tuple[str, Any]] = [
    ("message-delta", {"item": "m", "text": "so", "native": {"x": 1}}),
    ("message-delta", {"item": "m", "text": " it"}),
    ("native", {"native": {"y": 1}}),
    ("tool-start", {"item": "c", "tool": "t", "title": "", "input": None, "native": {}}),
]

LESS = [
    ("types=!message-delta", ["native", "tool-start"]),
    ("types=!message-delta,!native", ["tool-start"]),
    ("types=tool-start,native,!native", ["tool-start"]),
    ("native=0", ["message-delta", "message-delta", "tool-start"]),
    ("native=0&deltas=merged", ["message-delta", "tool-start"]),
    ("deltas=all&native=1", ["message-delta", "message-delta", "native", "tool-start"]),
]


@pytest.mark.parametrize(("query", "names"), LESS)
@pytest.mark.parametrize("path", ["/sessions/a/events", "/events"])
def test_reads_bring_less_on_demand(
    lab: HostInMemory, path: str, query: str, names: list[str]
) -> None:
    for event, data in LOG:
        lab.request("POST", "/sessions/a/events", {"event": event, "data": data})
    lines = lab.request("GET", f"{path}?after=0&{query}").lines()
    assert [line["event"] for line in lines] == names
    if "native=0" in query:
        assert not any("native" in line["data"] for line in lines)
    if "merged" in query:
        assert (lines[0]["from_seq"], lines[0]["seq"]) == (1, 2)


def test_what_less_cannot_mean_is_refused(lab: HostInMemory) -> None:
    lab.request("POST", "/sessions/a/events", {"event": "x"})
    refused = lab.request("GET", "/sessions/a/events?deltas=none").json()
    assert (refused["error"], refused["field"]) == ("bad_field", "deltas")
