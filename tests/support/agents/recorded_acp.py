"""Transcripts of real agents over ACP, played to the driver: they speak, it has to answer.

A transcript's own host called methods that ours does not (``session/list``, …): those are
left out, and the numbers of the calls that remain are translated.
"""

from __future__ import annotations

import json
from functools import cached_property
from typing import Any

from twisted.internet.task import Clock

from sxhost.codec.json import encode
from sxhost.drivers.acp import make
from sxhost.drivers.acp.agent import LAST_WORDS_S, ACPAgent
from sxhost.drivers.acp.approvals import DECISIONS
from sxhost.drivers.contracts import Started
from sxhost.model.approval import Answer
from sxhost.model.turn import Launch, TurnDraft
from sxhost.testing import result_of, started
from tests.support.fake_children import FakeChild, FakeReports, FakeSpawn
from tests.support.places import RECORDINGS

CWD = "/home/user/project"
OURS = frozenset({"initialize", "session/new", "session/prompt", "session/cancel"})

Record = dict[str, Any]


def recorded(agent: str, scenario: str) -> list[list[Record]]:
    """Return a transcript's messages, for each process that it was made with."""
    lines = (RECORDINGS / agent / f"{scenario}.jsonl").read_text().splitlines()
    runs: list[list[Record]] = [[]]
    for line in lines:
        record = json.loads(line)
        if "_note" in record["msg"]:
            runs.append([])
        else:
            runs[-1].append(record)
    return runs


class Play:
    """A conversation with an agent that says what was recorded."""

    def __init__(self, records: list[Record], **launch: Any) -> None:
        self.clock = Clock()
        self.spawn = FakeSpawn()
        self.reports = FakeReports()
        self.records = records
        asked = Launch(agent="acp", command=["agent"], cwd=CWD, **launch)
        self.agent: ACPAgent = make(self.spawn, self.clock).agent(asked, self.reports)
        self.ready = started(self.agent.start())
        self._methods = OURS | {self._opening(launch)}
        self._ids: dict[Any, Any] = {}
        self._checked = 0
        self._deaf: Any = None

    def _opening(self, launch: dict[str, Any]) -> str:
        if "resume" not in launch:
            return "session/new"
        hello = next(r["msg"]["result"] for r in self.records if r["dir"] == "in")
        can = hello["agentCapabilities"].get("sessionCapabilities", {})
        return "session/resume" if "resume" in can else "session/load"

    @property
    def child(self) -> FakeChild:
        return self.spawn.child

    def play(self) -> Play:
        """Play all of it."""
        for record in self.records:
            message = record["msg"]
            if record["dir"] == "in":
                self._in(message)
            elif "method" not in message or self._is_ours(message):
                self._out(message)
            elif message["method"] == "session/load":
                self._deaf = message["id"]
        self._end_turn()
        return self

    def _end_turn(self) -> None:
        """Be quiet long enough that an answered turn is over, whatever words came late."""
        for _ in range(2):
            self.clock.advance(LAST_WORDS_S)

    def _is_ours(self, message: Record) -> bool:
        unknown = message["params"].get("sessionId") == "ses_nosuch"
        return message["method"] in self._methods and not unknown

    def _in(self, message: Record) -> None:
        """Say what the agent said, but for answers to what was not asked."""
        answers = "method" not in message
        if self._deaf is not None:
            if answers and message["id"] == self._deaf:
                self._deaf = None
        elif not answers:
            self.child.say(message)
        elif message["id"] in self._ids:
            self.child.say({**message, "id": self._ids[message["id"]]})

    def _out(self, wanted: Record) -> None:
        """Do what makes the host say this, and see that it does."""
        if wanted.get("method") == "session/prompt":
            self._await_ready()
            self._end_turn()
            result_of(self.agent.submit(TurnDraft(input=wanted["params"]["prompt"][0]["text"])))
        elif wanted.get("method") == "session/cancel":
            result_of(self.agent.interrupt())
        elif wanted.get("result", {}).get("outcome", {}).get("outcome") == "selected":
            self._decide(wanted)
        assert self._checked < len(self.child.said), wanted
        said = self.child.said[self._checked]
        self._checked += 1
        if "id" in wanted and "method" in wanted:
            self._ids[wanted["id"]] = said["id"]
            wanted = {**wanted, "id": said["id"]}
        assert _comparable(said) == _comparable(wanted)

    def _await_ready(self) -> None:
        for _ in range(3):
            if not self.ready.called:
                self.clock.advance(0.25)

    def _decide(self, wanted: Record) -> None:
        question = self.reports.questions[-1]
        chosen = wanted["result"]["outcome"]["optionId"]
        asked = json.loads(encode(question.native))
        kind = next(o["kind"] for o in asked["options"] if o["optionId"] == chosen)
        result_of(self.agent.answer(question, Answer(decision=DECISIONS[kind])))

    @cached_property
    def begun(self) -> Started:
        """What the agent said of itself."""
        return result_of(self.ready)

    @property
    def turns(self) -> list[tuple[str, str]]:
        """How the turns ended: status and reason."""
        return [(t[1], t[2]) for t in self.reports.told if t[0] == "turn_ended"]

    def tools(self) -> list[dict[str, Any]]:
        """The tool calls that are over."""
        return [data for _, data in self.reports.events("tool-done")]


def _comparable(message: Record) -> Record:
    """Leave out what a host says of itself."""
    if message.get("method") != "initialize":
        return message
    params = message["params"]
    mine = ("fs", "terminal")
    known = {name: params["clientCapabilities"][name] for name in mine}
    return {**message, "params": {"protocolVersion": params["protocolVersion"], **known}}
