"""Sessions that are forgotten and come again under load, while readers follow."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from tests.stress.host_process import request
from tests.stress.log_clients import LAST, Reader, Writer
from tests.stress.log_history import Acknowledged, check_lives, lives
from tests.stress.scenario import Mismatch, RetryingClient, Scenario
from tests.stress.stream_client import ALL, Frame, Refused, Transport, Wanted

__all__ = ["deletion"]

SESSIONS, WRITERS, EVENTS = 5, 4, 1400
TRANSPORTS: tuple[Transport, ...] = ("sse", "ndjson", "websocket")


class SingleEventWriter(Writer):
    """Fires one event at a time: the answer tells its id, and so the life that it is in."""

    def __call__(self) -> None:
        """Fire them all."""
        for _ in range(self.amount):
            self.fire(self._chance.choice(self._sessions), 1)
        self.client.close()


class SessionDeleter:
    """Deletes sessions, and registers some of them again, until the writers are done."""

    def __init__(self, scenario: Scenario, sessions: Sequence[str]) -> None:
        self.deleted = dict.fromkeys(sessions, 0)
        self.done = False
        self._chance = scenario.chance("deleter")
        self._client = RetryingClient(scenario)

    def __call__(self) -> None:
        """Delete, again and again."""
        while not self.done:
            session = self._chance.choice(list(self.deleted))
            status, answer = self._client.ask(request("DELETE", f"/sessions/{session}"))
            if status not in (200, 404):
                raise Mismatch(f"DELETE was answered by {answer}")
            self.deleted[session] += status == 200
            if self._chance.random() < 0.3:
                self._client.insist(request("POST", f"/sessions/{session}/register", b"{}"))
            time.sleep(self._chance.random() * 0.02)
        self._client.close()


class ReturningReader(Reader):
    """A reader whose session may be gone: it asks until it is there again."""

    losses = 0

    def take(self, frame: Frame) -> None:
        """Note down what came; a WebSocket says there that a session is unknown."""
        if frame.name == "error" and frame.value["error"] == "unknown_session":
            raise Refused(404)
        super().take(frame)

    def ended(self, value: dict[str, Any]) -> None:
        """Take note of the end of a session."""
        if value != {"reason": "the session is forgotten", "reconnect": False} | _extra(value):
            raise Mismatch(f"{self.name} got an end: {value}")
        self.ends += 1
        raise Refused(404)

    def refused(self, error: Exception) -> None:
        """Come again after a while."""
        if not isinstance(error, Refused) or error.args != (404,) or self.wanted == ALL:
            super().refused(error)
        self.losses += 1
        time.sleep(0.005)


def _extra(value: dict[str, Any]) -> dict[str, Any]:
    return {"frame": "end"} if "frame" in value else {}


def deletion(scenario: Scenario) -> dict[str, int]:
    """Let sessions live, die and live again; each reader has a beginning of each life."""
    sessions = [f"soul-{number}" for number in range(SESSIONS)]
    each, place = scenario.amount(EVENTS) // WRITERS, scenario.place()
    for session in sessions:
        scenario.ask("POST", f"/sessions/{session}/register", {})
    writers = [
        SingleEventWriter(scenario, f"a{n}", sessions, each, keys=False) for n in range(WRITERS)
    ]
    wanted = (
        ALL,
        *(Wanted((session,)) for session in sessions[:3]),
        Wanted(tuple(sessions[:2])),
    )
    readers: list[ReturningReader] = []
    for one in wanted:
        for transport in TRANSPORTS:
            name = f"r{len(readers)}"
            reader = ReturningReader(scenario, name, transport, one, place, mean=20_000)
            reader.until = set(one.sessions or sessions)
            readers.append(reader)
    deleter = SessionDeleter(scenario, sessions)

    def write() -> None:
        try:
            scenario.play(writers)
        finally:
            deleter.done = True

    def read_all() -> None:
        scenario.play([write, deleter])
        for session in sessions:
            writers[0].fire(session, 1, LAST)
        writers[0].client.close()

    scenario.play([read_all, *readers])
    acknowledged = [fact for author in writers for fact in author.told]
    _judge(scenario, acknowledged, readers, deleter.deleted)
    for session in sessions:
        scenario.ask("DELETE", f"/sessions/{session}")
    return {
        "events": len(acknowledged),
        "deaths": sum(deleter.deleted.values()),
        "readers": len(readers),
        "deliveries": sum(len(reader.items) for reader in readers),
        "cuts": sum(reader.cuts for reader in readers),
        "ends": sum(reader.ends for reader in readers),
    }


def _judge(
    scenario: Scenario,
    acknowledged: Sequence[Acknowledged],
    readers: Sequence[ReturningReader],
    deleted: dict[str, int],
) -> None:
    found, wrong = lives(acknowledged)
    scenario.right(wrong)
    for session, all_ in found.items():
        if len(all_) > deleted[session] + 1:
            scenario.right(
                f"{session} lived {len(all_)} times, and died only {deleted[session]}"
            )
        kept = [(e["id"], e["seq"]) for e in scenario.log(session)]
        if kept != [(fact.id, fact.seq) for fact in all_[-1]]:
            scenario.right(f"in the end {session} has {len(kept)} events of {len(all_[-1])}")
    for reader in readers:
        follows = reader.wanted.sessions or tuple(found)
        chosen = {session: found[session] for session in follows}
        scenario.right(check_lives(chosen, reader.items), reader.name)
