"""What real hosts are made to meet: failing and full disks, and a wall clock that jumps."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, Self, TypeVar

if TYPE_CHECKING:
    from tests.support.hosts import Host

T = TypeVar("T")

JSON, NDJSON, SSE = "application/json", "application/x-ndjson", "text/event-stream"

FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), Path("libfaketime.so.1"))
"""What lets a process see another time of day (Debian's package ``faketime``)."""

PATIENCE = 60.0
"""Nothing here is timed: so many seconds a test waits before it gives up."""

UPGRADE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


# Clients.


class ConnectionEnded(Exception):
    """The host has closed the connection; nobody knows whether it did what was asked."""


class Answer(NamedTuple):
    status: int
    body: Any


class Connection:
    """A connection to a host that is kept open: one request after the other."""

    def __init__(self, host: Host) -> None:
        self._http = HTTPConnection("127.0.0.1", host.port, timeout=PATIENCE)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._http.close()

    def ask(self, method: str, path: str, body: Any = None) -> Answer:
        """Send a request; a list goes as NDJSON, a line each.

        :raises ConnectionEnded: there was no answer.
        """
        self.send(method, path, body)
        return self.receive()

    def send(self, method: str, path: str, body: Any = None) -> None:
        """Send a request and leave its answer alone."""
        lines = body if isinstance(body, list) else [] if body is None else [body]
        data = b"\n".join(json.dumps(line).encode() for line in lines) or None
        kind = NDJSON if isinstance(body, list) else JSON
        try:
            self._http.request(method, path, data, {"Content-Type": kind})
        except (HTTPException, OSError) as error:
            raise ConnectionEnded from error

    def receive(self) -> Answer:
        """Read the answer."""
        try:
            answer = self._http.getresponse()
            data = answer.read()
        except (HTTPException, OSError) as error:
            raise ConnectionEnded from error
        if answer.headers.get_content_type() == NDJSON:
            return Answer(answer.status, [json.loads(line) for line in data.splitlines()])
        return Answer(answer.status, json.loads(data))

    def answered(self) -> bool:
        """Tell whether an answer has begun to arrive."""
        wire = self._http.sock
        assert wire is not None
        wire.setblocking(False)
        try:
            return bool(wire.recv(1, socket.MSG_PEEK))
        except BlockingIOError:
            return False
        finally:
            wire.settimeout(PATIENCE)

    # What tests ask for all the time; each is a 200.

    def get(self, path: str) -> Any:
        return self._ok(self.ask("GET", path))

    def post(self, path: str, body: Any = None) -> Any:
        return self._ok(self.ask("POST", path, body))

    def fire(self, session_id: str, data: Any, event: str = "thinking") -> Any:
        return self.post(f"/sessions/{session_id}/events", {"event": event, "data": data})

    def events(self, session_id: str) -> list[tuple[int, int, Any]]:
        """Return number, id and data of all events of a session."""
        events = self.get(f"/sessions/{session_id}/events?after=0")
        return [(event["seq"], event["id"], event["data"]) for event in events]

    def peek(self, session_id: str) -> list[tuple[int, str, str]]:
        """Return number, words and state of all messages that are remembered."""
        messages = self.get(f"/sessions/{session_id}/messages?peek=1")
        return [(m["id"], m["content"], m["state"]) for m in messages]

    def _ok(self, answer: Answer) -> Any:
        assert answer.status == 200, answer
        return answer.body


class Stream:
    """Follows a log by server-sent events or a WebSocket; reads only when it is asked to."""

    def __init__(self, host: Host, path: str, *, room: int = 0) -> None:
        self._socket = socket.socket()
        if room:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
        self._socket.settimeout(PATIENCE)
        self._socket.connect(("127.0.0.1", host.port))
        self._kept = b""
        live = path.startswith("/v1/stream")
        named = UPGRADE if live else {"Accept": SSE}
        lines = [f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{host.port}"]
        lines += [f"{name}: {value}" for name, value in named.items()]
        self._socket.sendall("\r\n".join([*lines, "", ""]).encode())

    def close(self) -> None:
        self._socket.close()

    def come(self) -> str:
        """Return what has come since the last call, without waiting."""
        self._socket.setblocking(False)
        with suppress(BlockingIOError):
            self._kept += self._socket.recv(1 << 16)
        self._socket.settimeout(PATIENCE)
        found, self._kept = self._kept.decode(), b""
        return found

    def read_until(self, text: str) -> str:
        """Read until a text has come; return all that has come since the last call."""
        while text.encode() not in self._kept:
            data = self._socket.recv(1 << 16)
            assert data, self._kept[-500:]
            self._kept += data
        found, self._kept = self._kept.decode(), b""
        return found


class Agent:
    """Session a, and what of it was acknowledged: events with numbers, words of messages."""

    def __init__(self, line: Connection) -> None:
        self.line = line
        self.events: list[tuple[int, int, Any]] = []
        self.messages: list[str] = []

    def fire(self, data: Any) -> Answer:
        """Fire an event."""
        answer = self.line.ask("POST", "/sessions/a/events", {"event": "idle", "data": data})
        if answer.status == 200:
            self.events.append((answer.body["seq"], answer.body["id"], data))
        return answer

    def batch(self, *data: Any) -> Answer:
        """Fire events together."""
        events = [{"event": "idle", "data": each} for each in data]
        answer = self.line.ask("POST", "/sessions/a/events", events)
        if answer.status == 200:
            first = answer.body["event_count"] - len(data) + 1
            numbers = range(first, first + len(data))  # the host's too: there is no other
            self.events += zip(numbers, numbers, data, strict=True)
        return answer

    def send(self, words: str) -> Answer:
        """Send a message."""
        answer = self.line.ask("POST", "/sessions/a/messages", {"content": words})
        if answer.status == 200:
            self.messages.append(words)
        return answer

    def check(self) -> None:
        """Check that all is there that was acknowledged, and nothing else."""
        assert self.line.get("/health") == {"status": "ok"}
        assert self.line.get("/status")["total_events"] == len(self.events)
        assert [session["id"] for session in self.line.get("/sessions")] == ["a"]
        assert self.line.events("a") == self.events
        assert [words for _, words, _ in self.line.peek("a")] == self.messages

    def check_lease(self) -> None:
        """Check that messages can be taken on lease and given back: that is no write."""
        taken = self.line.get("/sessions/a/messages?lease=60")
        assert [message["content"] for message in taken] == self.messages


# The machine.


def kill(host: Host) -> None:
    """Kill a host, without a word."""
    host.process.kill()
    assert host.wait() == -signal.SIGKILL


class Cost:
    """How far a host's memory rose at the most, in MB."""

    rise = 0.0


@contextmanager
def measured(host: Host) -> Iterator[Cost]:
    """Measure what a host's memory costs more meanwhile; the figure is there afterwards."""
    cost, (before, _) = Cost(), _memory(host)
    Path(f"/proc/{host.process.pid}/clear_refs").write_text("5")  # forget the peak so far
    yield cost
    cost.rise = _memory(host)[1] - before


def _memory(host: Host) -> tuple[float, float]:
    """Return a host's resident set in MB, now and at its peak."""
    status = Path(f"/proc/{host.process.pid}/status").read_text()
    sizes = {name: int(size) / 1000 for name, size in re.findall(r"(Vm\w+):\s+(\d+)", status)}
    return sizes["VmRSS"], sizes["VmHWM"]


@contextmanager
def tampered(host: Host, calls: str, what: str, *places: Path) -> Iterator[None]:
    """Let some system calls of a host on some files go as strace lets them, for a while.

    `what` is what strace injects: ``error=EIO``, ``delay_enter=1000000``, ``signal=KILL``.
    """
    paths = [word for place in places for word in ("-P", str(place))]
    trace = ["-f", "-o", os.devnull, *paths, "-e", f"trace={calls}"]
    inject = ["-e", f"inject={calls}:{what}"]
    with subprocess.Popen(
        ["strace", *trace, *inject, "-p", str(host.process.pid)],
        stderr=subprocess.PIPE,
        text=True,
    ) as strace:
        try:
            assert strace.stderr is not None
            shown = strace.stderr.readline()
            assert "attached" in shown, shown
            yield
        finally:
            strace.terminate()
            try:
                strace.wait(PATIENCE / 6)
            except subprocess.TimeoutExpired:  # it may wait for ever for threads that ended
                strace.kill()


@contextmanager
def small_disk(place: Path, size: int) -> Iterator[None]:
    """Mount a disk of `size` bytes; only root can."""
    place.mkdir()
    how = f"size={size},mode=700"
    subprocess.run(["mount", "-t", "tmpfs", "-o", how, "tmpfs", place], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


class WallClock:
    """A time of day of its own, for hosts that are started with `environ`."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self.ahead(0)
        self.environ = {
            "LD_PRELOAD": str(FAKETIME),
            "FAKETIME_TIMESTAMP_FILE": str(place),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            # Else a thread that waits for the interpreter's lock turns and turns.
            "FAKETIME_FORCE_MONOTONIC_FIX": "0",
        }

    def ahead(self, seconds: int) -> None:
        """Let it be so many seconds later than it is."""
        draft = self._place.with_suffix(".new")
        draft.write_text(f"{seconds:+d}\n")
        draft.rename(self._place)


def contents(place: Path) -> dict[str, bytes]:
    """Return the files of a directory by name, but for the lock, which is nobody's data."""
    files = (path for path in place.iterdir() if path.is_file() and path.suffix != ".lock")
    return {path.name: path.read_bytes() for path in files}
