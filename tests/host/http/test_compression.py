"""What is compressed for whom, and that a stream's events do not wait in the compressor."""

from __future__ import annotations

import json
import zlib
from typing import Self

import pytest

from sxhost.http.compression import PIECE
from sxhost.model.event import EventDraft
from sxhost.testing import HostInMemory, result_of
from sxhost.testing.waiting import turn
from tests.host.http.test_site import Connection

GZIP = "Accept-Encoding: gzip, deflate, br"


class Asked:
    """A request over real bytes, and its answer as far as it has come."""

    def __init__(
        self, lab: HostInMemory, path: str, *headers: str, method: str = "GET"
    ) -> None:
        self.connection = Connection(lab.site(), b"")
        lines = [f"{method} {path} HTTP/1.1", "Host: localhost", *headers, "", ""]
        self.connection.say("\r\n".join(lines).encode())
        self._clock = lab.clock

    def now(self) -> Self:
        """Let it have its answer, which may take many turns."""
        self._clock.advance(0)
        return self

    @property
    def head(self) -> str:
        return self.connection.got.partition(b"\r\n\r\n")[0].decode().lower()

    @property
    def is_gzip(self) -> bool:
        return "\r\ncontent-encoding: gzip" in self.head

    @property
    def body(self) -> bytes:
        """The body, without its chunks' sizes, decompressed as far as it has come."""
        body = self.connection.got.partition(b"\r\n\r\n")[2]
        if "transfer-encoding: chunked" in self.head:
            body, chunks = b"", body
            while chunks:
                size, _, rest = chunks.partition(b"\r\n")
                body += rest[: int(size, 16)]
                chunks = rest[int(size, 16) + 2 :]
        return zlib.decompressobj(wbits=31).decompress(body) if self.is_gzip else body


@pytest.fixture
def busy(lab: HostInMemory) -> HostInMemory:
    """A host with a session whose log has 40 events of 100 bytes."""
    for number in range(40):
        draft = EventDraft.of("message", {"text": f"{number} " + "x" * 100})
        result_of(lab.service.fire("a", draft))
    return lab


@pytest.mark.parametrize("path", ["/sessions/a", "/openapi.json", "/sessions/a/events?after=0"])
def test_long_answers_are_compressed_for_who_asks(busy: HostInMemory, path: str) -> None:
    plain, packed = Asked(busy, path).now(), Asked(busy, path, GZIP).now()
    assert (plain.is_gzip, packed.is_gzip) == (False, True)
    assert packed.body == plain.body
    assert "vary: accept-encoding" in plain.head
    assert "vary: accept-encoding" in packed.head
    assert len(packed.connection.got) < len(plain.connection.got) / 2


def test_short_answers_refusals_and_actions_are_not(busy: HostInMemory) -> None:
    assert not Asked(busy, "/health", GZIP).is_gzip
    assert not Asked(busy, "/sessions/unknown", GZIP).is_gzip
    assert not Asked(busy, "/sessions/a/register", GZIP, method="POST").is_gzip


@pytest.mark.parametrize(
    ("header", "accepts"),
    [
        ("gzip", True),
        ("GZIP;q=0.5, identity", True),
        ("*", True),
        ("gzip;q=0", False),
        ("gzip; q=0.000, *", False),
        ("*;q=0", False),
        ("identity", False),
        ("br, deflate", False),
        ("", False),
    ],
)
def test_what_a_client_takes_is_its_word(
    busy: HostInMemory, header: str, accepts: bool
) -> None:
    assert Asked(busy, "/openapi.json", f"Accept-Encoding: {header}").now().is_gzip == accepts


@pytest.mark.parametrize("accept", ["text/event-stream", "application/x-ndjson"])
def test_events_of_a_stream_leave_at_once(busy: HostInMemory, accept: str) -> None:
    path = "/sessions/a/events?after=now&follow=1"
    stream = Asked(busy, path, GZIP, f"Accept: {accept}")
    assert stream.is_gzip
    assert b"heartbeat_s" in stream.body
    for number in range(3):
        result_of(busy.service.fire("a", EventDraft.of("message", f"news {number}")))
        busy.clock.advance(0.01)
        assert f"news {number}".encode() in stream.body
    result_of(busy.service.end_streams())
    assert b'"reconnect":true' in stream.body


def test_a_log_of_many_pages_is_whole(lab: HostInMemory) -> None:
    for number in range(8):
        draft = EventDraft.of("message", {"text": str(number) * 50_000})
        result_of(lab.service.fire("a", draft))
    answer = Asked(lab, "/sessions/a/events?after=0", GZIP)
    for _ in range(50):
        lab.clock.advance(0)
    lines = [json.loads(line) for line in answer.body.splitlines()]
    assert [line["seq"] for line in lines] == list(range(1, 9))
    assert len(answer.connection.got) < 20_000


def test_head_has_the_length_of_what_would_be_sent(busy: HostInMemory) -> None:
    got = Asked(busy, "/openapi.json", GZIP).now()
    head = Asked(busy, "/openapi.json", GZIP, method="HEAD").now()
    size = len(got.connection.got.partition(b"\r\n\r\n")[2])
    assert head.is_gzip
    assert f"content-length: {size}" in head.head


def test_large_answer_is_compressed_in_pieces_while_others_are_served(
    lab: HostInMemory,
) -> None:
    path = "/openapi.json"
    plain = Asked(lab, path)
    lab.service.slices.budget = 0  # a piece in each turn
    packed = Asked(lab, path, GZIP)
    turns = 0
    while not packed.connection.got:
        assert Asked(lab, "/health").body
        turn(lab.clock)
        turns += 1
    assert packed.body == plain.body
    assert turns >= len(plain.body) // PIECE >= 1
