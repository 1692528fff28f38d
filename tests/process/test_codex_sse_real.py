"""The face of the Codex SSE server with a real codex, offline, as curl sees it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import groupby
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.hosts import PATIENCE

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.agents.real_agents import RealAgent, RealAgents
    from tests.support.hosts import Host, StartHost

Fields = dict[str, Any]
CURL = ("curl", "-sN", "--show-error")
MODEL = "gpt-5.5"
UNTRUSTED = '[projects."{cwd}"]\ntrust_level = "untrusted"\n'
"""Has codex ask before it runs what is not known to be harmless."""
MAKE = "RUN: echo hi > made.txt && cat made.txt"


class Curl:
    """A ``curl -N`` whose frames are read as they come."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.ids: list[str] = []
        self._lines: SimpleQueue[str] = SimpleQueue()
        self._reader = Thread(target=self._read)
        self._reader.start()

    def __iter__(self) -> Iterator[Fields]:
        while line := self._lines.get(timeout=PATIENCE):
            name, _, value = line.rstrip("\n").partition(": ")
            if name == "id":
                self.ids.append(value)
            elif name == "data" and value != "ping":
                yield json.loads(value)
            else:
                assert name in ("", "event", "data"), line

    def until(self, kind: str) -> list[Fields]:
        """Return the frames that come, up to the first of a type."""
        frames: list[Fields] = []
        for frame in self:
            frames.append(frame)
            if frame["type"] == kind:
                return frames
        raise AssertionError(f"it has ended: {frames}")

    def drop(self) -> None:
        """Go away without a word."""
        self.process.kill()
        self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                self._lines.put(line)
        self._lines.put("")


