"""Hostile JSON by each way into a host: it is refused by name, or harmless; nothing breaks."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from typing import Any

import pytest

from sxhost.codec.json import decode, decode_lines
from sxhost.errors import BadJSON, HostError
from sxhost.model.event import EventDraft
from sxhost.model.limits import Limits
from sxhost.testing import HostInMemory
from tests.host.faces.test_native import NDJSON
from tests.host.http.test_site import Wire
from tests.support.websocket_clients import MIB, TEXT, Socket, masked

MANY = 100_000

BOMBS = {
    "arrays in arrays": (b"[" * MANY + b"]" * MANY, "bad_json"),
    "objects in objects": (b'{"a":' * MANY + b"1" + b"}" * MANY, "bad_json"),
    "both in turn": (b'[{"a":' * 33 + b"1" + b"}]" * 33, "bad_json"),
    "arrays that do not end": (b"[" * MANY, "bad_json"),
    "ends without arrays": (b'"",' + b"[" * 20 + b"]" * MANY, "bad_json"),
    "ever more empty arrays": (b"[" + b"[]," * MANY + b"[]]", "bad_json"),
    "ever more empty objects": (b"[" + b"{}," * MANY + b"{}]", "bad_json"),
    "bytes that are no JSON": (b"\xed\xa0\x80", "bad_json"),
    "NUL outside of texts": (b"\0", "bad_json"),
    "NaN": (b"NaN", "bad_json"),
    "Infinity": (b"Infinity", "bad_json"),
    "-Infinity": (b"-Infinity", "bad_json"),
    "too large a float": (b"1e400", "bad_field"),
    "too small a float": (b"-1e400", "bad_field"),
    "an exponent without end": (b"1e" + b"9" * MANY, "bad_field"),
    "digits without end": (b"9" * MANY, "bad_field"),
}


def event(value: bytes) -> bytes:
    return b'{"event":"x","data":%s}' % value


@pytest.mark.parametrize(("value", "code"), BOMBS.values(), ids=BOMBS)
class TestBombs:
    def test_json_bomb_in_a_body_is_refused(
        self, lab: HostInMemory, value: bytes, code: str
    ) -> None:
        answer = lab.request("POST", "/sessions/a/events", event(value))
        assert (answer.status, answer.json()["error"]) == (400, code)
        assert lab.request("GET", "/sessions/a").status == 404

    def test_json_bomb_in_a_batch_line_is_refused(
        self, lab: HostInMemory, value: bytes, code: str
    ) -> None:
        body = event(b"1") + b"\n" + event(value) + b"\n"
        answer = lab.request("POST", "/sessions/a/events", body, content_type=NDJSON)
        assert (answer.status, answer.json()["error"]) == (400, code)
        assert lab.request("GET", "/sessions/a").status == 404, "all of it or nothing"

    def test_json_bomb_in_metadata_is_refused(
        self, lab: HostInMemory, value: bytes, code: str
    ) -> None:
        body = b'{"metadata":{"a":%s}}' % value
        answer = lab.request("POST", "/sessions/a/register", body)
        assert (answer.status, answer.json()["error"]) == (400, code)

    def test_json_bomb_in_a_websocket_message_is_refused(self, value: bytes, code: str) -> None:
        socket = Socket(Wire(body=MIB))
        socket.say(masked(TEXT, b'{"subscribe":{"after":%s}}' % value))
        if b"\xed" in value:
            assert socket.closed == 1007
            return
        (error,) = socket.messages
        assert (error["frame"], error["error"]) == ("error", code)
        socket.forget()
        socket.subscribe(after="now")
        assert socket.kinds == ["hello"], "the connection goes on"


HARMLESS = {
    "the same key twice": (b'{"a":1,"a":2}', {"a": 2}),
    "a whole letter in halves": (b'"\\ud83d\\ude00"', "\U0001f600"),
    "NUL, escaped": (b'"\\u0000"', "\0"),
    "NUL as it is": (b'"\0"', "\0"),
    "half a letter": (b'"\\ud800"', "\ufffd"),
    "the other half": (b'"\\udc00"', "\ufffd"),
    "half a letter and another": (b'"\\ud83dA"', "\ufffdA"),
    "half a letter as UTF-8": (b'"\xed\xa0\x80"', "\ufffd" * 3),
    "digits behind the point": (b"0." + b"1" * MANY, 1 / 9),
    "the largest whole number": (b"18446744073709551615", 2**64 - 1),
    "one more": (b"18446744073709551616", 2.0**64),
    "as deep as may be": (b"[" * 62 + b"]" * 62, None),
    "deep, but in a text": (b'"' + b"[" * 500 + b'\\"{"', "[" * 500 + '"{'),
    "a text of backslashes": (b'"' + b"\\\\" * 500 + b'"', "\\" * 500),
    "as many arrays as may be": (b"[" + b"[]," * 80_000 + b"[]]", None),
}


@pytest.mark.parametrize(("value", "kept"), HARMLESS.values(), ids=HARMLESS)
def test_brackets_in_strings_are_no_json_bomb(
    lab: HostInMemory, value: bytes, kept: Any
) -> None:
    for kind in ("application/json", NDJSON):
        answer = lab.request("POST", "/sessions/a/events", event(value), content_type=kind)
        assert answer.status == 200
    lines = lab.request("GET", "/sessions/a/events").lines()
    for line in lines:
        assert line["data"] == (json.loads(value) if kept is None else kept)


def test_last_of_two_equal_keys_counts(lab: HostInMemory) -> None:
    body = b'{"event":"x","event":"y"}'
    for kind in ("application/json", NDJSON):
        lab.request("POST", "/sessions/a/events", body, content_type=kind)
    shown = lab.request("GET", "/sessions/a/events").lines()
    assert [line["event"] for line in shown] == ["y", "y"]
    socket = Socket(Wire(body=MIB))
    socket.say(masked(TEXT, b'{"subscribe":{"after":"now","id":"a","id":"b"}}'))
    assert socket.messages[0]["id"] == "b"


def test_huge_array_is_refused(lab: HostInMemory) -> None:
    answer = lab.request("POST", "/sessions/a/events", event(b"[" + b"0," * MANY * 2 + b"0]"))
    assert (answer.status, answer.json()["error"]) == (413, "event_too_large")


@pytest.mark.parametrize("line", [b"", b'{"event":"x"}'])
def test_lines_of_a_batch_are_limited(lab: HostInMemory, line: bytes) -> None:
    body = (line + b"\n") * (lab.limits.batch + 1)
    answer = lab.request("POST", "/sessions/a/events", body, content_type=NDJSON)
    assert (answer.status, answer.json()["limit"]) == (400, 10_000)


def whole(line: bytes) -> bytes:
    """Fill a batch with as many of a line as it may have."""
    limits = Limits()
    return (line + b"\n") * min(limits.batch_body // (len(line) + 1), limits.batch)


COSTLY = {
    "lines": whole(event(b"1")),
    "blank lines": b"\n" * Limits().batch_body,
    "texts": whole(event(b"[" + b'"",' * 80_000 + b'""]')),
    "texts that do not end": whole(b'"' * 250_000),
    "brackets in texts": whole(event(b"[" + b'"[]",' * 50_000 + b'""]')),
    "escapes": whole(event(b'"' + b'\\"' * 120_000 + b'"')),
    "arrays, deep": whole(event(b"[" * 60 + b"]" * 60)),
    "empty arrays": whole(event(b"[" + b"[]," * 80_000 + b"[]]")),
    "ends of arrays": b"[" * 20 + b"]" * (Limits().batch_body - 20),
    "no end": b"[" * Limits().batch_body,
}


@pytest.mark.parametrize("body", COSTLY.values(), ids=COSTLY)
def test_large_batch_does_not_block_the_reactor(body: bytes) -> None:
    """A second is far more than it takes here; without the bounds it was up to four."""
    start = time.perf_counter()
    with suppress(HostError):
        decode_lines(body, EventDraft)
    assert time.perf_counter() - start < 1


@pytest.mark.parametrize("depth", [1, 2, 30, 63, 64, 65, 66, 200])
@pytest.mark.parametrize(
    ("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}"), (b'[{"[":', b"}]")]
)
def test_json_depth_limit_is_exact(depth: int, opening: bytes, closing: bytes) -> None:
    levels = sum(map(opening.count, (b"[", b"{"))) - opening.count(b'"[')
    times = depth // levels
    text = b"[" + (opening * times + b"1" + closing * times + b",") * 20 + b"1]"
    if times * levels + 1 > 64:
        with pytest.raises(BadJSON, match="nests deeper than 64 levels"):
            decode(text, object)
    else:
        decode(text, object)
