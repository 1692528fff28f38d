"""Agents that work a host hard until it dies, and remember what it has acknowledged."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Iterator
from itertools import count
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Any

from tests.support.faults import PATIENCE, Connection, ConnectionEnded

if TYPE_CHECKING:
    from tests.support.hosts import Host

WORKING, RESTING = ("thinking", "tool-start", "tool-done"), ("complete", "idle")
SESSIONS = ("a", "b", "c")
MAIL = "mail"


class Truth:
    """What a host has acknowledged, and what it died over: that may be there or not."""

    def __init__(self) -> None:
        self.acknowledged: dict[str, int] = {}
        """Events by what is in them, with their numbers."""
        self.doubtful: list[list[str]] = []
        """Events that were fired together."""
        self.seen: dict[str, tuple[str, int, int]] = {}
        """Events that were read after a restart: session, number, id."""
        self.numbers: defaultdict[str, int] = defaultdict(int)
        self.last: dict[str, str] = {}
        """The name of each session's last event."""
        self.last_id = 0
        self.epochs: set[str] = set()

    def check(self, line: Connection) -> None:
        """Check what there is after a restart: all that is new since the last one."""
        self.epochs.add(line.get("/status")["epoch"])
        assert len(self.epochs) == 1
        begin = self.last_id
        while page := line.get(f"/events?after={self.last_id}"):
            for event in page:
                self._see(event)
        for token, number in self.acknowledged.items():
            assert self.seen[token][1] == number, token
        for tokens in self.doubtful:
            there = [token in self.seen for token in tokens]
            assert all(there) or not any(there), tokens
        known = {*self.acknowledged, *(token for tokens in self.doubtful for token in tokens)}
        new = {token for token, (_, _, number) in self.seen.items() if number > begin}
        assert new <= known
        self.acknowledged.clear()
        self.doubtful.clear()

    def check_all(self, line: Connection) -> None:
        """Check the whole log once more, from its beginning."""
        found: dict[str, tuple[str, int, int]] = {}
        while page := line.get(f"/events?after={max([0, *(f[2] for f in found.values())])}"):
            for event in page:
                assert event["data"]["token"] not in found
                found[event["data"]["token"]] = (event["session"], event["seq"], event["id"])
        assert found == self.seen

    def _see(self, event: dict[str, Any]) -> None:
        session, token = event["session"], event["data"]["token"]
        assert token not in self.seen, "twice"
        assert event["seq"] == self.numbers[session] + 1
        assert event["id"] > self.last_id
        self.seen[token] = session, event["seq"], event["id"]
        self.numbers[session], self.last_id = event["seq"], event["id"]
        self.last[session] = event["event"]


class Mail:
    """The same for one inbox; its sender and its agent are one."""

    def __init__(self) -> None:
        self.open: dict[int, str] = {}
        """What is queued or on lease, by number."""
        self.perhaps_open: dict[int, str] = {}
        self.perhaps_sent: str | None = None
        self.last = 0

    def check(self, line: Connection) -> None:
        """Check the inbox after a restart; what is there now is certain again."""
        messages = line.peek(MAIL)
        assert {state for _, _, state in messages} <= {"queued", "delivered"}
        queued = {number: words for number, words, state in messages if state == "queued"}
        sent = {n: words for n, words in queued.items() if words == self.perhaps_sent}
        assert list(queued) == sorted(queued)
        assert self.open.items() <= queued.items()
        assert queued.items() <= {**self.open, **self.perhaps_open, **sent}.items()
        assert len(sent) <= 1
        assert all(number > self.last for number in sent)
        self.open, self.perhaps_open, self.perhaps_sent = queued, {}, None
        self.last = max([self.last, *queued])