class Place:
    """A running host that finds codex, and curls to it."""

    def __init__(self, host: Host, agent: RealAgent, stack: ExitStack) -> None:
        self.host = host
        self.agent = agent
        self._stack = stack

    def begin(self, text: str) -> Curl:
        """Begin the conversation `r`."""
        message = {"type": "user_message", "message": text, "id": "r"}
        return self._curl("/messages", *posted({**message, "work_dir": str(self.agent.cwd)}))

    def again(self, last: str = "") -> Curl:
        place = ("-H", f"Last-Event-ID: {last}") if last else ()
        return self._curl("/messages/r", *place)

    def say(self, kind: str, **message: Any) -> Fields:
        text = posted({"type": kind, "id": "r", **message})
        command = [*CURL, *text, f"{self.host.url}/messages"]
        done = subprocess.run(command, capture_output=True, timeout=PATIENCE, check=True)
        answer: Fields = json.loads(done.stdout)
        return answer

    def _curl(self, path: str, *words: str) -> Curl:
        command = [*CURL, *words, f"{self.host.url}{path}"]
        curl = Curl(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        self._stack.callback(curl.drop)
        return curl


def posted(message: Fields) -> tuple[str, ...]:
    return "-X", "POST", "-H", "Content-Type: application/json", "-d", json.dumps(message)


Open = Callable[..., Place]


@pytest.fixture
def place(real_agents: RealAgents, agent_home: Path, start_host: StartHost) -> Iterator[Open]:
    """Open a host whose codex has these settings."""
    with ExitStack() as stack:

        def opened(settings: str = "", *options: str) -> Place:
            agent = real_agents.codex(agent_home, MODEL)
            with (agent_home / ".codex" / "config.toml").open("a", encoding="utf-8") as config:
                config.write(settings.format(cwd=agent.cwd))
            host = start_host("--port", "0", *options, environ=agent.env)
            return Place(host, agent, stack)

        yield opened


def types(frames: list[Fields]) -> list[str]:
    """Return the types of frames, of many alike in a row one; warnings aside."""
    named = [frame["type"] for frame in frames if frame["type"] != "warning"]
    return [name for name, _ in groupby(named)]


def only(frames: list[Fields], kind: str) -> Fields:
    (found,) = (frame for frame in frames if frame["type"] == kind)
    return found


BEGINNING = ["session_configured", "task_started", "user_message"]
ANSWER = ["agent_message_delta", "agent_message", "token_count"]


def test_conversation_over_sse_with_a_real_codex(place: Open) -> None:
    here = place()
    frames = list(here.begin("THINK: so\nSAY: hello, curl"))
    thinking = ["agent_reasoning_section_break", "agent_reasoning_delta", "agent_reasoning"]
    assert types(frames) == [*BEGINNING, *thinking, *ANSWER, "task_complete"]
    assert {frame["id"] for frame in frames} == {"r"}
    configured = only(frames, "session_configured")
    assert (configured["model"], configured["cwd"]) == (MODEL, str(here.agent.cwd))
    assert frames[-1]["last_agent_message"] == "hello, curl"
    assert only(frames, "token_count")["info"]["last_token_usage"]["output_tokens"] > 0


def test_waiting_approval_is_approved(place: Open) -> None:
    here = place(UNTRUSTED)
    client = here.begin(MAKE)
    asked = client.until("exec_approval_request")[-1]
    assert asked["command"] == ["/bin/bash", "-lc", "echo hi > made.txt && cat made.txt"]
    assert asked["cwd"] == str(here.agent.cwd)
    approval = here.say("user_confirm", approval_id=asked["call_id"])["approval"]
    assert (approval["state"], approval["resolution"]["decision"]) == ("answered", "approve")
    frames = client.until("task_complete")
    ended = only(frames, "exec_command_end")
    assert (ended["call_id"], ended["exit_code"], ended["stdout"]) == (
        asked["call_id"], 0, "hi\n",
    )  # fmt: skip
    assert (here.agent.cwd / "made.txt").exists()


def test_waiting_approval_is_denied(place: Open) -> None:
    here = place(UNTRUSTED)
    client = here.begin(MAKE)
    client.until("exec_approval_request")
    assert here.say("user_confirm", approved=False)["ok"] is True
    frames = client.until("task_complete")
    assert only(frames, "exec_command_end")["status"] == "declined"
    assert not (here.agent.cwd / "made.txt").exists()


def test_approval_policy_never_asks_nothing(place: Open) -> None:
    here = place(UNTRUSTED, "--dangerously-bypass-approvals-and-sandbox", "true")
    frames = list(here.begin(MAKE))
    assert "exec_approval_request" not in types(frames)
    assert only(frames, "session_configured")["approval_policy"] == "never"
    assert (here.agent.cwd / "made.txt").exists()
    assert "nobody is asked" in here.host.output()


def test_turn_is_cancelled_midway(place: Open) -> None:
    here = place()
    client = here.begin("SLOW 600 100")
    client.until("agent_message_delta")
    assert here.say("user_cancel")["ok"] is True
    frames = list(client)
    assert (frames[-1]["type"], frames[-1]["reason"]) == ("turn_aborted", "interrupted")
    assert here.say("user_cancel")["error"] == "no_turn"


def test_dropped_client_reconnects_to_the_stream(place: Open) -> None:
    here = place()
    client = here.begin("SLOW 20 50")
    first = client.until("agent_message_delta")
    client.drop()
    rest = list(here.again(client.ids[-1]))
    assert rest[-1]["type"] == "task_complete"
    assert [*first, *rest] == list(here.again())
    sent = [f["delta"] for f in [*first, *rest] if f["type"] == "agent_message_delta"]
    assert "".join(sent) == rest[-1]["last_agent_message"]


def test_edited_message_begins_another_turn(place: Open) -> None:
    here = place()
    first = here.begin("SAY: one")
    list(first)
    assert here.say("user_edit", message="SAY: two")["turn"]["id"] == 2
    frames = list(here.again(first.ids[-1]))
    assert only(frames, "user_message")["message"] == "SAY: two"
    assert frames[-1]["last_agent_message"] == "two"


def test_failed_turn_is_an_error_event(place: Open) -> None:
    frames = list(place().begin("FAIL 401"))
    assert frames[-1]["type"] == "error"
    assert frames[-1]["codex_error_info"] == {
        "http_connection_failed": {"http_status_code": 401}
    }
    assert "stream_error" in types(frames)
