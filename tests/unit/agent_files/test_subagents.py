"""Transcripts of Claude's subagents: found beside the session's own, read once, counted."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from sxhost.agent_files.claude import ClaudeTranscript
from sxhost.agent_files.subagents import SubagentFiles


class Session:
    """A session's directory, and what is read of it."""

    def __init__(self, home: Path) -> None:
        self.place = home / "s" / "subagents"
        self.files = SubagentFiles(str(home / "s.jsonl"), os.geteuid())
        self.reader = ClaudeTranscript()

    def say(self, name: str, message: str, tokens: int) -> None:
        """Have a subagent write that a message has used so many tokens so far."""
        self.place.mkdir(parents=True, exist_ok=True)
        usage = {"input_tokens": tokens, "output_tokens": 1}
        said = {"id": message, "role": "assistant", "usage": usage}
        line = {"type": "assistant", "uuid": message, "isSidechain": True, "message": said}
        with (self.place / f"agent-{name}.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")

    def totals(self) -> list[int]:
        """Read what is new; return what the session has used after each line."""
        facts = [
            fact
            for one in self.files.read()
            for fact in self.reader.read_subagent_line(one.name, one.line)
        ]
        return [fact.data["total_tokens"] for fact in facts]


@pytest.fixture
def session(tmp_path: Path) -> Session:
    return Session(tmp_path.resolve())


def test_a_session_without_subagents_has_none(session: Session) -> None:
    assert session.totals() == []


def test_what_subagents_use_is_added_up(session: Session) -> None:
    session.say("a", "m1", 9)
    session.say("a", "m1", 19)  # the same message, which has grown
    assert session.totals() == [10, 20]
    session.say("b", "m2", 99)
    assert session.totals() == [120]
    session.say("a", "m3", 4)
    assert session.totals() == [125]
    assert session.totals() == []


def test_it_is_added_to_what_the_session_itself_uses(session: Session) -> None:
    session.say("a", "m1", 9)
    assert session.totals() == [10]
    message = {"id": "m", "usage": {"input_tokens": 5, "output_tokens": 5}}
    line = json.dumps({"type": "assistant", "uuid": "u", "message": message}).encode()
    (used,) = session.reader.read_line(line)
    assert used.data["total_tokens"] == 20


def test_only_so_many_are_read(session: Session, tmp_path: Path) -> None:
    session.files = SubagentFiles(str(tmp_path.resolve() / "s.jsonl"), os.geteuid(), most=2)
    for name in "abc":
        session.say(name, name, 9)
    assert session.totals() == [10, 20]


def test_a_link_is_not_read(session: Session) -> None:
    session.say("a", "m1", 9)
    (session.place / "agent-b.jsonl").symlink_to(session.place / "agent-a.jsonl")
    assert session.totals() == [10]
