"""One run of the stress program: a host that comes and goes, and clients that come back."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from tests.stress.host_process import Client, Host, request, running_host
from tests.stress.stream_client import Stream

PATIENCE = 60.0
"""Seconds after which a scenario is given up: something was lost."""


class Mismatch(Exception):
    """The host did something that it must not: a sentence."""


class Server:
    """A host that can be ended in any way, and begun again with its port and its state."""

    def __init__(self, home: Path, *options: str) -> None:
        self.host: Host
        self.port = free_port()
        self._home = home
        self._options = options
        self._running = ExitStack()

    def start(self) -> None:
        """Begin, or begin again."""
        context = running_host(*self._options, home=self._home, port=self.port)
        self.host = self._running.enter_context(context)

    def kill(self) -> None:
        """End it without warning."""
        self.host.process.kill()
        self._end()

    def stop(self) -> None:
        """Ask it to end, and see to it that it does so in order."""
        children = self.host.children()
        code = self.host.stop()
        self._end()
        left = [child for child in children if Path(f"/proc/{child}").exists()]
        if left:
            raise Mismatch(f"the host has left children: {left}")
        if code not in (0, -15) or "Stopped" not in self.host.last:
            raise Mismatch(f"the host ended with {code}, and said at last: {self.host.last!r}")

    def close(self) -> None:
        """Let go of it, whatever state it is in."""
        self._running.close()

    def _end(self) -> None:
        self._running.close()
        if self.host.trouble:
            raise Mismatch("the host's log has trouble:\n" + "".join(self.host.trouble))


def free_port() -> int:
    """Return a port that no client gets by chance while the host is away."""
    chance = Random()
    while True:
        port = chance.randrange(20000, 32000)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port


@dataclass
class Scenario:
    """What the clients share.  `name` has the seed: each client has choices of its own."""

    server: Server
    name: str
    size: float = 1.0
    """How much is done, as a share of the usual."""
    patient: bool = False
    """Whether clients have to put up with a host that goes away and comes back."""
    progress: Callable[[], float] = lambda: 1.0
    """Tells the share of the events that has been fired."""
    until: float = field(init=False)
    """When it is given up."""
    _first: BaseException | None = None

    def __post_init__(self) -> None:
        self.until = time.monotonic() + PATIENCE * max(1.0, self.size)

    def chance(self, name: str) -> Random:
        """Return an client's source of chance."""
        return Random(f"{self.name}/{name}")

    def amount(self, usual: int) -> int:
        """Return how many that is at this run's size."""
        return max(1, round(usual * self.size))

    def check(self, who: Callable[[], str]) -> None:
        """End an client whose time is up."""
        if time.monotonic() > self.until:
            raise Mismatch(f"{who()} has waited too long")

    def play(self, acts: Sequence[Callable[[], object]]) -> None:
        """Let all act at once; return when all are done, or raise what ends the first."""
        with ThreadPoolExecutor(len(acts)) as pool:
            for future in [pool.submit(self._act, act) for act in acts]:
                future.result()

    def _act(self, act: Callable[[], object]) -> None:
        try:
            act()
        except BaseException as error:  # noqa: BLE001 - it is raised again, where all end
            self._first = self._first or error
            self.until = 0.0  # the others have no more to look for
            raise self._first from None

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Ask the host once, on a connection of its own; the answer must be a 200."""
        with Client(self.server.port) as client:
            data = b"" if body is None else json.dumps(body).encode()
            return json.loads(client.exchange(request(method, path, data)))

    @staticmethod
    def right(wrong: str, what: str = "") -> None:
        """Go on if nothing is wrong."""
        if wrong:
            raise Mismatch(f"{what}: {wrong}" if what else wrong)

    def settle(self, files: int) -> None:
        """Wait until nobody is left on the host, and it has so few files open again."""
        while True:
            status, now = self.ask("GET", "/status"), self.server.host.files()
            left = f"{status['subscribers']} readers, {status['waiting']} pulls, {now} files"
            if left.startswith("0 readers, 0 pulls") and now <= files:
                return
            self.check(f"a host with {left} (of {files})".__str__)
            time.sleep(0.02)

    def place(self) -> str:
        """Return the cursor of what is newest."""
        with Stream(self.server.port, "ndjson", after="now") as stream:
            return str(stream.begin().value["cursor"])

    def log(self, session: str) -> list[dict[str, Any]]:
        """Return all events of a session that are retained."""
        with Client(self.server.port) as client:
            body = client.exchange(request("GET", f"/sessions/{session}/events?after=0"))
        return [json.loads(line) for line in body.splitlines()]


class RetryingClient:
    """A client that comes back: after it hung up itself, or if it must be patient."""

    def __init__(self, scenario: Scenario) -> None:
        self.retries = 0
        self._scenario = scenario
        self._client: Client | None = None

    def ask(self, message: bytes) -> tuple[int, Any]:
        """Return the status and the decoded body of an answer."""
        while True:
            try:
                status, body = self._connected().ask(message)
            except OSError:
                self._again()
            else:
                if status != 503 or not self._scenario.patient:
                    return status, json.loads(body)
                self._again()

    def insist(self, message: bytes) -> Any:
        """Return the decoded body of a 200."""
        status, body = self.ask(message)
        if status != 200:
            raise Mismatch(f"{message[:200]!r} was answered by {status}: {body}")
        return body

    def cut(self, message: bytes, length: int) -> None:
        """Send so many bytes of a request, and hang up."""
        try:
            self._connected().send(message[:length])
        except OSError:
            if not self._scenario.patient:
                raise
        self.close()

    def close(self) -> None:
        """Hang up."""
        if self._client is not None:
            self._client.close()
        self._client = None

    def _connected(self) -> Client:
        if self._client is None:
            self._client = Client(self._scenario.server.port)
        return self._client

    def _again(self) -> None:
        self.close()
        if not self._scenario.patient:
            raise Mismatch("the host hung up on an honest client")
        self._scenario.check(lambda: "a client that the host does not answer")
        self.retries += 1
        time.sleep(0.02)
