"""The rules of RFC 6455: what the Autobahn|Testsuite asks, of a server that is no echo.

``python -m benchmarks.autobahn`` runs the suite itself, of an echo.
"""

from __future__ import annotations

import struct

import pytest

from sxhost.http.websocket import CLOSE_WITHIN_S
from sxhost.model.limits import Limits
from tests.host.http.test_site import Wire
from tests.support.websocket_clients import (
    BINARY,
    CLOSE,
    MIB,
    PING,
    PONG,
    TEXT,
    Socket,
    closing,
    length,
    masked,
    ours,
)


@pytest.fixture
def wire() -> Wire:
    return Wire(body=MIB)


@pytest.fixture
def socket(wire: Wire) -> Socket:
    return Socket(wire)


HELLO = b'{"subscribe":{"after":"now"}}'


@pytest.mark.parametrize("size", [29, 125, 126, 127, 128, 65535, 65536, 65537, MIB])
def test_messages_of_any_length_are_read(socket: Socket, size: int) -> None:
    """Case 1."""
    socket.say(masked(TEXT, HELLO.ljust(size)))
    assert socket.kinds == ["hello"]


def test_empty_message_is_read(socket: Socket) -> None:
    socket.say(masked(TEXT))
    assert socket.kinds == ["error"]


def test_message_is_read_byte_by_byte(socket: Socket) -> None:
    for byte in masked(TEXT, HELLO.ljust(126)):
        socket.say(bytes((byte,)))
    assert socket.kinds == ["hello"]


@pytest.mark.parametrize("payload", [b"", b"hello", bytes(range(130, 255)), b"\xfe" * 125])
def test_ping_is_answered(socket: Socket, payload: bytes) -> None:
    """Case 2."""
    socket.say(masked(PING, payload))
    assert socket.frames == [(PONG, payload)]


def test_pings_are_answered_in_order(socket: Socket) -> None:
    socket.say(b"".join(masked(PING, b"%d" % n) for n in range(10)))
    assert socket.pongs == [b"%d" % n for n in range(10)]


def test_unsolicited_pong_is_ignored(socket: Socket) -> None:
    socket.say(masked(PONG) + masked(PONG, b"x") + masked(PING, b"y"))
    assert socket.frames == [(PONG, b"y")]


def test_fragmented_message_with_a_ping_between(socket: Socket) -> None:
    """Case 5."""
    socket.say(masked(TEXT, HELLO[:5], fin=False))
    socket.say(masked(PING, b"x"))
    socket.say(masked(0, HELLO[5:9], fin=False) + masked(0, fin=False))
    assert socket.frames == [(PONG, b"x")]
    socket.say(masked(0, HELLO[9:]))
    assert socket.kinds == ["hello"]


@pytest.mark.parametrize("cut", range(8))
def test_utf8_may_be_split_anywhere(socket: Socket, cut: int) -> None:
    """Case 6."""
    text = '"κ𐍈é"'.encode()
    socket.say(masked(TEXT, text[:cut], fin=False) + masked(0, text[cut:]))
    (error,) = socket.messages
    assert error["error"] == "bad_request", "it was JSON, but no object"


@pytest.mark.parametrize(
    "letter",
    ["\x7f", "\x80", "\u07ff", "\u0800", "\ud7ff", "\ue000", "\ufffd", "\ufffe", "\uffff",
     "\U00010000", "\U0001fffe", "\U0010fffe", "\U0010ffff", "\ufdd0", "\ufdef"],
    ids=ascii,
)  # fmt: skip
def test_utf8_boundary_characters_are_valid(socket: Socket, letter: str) -> None:
    socket.say(masked(TEXT, f'"{letter}"'.encode()))
    assert [message["error"] for message in socket.messages] == ["bad_request"]