class Load:
    """Threads that fire and send until their host is gone."""

    def __init__(self, host: Host, truth: Truth, mail: Mail, seed: int) -> None:
        self.host = host
        self.truth = truth
        self.mail = mail
        self._seed = seed
        self._tokens = count()
        self._lock = Lock()
        self._left = 0
        self._enough = Event()
        self.trouble: list[Exception] = []
        self._threads = [
            Thread(target=self._run, args=(work, number), daemon=True)
            for number, work in enumerate([self._fire, self._fire, self._fire, self._talk])
        ]

    def run_until(self, acknowledgements: int) -> None:
        """Begin, and return when so much was acknowledged, or the host is gone."""
        self._left = acknowledgements
        for thread in self._threads:
            thread.start()
        assert self._enough.wait(PATIENCE)

    def join(self) -> None:
        """Wait until all have met the host's end; raise what else they met."""
        for thread in self._threads:
            thread.join(PATIENCE)
            assert not thread.is_alive()
        for trouble in self.trouble:
            raise trouble

    def _run(
        self, work: Callable[[Connection, random.Random], Iterator[None]], number: int
    ) -> None:
        dice = random.Random(f"{self._seed} {number}")
        try:
            with Connection(self.host) as line:
                for _ in work(line, dice):
                    self._acknowledged()
        except ConnectionEnded:
            pass
        except Exception as trouble:  # noqa: BLE001 - `join` raises it where it is seen
            self.trouble.append(trouble)
        self._enough.set()

    def _acknowledged(self) -> None:
        with self._lock:
            self._left -= 1
            if self._left <= 0:
                self._enough.set()

    def _fire(self, line: Connection, dice: random.Random) -> Iterator[None]:
        """Fire events one by one and in batches, some of them large."""
        while True:
            events = [self._event(dice) for _ in range(dice.choice([1, 1, 1, 2, 20]))]
            tokens = [event["data"]["token"] for event in events]
            path = f"/sessions/{dice.choice(SESSIONS)}/events"
            try:
                answer = line.post(path, events if len(events) > 1 else events[0])
            except ConnectionEnded:
                self.truth.doubtful.append(tokens)
                raise
            first = answer["event_count"] - len(events) + 1
            self.truth.acknowledged.update(zip(tokens, count(first)))
            yield

    def _event(self, dice: random.Random) -> dict[str, Any]:
        size = 20_000 if dice.random() < 0.02 else 0
        data = {"token": f"{self._seed}-{next(self._tokens)}", "filler": "x" * size}
        return {"event": dice.choice(WORKING + RESTING), "data": data}

    def _talk(self, line: Connection, dice: random.Random) -> Iterator[None]:
        """Send messages, take them on lease, confirm some and leave the others."""
        while True:
            for _ in range(dice.randrange(4)):
                self._send(line)
                yield
            if dice.random() < 0.3:
                self._pull(line)
            else:
                self._lease(line, dice)
            yield

    def _send(self, line: Connection) -> None:
        words = f"{self._seed}-{next(self._tokens)}"
        self.mail.perhaps_sent = words
        number = line.post(f"/sessions/{MAIL}/messages", {"content": words})["id"]
        assert number > self.mail.last
        self.mail.open[number], self.mail.last = words, number
        self.mail.perhaps_sent = None

    def _lease(self, line: Connection, dice: random.Random) -> None:
        path = f"/sessions/{MAIL}/messages"
        taken = [message["id"] for message in line.get(f"{path}?lease=3600")]
        assert taken == sorted(taken)
        for number in taken:
            if dice.random() < 0.5:
                words = self.mail.open.pop(number)
                self.mail.perhaps_open[number] = words
                line.post(f"{path}/{number}/ack")
                del self.mail.perhaps_open[number]
            elif dice.random() < 0.5:
                line.post(f"{path}/{number}/nack")

    def _pull(self, line: Connection) -> None:
        self.mail.perhaps_open, self.mail.open = self.mail.open, {}
        taken = {m["id"]: m["content"] for m in line.get(f"/sessions/{MAIL}/messages")}
        for number in taken:
            del self.mail.perhaps_open[number]
        self.mail.open, self.mail.perhaps_open = self.mail.perhaps_open, {}
