"""Frames in each encoding."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from sxhost.codec.frames import (
    NDJSON,
    SSE,
    TEXT,
    encode_events,
    websocket_message,
    websocket_text_frame,
)
from sxhost.codec.json import encode
from sxhost.model.event import Event

texts = st.text() | st.text(alphabet="\r\n\u2028\u2029\x85:")


def event(data: object = "x", number: int = 1) -> Event:
    return Event("thinking", Raw(encode(data)), 5, number, number, 5000, "a")


@given(texts)
def test_an_ndjson_event_is_one_line(text: str) -> None:
    data = NDJSON.event(event(text), "e")
    assert data.count(b"\n") == 1
    assert data.endswith(b"\n")
    assert json.loads(data)["data"] == text


@given(texts)
def test_a_server_sent_event_is_unnamed_with_its_cursor(text: str) -> None:
    first, second, *rest = SSE.event(event(text, 7), "e").split(b"\n")
    assert first == b"id: e:7"
    assert json.loads(second.removeprefix(b"data: "))["data"] == text
    assert rest == [b"", b""]
    assert b"\r" not in second


def test_control_frames() -> None:
    assert NDJSON.control("gap", {"to": "e:1"}) == b'{"frame":"gap","to":"e:1"}\n'
    assert SSE.control("gap", {"to": "e:1"}) == b'id: e:1\nevent: gap\ndata: {"to":"e:1"}\n\n'
    assert TEXT.control("gap", {}) == b'\x81\x0f{"frame":"gap"}'


@pytest.mark.parametrize("name", ["hello", "end"])
def test_a_browser_waits_at_random_before_it_connects_again(name: str) -> None:
    pattern = rf"retry: (\d+)\nevent: {name}\ndata: {{}}\n\n"
    frames = [SSE.control(name, {}).decode() for _ in range(100)]
    waits = {int(found[1]) for frame in frames if (found := re.fullmatch(pattern, frame))}
    assert len(waits) > 50
    assert 1000 <= min(waits) <= max(waits) < 5000


@pytest.mark.parametrize(
    ("size", "head"),
    [(0, "8100"), (125, "817d"), (126, "817e007e"), (65535, "817effff"),
     (65536, "817f0000000000010000")],
)  # fmt: skip
def test_websocket_frame_length_encoding(size: int, head: str) -> None:
    assert websocket_text_frame(b"x" * size) == bytes.fromhex(head) + b"x" * size


def masked(text: bytes, key: bytes = b"key!", first: int = 0x81) -> bytes:
    size = len(text)
    head = bytes((0x80 | size,)) if size < 126 else b"\xfe" + size.to_bytes(2, "big")
    return bytes((first,)) + head + key + bytes(b ^ key[n % 4] for n, b in enumerate(text))


@given(texts, st.binary(min_size=4, max_size=4))
def test_a_whole_frame_is_a_message(text: str, key: bytes) -> None:
    assert websocket_message(masked(text.encode(), key)) == text.encode()


@pytest.mark.parametrize("size", [0, 1, 3, 4, 5, 125, 126, 127, 65535])
def test_a_whole_frame_of_any_length_is_a_message(size: int) -> None:
    text = (b"abcde" * size)[:size]
    assert websocket_message(masked(text)) == text


WHOLE = masked(b"text")
OTHER_FRAMES = {
    "nothing": b"",
    "part of the head": WHOLE[:4],
    "part of the text": WHOLE[:-1],
    "more behind it": WHOLE + b"\x81",
    "two frames": WHOLE * 2,
    "not masked": websocket_text_frame(b"text"),
    "not masked, long enough": websocket_text_frame(b"x" * 200),
    "not the end": masked(b"text", first=0x01),
    "a later piece": masked(b"text", first=0x80),
    "binary": masked(b"text", first=0x82),
    "close": masked(b"\x03\xe8", first=0x88),
    "ping": masked(b"text", first=0x89),
    "compressed": masked(b"text", first=0xC1),
    "a length that is too wide": b"\x81\xfe\x00\x04" + WHOLE[2:],
    "half a wide length": b"\x81\xfe\x00",
    "a length of eight bytes": b"\x81\xff" + bytes(6) + b"\x01\x00" + bytes(4) + b"x" * 256,
    "not UTF-8": masked(b"\xff\xfe"),
    "half a character": masked("é".encode()[:1]),
    "a surrogate": masked(b"\xed\xa0\x80"),
}


@pytest.mark.parametrize("data", OTHER_FRAMES.values(), ids=OTHER_FRAMES)
def test_all_but_a_whole_text_frame_is_left_to_the_protocol(data: bytes) -> None:
    assert websocket_message(data) is None


@given(st.binary(max_size=20).map(b"\x81".__add__))
def test_bytes_that_are_taken_for_a_frame_are_that_frame(data: bytes) -> None:
    text = websocket_message(data)
    assert text is None or masked(text, data[2:6]) == data


def test_a_websocket_event_is_its_line() -> None:
    assert TEXT.event(event(), "e")[2:] + b"\n" == NDJSON.event(event(), "e")


def test_full_chunk_ends() -> None:
    events = [event(number=n) for n in range(1, 6)]
    size = len(NDJSON.event(events[0], "e"))
    assert encode_events(NDJSON, events, "e", 2 * size) == (
        b"".join(NDJSON.event(e, "e") for e in events[:2]), 2,
    )  # fmt: skip
    assert encode_events(NDJSON, events, "e", 10**6)[1] == 5
    assert encode_events(NDJSON, [], "e", 10) == (b"", 0)