VIOLATIONS = {
    **{f"reserved bits {n}": (masked(TEXT, b"x", rsv=n), 1002) for n in range(1, 8)},
    **{f"reserved bits {n} in a ping": (masked(PING, b"x", rsv=n), 1002) for n in range(1, 8)},
    **{f"reserved bits {n} in a close": (masked(CLOSE, b"", rsv=n), 1002) for n in (1, 7)},
    **{f"opcode {n}": (masked(n, b"x"), 1002) for n in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)},
    **{f"opcode {n}, empty": (masked(n), 1002) for n in (3, 7, 11, 15)},
    "a ping of 126 bytes": (masked(PING, b"x" * 126), 1002),
    "a pong of 126 bytes": (masked(PONG, b"x" * 126), 1002),
    "a close of 126 bytes": (closing(1000, b"x" * 124), 1002),
    "a ping in pieces": (masked(PING, b"x", fin=False) + masked(0, b"y"), 1002),
    "a pong in pieces": (masked(PONG, b"x", fin=False) + masked(0, b"y"), 1002),
    "a continuation of nothing": (masked(0, b"x"), 1002),
    "the beginning of a continuation of nothing": (masked(0, b"x", fin=False), 1002),
    "a message within a message": (masked(TEXT, b"1", fin=False) + masked(TEXT, b"2"), 1002),
    "no mask": (b"\x81\x01x", 1002),
    "a length of 16 bits without need": (length(0x81, 126, b"\x00\x7d"), 1002),
    "a length of 64 bits without need": (length(0x81, 127, b"\x00" * 6 + b"\xff\xff"), 1002),
    "a length of 64 bits with the first set": (length(0x81, 127, b"\xff" * 8), 1002),
    "a close of one byte": (masked(CLOSE, b"\x03"), 1002),
    **{
        f"close code {n}": (closing(n), 1002)
        for n in (0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999, 5000, 65535)
    },
    "a close reason that is not UTF-8": (closing(1000, b"\xce\xba\xed\xa0\x80"), 1007),
    "a close reason that ends in a letter": (closing(1000, b"\xce"), 1007),
    **{
        f"not UTF-8: {text.hex()}": (masked(TEXT, text), 1007)
        for text in (
            b"\xff", b"a\x80", b"\xc0\xaf", b"\xe0\x80\xaf", b"\xf0\x80\x80\xaf", b"\xc1\xbf",
            b"\xed\xa0\x80", b"\xed\xbf\xbf", b"\xf4\x90\x80\x80", b"\xf8\x88\x80\x80\x80",
            b"\xfe\xfe\xff\xff", b"\xce\xba\xe1\xbd", b"\xf0\x90\x8d",
            b"\xc0\x80", b"\xe0\x80\x80", b"\xf0\x80\x80\x80", b"\xe0\x9f\xbf",
            b"\xf0\x8f\xbf\xbf", b"\xf7\xbf\xbf\xbf", b"\xfb\xbf\xbf\xbf\xbf",
            b"\xfc\x84\x80\x80\x80\x80", b"\xfd\xbf\xbf\xbf\xbf\xbf",
            b"\x80", b"\xbf", b"\x80\xbf\x80\xbf", b"\xc2 ", b"\xe0 ", b"\xf0 ", b"\xf8 ",
            b"\xdf", b"\xef\xbf", b"\xed\xad\xbf\xed\xb0\x80", b"\xed\xa0\x80\xed\xbf\xbf",
        )
    },
    "not UTF-8, in pieces": (masked(TEXT, b"\xce", fin=False) + masked(0, b"\xce"), 1007),
    "not UTF-8, told before its end": (masked(TEXT, b"\xff", fin=False), 1007),
    "not UTF-8, told within its frame": (masked(TEXT, b"\xff" * 50)[:20], 1007),
    "binary": (masked(BINARY, b"x"), 1003),
    "binary, empty": (masked(BINARY), 1003),
    "binary, told before its end": (masked(BINARY, b"x" * 9, fin=False)[:8], 1003),
    "over the limit, told by its head": (length(0x81, 127, struct.pack("!Q", MIB + 1)), 1009),
    "far over the limit": (length(0x81, 127, struct.pack("!Q", 1 << 62)), 1009),
    "over the limit in pieces": (
        masked(TEXT, b"x", fin=False) + masked(0, b" " * 65536, fin=False) * 16, 1009,
    ),
    "in too many pieces": (
        masked(TEXT, b"", fin=False) + masked(0, b"", fin=False) * Limits().frames, 1008,
    ),
    "too many pings": (masked(PING) * (Limits().pings + 1), 1008),
    "too many pongs": (masked(PONG, b"x") * (Limits().pings + 1), 1008),
}  # fmt: skip


