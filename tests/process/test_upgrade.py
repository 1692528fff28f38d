"""A state directory of 0.1.0, as its host has left it, and this version's host with it."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.request import ProxyHandler, Request, build_opener

import pytest

from sxhost.daemon.preflight import make_state_dir
from tests.support.daemons import PATIENCE

if TYPE_CHECKING:
    from tests.support.hosts import Host, StartHost

WRITTEN = Path(__file__).parent / "state-0.1.0"
"""Its database has version 3: a script's session with four events and
two messages; a conversation of an agent that the host ran; a token that reads."""

PHONE = "sxhost_1063d6a3_7-4JwUe62C5nu6MMjmV9gQv2V2YrGw1khRQbNMRQiPY"


@pytest.fixture
def state(tmp_path: Path) -> Path:
    state = tmp_path / "state"
    make_state_dir(state)
    for written in WRITTEN.iterdir():
        shutil.copyfile(written, state / written.name)
        (state / written.name).chmod(0o600)  # which git does not keep
    return state


@pytest.fixture
def host(state: Path, start_host: StartHost) -> Host:
    place = ("--state-dir", str(state), "--store", f"sqlite:{state / 'sxhost.db'}")
    return start_host("--port", "0", "--require-token", *place)


def ask(host: Host, token: str, path: str, draft: Any = None) -> Any:
    """Ask with a token; the answer's lines, or its one value."""
    body = None if draft is None else json.dumps(draft).encode()
    fields = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    request = Request(f"{host.url}{path}", body, fields)
    with build_opener(ProxyHandler({})).open(request, timeout=PATIENCE) as answer:
        return [json.loads(line) for line in answer.read().splitlines()]


def test_state_of_0_1_0_goes_on(state: Path, host: Host) -> None:
    own = (state / "token").read_text().strip()
    ((script),) = ask(host, PHONE, "/sessions/script")
    assert (script["title"], script["queued_messages"]) == ("Nightly", 2)
    events = ask(host, PHONE, "/sessions/script/events?limit=10")
    assert [(e["seq"], e["event"]) for e in events][-1] == (4, "message")
    (new,) = ask(host, own, "/sessions/script/events", {"event": "message", "data": "more"})
    assert new["seq"] == 5, "its numbers go on"
    (messages,) = ask(host, own, "/sessions/script/messages")
    assert [message["content"] for message in messages] == ["first", "second"]
    (listed,) = ask(host, PHONE, "/sessions")
    assert any(session["agent"] == "echo" for session in listed)
    (status,) = ask(host, own, "/status")
    assert status["missing"] == "", "nothing was lost, so no reader is told of a gap"
    host.stop()


def test_the_database_as_it_was_is_kept(state: Path, host: Host) -> None:
    assert host.port
    host.stop()
    with closing(sqlite3.connect(state / "sxhost.db.version-3")) as kept:
        assert kept.execute("PRAGMA user_version").fetchone() == (3,)
    with closing(sqlite3.connect(WRITTEN / "sxhost.db")) as before:
        epoch = before.execute("SELECT value FROM meta WHERE name = 'epoch'").fetchone()
    with closing(sqlite3.connect(state / "sxhost.db")) as now:
        assert now.execute("SELECT value FROM meta WHERE name = 'epoch'").fetchone() == epoch


def test_an_older_program_says_that_the_database_is_newer(
    state: Path, start_host: StartHost
) -> None:
    with closing(sqlite3.connect(state / "sxhost.db")) as connection:
        connection.execute("PRAGMA user_version = 99")
    host = start_host(
        *("--port", "0", "--state-dir", str(state)),
        *("--store", f"sqlite:{state / 'sxhost.db'}"),
    )
    assert host.wait() == 1
    assert "sxhost.db has version 99; this sxhost knows " in host.output()
    assert "Use a newer one." in host.output()
