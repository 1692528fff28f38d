"""What breaks hosts, and books that tell afterwards whether anything is missing.

Everything here blocks: the host is a process of its own, and its clients are threads.
"""

from __future__ import annotations

import http.client
import random
import re
import subprocess
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Semaphore
from typing import Any

import msgspec

from .hosts import PATIENCE, Host

JSON = "application/json"
NDJSON = "application/x-ndjson"


class Lost(Exception):
    """The reply did not come: what was asked for may be done or not."""


class Answer(msgspec.Struct):
    """What a host has answered."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return msgspec.json.decode(self.body)

    def lines(self) -> list[Any]:
        return [msgspec.json.decode(line) for line in self.body.splitlines()]


class Peer:
    """One connection to a host, kept open."""

    def __init__(self, host: Host, timeout: float = PATIENCE) -> None:
        self._http = http.client.HTTPConnection("127.0.0.1", host.port, timeout=timeout)

    def ask(self, method: str, path: str, body: Any = None, kind: str = JSON) -> Answer:
        """Send a request; a list as NDJSON needs its `kind` said."""
        try:
            self._http.request(method, path, _encoded(body, kind), {"Content-Type": kind})
            with self._http.getresponse() as response:
                headers = {name.lower(): text for name, text in response.getheaders()}
                return Answer(response.status, headers, response.read())
        except (OSError, http.client.HTTPException) as error:
            self._http.close()
            raise Lost from error

    def get(self, path: str) -> Any:
        """Return what is at `path`."""
        answer = self.ask("GET", path)
        assert answer.status == 200, answer
        ndjson = answer.headers["content-type"] == NDJSON
        return answer.lines() if ndjson else answer.json()

    def post(self, path: str, body: Any = None, kind: str = JSON) -> Any:
        """Do what must work."""
        answer = self.ask("POST", path, body, kind)
        assert answer.status == 200, answer
        return answer.json()

    def close(self) -> None:
        self._http.close()


def _encoded(body: Any, kind: str) -> bytes | None:
    if body is None or isinstance(body, bytes):
        return body
    if kind == NDJSON:
        return b"\n".join(map(msgspec.json.encode, body))
    return msgspec.json.encode(body)


def ask(host: Host, method: str, path: str, body: Any = None, kind: str = JSON) -> Answer:
    """Ask once, on a connection of its own."""
    peer = Peer(host)
    try:
        return peer.ask(method, path, body, kind)
    finally:
        peer.close()


def get(host: Host, path: str) -> Any:
    """Return what is at `path`, over a connection of its own."""
    peer = Peer(host)
    try:
        return peer.get(path)
    finally:
        peer.close()


def post(host: Host, path: str, body: Any = None, kind: str = JSON) -> Any:
    """Do what must work, over a connection of its own."""
    peer = Peer(host)
    try:
        return peer.post(path, body, kind)
    finally:
        peer.close()


# Books.


class Ledger:
    """What was asked of a host, what it has acknowledged, and what it has shown since.

    An event's data and a message's content begin with a token that is used once.
    """

    def __init__(self, logs: Sequence[str], inboxes: Sequence[str]) -> None:
        self.logs = logs
        self.inboxes = inboxes
        self.acks = Semaphore(0)
        self.said: dict[str, Any] = {}
        self.numbers: dict[str, tuple[str, int]] = {}
        self.ids: dict[str, int] = {}
        self.retries: list[Callable[[Peer], None]] = []
        self.log: defaultdict[str, list[Any]] = defaultdict(list)
        self.seen: defaultdict[str, dict[int, Any]] = defaultdict(dict)
        self.sent: dict[int, tuple[str, str]] = {}
        self.delivered: set[int] = set()
        self.doubt: set[str] = set()
        self._tokens = 0

    def token(self, what: str) -> str:
        self._tokens += 1
        return f"{what}-{self._tokens}"

    # Events.

    def fire(self, peer: Peer, dice: random.Random) -> None:
        """Fire one event or some, with keys or without."""
        session, keyed = dice.choice(self.logs), dice.random() < 0.4
        tokens = [self.token(f"{session}-{dice.random()}") for _ in range(dice.choice(SIZES))]
        drafts = [self._draft(token, dice, keyed=keyed) for token in tokens]

        def tell(peer: Peer) -> None:
            self._tell(peer, session, tokens, drafts)

        try:
            tell(peer)
        except Lost:
            if keyed:
                self.retries.append(tell)
            raise

    def _draft(self, token: str, dice: random.Random, *, keyed: bool) -> dict[str, Any]:
        self.said[token] = {"token": token, "pad": "x" * dice.choice((0, 100, 2000))}
        key = {"key": token} if keyed else {}
        return {"event": "thinking", "data": self.said[token], **key}

    def _tell(self, peer: Peer, session: str, tokens: list[str], drafts: list[Any]) -> None:
        path = f"/sessions/{session}/events"
        if len(drafts) > 1:
            last = peer.post(path, drafts, NDJSON)["event_count"]
        else:
            answer = peer.post(path, drafts[0])
            last, self.ids[tokens[0]] = answer["seq"], answer["id"]
        for seq, token in enumerate(tokens, last - len(tokens) + 1):
            self.numbers[token] = session, seq
        self.acks.release()

    def watch(self, peer: Peer, dice: random.Random) -> None:
        """Read what is new: what was shown once must not be unmade."""
        session = dice.choice(self.logs)
        seen = self.seen[session]
        after = max(seen, default=len(self.log[session]))
        for event in peer.get(f"/sessions/{session}/events?after={after}"):
            seen[event["seq"]] = event

    # Messages.

    def send(self, peer: Peer, dice: random.Random) -> None:
        """Send a message, with a key or without."""
        session, token = dice.choice(self.inboxes), self.token(f"m-{dice.random()}")
        keyed = dice.random() < 0.5
        draft = {"content": token, **({"key": token} if keyed else {})}

        def tell(peer: Peer) -> None:
            answer = peer.ask("POST", f"/sessions/{session}/messages", draft)
            assert answer.status in (200, 429), answer
            if answer.status == 200:
                self._note(session, answer.json()["id"], token)
                self.acks.release()

        try:
            tell(peer)
        except Lost:
            if keyed:
                self.retries.append(tell)
            raise

    def _note(self, session: str, message_id: int, token: str) -> None:
        known = self.sent.setdefault(message_id, (session, token))
        assert known == (session, token)

    def pull(self, peer: Peer, session: str) -> None:
        """Pull for good."""
        try:
            messages = peer.get(f"/sessions/{session}/messages")
        except Lost:
            self.doubt.add(session)
            raise
        for message in messages:
            self._deliver(session, message)

    def lease(self, peer: Peer, session: str) -> None:
        """Take on lease, and confirm all but some."""
        for message in peer.get(f"/sessions/{session}/messages?lease=600"):
            try:
                peer.post(f"/sessions/{session}/messages/{message['id']}/ack")
            except Lost:
                self.doubt.add(session)
                raise
            self._deliver(session, message)

    def _deliver(self, session: str, message: Any) -> None:
        assert message["id"] not in self.delivered, "delivered twice"
        self._note(session, message["id"], message["content"])
        self.delivered.add(message["id"])
        self.acks.release()

    # Auditing.

    def audit(self, host: Host, *, whole: bool) -> None:
        """Check that what was acknowledged, and nothing else, is there."""
        peer = Peer(host)
        retries, self.retries = self.retries, []
        for retry in retries:
            retry(peer)
        for session in self.logs:
            self._audit_log(peer, session, 0 if whole else len(self.log[session]))
        self._audit_numbers(whole=whole)
        for session in self.inboxes:
            self._audit_inbox(peer, session)
        self.doubt.clear()
        peer.close()

    def _audit_log(self, peer: Peer, session: str, after: int) -> None:
        known = self.log[session]
        events = peer.get(f"/sessions/{session}/events?after={after}")
        assert events[: len(known) - after] == known[after:], "history was rewritten"
        known[after:] = events
        assert [event["seq"] for event in known[after:]] == list(
            range(after + 1, len(known) + 1)
        )
        for event in events:
            assert event["data"] == self.said[event["data"]["token"]]
        for seq, event in self.seen.pop(session, {}).items():
            assert known[seq - 1] == event, "it was shown, and is gone"

    def _audit_numbers(self, *, whole: bool) -> None:
        for token, (session, seq) in self.numbers.items():
            event = self.log[session][seq - 1]
            assert event["data"]["token"] == token
            assert self.ids.get(token, event["id"]) == event["id"]
        if whole:
            events = [event for session in self.logs for event in self.log[session]]
            assert len({event["id"] for event in events}) == len(events)
            assert len({event["data"]["token"] for event in events}) == len(events)
            for session in self.logs:
                ids = [event["id"] for event in self.log[session]]
                assert ids == sorted(ids)
        else:
            self.numbers.clear()

    def _audit_inbox(self, peer: Peer, session: str) -> None:
        remembered = {m["id"]: m for m in peer.get(f"/sessions/{session}/messages?peek=1")}
        for message in remembered.values():
            self._note(session, message["id"], message["content"])
        for message_id, (owner, _) in self.sent.items():
            if owner != session or message_id in self.delivered:
                continue
            state = remembered[message_id]["state"]
            assert state == "queued" or (state == "delivered" and session in self.doubt)
            if state == "delivered":
                self.delivered.add(message_id)
        queued = {m["id"] for m in remembered.values() if m["state"] == "queued"}
        assert not queued & self.delivered
        tokens = [token for _, token in self.sent.values()]
        assert len(set(tokens)) == len(tokens), "stored twice"


SIZES = (1, 1, 1, 2, 30)
"""How many events are fired together."""

Work = Callable[[Peer], None]


def works(ledger: Ledger, dice: random.Random) -> list[Work]:
    """Return what the clients of a host do, over and over, each in a thread of its own."""
    mine = [random.Random(dice.random()) for _ in range(5)]
    return [
        lambda peer: ledger.fire(peer, mine[0]),
        lambda peer: ledger.fire(peer, mine[1]),
        lambda peer: ledger.fire(peer, mine[2]),
        lambda peer: ledger.watch(peer, mine[3]),
        lambda peer: ledger.send(peer, mine[4]),
        lambda peer: ledger.pull(peer, ledger.inboxes[0]),
        lambda peer: ledger.lease(peer, ledger.inboxes[1]),
    ]


@contextmanager
def load(host: Host, jobs: Sequence[Work]) -> Iterator[None]:
    """Keep a host busy until it is killed, which must be before the end."""

    def work(job: Work) -> None:
        peer = Peer(host)
        try:
            while True:
                job(peer)
        except Lost:
            peer.close()

    assert host.port
    with ThreadPoolExecutor(len(jobs)) as pool:
        running = [pool.submit(work, job) for job in jobs]
        try:
            yield
        finally:
            kill(host)
        for one in running:
            one.result(PATIENCE)


def kill(host: Host) -> None:
    """Kill a host without any warning."""
    host.process.kill()
    host.wait()


@contextmanager
def traced(host: Host, *options: str) -> Iterator[None]:
    """Let strace spoil the system calls of a running host."""
    line = ("strace", "-f", "-o", "/dev/null", *options, "-p", str(host.process.pid))
    with subprocess.Popen(line, stderr=subprocess.PIPE, text=True) as tracer:
        assert tracer.stderr is not None
        said = tracer.stderr.readline()
        assert re.search(r"Process \d+ attached", said), said
        try:
            yield
        finally:
            tracer.terminate()


@contextmanager
def small_disk(place: Path, size: str) -> Iterator[Path]:
    """Mount a file system of its own at `place`."""
    place.mkdir()
    mount = ("mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place))
    subprocess.run(mount, check=True)
    try:
        yield place
    finally:
        subprocess.run(("umount", str(place)), check=True)
