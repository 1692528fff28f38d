"""What is sent, where it may go, and that an Emitter never troubles its caller."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from treq.testing import StubTreq
from twisted.internet.task import Clock
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from sxhost.telemetry import sender as emit

if TYPE_CHECKING:
    from treq.client import HTTPClient
    from twisted.web.server import Request

URL = "https://collector.example/v1"
NOW = 1_773_369_801.5


class Collector(Resource):
    """Answers each POST with the next of `answers`: status and Location, or never (None)."""

    isLeaf = True

    def __init__(self, *answers: tuple[int, str] | None) -> None:
        super().__init__()
        self.answers = list(answers)
        self.asked: list[str] = []
        self.marks: list[str | None] = []
        self.said: list[emit.Payload] = []
        self.held: list[Request] = []

    def render_POST(self, request: Request) -> bytes | int:
        self.asked.append(request.uri.decode())
        self.marks.append(request.getHeader("sxhost-telemetry"))
        self.said.append(json.load(cast("IO[bytes]", request.content)))
        answer = self.answers.pop(0) if self.answers else (204, "")
        if answer is None:
            self.held.append(request)
            return NOT_DONE_YET
        request.setResponseCode(answer[0])
        if answer[1]:
            request.setHeader("location", answer[1])
        return b""


class Desk:
    """An Emitter before a collector in memory."""

    def __init__(self, *answers: tuple[int, str] | None, url: str = URL) -> None:
        self.collector = Collector(*answers)
        self.treq = StubTreq(self.collector)
        self.clock = Clock()
        client = cast("HTTPClient", self.treq)
        self.emitter = emit.Emitter(client, self.clock, url, "/srv/project", lambda: NOW)

    def emit(self, content: str = "hello") -> None:
        """Emit, and let the bytes flow; what comes back to the caller is never a failure."""
        self.results: list[object] = []
        self.emitter.emit("s1", "user", content).addBoth(self.results.append)
        self.treq.flush()

    @property
    def counts(self) -> tuple[int, int, int]:
        """Sent, failed and dropped."""
        return self.emitter.sent, self.emitter.failed, self.emitter.dropped


def test_payload_has_exactly_the_documented_shape(tmp_path: Path) -> None:
    said = emit.payload("s1", "user", "hello", str(tmp_path), NOW)
    assert list(said) == ["session_id", "type", "content", "timestamp", "metadata"]
    assert list(said["metadata"]) == ["hostname", "os", "arch", "git_branch", "project"]
    assert (said["session_id"], said["type"], said["content"]) == ("s1", "user", "hello")
    assert said["metadata"]["os"].islower()
    assert said["metadata"]["project"] == tmp_path.name


def test_timestamp_is_iso_8601_with_an_offset(tmp_path: Path) -> None:
    stamp = emit.payload("s1", "user", "", str(tmp_path), NOW)["timestamp"]
    moment = datetime.fromisoformat(stamp)
    assert moment.utcoffset() is not None
    assert moment.timestamp() == int(NOW)


def test_payload_without_a_session_gets_a_new_one(tmp_path: Path) -> None:
    first, second = (emit.payload("", "user", "", str(tmp_path), NOW) for _ in range(2))
    assert first["session_id"] != second["session_id"]


@given(st.text(st.characters()))
def test_every_content_becomes_utf_8(content: str) -> None:
    sent = json.loads(
        emit.encode(emit.payload("s1", "user", content, "/", NOW)).decode("utf-8")
    )
    assert sent["content"] == content.encode("utf-16", "surrogatepass").decode(
        "utf-16", "replace"
    )


def test_emit_posts_the_payload_and_counts_it() -> None:
    desk = Desk()
    desk.emit("hello")
    assert desk.collector.said[0]["content"] == "hello"
    assert desk.collector.said[0]["metadata"]["project"] == "project"
    assert (desk.counts, desk.results) == ((1, 0, 0), [None])


def test_an_emitter_without_an_address_is_off() -> None:
    desk = Desk(url="")
    desk.emit()
    assert (desk.counts, desk.results, desk.collector.said) == ((0, 0, 0), [None], [])


@pytest.mark.parametrize("code", [300, 304, 400, 404, 500, 503])
def test_a_collector_that_declines_is_counted_and_swallowed(code: int) -> None:
    desk = Desk((code, ""))
    desk.emit()
    assert (desk.counts, desk.results) == ((0, 1, 0), [None])


@pytest.mark.parametrize("code", [200, 201, 202, 204, 303])
def test_every_success_counts_as_sent(code: int) -> None:
    desk = Desk((code, ""))
    desk.emit()
    assert desk.counts == (1, 0, 0)


def test_a_collector_that_never_answers_is_given_up_after_ten_seconds() -> None:
    desk = Desk(None)
    desk.emit()
    desk.clock.advance(9.9)
    assert (desk.counts, desk.emitter.in_flight) == ((0, 0, 0), 1)
    desk.clock.advance(0.1)
    assert (desk.counts, desk.emitter.in_flight, desk.results) == ((0, 1, 0), 0, [None])
    assert not desk.clock.getDelayedCalls()


def test_an_answer_that_never_ends_is_given_up_too() -> None:
    desk = Desk(None)
    desk.emit()
    desk.collector.held[0].write(b"the beginning of ")
    desk.treq.flush()
    assert desk.results == []
    desk.clock.advance(10)
    desk.treq.flush()
    assert (desk.counts, desk.results) == ((0, 1, 0), [None])


def test_an_answer_that_breaks_off_is_a_failure() -> None:
    desk = Desk(None)
    desk.emit()
    desk.collector.held[0].setHeader("content-length", "99")
    desk.collector.held[0].write(b"the beginning of ")
    desk.collector.held[0].loseConnection()
    desk.treq.flush()
    assert (desk.counts, desk.results) == ((0, 1, 0), [None])


def test_the_65th_in_flight_is_dropped_and_room_is_made_by_an_answer() -> None:
    desk = Desk(*[None] * (emit.IN_FLIGHT + 1))
    for _ in range(emit.IN_FLIGHT + 1):
        desk.emit()
    assert (desk.emitter.in_flight, desk.counts) == (64, (0, 0, 1))
    desk.collector.held[0].finish()
    desk.treq.flush()
    desk.emit()
    assert (desk.emitter.in_flight, desk.counts) == (64, (1, 0, 1))


@given(st.lists(st.sampled_from(["ok", "refused", "held", "late"]), max_size=80))
def test_every_payload_is_counted_once(fates: list[str]) -> None:
    """Whatever comes of the payloads, they are sent, failed, dropped or still in flight."""
    answers: dict[str, tuple[int, str] | None] = {"ok": (200, ""), "refused": (500, "")}
    desk = Desk()
    for number, fate in enumerate(fates, start=1):
        desk.collector.answers = [answers.get(fate)]
        desk.emit()
        desk.clock.advance(10 if fate == "late" else 0)
        assert sum(desk.counts) + desk.emitter.in_flight == number
        assert desk.emitter.in_flight <= emit.IN_FLIGHT


@pytest.mark.parametrize("code", [301, 302, 307, 308])
def test_a_redirect_on_the_same_host_is_posted_again(code: int) -> None:
    desk = Desk((code, "/v2"))
    desk.emit("hello")
    assert desk.collector.asked == ["/v1", "/v2"]
    assert [said["content"] for said in desk.collector.said] == ["hello", "hello"]
    assert desk.collector.marks == ["1", "1"]
    assert desk.counts == (1, 0, 0)


@pytest.mark.parametrize(
    "location",
    [
        "https://elsewhere.example/v1",
        "//elsewhere.example/v1",
        "https://collector.example@elsewhere.example/",
        "https://someone@collector.example/",
        "http://collector.example/v1",
        "https://collector.example:8443/v1",
        "https://collector.example:port/v1",
        "ftp://collector.example/v1",
        "",
    ],
)
def test_a_redirect_to_another_origin_or_in_the_clear_is_refused(location: str) -> None:
    desk = Desk((307, location))
    desk.emit()
    assert len(desk.collector.asked) == 1
    assert (desk.counts, desk.results) == ((0, 1, 0), [None])


@pytest.mark.parametrize(
    "location", ["https://collector.example:443/v2", "//COLLECTOR.example/v2"]
)
def test_equal_origins_are_recognized_however_written(location: str) -> None:
    desk = Desk((307, location))
    desk.emit()
    assert desk.counts == (1, 0, 0)


@pytest.mark.parametrize(
    "location", ["http://127.0.0.1:7432/stop", "https://127.0.0.1:7433/v1"]
)
def test_a_redirect_to_another_port_is_refused(location: str) -> None:
    desk = Desk((307, location), url="http://127.0.0.1:7433/v1")
    desk.emit()
    assert (len(desk.collector.asked), desk.counts) == (1, (0, 1, 0))


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://c.example:8/v1", "https://c.example:8/v1"),
        ("https://c.example/v1?key=secret#x", "https://c.example/v1?***"),
        ("https://name:secret@c.example/", "https://***@c.example/"),
        ("https://secret@c.example/", "https://***@c.example/"),
    ],
)
def test_url_is_shown_without_its_secrets(url: str, shown: str) -> None:
    assert emit.masked(url) == shown


def test_endless_redirects_are_a_failure() -> None:
    desk = Desk(*[(307, "/v1")] * 9)
    desk.emit()
    assert len(desk.collector.asked) == emit.HOPS
    assert desk.counts == (0, 1, 0)


@pytest.mark.parametrize(
    "url",
    [
        "http://collector.example/",
        "http://10.0.0.1/",
        "http://127.0.0.1.evil.example/",
        "http://127.0.0.1@evil.example/",
        "http://localhost.evil.example/",
        "http://127.0.0.1\\@evil.example/",
        "HTTP://collector.example/",
        "ftp://collector.example/",
        "file:///etc/passwd",
        "https://",
        "https://host:port/",
        "collector.example",
    ],
)
def test_insecure_collector_url_is_refused(url: str) -> None:
    desk = Desk(url=url)
    desk.emit()
    assert (desk.counts, desk.results, desk.collector.said) == ((0, 1, 0), [None], [])


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:7432/telemetry", "http://localhost/", "http://127.9.9.9/", URL]
)
def test_loopback_and_https_urls_are_accepted(url: str) -> None:
    desk = Desk(url=url)
    desk.emit()
    assert desk.counts == (1, 0, 0)
