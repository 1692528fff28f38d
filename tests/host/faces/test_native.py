"""The native face over the real resource tree: ``scorpiox-host``'s wire format and ours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sxhost.model.session import SeenDraft
from sxhost.testing import MIDNIGHT_MS, HostInMemory, result_of

MakeLab = Callable[..., HostInMemory]
TS = MIDNIGHT_MS // 1000
NDJSON = "application/x-ndjson"


def test_metadata_is_bounded(lab: HostInMemory) -> None:
    text = "x" * (lab.limits.metadata_size - len('{"a":""}'))
    fits = lab.request("POST", "/sessions/a/register", {"metadata": {"a": text}})
    assert fits.status == 200
    answer = lab.request("POST", "/sessions/a/register", {"metadata": {"a": text + "x"}})
    assert (answer.status, answer.json()["field"]) == (400, "metadata")


def test_walk_through_of_the_original_hub(lab: HostInMemory) -> None:
    assert lab.request("GET", "/health").body == b'{"status":"ok"}'
    registration = {"model": "gpt-4.1", "provider": "openai", "cwd": "/home/dev/project"}
    answer = lab.request("POST", "/sessions/my-session/register", registration).json()
    assert (answer["ok"], answer["id"], answer["created"]) == (True, "my-session", True)
    event = {"event": "thinking", "data": "analyzing codebase"}
    answer = lab.request("POST", "/sessions/my-session/events", event).json()
    assert answer == {"ok": True, "event_count": 1, "seq": 1, "id": 1}
    message = {"content": "fix the failing test in auth.c"}
    answer = lab.request("POST", "/sessions/my-session/messages", message).json()
    assert {name: answer[name] for name in ("ok", "id", "queued")} == {
        "ok": True,
        "id": 1,
        "queued": 1,
    }
    pulled = lab.request("GET", "/sessions/my-session/messages").json()
    assert [m["content"] for m in pulled] == ["fix the failing test in auth.c"]
    assert lab.request("GET", "/sessions/my-session/messages").json() == []
    (line,) = lab.request("GET", "/sessions/my-session/events").lines()
    assert list(line)[:3] == ["event", "data", "ts"]
    assert line["ts"] == TS


def test_session_list_begins_with_the_original_hubs_fields(lab: HostInMemory) -> None:
    lab.request("POST", "/sessions/abc-123/register", {"model": "m", "provider": "p"})
    lab.request("POST", "/sessions/abc-123/events", {"event": "tool-start"})
    (row,) = lab.request("GET", "/sessions").json()
    assert list(row)[:6] == [
        "id", "state", "last_event", "event_count", "model", "provider",
    ]  # fmt: skip
    assert list(row.values())[:6] == ["abc-123", "active", "tool-start", 1, "m", "p"]
    assert row["detail_state"] == "working"


def test_session_details_have_cwd_start_time_and_events(lab: HostInMemory) -> None:
    lab.request("POST", "/sessions/a/register", {"cwd": "/tmp", "metadata": {"k": [1]}})
    lab.request("POST", "/sessions/a/events", {"event": "usage", "data": {"tokens": 1}})
    detail = lab.request("GET", "/sessions/a").json()
    assert (detail["cwd"], detail["start_time"], detail["metadata"]) == ("/tmp", TS, {"k": [1]})
    assert detail["usage"] == {"tokens": 1}
    assert [event["event"] for event in detail["events"]] == ["usage"]


def test_registering_again_updates_given_fields(lab: HostInMemory) -> None:
    lab.request("POST", "/sessions/a/register", {"model": "m", "title": "t"})
    answer = lab.request("POST", "/sessions/a/register", {"title": "new", "model": None}).json()
    assert answer["created"] is False
    assert (answer["session"]["model"], answer["session"]["title"]) == ("m", "new")


def test_body_with_optional_fields_is_optional(lab: HostInMemory) -> None:
    assert lab.request("POST", "/sessions/a/register").json()["created"] is True


def test_first_event_registers_an_unknown_session(lab: HostInMemory) -> None:
    lab.request("POST", "/sessions/new/events", {"event": "thinking"})
    assert lab.request("GET", "/sessions/new").json()["event_count"] == 1


def test_same_key_gets_the_same_answer(lab: HostInMemory) -> None:
    event = {"event": "thinking", "key": "k"}
    first = lab.request("POST", "/sessions/a/events", event)
    lab.request("POST", "/sessions/a/events", {"event": "idle"})
    assert lab.request("POST", "/sessions/a/events", event).body == first.body


def test_batch_is_stored(lab: HostInMemory) -> None:
    body = b'{"event":"thinking"}\n{"event":"complete","data":{"a":1}}\n'
    answer = lab.request("POST", "/sessions/a/events", body, content_type=NDJSON)
    assert answer.json() == {"ok": True, "event_count": 2, "accepted": 2}
    assert [e["data"] for e in lab.request("GET", "/sessions/a/events").lines()] == [
        None, {"a": 1},
    ]  # fmt: skip


def test_batch_with_a_bad_line_stores_nothing(lab: HostInMemory) -> None:
    body = b'{"event":"thinking"}\n{"event":"NO"}\n'
    answer = lab.request("POST", "/sessions/a/events", body, content_type=NDJSON)
    assert (answer.status, answer.json()["line"]) == (400, 2)
    assert lab.request("GET", "/sessions/a").status == 404


@pytest.mark.parametrize(
    ("query", "numbers"),
    [("", [1, 2, 3]), ("?after=1", [2, 3]), ("?limit=1", [1]), ("?types=x", [1, 3]),
     ("?types=x,y&after=0&limit=2", [1, 2]), ("?after=99", [])],
)  # fmt: skip
def test_events_are_read_and_filtered(
    lab: HostInMemory, query: str, numbers: list[int]
) -> None:
    for name in ("x", "y", "x"):
        lab.request("POST", "/sessions/a/events", {"event": name})
    answer = lab.request("GET", f"/sessions/a/events{query}")
    assert [event["seq"] for event in answer.lines()] == numbers


def test_event_data_never_breaks_a_line(lab: HostInMemory) -> None:
    body = b'{\n "event": "x",\n "data": {\n "a": "1\\n2"\n }\n}'
    lab.request("POST", "/sessions/a/events", body)
    (line,) = lab.request("GET", "/sessions/a/events").lines()
    assert line["data"] == {"a": "1\n2"}


class TestMessages:
    @pytest.fixture(autouse=True)
    def _session(self, lab: HostInMemory) -> None:
        lab.request("POST", "/sessions/a/register")

    def send(self, lab: HostInMemory, **fields: Any) -> Any:
        return lab.request("POST", "/sessions/a/messages", {"content": "hi", **fields}).json()

    def test_message_carries_mode_and_sender(self, lab: HostInMemory) -> None:
        sent = self.send(lab, mode="interrupt", **{"from": "me"})
        (message,) = lab.request("GET", "/sessions/a/messages").json()
        assert message == {
            "content": "hi", "id": sent["id"], "mode": "interrupt", "ts": TS,
            "from": "me", "state": "delivered", "ttl_s": None,
        }  # fmt: skip

    def test_lease_ack_and_nack(self, lab: HostInMemory) -> None:
        one, two = self.send(lab)["id"], self.send(lab)["id"]
        leased = lab.request("GET", "/sessions/a/messages?lease=30").json()
        assert [m["state"] for m in leased] == ["leased", "leased"]
        assert lab.request("POST", f"/sessions/a/messages/{one}/ack").json() == {"ok": True}
        assert lab.request("POST", f"/sessions/a/messages/{two}/nack").json() == {"ok": True}
        peeked = lab.request("GET", "/sessions/a/messages?peek=1").json()
        assert [m["state"] for m in peeked] == ["delivered", "queued"]

    def test_message_is_withdrawn(self, lab: HostInMemory) -> None:
        one = self.send(lab)["id"]
        assert lab.request("DELETE", f"/sessions/a/messages/{one}").json() == {"ok": True}
        assert lab.request("GET", "/sessions/a/messages").json() == []
        answer = lab.request("POST", f"/sessions/a/messages/{one}/ack")
        assert (answer.status, answer.json()["error"]) == (409, "message_closed")

    def test_pull_waits(self, lab: HostInMemory) -> None:
        waiting = lab.begin("GET", "/sessions/a/messages?wait=30")
        self.send(lab)
        lab.treq.flush()
        assert [m["content"] for m in result_of(waiting).json()] == ["hi"]

    def test_full_queue_answers_retry_after(self, make_lab: MakeLab) -> None:
        lab = make_lab(messages=1)
        lab.request("POST", "/sessions/a/register")
        self.send(lab)
        answer = lab.request("POST", "/sessions/a/messages", {"content": "hi"})
        assert (answer.status, answer.header("retry-after")) == (429, "2")
        assert (answer.json()["error"], answer.json()["limit"]) == ("queue_full", 1)

    def test_large_message_is_refused_with_the_limit(self, lab: HostInMemory) -> None:
        answer = lab.request("POST", "/sessions/a/messages", {"content": "x" * 8193})
        assert (answer.status, answer.json()["limit"]) == (413, 8192)

    @pytest.mark.parametrize(
        "body", [{}, {"content": ""}, {"content": 7}, {"content": "x", "mode": "no"}]
    )
    def test_bad_message_is_refused(self, lab: HostInMemory, body: Any) -> None:
        answer = lab.request("POST", "/sessions/a/messages", body)
        assert (answer.status, answer.json()["error"]) == (400, "bad_field")


def test_session_is_deleted(lab: HostInMemory) -> None:
    lab.request("POST", "/sessions/a/register")
    assert lab.request("DELETE", "/sessions/a").json() == {"ok": True}
    assert lab.request("DELETE", "/sessions/a").json()["error"] == "unknown_session"


def test_stop_route_stops_the_host(lab: HostInMemory) -> None:
    asked: list[bool] = []
    lab.service.on_stop = lambda: asked.append(True)
    assert lab.request("POST", "/stop").json() == {"ok": True}
    assert asked == [True]


def test_session_limit_error_says_what_to_do(make_lab: MakeLab) -> None:
    lab = make_lab(sessions=1)
    lab.request("POST", "/sessions/a/register")
    answer = lab.request("POST", "/sessions/b/register")
    assert (answer.status, answer.json()["error"], answer.json()["limit"]) == (
        429, "session_limit", 1,
    )  # fmt: skip
    assert "--max-sessions" in answer.json()["message"]


def test_a_list_tells_what_each_session_says_does_and_has_used(lab: HostInMemory) -> None:
    for event, data in (
        ("message", {"text": "On it."}),
        ("tool-start", {"item": "c", "tool": "bash", "title": "make test", "input": None}),
        ("usage", {"input_tokens": 7, "output_tokens": True, "cost_usd": 1}),
    ):
        lab.request("POST", "/sessions/a/events", {"event": event, "data": data})
    (told,) = lab.request("GET", "/sessions").json()
    assert (told["preview"], told["activity"]) == ("On it.", "make test")
    assert told["activity_since_ms"] == lab.wall_ms()
    assert (told["input_tokens"], told["output_tokens"], told["cost_usd"]) == (7, None, 1.0)
    lab.request("POST", "/sessions/b/events", {"event": "usage", "data": "much"})
    other = lab.request("GET", "/sessions/b").json()
    assert (other["cost_usd"], other["activity_since_ms"], other["turn_since_ms"]) == (
        None,
    ) * 3


def test_what_was_seen_is_told_to_every_screen(lab: HostInMemory) -> None:
    for _ in range(3):
        lab.request("POST", "/sessions/a/events", {"event": "thinking"})
    before = lab.request("GET", "/sessions/a").json()["last_seen_ms"]
    lab.clock.advance(1)
    assert lab.request("POST", "/sessions/a/seen", {"seq": 2}).json() == {"ok": True}
    told = lab.request("GET", "/sessions").json()[0]
    assert (told["seen_seq"], told["flagged"], told["last_seen_ms"]) == (2, False, before)
    lab.request("POST", "/sessions/a/seen", {"flag": True})
    told = lab.request("GET", "/sessions/a").json()
    assert (told["seen_seq"], told["flagged"]) == (3, True)
    assert lab.request("POST", "/sessions/b/seen", {}).json()["error"] == "unknown_session"
    assert lab.request("POST", "/sessions/a/seen", {"seq": -1}).json()["field"] == "seq"


def test_the_client_tells_what_was_seen(lab: HostInMemory) -> None:
    lab.request("POST", "/sessions/a/events", {"event": "thinking"})
    result_of(lab.client.mark_seen("a", SeenDraft()))
    assert result_of(lab.service.session("a")).seen_seq == 1
