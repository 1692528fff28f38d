"""A connection to a host that can be cut, stalled and half-closed, as bad networks do it."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Event, Lock, Thread

from tests.support.hosts import PATIENCE

__all__ = ["Wire", "wire"]


class Wire:
    """Forwards a port to a host's, in threads; what it does to connections is told to it."""

    def __init__(self, listening: socket.socket, upstream: int) -> None:
        self.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        self.spelling: dict[bytes, bytes] = {}
        """What the host says, and what clients hear in its place, as long; and the way back."""
        self._listening = listening
        self._upstream = upstream
        self._flows = Event()
        self._flows.set()
        self._lock = Lock()
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._carriers: list[Thread] = []
        self._thread = Thread(target=self._accept, daemon=True)
        self._thread.start()

    def cut(self) -> None:
        """End all connections; new ones are taken."""
        for client, host in self._taken():
            for end in (client, host):
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def half_close(self) -> None:
        """End what the host sends, of all connections, as if it had; the rest stays open."""
        for client, _ in self._taken():
            with suppress(OSError):
                client.shutdown(socket.SHUT_WR)

    def stall(self) -> None:
        """Let nothing through any more, without a word; new connections are swallowed, too."""
        self._flows.clear()

    def flow(self) -> None:
        """Let everything through again."""
        self._flows.set()

    def close(self) -> None:
        """End the listening and all connections."""
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._thread.join(PATIENCE)
        self.cut()
        self.flow()
        for carrier in self._carriers:
            carrier.join(PATIENCE)

    def _taken(self) -> list[tuple[socket.socket, socket.socket]]:
        with self._lock:
            taken, self._pairs = self._pairs, []
        return [(client, host) for client, host in taken if client.fileno() >= 0]

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            try:
                host = socket.create_connection(("127.0.0.1", self._upstream))
            except OSError:
                client.close()
                continue
            with self._lock:
                self._pairs.append((client, host))
            carrier = Thread(target=self._carry, args=(client, host), daemon=True)
            self._carriers.append(carrier)
            carrier.start()

    def _carry(self, client: socket.socket, host: socket.socket) -> None:
        with client, host:
            back = Thread(target=self._copy, args=(host, client), daemon=True)
            back.start()
            self._copy(client, host, to_host=True)
            back.join()

    def _copy(
        self, source: socket.socket, target: socket.socket, *, to_host: bool = False
    ) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                self._flows.wait()
                for said, heard in self.spelling.items():
                    data = data.replace(heard, said) if to_host else data.replace(said, heard)
                target.sendall(data)
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)


@contextmanager
def wire(upstream: int) -> Iterator[Wire]:
    """Stand in front of a host's port."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        between = Wire(listening, upstream)
        try:
            yield between
        finally:
            between.close()
