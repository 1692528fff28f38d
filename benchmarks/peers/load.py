"""Requests over many connections at once, each sent as soon as the one before is answered."""

from __future__ import annotations

import select
import socket
import time
from contextlib import ExitStack

__all__ = ["Load"]

PATIENCE = 30.0
LENGTH = b"content-length: "


class Load:
    """Connections to a server that all send the same request, again and again."""

    def __init__(self, port: int, connections: int, message: bytes) -> None:
        self._port = port
        self._connections = connections
        self._message = message

    def run(self, seconds: float) -> int:
        """Ask for so long; return how many requests were answered, all with 200."""
        with ExitStack() as stack:
            sockets = [
                stack.enter_context(socket.create_connection(("127.0.0.1", self._port)))
                for _ in range(self._connections)
            ]
            return self._exchange({one.fileno(): one for one in sockets}, seconds)

    def _exchange(self, sockets: dict[int, socket.socket], seconds: float) -> int:
        poll, message, answered = select.epoll(), self._message, 0
        for number, one in sockets.items():
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            poll.register(number, select.EPOLLIN)
            one.sendall(message)
        waiting, until = len(sockets), time.perf_counter() + seconds
        partial: dict[int, bytes] = {}
        while waiting:
            ready = poll.poll(PATIENCE)
            assert ready, "the server does not answer"
            more = time.perf_counter() < until
            for number, _ in ready:
                data = partial.pop(number, b"") + sockets[number].recv(1 << 16)
                if not is_whole(data):
                    partial[number] = data
                    continue
                answered += 1
                if more:
                    sockets[number].sendall(message)
                else:
                    waiting -= 1
        poll.close()
        return answered


def is_whole(data: bytes) -> bool:
    """Tell whether an answer is whole; it must be a 200 with a length."""
    assert data, "the server hung up"
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return False
    assert data.startswith(b"HTTP/1.1 200"), data[:500]
    at = data[:end].lower().find(LENGTH)
    assert at > 0, data[:500]
    length = int(data[at + len(LENGTH) : end].partition(b"\r")[0])
    return len(data) - end - 4 >= length
