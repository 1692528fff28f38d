"""The multiplexer of real hosts: agents that need no program, and what a restart leaves."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.driving import ask
from tests.support.hosts import Host, StartHost
from tests.support.multiplexer_clients import Object, Talk, over_websocket

__all__: list[str] = []

PATIENT = ("--port", "0", "--limit", "mux_rate=1000")


@pytest.fixture
def host(start_host: StartHost) -> Host:
    return start_host(*PATIENT)


@pytest.fixture
def talk(host: Host) -> Iterator[Talk]:
    with over_websocket(host) as talk:
        yield talk


def events(frames: list[Object]) -> list[Object]:
    return [one["event"] for one in frames if one["type"] == "event"]


def seqs(frames: list[Object]) -> list[int]:
    """Return the numbers of the events, each of which is some frames."""
    return list(dict.fromkeys(one["seq"] for one in frames if one["type"] == "event"))


def run(talk: Talk, message: str) -> list[Object]:
    return talk.until_answer(talk.say("prompt", "s", message=message))


# Echo.


def test_mux_over_every_transport_drives_an_echo_session(talk: Talk, host: Host) -> None:
    talk.ask("create_session", "s", agent="echo")
    talk.ask("switch_session", "s")
    _, (listed,) = ask(host, "GET", "/sessions")
    assert (listed["id"], listed["kind"], listed["agent"]) == ("s", "hosted", "echo")
    shown = events(run(talk, "THINK: hm\nRUN: ls -la\nSAY: done"))
    kinds = [one["type"] for one in shown]
    assert kinds[:2] == ["agent_start", "turn_start"]
    assert kinds[-2:] == ["turn_end", "agent_end"]
    messages = [one["message"] for one in shown if one["type"] == "message_end"]
    assert [one["role"] for one in messages] == [
        "user",
        *["assistant"] * 2,
        "toolResult",
        "assistant",
    ]
    assert shown[-1]["messages"] == messages
    assert shown[-2]["message"] == messages[-1]
    running = talk.say("prompt", "s", message="SLOW 1000 20")
    talk.event("message_update", "text_delta")
    grown = talk.event("message_update", "text_delta")
    assert grown["message"]["content"][0]["text"].endswith(
        grown["assistantMessageEvent"]["delta"]
    )
    talk.ask("steer", "s", message="SAY: left")
    talk.ask("abort", "s")
    assert talk.answer(running)["success"]
    assert talk.ask("get_state", "s")["isStreaming"] is False
    assert talk.ask("get_messages", "s")["messages"][0]["role"] == "user"
    talk.ask("set_model", "s", provider="p", modelId="m")
    assert talk.ask("get_session_stats", "s")["userMessages"] == 3
    assert talk.refused("fork", "s", entryId="x") == "fork is not supported by echo"
    assert talk.ask("delete_session", "s") == {"deleted": True}
    assert "Traceback" not in host.output()


# Attached.


def test_mux_shows_an_attached_session(talk: Talk, host: Host) -> None:
    for text in ("one", "two"):
        sent = {"event": "message", "data": {"text": text}}
        assert ask(host, "POST", "/sessions/s/events", sent)[0] == 200
    (info,) = talk.ask("list_sessions")["sessions"]
    assert (info["sessionId"], info["kind"]) == ("s", "attached")
    talk.ask("switch_session", "s", after="0")
    assert talk.event("message_end")["message"]["content"][0]["text"] == "one"
    assert talk.event("message_end")["message"]["content"][0]["text"] == "two"
    sent = {"event": "message-delta", "data": {"item": "3", "text": "thr"}}
    ask(host, "POST", "/sessions/s/events", sent)
    assert talk.event("message_update", "text_delta")["message"]["content"] == [
        {"type": "text", "text": "thr"}
    ]
    told = talk.ask("prompt", "s", message="go on")
    assert told["note"] == "queued: heard when its agent asks for messages"
    talk.ask("follow_up", "s", message="and then")
    assert talk.refused("abort", "s").startswith("abort is not supported by attached sessions")
    talk.ask("set_session_name", "s", name="mine")
    _, inbox = ask(host, "GET", "/sessions/s/messages")
    assert [(one["content"], one["mode"]) for one in inbox] == [
        ("go on", "auto"),
        ("and then", "queue"),
    ]
    assert talk.ask("get_last_assistant_text", "s") == {"text": "two"}
    assert talk.ask("get_state", "s")["sessionName"] == "mine"
    refused = talk.refused("compact", "s")
    assert refused == "compact is not supported by attached sessions"
    assert talk.ask("delete_session", "s") == {"deleted": True}


# A restart.


def ends_two(frame: Object) -> bool:
    event = frame.get("event", {})
    return event.get("type") == "agent_end" and '"two"' in json.dumps(event["messages"])


@pytest.mark.parametrize("how", ["kill", "terminate"])
def test_mux_client_continues_after_a_restart(start_host: StartHost, how: str) -> None:
    first = start_host(*PATIENT)
    with over_websocket(first) as talk:
        talk.ask("create_session", "s", agent="echo")
        talk.ask("switch_session", "s", after="0")
        run(talk, "one")
        talk.say("prompt", "s", message="SLOW 1000 20")
        for _ in range(3):
            talk.event("message_update", "text_delta")
        received = [one for one in talk.frames if one["type"] == "event"]
    getattr(first.process, how)()
    first.wait()
    with over_websocket(start_host(*PATIENT)) as talk:
        talk.ask("switch_session", "s", after=received[-1]["cursor"])
        frames = [*talk.frames, *run(talk, "two")]
        if not any(map(ends_two, frames)):
            frames += talk.until(ends_two)  # the past comes from the disk, the answer does not
        later = [one for one in frames if one["type"] == "event"]
        numbers = seqs([*received, *later])
        assert numbers == sorted(numbers), "exactly there"
        assert not [one for one in frames if one["type"] == "gap"]
        ended = [one["event"] for one in later if one["event"]["type"] == "agent_end"]
        cut, whole = (one["messages"] for one in ended)
        assert [one["role"] for one in cut[:2]] == ["user", "assistant"]
        assert cut[1]["content"][0]["text"].startswith(text_of(received)), "from its beginning"
        assert cut[-1]["stopReason"] == "error"
        assert [one["content"][0]["text"] for one in whole] == ["two", "two"]
        again = whole_log(talk)
        assert facts(again) == facts([*received, *later]), "whoever reads it all hears the same"


def facts(frames: list[Object]) -> list[str]:
    """Return the frames that do not tell how and since when a message grew.

    Its pieces leave the log, once the log has it whole.
    """
    growth = ("message_start", "message_update")
    kept = [json.dumps(one) for one in frames if one["event"]["type"] not in growth]
    return [re.sub(r'"timestamp": \d+', "", frame) for frame in kept]


def text_of(frames: list[Object]) -> str:
    last = frames[-1]["event"]["message"]["content"]
    return str(last[0]["text"])


def whole_log(talk: Talk) -> list[Object]:
    """Read a session from its beginning up to its last turn's end."""
    last: Any = [one for one in talk.frames if one["type"] == "event"][-1]
    talk.ask("unsubscribe", "s")
    before = len(talk.frames)
    talk.ask("switch_session", "s", after="0")
    while json.dumps(last) not in map(json.dumps, talk.frames[before:]):
        talk.until(lambda one: one["type"] == "event")
    return [one for one in talk.frames[before:] if one["type"] == "event"]
