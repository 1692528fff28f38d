"""Recorded conversations with pi, played to its driver."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from msgspec import Raw
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from sxhost.drivers.pi import make
from sxhost.drivers.pi.agent import PiAgent
from sxhost.errors import HostError
from sxhost.model.approval import Answer
from sxhost.model.turn import Launch, ModelDraft, Text, TurnDraft
from sxhost.testing import result_of, started
from tests.support.fake_children import FakeChild, FakeReports, FakeSpawn
from tests.support.places import RECORDINGS

OLD, MIDDLE, NEW = "pi-mariozechner-0.73.1", "pi-earendil-0.87.1", "pi-earendil-1.5.2"
LINES = (OLD, MIDDLE, NEW)

STATE = {
    "model": {"id": "fake-model", "provider": "fake", "contextWindow": 100000},
    "thinkingLevel": "medium",
    "isStreaming": False,
    "isCompacting": False,
    "sessionFile": "/s/1.jsonl",
    "sessionId": "s1",
}


def printed(message: Any) -> bytes:
    """Return a message as pi prints it: without spaces, in UTF-8."""
    return json.dumps(message, separators=(",", ":"), ensure_ascii=False).encode()


class Pi:
    """A pi that is none, with its driver, both on one clock."""

    def __init__(self, launch: Launch | None = None) -> None:
        self.clock = Clock()
        self.reports = FakeReports()
        self.spawn = FakeSpawn(self._hear)
        self.state: dict[str, Any] = dict(STATE)
        self.answers: dict[str, Any] = {"get_session_stats": {}}
        self.mute: set[str] = {"prompt", "steer", "abort", "compact"}
        """Commands that are not answered at once."""
        given = launch or Launch(agent="pi", cwd="/w", id="a")
        driver = make(self.spawn, self.clock)
        self.agent = driver.agent(given, self.reports)
        assert isinstance(self.agent, PiAgent)
        self.pi: PiAgent = self.agent

    @property
    def child(self) -> FakeChild:
        return self.spawn.child

    @property
    def said(self) -> list[Any]:
        """What pi was sent, without the questions for its state."""
        return [m for m in self.child.said if m["type"] != "get_state"]

    def start(self) -> Any:
        return result_of(self.agent.start())

    def say(self, *messages: Any) -> None:
        for message in messages:
            self._watch(message)
            self.child.say(message if isinstance(message, bytes) else printed(message))

    def reply(self, command: str, data: Any = None, error: str | None = None) -> None:
        """Answer the last command of a name."""
        asked = next(m for m in reversed(self.child.said) if m["type"] == command)
        self.say(answer(asked, data, error))

    def submit(self, text: str = "hi", data: Any = None) -> None:
        """Begin a turn, as far as ``agent_start``."""
        done = started(self.agent.submit(TurnDraft(input=text)))
        self.reply("prompt", data)
        self.say({"type": "agent_start"})
        result_of(done)

    def end(self, stop: str = "stop", error: str | None = None, **more: Any) -> None:
        """Let pi say that a run is over."""
        last = {"role": "assistant", "stopReason": stop, "errorMessage": error}
        self.say({"type": "agent_end", "messages": [last], **more})

    def ended(self) -> list[tuple[Any, ...]]:
        return [told[1:3] for told in self.reports.told if told[0] == "turn_ended"]

    def _hear(self, child: FakeChild, message: Any) -> None:
        kind = message["type"]
        if kind == "get_state" and kind not in self.mute:
            child.say(printed(answer(message, self.state)))
        elif kind not in self.mute and kind != "extension_ui_response":
            child.say(printed(answer(message, self.answers.get(kind))))

    def _watch(self, message: Any) -> None:
        """Know whether pi is at work, as pi would."""
        kind = message.get("type") if isinstance(message, dict) else None
        for name, verb in (("isStreaming", "agent"), ("isCompacting", "compaction")):
            if kind in (f"{verb}_start", f"{verb}_end"):
                self.state[name] = kind == f"{verb}_start"


def answer(asked: Mapping[str, Any], data: Any = None, error: str | None = None) -> Any:
    """Return pi's answer to a command."""
    told = {"id": asked["id"], "type": "response", "command": asked["type"]}
    if error is not None:
        return {**told, "success": False, "error": error}
    return {**told, "success": True} | ({} if data is None else {"data": data})


