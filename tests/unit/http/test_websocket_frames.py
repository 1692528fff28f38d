"""Frames of a client, however its bytes are cut: `websockets` finds the same messages."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.exceptions import ProtocolError
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol

from sxhost.http.websocket_frames import FrameSplitter
from tests.support.websocket_clients import BINARY, CLOSE, PING, TEXT, length, masked

Message = tuple[int, bytes]


def messages(
    frames: Sequence[bytes], most: int | None = None
) -> tuple[list[Message], int | None]:
    """Return the messages and control frames that a server finds, and its close code."""
    protocol = ServerProtocol(state=State.OPEN, max_size=most)
    protocol.parser = super(ServerProtocol, protocol).parse()  # the handshake is done
    next(protocol.parser)
    found: list[Message] = []
    parts: list[bytes] = []
    opcode = 0
    for frame in frames:
        protocol.receive_data(frame)
        for event in protocol.events_received():
            assert isinstance(event, Frame)
            if event.opcode >= Opcode.CLOSE:
                found.append((event.opcode, bytes(event.data)))
                continue
            opcode = event.opcode or opcode
            parts.append(bytes(event.data))
            if event.fin:
                found.append((opcode, b"".join(parts)))
                parts = []
    sent = protocol.close_sent
    return found, None if sent is None else sent.code


def split(data: bytes, sizes: Sequence[int], most: int | None = None) -> list[bytes]:
    """Return what comes out of a splitter for bytes that come in pieces."""
    splitter, at = FrameSplitter(most), 0
    frames: list[bytes] = []
    for size in (*sizes, len(data)):
        frames += splitter.receive_data(data[at : at + size])
        at += size
    return frames


a_frame = st.builds(
    masked,
    st.sampled_from([TEXT, BINARY, 0, PING, 10, 3]),
    st.binary(max_size=300),
    fin=st.booleans(),
    rsv=st.sampled_from([0, 0, 0, 0, 0, 1]),
)
cuts = st.lists(st.integers(0, 70), max_size=40)


@given(st.lists(a_frame, max_size=6), cuts, st.sampled_from([None, 200, 1000]))
def test_messages_are_the_same_however_bytes_are_cut(
    frames: list[bytes], sizes: list[int], most: int | None
) -> None:
    assert messages(split(b"".join(frames), sizes, most), most) == messages(frames, most)


@given(st.binary(max_size=200), cuts)
def test_rubbish_is_kept_in_bounds(data: bytes, sizes: list[int]) -> None:
    splitter, at = FrameSplitter(1000), 0
    for size in (*sizes, len(data)):
        try:
            for frame in splitter.receive_data(data[at : at + size]):
                assert len(frame) <= len(data) + 14
        except ProtocolError:
            return
        at += size
        assert len(splitter._rest) < 14 + 126


def test_payload_is_handed_on_as_it_comes() -> None:
    splitter, frame = FrameSplitter(None), masked(TEXT, b"0123456789")
    frames: list[bytes] = []
    for at in range(0, 16, 4):
        frames += splitter.receive_data(frame[at : at + 4])
    assert len(frames) == 3
    assert splitter.frames == 1
    assert not splitter.is_amid_frame
    assert messages(frames) == ([(TEXT, b"0123456789")], None)


def test_head_is_handed_on_before_the_payload() -> None:
    (head,) = FrameSplitter(None).receive_data(masked(BINARY, b"x" * 1000)[:8])
    assert head[:2] == b"\x02\x80"


def test_frame_beyond_the_limit_is_handed_on_by_its_head_alone() -> None:
    splitter = FrameSplitter(100)
    frame = masked(TEXT, b"x" * 101)
    assert list(splitter.receive_data(frame[:50])) == [frame[:6]]
    assert list(splitter.receive_data(frame[50:] + masked(CLOSE))) == [masked(CLOSE)]
    assert splitter.closed


@pytest.mark.parametrize(
    "head",
    [
        length(0x81, 126, b"\x00\x7d"),
        length(0x81, 127, b"\x00" * 6 + b"\xff\xff"),
        length(0x81, 127, b"\xff" * 8),
    ],
)
def test_length_that_is_not_as_it_must_be_is_refused(head: bytes) -> None:
    with pytest.raises(ProtocolError):
        list(FrameSplitter(None).receive_data(head))


@pytest.mark.parametrize(
    "data",
    [
        b"\x81\x7e\x10\x00",  # no mask
        b"\x89\xfe\x10\x00\x00\x00\x00\x00",  # a ping of 4096 bytes
        b"\x09\x85\x00\x00\x00\x00",  # a ping that goes on
        b"\xc1\xfe\x10\x00\x00\x00\x00\x00",  # a reserved bit
        b"\x83\xfe\x10\x00\x00\x00\x00\x00",  # a reserved opcode
    ],
)
def test_wrong_head_is_refused_without_its_payload(data: bytes) -> None:
    assert messages(split(data, [])) == ([], 1002)
