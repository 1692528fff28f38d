"""``sxhost stdio``: a host inside, or a running one at the other end."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from tests.support.daemons import SXHOST, run
from tests.support.hosts import Host, StartHost
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


def test_stdio_beside_a_running_host_joins_it(start_host: StartHost, tmp_path: Path) -> None:
    host = start_host("--port", "0", "--require-token")
    address = host.url
    with over_stdio(tmp_path, {}, *state_of(tmp_path)) as talk:
        talk.ask("create_session", "here", agent="echo")
    joined = f"sxhost: {in_use(host, tmp_path)} This joins it, at {address}.\n"
    assert (tmp_path / "stdio.log").read_text() == joined


def test_stdio_that_joins_works_where_its_caller_is(running_host: Host, tmp_path: Path) -> None:
    for name in ("one", "other"):
        place = tmp_path / name
        place.mkdir()
        with over_stdio(place, {}, *state_of(tmp_path)) as talk:
            create(talk, name)
            create(talk, f"{name}-told", cwd=str(tmp_path))
    with over_websocket(running_host) as talk:
        create(talk, "host")
    found = run(tmp_path, SXHOST, "sessions", "--json", SXHOST_URL=running_host.url)
    listed = map(json.loads, found.stdout.splitlines())
    assert {each["id"]: each["cwd"] for each in listed} == {
        "one": str(tmp_path / "one"),
        "other": str(tmp_path / "other"),
        "one-told": str(tmp_path),
        "other-told": str(tmp_path),
        "host": str(tmp_path),
    }


def test_stdio_beside_a_host_that_it_cannot_join_says_so(
    running_host: Host, tmp_path: Path
) -> None:
    url = running_host.url
    done = run(tmp_path, SXHOST, "stdio", *state_of(tmp_path), "--agent-root", "/")
    how = f"to speak with that one: sxhost stdio --connect {url}"
    said = f"{in_use(running_host, tmp_path)} --agent-root is for a host inside; {how}"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"sxhost: {said}\n")
    taken = ("--store", "memory:", "--port", str(running_host.port))
    done = run(tmp_path, SXHOST, "stdio", *state_of(tmp_path), *taken)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert "address already in use" in done.stderr
    done = run(tmp_path, SXHOST, "stdio", *state_of(tmp_path), "--store", "memory:")
    assert done.returncode == 0
    assert (tmp_path / "state" / "url").read_text() == f"{url}\n"  # it is still found


def test_stdio_beside_another_stdio_says_that_it_listens_nowhere(tmp_path: Path) -> None:
    with over_stdio(tmp_path, {}, *state_of(tmp_path)) as talk:
        talk.ask("list_sessions")
        done = run(tmp_path, SXHOST, "stdio", *state_of(tmp_path))
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    why = "It listens nowhere, so nobody can join it; --state-dir DIR gives another.\n"
    assert done.stderr.endswith(why)


def create(talk: Talk, name: str, **fields: str) -> None:
    """Create a session, without an id of the command: clients share them."""
    command = {"type": "create_session", "sessionId": name, "agent": "echo", **fields}
    talk.wire.write(json.dumps(command).encode())
    talk.until(lambda one: one["type"] == "session_created")


def state_of(home: Path) -> tuple[str, str]:
    """Return the option for the state directory of the hosts that tests start."""
    return "--state-dir", str(home / "state")


def in_use(host: Host, home: Path) -> str:
    """Return the sentence that a host has the store of a home."""
    database = home / "state" / "sxhost.db"
    return f"{database} is in use by the host with pid {host.process.pid}."
