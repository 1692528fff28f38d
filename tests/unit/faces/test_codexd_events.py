"""Our events as codexd tells them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from sxhost.faces.codexd.events import event_record, gap_record
from sxhost.faces.codexd.records_wire import CodexdEvent
from sxhost.model.event import Event
from sxhost.model.turn import CutReason, Turn
from tests.unit.faces.test_codexd_records import session

IDS = {"sessionId": "a", "threadId": "t1"}
COMPLETED = {"method": "turn/completed", "params": {"threadId": "t1", "turn": {"id": "u1"}}}


def tell(name: str, data: Any = None, **fields: Any) -> CodexdEvent:
    raw = Raw(msgspec.json.encode(data))
    return event_record(Event(name, raw, 1, 2, 7, 1500, "a"), session(**fields))


def told(name: str, data: Any = None, **fields: Any) -> tuple[str, str, Any]:
    event = tell(name, data, **fields)
    return event.level, event.type, event.detail


def test_every_field_of_a_codexd_event() -> None:
    event = tell("message", {"text": "hello", "item": "i"})
    assert msgspec.to_builtins(event) == {
        "seq": 7,
        "createdAt": "1970-01-01T00:00:01.500Z",
        "level": "info",
        "type": "session.message",
        "message": "hello",
        "detail": {**IDS, "text": "hello", "item": "i"},
    }


def test_session_start_event() -> None:
    started = {"agent": "codex", "native_id": "t9"}
    assert told("started", started, native_id="") == (
        "info", "session.registered", {"sessionId": "a", "threadId": "t9"},
    )  # fmt: skip


def test_turn_start_and_end_events() -> None:
    ids = {"turn": 1, "native_id": "u1"}
    detail = {**IDS, "turnId": "u1"}
    assert told("turn-started", ids) == ("info", "app-server.turn.started", detail)
    for status in ("completed", "interrupted"):
        data = {**ids, "status": status, "reason": "", "native": COMPLETED}
        ended = {**detail, "status": status, "reason": None}
        assert told("complete", data) == ("info", "app-server.turn.completed", ended)


def test_failed_turn_event() -> None:
    data = {"turn": 1, "status": "failed", "reason": "no model", "native": COMPLETED}
    ended = {**IDS, "turnId": "u1", "status": "failed", "reason": "no model"}
    assert told("error", data) == ("error", "app-server.turn.completed", ended)
    assert tell("error", data).message == "The turn is failed: no model"


@pytest.mark.parametrize(
    ("reason", "failure"),
    [
        (CutReason.PROCESS_ENDED, CutReason.PROCESS_ENDED),
        (CutReason.HOST_ENDED, CutReason.HOST_ENDED),
        ("the agent was ended", CutReason.PROCESS_ENDED),
    ],
)
def test_turn_cut_by_the_host_event(reason: str, failure: str) -> None:
    data = {"turn": 1, "native_id": "u1", "status": "failed", "reason": reason}
    level, name, detail = told("error", data)
    assert (level, name) == ("error", "app-server.turn.completed.missing")
    assert detail == {
        **IDS, "turnId": "u1", "status": "failed", "failureClass": failure, "reason": reason,
    }  # fmt: skip


def test_turn_without_a_native_id() -> None:
    data = {"turn": 4, "native_id": None, "status": "completed", "reason": ""}
    assert told("complete", data, turn=Turn(id=4))[2]["turnId"] == "4"
    assert "turnId" not in told("complete", data, turn=Turn(id=5))[2]


def test_process_exit_event() -> None:
    data = {"code": None, "signal": "SIGKILL", "stderr": "x" * 999, "reason": "was killed"}
    level, name, detail = told("ended", data)
    assert (level, name) == ("warn", "app-server.transport.closed")
    assert (detail["exitCode"], detail["signal"]) == (None, "SIGKILL")
    assert len(detail["stderr"]) == 200
    assert tell("ended", data).message == "was killed"


def test_native_events_keep_codexs_name() -> None:
    params = {"threadId": "sub", "turnId": "u1", "itemId": "i", "delta": "Hel"}
    native = {"method": "item/agentMessage/delta", "params": params}
    level, name, detail = told("message-delta", {"text": "Hel", "native": native})
    assert (level, name) == ("info", "app-server.item.agentMessage.delta")
    assert detail == {"sessionId": "a", **params}


def test_native_event_without_a_thread_gets_the_sessions() -> None:
    native = {"method": "configWarning", "params": {"threadId": None, "path": None}}
    _, _, detail = told("warning", {"text": "hm", "native": native})
    assert detail == {**IDS, "path": None}


def test_approval_event_has_the_hosts_number() -> None:
    method = "item/commandExecution/requestApproval"
    native = {"method": method, "id": 0, "params": {"threadId": "t1", "command": "ls"}}
    approval = {"id": 12, "title": "ls", "native": native}
    _, name, detail = told("approval-requested", approval)
    assert name == "app-server.item.commandExecution.requestApproval"
    assert detail == {**IDS, "command": "ls", "approvalId": 12}
    _, name, detail = told("approval-resolved", approval)
    assert (name, detail["id"]) == ("session.approval-resolved", 12)
    assert "native" not in detail


def test_levels() -> None:
    warned = {"text": "hm", "native": {"method": "warning", "params": {}}}
    assert told("warning", warned)[:2] == ("warn", "app-server.warning")
    assert told("stalled", {"silent_s": 9, "turn": 1})[0] == "warn"
    assert told("error", "boom")[:2] == ("error", "session.error")
    assert told("complete", None)[:2] == ("info", "session.complete")


def test_long_event_message_is_shortened() -> None:
    assert len(tell("message", {"text": "x" * 999}).message) == 200


NAMES = st.sampled_from(
    ["started", "turn-started", "complete", "error", "ended", "native", "x"]
)
KEYS = st.sampled_from(["native", "method", "params", "turn", "id", "reason", "status", "text"])
DATA = st.recursive(
    st.none() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(KEYS | st.text(), inner),
)


@given(NAMES, DATA)
def test_any_fired_event_is_encoded(name: str, data: Any) -> None:
    event = tell(name, data)
    assert event.detail is not None
    assert event.detail["sessionId"] == "a"
    assert event.message
    msgspec.json.encode(event)


def test_event_of_a_forgotten_session() -> None:
    event = event_record(Event("x", Raw(b"{}"), 1, 1, 1, 1, "a"), None)
    assert event.detail == {"sessionId": "a", "threadId": None}


def test_gap_event() -> None:
    fields = {"from": "e:3", "to": "e:9", "reason": "retention"}
    event = gap_record(fields, 1500)
    assert (event.seq, event.type, event.level) == (9, "codexd.gap", "warn")
    assert (event.detail, event.created_at) == (fields, "1970-01-01T00:00:01.500Z")
