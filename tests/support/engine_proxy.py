"""A proxy before a database engine, which cuts connections, stalls them or loses answers."""

from __future__ import annotations

import socket
from contextlib import suppress
from threading import Event, Lock, Thread
from types import TracebackType
from typing import Self

__all__ = ["EngineProxy"]

COMMITTED = (b"COMMIT\0", b"committed\0")
"""What an answer has in it that confirms a commit: a statement's end, or a column's name."""


class EngineProxy:
    """Passes bytes between a port of its own and the engine's, until it is told otherwise."""

    def __init__(self, engine: int) -> None:
        self._engine = engine
        self._door = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._door.getsockname()[1]
        self._open = Event()
        self._open.set()
        self._wires: set[socket.socket] = set()
        self._lock = Lock()
        self._refusing = False
        self._lose = Event()
        self._refuse_then = False
        self.lost = Event()
        """Set once the answer to a commit was lost."""
        Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._door.close()
        self.cut()
        self._open.set()

    def cut(self, *, refuse: bool = False) -> None:
        """End all connections; with `refuse`, those that come as well, until `mend`."""
        self._refusing = refuse
        with self._lock:
            wires, self._wires = self._wires, set()
        for wire in wires:
            with suppress(OSError):
                wire.shutdown(socket.SHUT_RDWR)

    def stall(self) -> None:
        """Pass nothing on, and end nothing, until `mend`."""
        self._open.clear()

    def lose_an_answer(self, *, refuse: bool = False) -> None:
        """End the connection that commits next, once the engine has answered.

        With `refuse`, end the connections that come then as well, until `mend`.
        """
        self.lost.clear()
        self._refuse_then = refuse
        self._lose.set()

    def mend(self) -> None:
        """Pass on again."""
        self._refusing = False
        self._open.set()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._door.accept()
                if self._refusing:
                    client.close()
                    continue
                try:
                    engine = socket.create_connection(("127.0.0.1", self._engine))
                except OSError:
                    client.close()
                    continue
                with self._lock:
                    self._wires |= {client, engine}
                Thread(target=self._up, args=(client, engine), daemon=True).start()
                Thread(target=self._down, args=(engine, client), daemon=True).start()

    def _up(self, client: socket.socket, engine: socket.socket) -> None:
        with suppress(OSError):
            while data := client.recv(65536):
                self._open.wait()
                engine.sendall(data)
        self._end(client, engine)

    def _down(self, engine: socket.socket, client: socket.socket) -> None:
        with suppress(OSError):
            while data := engine.recv(65536):
                self._open.wait()
                if self._lose.is_set() and any(mark in data for mark in COMMITTED):
                    self._lose.clear()
                    self._refusing = self._refuse_then
                    self.lost.set()
                    break
                client.sendall(data)
        self._end(client, engine)

    def _end(self, *wires: socket.socket) -> None:
        for wire in wires:
            with suppress(OSError):
                wire.shutdown(socket.SHUT_RDWR)
            wire.close()
        with self._lock:
            self._wires -= set(wires)
