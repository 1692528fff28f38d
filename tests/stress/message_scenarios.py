"""Messages under stress: senders that repeat themselves and pullers that compete."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from threading import Lock
from typing import Any

from tests.stress.host_process import request
from tests.stress.queue_history import Queue, check_queue, contiguous
from tests.stress.scenario import Mismatch, RetryingClient, Scenario

__all__ = ["Consumer", "Feeder", "messages"]

SENDERS, PULLERS, QUEUES, EACH = 3, 4, 8, 10
"""A queue gets 30 messages: so many a host remembers until the end, with their keys."""

LINE = 300
"""Messages in a long queue, many times what it holds at once."""


class OpenQueues:
    """The queues that are still open, and what all know of each."""

    def __init__(self, names: Sequence[str]) -> None:
        self.books = {name: Queue() for name in names}
        self.lock = Lock()
        self.open = list(names)
        self.sending = SENDERS

    def closed(self, name: str) -> None:
        """All messages of a queue have come to an end."""
        with self.lock:
            if name in self.open:
                self.open.remove(name)


class Sender:
    """Sends to each queue in turn, now and then twice, and withdraws some."""

    def __init__(self, scenario: Scenario, name: str, queues: OpenQueues) -> None:
        self.repeats = 0
        self._name = name
        self._office = queues
        self._chance = scenario.chance(name)
        self._client = RetryingClient(scenario)

    def __call__(self) -> None:
        """Send all."""
        for number in range(EACH):
            for name, book in self._office.books.items():
                self._send(name, book, f"{self._name}-{number}")
        with self._office.lock:
            self._office.sending -= 1
        self._client.close()

    def _send(self, name: str, book: Queue, content: str) -> None:
        chance = self._chance
        ttl = {"ttl_s": 0.05} if chance.random() < 0.1 else {}
        path = f"/sessions/{name}/messages"
        number, repeats = put(self._client, path, content, chance.random(), **ttl)
        self.repeats += repeats
        with self._office.lock:
            book.sent[content] = number
            if ttl:
                book.mortal.add(number)
        if chance.random() < 0.1:
            self._withdraw(path, book, number)

    def _withdraw(self, path: str, book: Queue, number: int) -> None:
        status, answer = self._client.ask(request("DELETE", f"{path}/{number}"))
        if status == 200:
            with self._office.lock:
                book.withdrawn.append(number)
        elif answer["error"] != "message_closed":
            raise Mismatch(f"to withdraw message {number} was answered by {answer}")


def put(
    client: RetryingClient, path: str, content: str, luck: float, **more: object
) -> tuple[int, bool]:
    """Send a message under a key; return its id, and whether it was sent twice.

    By luck, a number up to 1, its sender hangs up at first, or repeats it.
    """
    body = {"content": content, "key": content, **more}
    message = request("POST", path, json.dumps(body).encode())
    if luck < 0.1:
        client.cut(message, int(luck * 10 * (len(message) + 1)))
    status, answer = client.ask(message)
    while status == 429:
        time.sleep(0.005)
        status, answer = client.ask(message)
    if status != 200:
        raise Mismatch(f"{content} was answered by {answer}")
    if luck < 0.2:
        again = client.insist(message)
        if again["id"] != answer["id"]:
            raise Mismatch(f"{content}, sent again, got id {again['id']} after {answer['id']}")
    return int(answer["id"]), luck < 0.2


class Puller:
    """Takes from any queue: to confirm, to give back, to let lapse, or for good."""

    def __init__(self, scenario: Scenario, name: str, queues: OpenQueues) -> None:
        self.lapses = 0
        self._name = name
        self._scenario = scenario
        self._office = queues
        self._chance = scenario.chance(name)
        self._client = RetryingClient(scenario)

    def __call__(self) -> None:
        """Pull until nothing is left."""
        while names := tuple(self._office.open):
            self._scenario.check(lambda: f"{self._name}, with {self._office.open} open,")
            sending, name = self._office.sending, self._chance.choice(names)
            if not self._pull(name) and not sending and self._empty(name):
                self._office.closed(name)
        self._client.close()

    def _pull(self, name: str) -> bool:
        """Take what there is; tell whether there was anything."""
        path, book, luck = f"/sessions/{name}/messages", self._office.books[name], 0.0
        luck = self._chance.random()
        if luck < 0.05:
            message = request("GET", f"{path}?wait=1&lease=0.1")
            self._client.cut(message, len(message))
            return True
        lease = 0 if luck < 0.1 else 0.1 if luck < 0.25 else 60
        taken = self._client.insist(request("GET", f"{path}?wait=0.05&lease={lease}"))
        numbers = [message["id"] for message in taken]
        with self._office.lock:
            book.takes.append(numbers)
            book.confirmed += numbers if not lease else ()
        if lease == 60:
            self._answer(path, book, numbers)
        self.lapses += lease == 0.1 and bool(numbers)
        return bool(numbers)

    def _answer(self, path: str, book: Queue, numbers: Sequence[int]) -> None:
        for number in numbers:
            verb = "nack" if self._chance.random() < 0.15 else "ack"
            self._client.insist(request("POST", f"{path}/{number}/{verb}"))
            if verb == "ack":
                with self._office.lock:
                    book.confirmed.append(number)

    def _empty(self, name: str) -> bool:
        message = request("GET", f"/sessions/{name}/messages?peek=1")
        states = {message["state"] for message in self._client.insist(message)}
        return not states & {"queued", "leased"}


class Feeder:
    """Fills one queue, message after message, and waits where it is full."""

    def __init__(self, scenario: Scenario, queue: str, amount: int) -> None:
        self.repeats = 0
        self._path = f"/sessions/{queue}/messages"
        self._amount = amount
        self._chance = scenario.chance(f"feeder of {queue}")
        self._client = RetryingClient(scenario)

    def __call__(self) -> None:
        """Send them all."""
        for number in range(self._amount):
            sent = put(self._client, self._path, f"feeder-{number}", self._chance.random())
            self.repeats += sent[1]
        self._client.close()


class Consumer:
    """The only one to empty a queue: for good, or confirming each message.

    `got` are the numbers of the messages that it has confirmed, as its feeder counts.
    """

    def __init__(self, scenario: Scenario, queue: str, amount: int, *, lease: int) -> None:
        self.got: list[int] = []
        self._scenario = scenario
        self._path = f"/sessions/{queue}/messages"
        self._amount = amount
        self._lease = lease
        self._chance = scenario.chance(f"consumer of {queue}")
        self._client = RetryingClient(scenario)

    def __call__(self) -> None:
        """Take them all."""
        pull = request("GET", f"{self._path}?wait=0.5&lease={self._lease}")
        while len(self.got) < self._amount:
            self._scenario.check(
                lambda: f"the consumer of {self._path}, after {len(self.got)},"
            )
            for message in self._client.insist(pull):
                if not self._confirm(message):
                    break
        self._client.close()

    def _confirm(self, message: dict[str, Any]) -> bool:
        """Confirm a message, or give it back with all that follow it."""
        path = f"{self._path}/{message['id']}"
        if self._lease and self._chance.random() < 0.05:
            self._give_back()
            return False
        if self._lease:
            self._client.insist(request("POST", f"{path}/ack"))
        self.got.append(int(message["content"].rpartition("-")[2]))
        return True

    def _give_back(self) -> None:
        for message in self._client.insist(request("GET", f"{self._path}?peek=1")):
            if message["state"] == "leased":
                self._client.insist(request("POST", f"{self._path}/{message['id']}/nack"))


def messages(scenario: Scenario) -> dict[str, int]:
    """Let senders and pullers meet at some queues that all share, and at two that none does."""
    lines = {"line-taken": 0, "line-leased": 60}
    queues = OpenQueues([f"q-{number}" for number in range(scenario.amount(QUEUES))])
    for name in (*queues.books, *lines):
        scenario.ask("POST", f"/sessions/{name}/register", {})
    senders = [Sender(scenario, f"sender{n}", queues) for n in range(SENDERS)]
    pullers = [Puller(scenario, f"puller{n}", queues) for n in range(PULLERS)]
    amount = scenario.amount(LINE)
    feeders = [Feeder(scenario, name, amount) for name in lines]
    consumers = [Consumer(scenario, n, amount, lease=lease) for n, lease in lines.items()]
    scenario.play([*senders, *pullers, *feeders, *consumers])
    for name, book in queues.books.items():
        final = scenario.ask("GET", f"/sessions/{name}/messages?peek=1")
        book.final = {message["id"]: message["state"] for message in final}
        scenario.right(check_queue(book), name)
    scenario.right(contiguous({f"feeder of {n}": c.got for n, c in _pairs(lines, consumers)}))
    for name in (*queues.books, *lines):
        scenario.ask("DELETE", f"/sessions/{name}")
    books = queues.books.values()
    return {
        "messages": sum(len(book.sent) for book in books) + amount * len(lines),
        "acks": sum(len(b.confirmed) for b in books) + amount * len(lines),
        "withdrawn": sum(len(book.withdrawn) for book in books),
        "expired": sum(list(book.final.values()).count("expired") for book in books),
        "pulls": sum(len(book.takes) for book in books),
        "lapses": sum(puller.lapses for puller in pullers),
        "repeats": sum(a.repeats for a in senders) + sum(f.repeats for f in feeders),
    }


def _pairs(lines: dict[str, int], consumers: list[Consumer]) -> list[tuple[str, Consumer]]:
    return list(zip(lines, consumers, strict=True))
