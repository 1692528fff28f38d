"""Many live readers in a process of their own: a selector loop that only keeps what comes.

What came is checked afterwards: each reader must have each event once and in order.
"""

from __future__ import annotations

import multiprocessing
import selectors
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

from tests.stress.host_process import raise_files
from tests.stress.stream_client import ALL, Stream, Transport, Wanted

LAST = b"benchmark-end"
"""The name of the event after which a reader has had enough, if nothing else is said."""

PATIENCE = 120.0


@contextmanager
def apart(work: Callable[..., None], *given: Any) -> Iterator[Connection]:
    """Run `work(pipe, *given)` in a process of its own; the other end of the pipe is ours."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=work, args=(theirs, *given), daemon=True)
    process.start()
    theirs.close()
    try:
        yield ours
        process.join(PATIENCE)
    finally:
        process.kill()


@contextmanager
def crowd(
    port: int, count: int, transport: Transport, wanted: Wanted = ALL, last: bytes = LAST
) -> Iterator[Connection]:
    """Let `count` readers follow what is wanted from now on.

    The pipe says ``ready`` once all have had their hello.  When all have seen the last event
    it says how many each got, the decoded events of one, and the time.
    """
    with apart(_read_all, port, count, transport, (wanted, last)) as pipe:
        assert pipe.recv() == "ready"
        yield pipe


def _read_all(
    pipe: Connection, port: int, count: int, transport: Transport, what: tuple[Wanted, bytes]
) -> None:
    wanted, last = what
    raise_files(count + 100)
    streams = [_begun(port, transport, wanted) for _ in range(count)]
    pipe.send("ready")
    kept = _kept(streams, last)
    done = time.perf_counter()
    expected = _ids(streams[0], kept[0])
    alike = all(
        _ids(s, data) == expected for s, data in zip(streams[1:], kept[1:], strict=True)
    )
    in_order = expected == list(range(expected[0], expected[0] + len(expected)))
    pipe.send((len(expected), alike and in_order, done))


def _begun(port: int, transport: Transport, wanted: Wanted) -> Stream:
    stream = Stream(port, transport, wanted, "now")
    stream.begin()
    stream.socket.setblocking(False)
    return stream


def _kept(streams: list[Stream], last: bytes) -> list[bytearray]:
    """Keep what comes until every stream has had the last event."""
    kept = [bytearray() for _ in streams]
    with selectors.DefaultSelector() as selector:
        for number, stream in enumerate(streams):
            selector.register(stream.socket, selectors.EVENT_READ, number)
        left = len(streams)
        while left:
            ready = selector.select(PATIENCE)
            assert ready, f"{left} readers have not seen the end"
            for key, _ in ready:
                if _take(streams[key.data], kept[key.data], last):
                    selector.unregister(key.fileobj)
                    left -= 1
    return kept


def _take(stream: Stream, data: bytearray, last: bytes) -> bool:
    """Read once; tell whether the last event has come."""
    before = len(data)
    more = stream.socket.recv(1 << 18)
    assert more, "the host hung up"
    data += more
    return data.find(last, max(0, before - len(last))) >= 0


def _ids(stream: Stream, data: bytearray) -> list[int]:
    frames = stream.decoder.receive(bytes(data))
    return [frame.value["id"] for frame in frames if not frame.name]
