"""Two hosts over one PostgreSQL, and what may end one of them or cut it off.

``python -m tests.stress.takeover --rounds 10`` prints for each fault how long writers waited,
and ends with 1 if anything that was acknowledged is lost, doubled or out of order, or if
another host took more than `WITHIN` seconds to take over.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any

from tests.stress.host_process import NDJSON, Host, running_host
from tests.support.engine_proxy import EngineProxy
from tests.support.postgresql import Cluster, make_place

WITHIN = 5.0
"""Seconds within which another host has taken over."""

STALL = 1.0
"""Seconds after which a writer asks the other host: balancers are set to about as much."""


def ask(
    port: int, method: str, path: str, body: Any = None, within: float = 30.0
) -> tuple[int, Any]:
    """Send a request; return status and body, status 0 if there is no answer."""
    connection = HTTPConnection("127.0.0.1", port, timeout=within)
    try:
        connection.request(method, path, None if body is None else json.dumps(body))
        answer = connection.getresponse()
        lines = answer.read().splitlines()
        many = answer.headers.get_content_type() == NDJSON
        found = [json.loads(line) for line in lines]
        return answer.status, found if many else (found or [None])[0]
    except (OSError, HTTPException, ValueError):
        return 0, None
    finally:
        connection.close()


class Pair:
    """Two hosts, each with a proxy of its own before the engine."""

    def __init__(
        self, cluster: Cluster, schema: str, stack: ExitStack, replica: Cluster | None = None
    ) -> None:
        self.cluster = cluster
        self.replica = replica
        self._schema = schema
        self._stack = stack
        self.hosts: list[Host] = []
        self.proxies = [stack.enter_context(EngineProxy(cluster.port)) for _ in range(2)]
        stack.callback(self._wake)
        self._places = [Path(stack.enter_context(tempfile.TemporaryDirectory())) for _ in "ab"]
        cluster.schema(schema)
        for number in range(2):
            self.hosts.append(self._start(number))
            if number == 0:
                self.active()

    def _wake(self) -> None:
        """Let what is frozen go on, so that it can be ended."""
        for host in self.hosts:
            with suppress(ProcessLookupError):
                host.process.send_signal(signal.SIGCONT)

    def _start(self, number: int, port: int = 0) -> Host:
        ports = [self.proxies[number].port, *([self.replica.port] if self.replica else [])]
        url = self.cluster.url(self._schema, *ports)
        home = self._places[number]
        return self._stack.enter_context(running_host(f"--store={url}", home=home, port=port))

    def active(self) -> int:
        """Return which host is the active one, since its writes are kept; wait for one."""
        while True:
            for number, host in enumerate(self.hosts):
                path, event = "/sessions/probe/events", {"event": "x"}
                if ask(host.port, "POST", path, event, STALL)[0] == 200:
                    return number
            time.sleep(0.02)

    def wait_ready(self, number: int) -> None:
        """Return once a host says that it takes requests."""
        until = time.monotonic() + 30
        while ask(self.hosts[number].port, "GET", "/ready", None, STALL)[0] != 200:
            assert time.monotonic() < until, "nobody has taken over"
            time.sleep(0.02)

    def revive(self) -> None:
        """Start a host again that has ended, as whatever runs it would."""
        for number, host in enumerate(self.hosts):
            with suppress(TimeoutError):
                if host.process.poll() is not None:
                    self.hosts[number] = self._start(number, host.port)


class Writers:
    """Threads that each write 1, 2, 3 … to a session, and repeat what was not confirmed."""

    def __init__(self, pair: Pair, prefix: str = "s", count: int = 8) -> None:
        self._pair = pair
        self._stop = Event()
        self._lock = Lock()
        self.acknowledged: dict[str, int] = {}
        self.longest = 0.0
        self.taken_over = 0.0
        """Seconds after which the other host was the active one, if it had to be."""
        self.refusals: set[tuple[int, str]] = set()
        self._threads = [
            Thread(target=self._write, args=(name,), daemon=True)
            for name in (f"{prefix}{n}" for n in range(count))
        ]
        for thread in self._threads:
            thread.start()

    def _write(self, session: str) -> None:
        number = turn = 0
        while not self._stop.is_set():
            number += 1
            began = time.monotonic()
            body = {"event": "x", "data": number, "key": str(number)}
            while True:
                host = self._pair.hosts[turn % 2]
                path = f"/sessions/{session}/events"
                status, answer = ask(host.port, "POST", path, body, STALL)
                if status == 200:
                    break
                with self._lock:
                    self.refusals.add((status, (answer or {}).get("error", "")))
                turn += 1
                time.sleep(0.02)
                if self._stop.is_set():
                    return
            with self._lock:
                self.acknowledged[session] = number
                self.longest = max(self.longest, time.monotonic() - began)

    def wait_for_more(self) -> None:
        """Return once every session has more events than now."""
        with self._lock:
            before = dict(self.acknowledged)
        while True:
            with self._lock:
                now = dict(self.acknowledged)
            if len(now) == len(self._threads) and all(
                now[session] > before.get(session, 0) for session in now
            ):
                return
            time.sleep(0.01)

    def stop(self) -> None:
        """Write no more."""
        self._stop.set()
        for thread in self._threads:
            thread.join()


def check_logs(pair: Pair, acknowledged: Mapping[str, int]) -> None:
    """Check that each session's log has all that was acknowledged, once and in order."""
    port = pair.hosts[pair.active()].port
    for session, last in acknowledged.items():
        found: list[int] = []
        while True:
            path = f"/sessions/{session}/events?after={len(found)}&limit=1000"
            status, page = ask(port, "GET", path)
            assert status == 200, (status, page)
            if not page:
                break
            found += [event["data"] for event in page]
        wanted = list(range(1, max(last, len(found)) + 1))
        assert found == wanted, (session, last, len(found), _difference(found, wanted))
        assert len(found) <= last + 1, "more than was ever sent"


