"""``sxhost stdio``: a host inside, or a running one at the other end."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from tests.support.hosts import StartHost
from tests.support.multiplexer_clients import Talk, over_stdio, over_websocket

Object = dict[str, Any]


def play(talk: Talk) -> list[Object]:
    """Play a session with an agent that needs no program; return all that was heard."""
    talk.until(lambda one: one["type"] == "startup_recovery_summary")
    talk.ask("create_session", "test", agent="echo")
    talk.ask("switch_session", "test")
    talk.ask("prompt", "test", message="Hello!")
    assert talk.ask("get_last_assistant_text", "test") == {"text": "Hello!"}
    assert talk.refused("get_tools", "test") == "get_tools is not supported by echo"
    assert talk.ask("delete_session", "test") == {"deleted": True}
    talk.until(lambda one: one["type"] == "session_deleted")
    return talk.frames


def shown(frames: list[Object]) -> list[Object]:
    """Return frames without what differs from host to host: times, epochs, names."""
    text = json.dumps(frames)
    text = re.sub(r'"(createdAt|cursor)": "[^"]*"', r'"\1": ""', text)
    text = re.sub(r'"(timestamp|ts|ts_ms)": \d+', r'"\1": 0', text)
    return list(json.loads(re.sub(r"echo-\d+", "echo-N", text)))


def test_stdio_and_websocket_send_the_same_frames(
    start_host: StartHost, tmp_path: Path
) -> None:
    home = tmp_path / "inside"
    home.mkdir()
    with over_stdio(home, {}, "--state-dir", str(home / "state")) as talk:
        inside = shown(play(talk))
    host = start_host("--port", "0")
    with over_websocket(host) as talk:
        assert shown(play(talk)) == inside
    host.stop()
    host = start_host("--port", "0")  # another would give the first one's answers again
    with over_stdio(tmp_path, {}, "--connect", host.url) as talk:
        assert shown(play(talk)) == inside


def test_stdio_without_a_host_is_an_error(tmp_path: Path) -> None:
    talk = over_stdio(tmp_path, {}, "--connect", "http://127.0.0.1:1")
    with talk as client:
        assert client.wire.read() is None
        client.wire.process.wait()  # type: ignore[attr-defined]
        output = (tmp_path / "stdio.log").read_text()
        assert output.startswith("No host answers at http://127.0.0.1:1: ")
        client.wire.close = lambda: 0  # type: ignore[attr-defined]
