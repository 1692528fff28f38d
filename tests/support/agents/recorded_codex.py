"""An app server that is a recording: it says what one said, and checks what it is told."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Coroutine, Iterable
from typing import Any

from twisted.internet.defer import Deferred

from sxhost.process.contracts import ChildExit
from sxhost.testing import result_of, started
from tests.support.fake_children import FakeChild, FakeSpawn
from tests.support.places import RECORDINGS

EXTRA = frozenset({"thread/backgroundTerminals/clean", "thread/unsubscribe"})
"""What a driver does beyond the recordings; the answer is an empty object."""

OURS = {"initialize": {"clientInfo", "capabilities"}, "thread/resume": {"excludeTurns"}}
"""Parameters in which a driver differs from the recordings."""

KILLED = ChildExit(signal="SIGKILL")


class Replay:
    """Plays a recording to a driver, as far as it says what was said; `skip` names methods
    that it does not call."""

    def __init__(self, name: str, skip: Iterable[str] = ()) -> None:
        text = (RECORDINGS / f"{name}.jsonl").read_text(encoding="utf-8")
        lines = [json.loads(line) for line in text.splitlines()]
        self.spawn = FakeSpawn(self._hear)
        self._lines = deque(_without(lines, frozenset(skip)))
        self._heard: deque[tuple[FakeChild, Any]] = deque()
        self._numbers: dict[int, int] = {}

    def _hear(self, child: FakeChild, message: Any) -> None:
        self._heard.append((child, message))

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Do something that waits for no more than what is recorded; return its result."""
        waiting = self.begin(work)
        return result_of(waiting)

    def begin(self, work: Coroutine[Any, Any, Any]) -> Deferred[Any]:
        """Begin something and play as far as it goes."""
        waiting = started(work)
        self.play()
        return waiting

    def play(self) -> None:
        """Go on until the driver would have to say something, or all is said."""
        while self._step():
            pass

    @property
    def over(self) -> bool:
        """Whether all was played and nothing else was said."""
        return not self._lines and not self._heard

    def next(self, method: str) -> dict[str, Any]:
        """Return the parameters of the next call of a method that is to be said."""
        said = (line["msg"] for line in self._lines if line["dir"] == "out")
        return dict(
            next(message["params"] for message in said if message.get("method") == method)
        )

    def _step(self) -> bool:
        line = self._lines[0] if self._lines else None
        if line is not None and line["dir"] == "in":
            self._lines.popleft()
            self.spawn.child.say(self._renumbered(line["msg"]))
            return True
        if line is not None and "_note" in line["msg"]:
            self._lines.popleft()
            self.spawn.child.die(KILLED)
            return False
        return bool(self._heard) and self._listen(line)

    def _listen(self, line: Any) -> bool:
        child, message = self._heard[0]
        method = message.get("method")
        if method in EXTRA and (line is None or line["msg"].get("method") != method):
            self._heard.popleft()
            child.say({"id": message["id"], "result": {}})
            return True
        assert line is not None, f"nobody said {message}"
        self._heard.popleft()
        self._lines.popleft()
        self._check(message, line["msg"])
        return True

    def _check(self, said: Any, recorded: Any) -> None:
        method = recorded.get("method")
        if method is not None and "id" in recorded:
            self._numbers[recorded["id"]] = said["id"]
        ours, theirs = dict(said), dict(recorded)
        if method is not None:
            ours.pop("id", None)
            theirs.pop("id", None)
        for message in (ours, theirs):
            params = message.get("params") or {}
            kept = {k: v for k, v in params.items() if k not in OURS.get(str(method), ())}
            message["params"] = kept
        assert ours == theirs

    def _renumbered(self, message: Any) -> Any:
        if "method" in message or "id" not in message:
            return message
        return {**message, "id": self._numbers[message["id"]]}


def _without(lines: list[Any], skip: frozenset[str]) -> list[Any]:
    """Leave out calls and their answers."""
    kept, gone = [], set()
    for line in lines:
        message = line["msg"]
        if line["dir"] == "out" and message.get("method") in skip:
            gone.add(message["id"])
        elif line["dir"] == "out" or "method" in message or message.get("id") not in gone:
            kept.append(line)
    return kept