def _difference(found: list[int], wanted: list[int]) -> Any:
    pairs = enumerate(zip(found, wanted, strict=False))
    differ = (place for place, (one, other) in pairs if one != other)
    return next(differ, min(len(found), len(wanted)))


# Faults: each is done to the active host, or to the engine; each returns what mends it.


def kill(pair: Pair, active: int) -> Callable[[], object]:
    """End the active host as a crash does."""
    pair.hosts[active].process.kill()
    return pair.revive


def freeze(pair: Pair, active: int) -> Callable[[], object]:
    """Stop the active host in the middle of whatever it does; go on once another has begun."""
    process = pair.hosts[active].process
    process.send_signal(signal.SIGSTOP)

    def mend() -> None:
        process.send_signal(signal.SIGCONT)
        assert process.wait() == 1, "whoever runs it is to start it again"
        pair.revive()

    return mend


def cut(pair: Pair, active: int) -> Callable[[], object]:
    """Let nothing pass between the active host and the engine, as a dead link does."""
    proxy, process = pair.proxies[active], pair.hosts[active].process
    proxy.stall()

    def mend() -> None:
        proxy.mend()
        proxy.cut()
        assert process.wait() == 1, "whoever runs it is to start it again"
        pair.revive()

    return mend


def engine(pair: Pair, _active: int) -> Callable[[], object]:
    """End the engine as a crash does, and start it again."""
    pair.cluster.stop("immediate")
    pair.cluster.start()
    return lambda: None


def answer(pair: Pair, active: int) -> Callable[[], object]:
    """Lose the answer to a commit."""
    proxy = pair.proxies[active]
    proxy.lose_an_answer()
    assert proxy.lost.wait(30)
    return lambda: None


def failover(pair: Pair, _active: int) -> Callable[[], object]:
    """End the engine as a crash does; its replica, for which commits wait, is the next."""
    assert pair.replica is not None
    pair.cluster.stop("immediate")
    pair.replica.promote()
    return lambda: None


FAULTS: Mapping[str, Callable[[Pair, int], Callable[[], object]]] = {
    "kill": kill,
    "freeze": freeze,
    "cut": cut,
    "engine": engine,
    "answer": answer,
    "failover": failover,
}
MOVES = frozenset({"kill", "freeze", "cut"})
"""Faults after which the other host is the active one."""


def suffer(pair: Pair, fault: str, prefix: str = "s") -> Writers:
    """Do something to a pair while it is written to; return the writers, who have ended."""
    writers, active = Writers(pair, prefix), pair.active()
    try:
        writers.wait_for_more()
        began = time.monotonic()
        mend = FAULTS[fault](pair, active)
        if fault in MOVES:
            pair.wait_ready(1 - active)
            writers.taken_over = time.monotonic() - began
        writers.wait_for_more()
        mend()
        writers.wait_for_more()
    finally:
        writers.stop()
    check_logs(pair, writers.acknowledged)
    return writers


@contextmanager
def pair_over(cluster: Cluster, schema: str, replica: Cluster | None = None) -> Iterator[Pair]:
    """Run two hosts over a schema."""
    with ExitStack() as stack:
        yield Pair(cluster, schema, stack, replica)


@contextmanager
def new_cluster() -> Iterator[Cluster]:
    """Make a cluster, and remove it at the end."""
    cluster = Cluster(make_place("sxhost-stress-"))
    cluster.make()
    try:
        yield cluster
    finally:
        cluster.remove()


@contextmanager
def new_pair(fault: str) -> Iterator[Pair]:
    """Run two hosts over a cluster of their own, with a replica if the fault needs one."""
    with ExitStack() as stack:
        cluster, replica = stack.enter_context(new_cluster()), None
        if fault == "failover":
            replica = Cluster(make_place("sxhost-stress-"))
            stack.callback(replica.remove)
            replica.follow(cluster)
            cluster.query("ALTER SYSTEM SET synchronous_standby_names = '*'")
            cluster.query("SELECT pg_reload_conf()")
        yield stack.enter_context(pair_over(cluster, "hosts", replica))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--fault", choices=list(FAULTS), action="append")
    given = parser.parse_args()
    os.environ["PYTHONUNBUFFERED"] = "1"
    slow = 0
    for fault in given.fault or FAULTS:
        for number in range(given.rounds):
            with new_pair(fault) as pair:
                writers = suffer(pair, fault)
            slow += writers.taken_over > WITHIN
            print(
                f"{fault:9}{number:3}  {sum(writers.acknowledged.values()):6} acknowledged,"
                f" 0 lost; taken over after {writers.taken_over:.2f} s, longest wait"
                f" {writers.longest:.2f} s; {sorted(writers.refusals)}",
                flush=True,
            )
    return int(slow > 0)


if __name__ == "__main__":
    sys.exit(main())
