"""Many files followed on a clock that the test moves: when each is looked at, and how often."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.task import Clock

from sxhost.agent_files.follower import (
    BUSY_FOR_S,
    BUSY_S,
    MOST_FILES,
    REST_S,
    SOON_S,
    Follower,
    Reading,
)
from sxhost.waiting import run_inline


class Notices:
    """A system that tells of changes when the test says so."""

    def __init__(self) -> None:
        self.pokes: dict[tuple[str, str], Callable[[], None]] = {}

    def watch(self, path: str, name: str, poke: Callable[[], None]) -> None:
        self.pokes[path, name] = poke

    def unwatch(self, path: str, name: str) -> None:
        del self.pokes[path, name]

    def close(self) -> None:
        self.pokes.clear()


class Followed:
    """A follower, and what it has handed on."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.clock = Clock()
        self.notices = Notices()
        self.readings: list[tuple[str, Reading]] = []
        self.follower = Follower(self.clock, run_inline, os.geteuid(), self.notices)
        (home / "projects" / "-w").mkdir(parents=True)
        (home / "sessions").mkdir()

    def receive_reading(self, session_id: str, reading: Reading) -> None:
        self.readings.append((session_id, reading))

    def path(self, session_id: str) -> Path:
        return self.home / "projects" / "-w" / f"{session_id}.jsonl"

    def follow(self, session_id: str) -> None:
        self.follower.follow(session_id, "claude", str(self.path(session_id)), self)

    def prompt(self, session_id: str, text: str) -> None:
        message = {"role": "user", "content": text}
        line = {"type": "user", "uuid": text, "promptId": text, "message": message}
        with self.path(session_id).open("a") as file:
            file.write(json.dumps(line) + "\n")

    def status(self, session_id: str, status: str) -> None:
        said = {"pid": os.getpid(), "sessionId": session_id, "status": status}
        (self.home / "sessions" / "1.json").write_text(json.dumps(said))

    def texts(self) -> list[Any]:
        return [fact.data["text"] for _, reading in self.readings for fact in reading.new]

    def statuses(self) -> list[str]:
        return [r.status.status for _, r in self.readings if r.status is not None]


@pytest.fixture
def followed(tmp_path: Path) -> Followed:
    return Followed(tmp_path.resolve())


def test_new_lines_are_handed_on_within_a_moment(followed: Followed) -> None:
    followed.follow("a")
    followed.clock.advance(0)
    followed.prompt("a", "one")
    followed.clock.advance(BUSY_S)
    assert followed.texts() == ["one"]


def test_what_was_there_before_is_past(followed: Followed) -> None:
    followed.prompt("a", "one")
    followed.follow("a")
    followed.clock.advance(0)
    (_, reading) = followed.readings[0]
    assert ([fact.data["text"] for fact in reading.past], reading.new) == (["one"], [])


def test_a_session_at_rest_is_looked_at_seldom_until_its_hook_fires(followed: Followed) -> None:
    followed.follow("a")
    followed.clock.pump([BUSY_S] * int(BUSY_FOR_S / BUSY_S + 2))
    followed.prompt("a", "one")
    followed.clock.pump([BUSY_S] * int(REST_S / BUSY_S))
    assert followed.texts() == ["one"]
    followed.clock.pump([1.0] * 40)
    followed.prompt("a", "two")
    followed.follower.wake("a")
    followed.clock.advance(SOON_S)
    assert followed.texts() == ["one", "two"]


def test_a_notice_of_the_system_is_heeded_at_once(followed: Followed) -> None:
    followed.follow("a")
    followed.clock.pump([1.0] * 40)
    followed.prompt("a", "one")
    followed.notices.pokes[str(followed.path("a")), "a"]()
    followed.clock.advance(SOON_S)
    assert followed.texts() == ["one"]


def test_each_change_of_claudes_status_is_handed_on_once(followed: Followed) -> None:
    followed.follow("a")
    for status in ("busy", "busy", "waiting", "busy"):
        followed.status("a", status)
        followed.clock.pump([BUSY_S] * 2)
    assert followed.statuses() == ["busy", "waiting", "busy"]


def test_what_subagents_have_used_is_handed_on_as_a_sum(followed: Followed) -> None:
    followed.follow("a")
    place = followed.path("a").with_suffix("") / "subagents"
    place.mkdir(parents=True)
    for name in ("m1", "m2"):
        message = {"id": name, "usage": {"input_tokens": 9, "output_tokens": 1}}
        line = json.dumps({"type": "assistant", "uuid": name, "message": message})
        with (place / "agent-x.jsonl").open("a") as file:
            file.write(line + "\n")
    followed.clock.pump([BUSY_S, BUSY_S])
    (used,) = [fact for _, reading in followed.readings for fact in reading.new]
    assert (used.kind, used.data["total_tokens"]) == ("usage", 20)


def test_the_status_of_another_session_is_not_this_ones(followed: Followed) -> None:
    followed.follow("a")
    followed.status("b", "busy")
    followed.clock.advance(BUSY_S)
    assert followed.statuses() == []


def test_a_file_that_is_not_safe_is_let_go(followed: Followed) -> None:
    followed.prompt("a", "one")
    followed.path("a").chmod(0o666)
    followed.follow("a")
    followed.clock.advance(0)
    assert not followed.follower.follows("a")
    assert not followed.notices.pokes
    assert not followed.clock.getDelayedCalls()


def test_only_so_many_files_are_followed(followed: Followed) -> None:
    for number in range(MOST_FILES + 1):
        followed.follow(f"s{number}")
        followed.clock.advance(0.001)
    assert not followed.follower.follows("s0")
    assert followed.follower.follows(f"s{MOST_FILES}")


def test_a_session_may_move_to_another_file(followed: Followed) -> None:
    followed.follow("a")
    followed.clock.advance(0)
    (followed.home / "projects" / "-x").mkdir()
    other = followed.home / "projects" / "-x" / "a.jsonl"
    followed.follower.follow("a", "claude", str(other), followed)
    assert [path for path, _ in followed.notices.pokes] == [
        str(other),
        str(followed.home / "sessions"),
    ]


def test_nothing_is_looked_at_once_it_is_closed(followed: Followed) -> None:
    followed.follow("a")
    followed.clock.advance(0)
    followed.follower.close()
    assert not followed.clock.getDelayedCalls()
    assert not followed.notices.pokes