@pytest.mark.parametrize(("data", "code"), VIOLATIONS.values(), ids=VIOLATIONS)
def test_protocol_violation_closes_with_its_code(wire: Wire, data: bytes, code: int) -> None:
    """Cases 3, 4, 5, 6, 7 and 9, and our own limits."""
    client = Socket(wire)
    client.say(data)
    assert client.closed == code
    assert client.messages == []
    wire.lab.clock.advance(CLOSE_WITHIN_S)
    assert not client.http.open
    wire.lab.clock.advance(0)
    assert wire.site.connections == set()
    assert ours(wire) == []


def test_continuation_after_the_last_fragment_is_refused(socket: Socket) -> None:
    socket.say(masked(TEXT, HELLO[:5], fin=False) + masked(0, HELLO[5:]) + masked(0, b"x"))
    assert (socket.kinds, socket.closed) == (["hello"], 1002)


def test_message_size_limits(wire: Wire, socket: Socket) -> None:
    pieces = masked(0, b"", fin=False) * (Limits().frames - 2)
    socket.say(masked(TEXT, HELLO, fin=False) + pieces + masked(0))
    assert socket.kinds == ["hello"]
    for _ in range(3):
        socket.say(masked(PING) * Limits().pings)
        wire.lab.clock.advance(1)
    assert len(socket.pongs) == 3 * Limits().pings


def test_message_rate_is_limited(wire: Wire, socket: Socket) -> None:
    for _ in range(2):
        socket.say(masked(TEXT, b"{}") * Limits().commands)
        wire.lab.clock.advance(1)
    assert socket.kinds == ["error"] * 2 * Limits().commands
    assert all(frame.opcode == TEXT for frame in socket.frames)
    socket.forget()
    socket.say(masked(TEXT, b"{}") * (Limits().commands + 1))
    assert socket.closed == 1008
    assert socket.frames[-1].payload[2:] == b"more than 200 messages a second"
    assert len(socket.messages) == Limits().commands


@pytest.mark.parametrize(
    "payload",
    [b"", *(struct.pack("!H", n) for n in (1000, 1001, 1002, 1003, *range(1007, 1012))),
     *(struct.pack("!H", n) for n in (3000, 3999, 4000, 4999)),
     b"\x03\xe8" + "é".encode(), b"\x03\xe8" + b"x" * 123],
)  # fmt: skip
def test_valid_close_frame_is_answered(socket: Socket, payload: bytes) -> None:
    """Case 7."""
    socket.say(masked(CLOSE, payload))
    assert socket.closed == 1000
    assert not socket.http.open


def test_close_within_a_message_is_answered(socket: Socket) -> None:
    socket.say(masked(TEXT, HELLO[:5], fin=False) + closing(1001))
    assert (socket.closed, socket.messages, socket.http.open) == (1000, [], False)


def test_frames_after_a_close_are_ignored(socket: Socket) -> None:
    socket.say(closing(1000) + masked(TEXT, HELLO) + masked(PING, b"x") + closing(1000))
    assert [frame.opcode for frame in socket.frames] == [CLOSE]


def test_frames_after_a_violation_are_ignored(socket: Socket) -> None:
    socket.say(masked(BINARY, b"x") + masked(TEXT, HELLO) + masked(PING, b"x") + closing(1003))
    assert [frame.opcode for frame in socket.frames] == [CLOSE]
    assert not socket.http.open
