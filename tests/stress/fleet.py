"""Who plays a log's scenario, and how what they were told is compared in the end."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from tests.stress.log_clients import LAST, Reader, Writer
from tests.stress.log_history import Log, Received, assembled, check_reader
from tests.stress.scenario import Scenario
from tests.stress.stream_client import Transport, Wanted

TRANSPORTS: tuple[Transport, ...] = ("sse", "ndjson", "websocket")
TEAMS = ("red", "blue")

Counts = dict[str, int]


class Fleet:
    """Sessions, their writers and their readers; `LAST` ends each session's part."""

    def __init__(self, scenario: Scenario, sessions: int, name: str = "s") -> None:
        self.scenario = scenario
        many = max(sessions, scenario.amount(sessions))
        self.labels = {f"{name}-{n}": {"team": TEAMS[n % 2]} for n in range(many)}
        self.writers: list[Writer] = []
        self.readers: list[Reader] = []
        self.place = scenario.place()
        scenario.progress = self.progress
        for session, labels in self.labels.items():
            scenario.ask("POST", f"/sessions/{session}/register", {"labels": labels})

    def add_writers(self, count: int, events: int, *, keys: bool) -> None:
        """Let writers share the events."""
        each, sessions = self.scenario.amount(events) // count, list(self.labels)
        for number in range(count):
            name = f"w{number}"
            self.writers.append(Writer(self.scenario, name, sessions, each, keys=keys))

    def add_readers(self, wanted: Iterable[Wanted], *, mean: int, slow: int = 0) -> None:
        """Let one reader over each transport follow what is wanted; every n-th is slow."""
        for one in wanted:
            for transport in TRANSPORTS:
                number = len(self.readers)
                reader = Reader(
                    self.scenario,
                    f"r{number}",
                    transport,
                    one,
                    self.place,
                    mean=mean,
                    slow=bool(slow) and number % slow == slow - 1,
                )
                reader.until = {s for s in self.labels if self.follows(one, s)}
                self.readers.append(reader)

    def progress(self) -> float:
        """Return the share of the events that the writers have been told of."""
        told = sum(len(writer.told) for writer in self.writers)
        return told / max(1, sum(writer.amount for writer in self.writers))

    def follows(self, wanted: Wanted, session: str) -> bool:
        """Tell whether events of a session, and which end it, are wanted."""
        return wanted.has({"session": session, "event": LAST}, self.labels[session])

    def play(self, *beside: Callable[[], object]) -> None:
        """Let writers write, then end each session; readers read along."""
        self.scenario.play([self._write, *self.readers, *beside])

    def _write(self) -> None:
        self.scenario.play(self.writers)
        for session in self.labels:
            self.writers[0].fire(session, 1, LAST)
        self.writers[0].client.close()

    def judge(self, *, retain: int = 0) -> Log:
        """Compare what all were told; with `retain`, some may have been dropped."""
        scenario = self.scenario
        log, wrong = assembled(fact for writer in self.writers for fact in writer.told)
        scenario.right(wrong)
        for reader in self.readers:
            scenario.right(log.learn(reader.items), reader.name)
        dropped = log.dropped(retain) if retain else 0
        for reader in self.readers:
            wrong = check_reader(log, self._wants(reader.wanted), reader.items, dropped)
            scenario.right(wrong, reader.name)
        for session in self.labels:
            self._compare(log, session, retain)
        return log

    def _wants(self, wanted: Wanted) -> Callable[[Received], bool]:
        def wants(seen: Received) -> bool:
            event = {"session": seen.session, "event": seen.name}
            return wanted.has(event, self.labels[seen.session])

        return wants

    def _compare(self, log: Log, session: str, retain: int) -> None:
        """Compare the log with what the host says afterwards."""
        told = log.acknowledged[session]
        kept = [(e["seq"], e["event"], e["data"][0]) for e in self.scenario.log(session)]
        due = [(f.seq, f.name, f.token) for f in told][-len(kept) :]
        enough = len(kept) >= min(len(told), retain or len(told))
        if kept != due or not enough:
            self.scenario.right(f"in the end {session} has {len(kept)} events of {len(told)}")

    def clear(self) -> None:
        """Forget the sessions."""
        for session in self.labels:
            self.scenario.ask("DELETE", f"/sessions/{session}")

    def counts(self, log: Log) -> Counts:
        """Return how much there was."""
        readers = self.readers
        return {
            "events": log.count,
            "readers": len(readers),
            "deliveries": sum(len(reader.items) for reader in readers),
            "cuts": sum(reader.cuts for reader in readers),
            "repeats": sum(writer.repeats for writer in self.writers),
        }
