"""Claude Code as it was recorded: its lines are played, and what we write is compared."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from sxhost.drivers.claude import make
from sxhost.model.approval import Answer
from sxhost.model.turn import Launch, ModelDraft, Text, TurnDraft
from sxhost.process.contracts import ChildExit
from sxhost.testing import result_of, started
from tests.support import places
from tests.support.fake_children import FakeChild, FakeReports, FakeSpawn

RECORDINGS = places.RECORDINGS / "claude-2.1.329"
FORGOTTEN = ("uuid", "hooks", "cancel_queued")
"""Fields that are ours to choose, or that an older recording lacks."""

READY = {"models": [{"value": "default", "resolvedModel": "claude-opus-5-5"}]}


class Line(NamedTuple):
    """A line of a recording, and which way it went: ``in`` is what Claude printed."""

    way: str
    said: Any


def recorded(name: str) -> list[list[Line]]:
    """Return a recording: the lines of each process in turn (notes stand between them)."""
    texts = (RECORDINGS / f"{name}.jsonl").read_text().split("\n")
    processes: list[list[Line]] = [[]]
    for line in [json.loads(text) for text in texts if text]:
        if "_note" in line["msg"]:
            processes.append([])
        else:
            processes[-1].append(Line(line["dir"], line["msg"]))
    return processes


def told(said: Any) -> Any:
    """Return a message of ours without what differs from one time to the next."""
    if not isinstance(said, dict):
        return said
    kept = {name: told(value) for name, value in said.items() if name not in FORGOTTEN}
    return {**kept, "request_id": "…"} if "request_id" in kept else kept


def respond(child: FakeChild, said: Any, subtype: str = "success", **more: Any) -> None:
    """Let Claude answer a control request of ours."""
    reply = {"subtype": subtype, "request_id": said["request_id"], **more}
    child.say({"type": "control_response", "response": reply})


def ready(child: FakeChild, said: Any) -> None:
    """A script by which Claude agrees to every control request."""
    if said["type"] == "control_request":
        respond(child, said, response=READY)


class Stage:
    """A conversation with a Claude of ours; `start` makes it ready."""

    def __init__(self, **launch: Any) -> None:
        self.clock = Clock()
        self.spawn = FakeSpawn(ready)
        self.reports = FakeReports()
        given = Launch(agent="claude", **{"cwd": "/work", **launch})
        self.agent = make(self.spawn, self.clock).agent(given, self.reports)

    def start(self) -> Any:
        return result_of(self.agent.start())

    @property
    def child(self) -> FakeChild:
        return self.spawn.child

    def submit(self, text: str = "hello", **more: Any) -> Any:
        return result_of(self.agent.submit(TurnDraft(input=text, **more)))

    @property
    def turns(self) -> list[tuple[Any, ...]]:
        """How turns began and ended."""
        return [told for told in self.reports.told if told[0].startswith("turn")]

    @property
    def busy(self) -> bool:
        return bool(self.turns) and self.turns[-1][0] == "turn_began"

    @property
    def ends(self) -> list[str]:
        return [turn[1] for turn in self.turns if turn[0] == "turn_ended"]


class Play(Stage):
    """A recording that is played: for what we wrote then, our verbs are called now."""

    def __init__(self, name: str, *decisions: Answer, process: int = 0, **launch: Any) -> None:
        super().__init__(**launch)
        self._decisions = iter(decisions)
        self._ids: dict[str, str] = {}
        """Ids and names of ours: as they were then, and are now."""
        self._work: list[Deferred[Any]] = []
        self.strange: list[Any] = []
        """What we wrote then and have no verb for."""
        self._lines = recorded(name)[process]

    def run(self) -> Play:
        """Play to the end."""
        self.start()
        self.spawn.script = self.child.script = None
        self._heard = len(self.child.said)
        for line in self._lines:
            self._play(line)
        return self

    def finish(self) -> None:
        """See that no verb waits."""
        for work in self._work:
            result_of(work)

    def _play(self, line: Line) -> None:
        if line.way == "in":
            self._say(line.said)
        elif line.said.get("request", {}).get("subtype") != "initialize":
            self._do(line.said)

    def _say(self, said: Any) -> None:
        text = json.dumps(said)
        for then, now in self._ids.items():
            text = text.replace(f'"{then}"', f'"{now}"') if then else text
        known = said.get("response", {}).get("request_id") in self._ids
        if said["type"] != "control_response" or known:
            self.child.say(text.encode())

    def _do(self, then: Any) -> None:
        verb = self._verb(then)
        if verb is None:
            self.strange.append(then)
            return
        self._work.append(started(verb))
        now = self.child.said[self._heard]
        self._heard += 1
        assert told(now) == told(then)
        self._ids[then.get("request_id", "")] = now.get("request_id", "")
        self._ids[then.get("uuid", "")] = now.get("uuid", "")

    def _verb(self, then: Any) -> Any:
        match then:
            case {"type": "user", "message": {"content": [{"text": text}]}}:
                return self._send(text)
            case {"type": "control_response"}:
                return self.agent.answer(self.reports.questions[-1], next(self._decisions))
            case {"request": {"subtype": "interrupt"}}:
                return self.agent.interrupt()
            case {"request": {"subtype": "set_model", "model": model}}:
                return self.agent.set_model(ModelDraft(model=model))
        return None

    def _send(self, text: str) -> Any:
        if text == "/compact":
            return self.agent.compact()
        if self.busy:
            return self.agent.steer([Text(text=text)])
        return self.agent.submit(TurnDraft(input=text))

    def die(self, **how: Any) -> None:
        self.child.die(ChildExit(**how))