def tapes(line: str, scenario: str) -> Iterator[list[Any]]:
    """Yield the conversations of a recording, one for each process."""
    tape: list[Any] = []
    before = 0.0
    for text in (
        (RECORDINGS / line / f"{scenario}.jsonl").read_text(encoding="utf-8").split("\n")
    ):
        entry = json.loads(text) if text else None
        if entry is None or "_note" in entry["msg"]:
            continue
        if entry["t"] < before:
            yield tape
            tape = []
        before = entry["t"]
        tape.append(entry)
    yield tape


class Player(Pi):
    """Does what a recording's host did, and lets pi say what it said."""

    def __init__(self, line: str, scenario: str, which: int = 0) -> None:
        super().__init__()
        self.tape = list(tapes(line, scenario))[which]
        self.mute = {entry["msg"]["type"] for entry in self.tape if entry["dir"] == "out"}
        self.open: set[str] = set()
        """The commands (by their recorded ids) that are not answered."""
        self.results: dict[str, Any] = {}
        self._ids: dict[str, str] = {}
        self._from = 0

    def play(self) -> Player:
        """Play it all; each line that the host sent is the one that was recorded."""
        self.mute -= {"get_state"}
        self.start()
        for entry in self.tape:
            if entry["dir"] == "in":
                self._play_in(entry["msg"])
            else:
                self._play_out(entry["msg"])
        return self

    def error(self, number: str) -> HostError:
        """Return how a command failed."""
        result = self.results[number]
        assert isinstance(result, Failure)
        assert isinstance(result.value, HostError)
        return result.value

    def _play_in(self, message: Any) -> None:
        if message.get("id") in self._ids:
            message = {**message, "id": self._ids[message["id"]]}
        elif message["type"] == "response" and message["command"] == "get_state":
            return  # it was answered at once
        self.say(message)

    def _play_out(self, message: Any) -> None:
        kind = message["type"]
        if kind == "get_state":
            return
        work = _DONE.get(kind, _command)(self, message)
        if work is not None:
            number = message.get("id", "")
            self.open.add(number)
            started(work).addBoth(self._finished, number)
        sent = next(m for m in self.child.said[self._from :] if m["type"] == kind)
        self._from = self.child.said.index(sent) + 1
        if kind != "extension_ui_response":
            self._ids[message["id"]] = sent["id"]
            sent, message = ({**m, "id": None} for m in (sent, message))
        assert sent == message

    def _finished(self, result: Any, number: str) -> None:
        self.open.discard(number)
        self.results[number] = result


async def _command(player: Player, message: Any) -> Any:
    fields = {k: v for k, v in message.items() if k not in ("id", "type")}
    return (await player.pi.native_command(message["type"], fields)).result


def _prompt(player: Player, message: Any) -> Any:
    if player.state["isStreaming"]:
        return _command(player, message)
    return player.agent.submit(TurnDraft(input=message["message"]))


def _steer(player: Player, message: Any) -> Any:
    return player.agent.steer([Text(text=message["message"])])


def _interrupt(player: Player, _message: Any) -> Any:
    return player.agent.interrupt()


def _compact(player: Player, _message: Any) -> Any:
    return player.agent.compact()


def _set_model(player: Player, message: Any) -> Any:
    draft = ModelDraft(model=message["modelId"], provider=message["provider"])
    return player.agent.set_model(draft)


def _decide(player: Player, message: Any) -> Any:
    if message.get("cancelled"):
        player._from -= 2 if player.child.said[-1] == message else 0
        return None  # the interruption did it
    decision = "approve" if message["confirmed"] else "deny"
    question = player.reports.questions[-1]
    return player.agent.answer(question, Answer(decision=decision))


_DONE: Mapping[str, Callable[[Player, Any], Any]] = {
    "prompt": _prompt,
    "steer": _steer,
    "abort": _interrupt,
    "compact": _compact,
    "set_model": _set_model,
    "extension_ui_response": _decide,
}


def plain(native: Any) -> Any:
    """Return what a `Raw` holds."""
    return json.loads(bytes(native)) if isinstance(native, Raw) else native
