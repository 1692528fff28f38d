"""Sessions and the whole as codexd shows them."""

from __future__ import annotations

from typing import Any

from msgspec import to_builtins

from sxhost.faces.codexd.records import HostMoment, session_record, snapshot_of
from sxhost.faces.codexd.records_wire import CodexdEvent, iso
from sxhost.model.session import Session, State
from sxhost.model.turn import Launch, Process, Turn

MOMENT = HostMoment(1000, 5000, 77, "e1")


def session(**fields: Any) -> Session:
    state = State("idle", "", 0)
    usual: dict[str, Any] = {"kind": "hosted", "agent": "codex", "native_id": "t1"}
    ours = {"id": "a", "start_ms": 1001, "last_seen_ms": 2002, "state": state}
    return Session(**{**ours, **usual, **fields})


def record(**fields: Any) -> dict[str, Any]:
    shown: dict[str, Any] = to_builtins(session_record(session(**fields)))
    return shown


def event(seq: int, name: str, **detail: Any) -> CodexdEvent:
    at = iso(seq * 1000)
    return CodexdEvent(
        seq=seq, created_at=at, level="info", type=name, message=name, detail=detail
    )


def test_times_are_written_as_javascript_does() -> None:
    assert iso(0) == "1970-01-01T00:00:00.000Z"
    assert iso(1_710_288_000_007) == "2024-03-13T00:00:00.007Z"


def test_a_session_made_here() -> None:
    kept = {"purpose": "worker", "config": {"a": 1}, "ephemeral": False, "sandbox": "x"}
    shown = record(metadata={"k": "v", "codexd": kept}, cwd="/w", model="m", provider="p")
    assert shown == {
        "sessionId": "a",
        "purpose": "worker",
        "threadId": "t1",
        "status": "active",
        "endpoint": "stdio://codex-app-server",
        "childPid": None,
        "createdAt": "1970-01-01T00:00:01.001Z",
        "updatedAt": "1970-01-01T00:00:02.002Z",
        "cwd": "/w",
        "model": "m",
        "modelProvider": "p",
        "currentTurnId": None,
        "lastTurnId": None,
        "lastTurnStatus": None,
        "lastTurnError": None,
        "metadata": {"k": "v"},
        "approvalPolicy": None,
        "baseInstructions": None,
        "config": {"a": 1},
        "developerInstructions": None,
        "ephemeral": False,
        "personality": None,
        "sandbox": "x",
        "serviceTier": None,
    }


def test_a_session_made_elsewhere() -> None:
    native = {"personality": "q", "persistExtendedHistory": True}
    launch = Launch(agent="codex", approval_policy="never", native=native, resume="t0")
    shown = record(launch=launch, metadata={"n": 7, "codexd": "x"}, native_id="")
    assert (shown["purpose"], shown["threadId"]) == ("duplex", "t0")
    assert (shown["approvalPolicy"], shown["personality"]) == ("never", "q")
    assert shown["metadata"] == {"n": "7", "codexd": "x"}
    assert "persistExtendedHistory" not in shown


def test_metadata_that_is_called_as_ours() -> None:
    kept = {"purpose": "duplex", "metadata": {"codexd": "x", "k": "v"}}
    assert record(metadata={"codexd": kept, "k": "v"})["metadata"] == {"codexd": "x", "k": "v"}
    assert record(metadata={"codexd": {"metadata": 7}})["metadata"] == {}


def turns(**fields: Any) -> tuple[Any, ...]:
    shown = record(turn=Turn(id=3, **fields))
    names = ("currentTurnId", "lastTurnId", "lastTurnStatus", "lastTurnError")
    return tuple(shown[name] for name in names)


def test_turns() -> None:
    assert turns(native_id="u") == ("u", "u", "inProgress", None)
    assert turns() == ("3", "3", "inProgress", None)
    assert turns(status="completed", native_id="u") == (None, "u", "completed", None)
    assert turns(status="interrupted") == (None, "3", "failed", "interrupted")
    assert turns(status="failed", reason="why") == (None, "3", "failed", "why")


def test_a_session_is_closed_once_nothing_can_go_on_with_it() -> None:
    ephemeral = {"codexd": {"ephemeral": True}}
    assert record(metadata=ephemeral, process=Process(7))["status"] == "active"
    assert record(metadata=ephemeral, process=Process(0))["status"] == "closed"
    launch = Launch(agent="codex", native={"ephemeral": True})
    assert record(launch=launch)["status"] == "closed"
    assert record(process=Process(0))["status"] == "active"


# The whole.


def child(sessions: list[Session], *events: CodexdEvent) -> dict[str, Any]:
    shown: dict[str, Any] = to_builtins(snapshot_of(sessions, events, MOMENT).daemon.child)
    return shown


def test_the_whole() -> None:
    shown = to_builtins(snapshot_of([session()], [event(3, "x")], MOMENT))
    assert list(shown) == [
        "daemon", "identity", "recentEvents", "runRegistry", "sessionRegistry",
    ]  # fmt: skip
    assert shown["daemon"]["pid"] == 77
    assert shown["daemon"]["startedAt"] == "1970-01-01T00:00:01.000Z"
    assert shown["identity"]["daemonId"] == "sxhost-e1"
    assert shown["recentEvents"]["maxEntries"] == 50
    assert shown["recentEvents"]["updatedAt"] == "1970-01-01T00:00:03.000Z"
    assert [e["seq"] for e in shown["recentEvents"]["events"]] == [3]
    assert shown["runRegistry"]["runs"] == []
    assert shown["sessionRegistry"]["updatedAt"] == "1970-01-01T00:00:02.002Z"
    assert [s["sessionId"] for s in shown["sessionRegistry"]["sessions"]] == ["a"]


def test_the_child() -> None:
    begun = event(1, "session.registered")
    ended = event(2, "app-server.transport.closed", exitCode=None, signal="SIGKILL")
    running = child([session(process=Process(9)), session()], begun)
    assert (running["status"], running["pid"]) == ("running", 9)
    assert running["startedAt"] == begun.created_at
    failed = child([session(process=Process(0))], begun, ended)
    assert (failed["status"], failed["pid"], failed["signal"]) == ("failed", None, "SIGKILL")
    assert (failed["exitedAt"], failed["lastError"]) == (ended.created_at, ended.message)
    in_order = event(2, "app-server.transport.closed", exitCode=0, signal=None)
    stopped = child([session()], begun, in_order)
    assert (stopped["status"], stopped["exitCode"], stopped["lastError"]) == (
        "stopped",
        0,
        None,
    )
    assert child([])["status"] == "idle"
    assert child([session()])["status"] == "stopped"
