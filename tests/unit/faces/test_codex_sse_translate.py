"""Events as frames of Codex: every kind, what real app servers said, and rubbish."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from sxhost.faces.codex_sse.fields import (
    Conversation,
    changes_by_path,
    split_command,
    to_snake_case,
)
from sxhost.faces.codex_sse.stream import FrameEncoder, ends_turn
from sxhost.faces.codex_sse.translate import FRAMES
from sxhost.faces.pi.translator import Translator
from sxhost.model.approval import Approval, Inquiry, Option
from sxhost.model.event import Event
from sxhost.model.limits import Limits
from tests.support.stores import logs_before_and_after_pieces_leave
from tests.unit.drivers.test_codex import PATCH, RUN, UNTRUSTED, Scene

ABOUT = Conversation(id="r", session="s", model="m", provider="p", cwd="/w")
Fields = dict[str, Any]


def event(name: str, data: Any, number: int = 7) -> Event:
    raw = Raw(msgspec.json.encode(data))
    return Event(name, raw, ts=1, seq=number, id=number, ts_ms=1000, session="s")


def framed(encoded: bytes) -> Fields | None:
    """Return what a frame says; it is one, and whole."""
    if not encoded:
        return None
    place, data, end, rest = encoded.decode().split("\n")
    assert (place, end, rest) == ("id: e:7", "", "")
    fields: Fields = json.loads(data.removeprefix("data: "))
    assert fields.pop("id") == "r"
    return fields


def frame(name: str, about: Conversation = ABOUT, /, **data: Any) -> Fields | None:
    return framed(FrameEncoder(about, 1).event(event(name, data), "e"))


def noticed(method: str, **params: Any) -> Fields:
    return {"method": method, "params": params}


ITEM = {"call_id": "c", "turn_id": ""}
EXEC = {**ITEM, "command": ["ls", "a b"], "cwd": "/w", "parsed_cmd": [], "source": "agent"}
OTHER = {"call_id": "c", "invocation": {"server": "", "tool": "read", "arguments": None}}
NONE = {"secs": 0, "nanos": 0}
TRIED = {"error": {"message": "again", "codexErrorInfo": {"responseStreamDisconnected":
         {"httpStatusCode": 500}}, "additionalDetails": "x"}, "willRetry": True}  # fmt: skip

CASES: list[tuple[str, Fields, Fields | None]] = [
    ("started", {"native_id": "n"}, {"type": "session_configured", "session_id": "n",
     "session": "s", "model": "m", "model_provider_id": "p", "cwd": "/w", "history_log_id": 0,
     "history_entry_count": 0}),
    ("turn-started", {"turn": 1, "native_id": "t"},
     {"type": "task_started", "turn_id": "t", "model_context_window": None}),
    ("user-message", {"text": "x", "by": "turn", "turn": 1},
     {"type": "user_message", "message": "x"}),
    ("message", {"text": "x"}, {"type": "agent_message", "message": "x"}),
    ("message-delta", {"text": "x"}, {"type": "agent_message_delta", "delta": "x"}),
    ("thinking", {"text": "x"}, {"type": "agent_reasoning", "text": "x"}),
    ("thinking", {"text": "x", "native": noticed("item/completed", item={"summary": []})},
     {"type": "agent_reasoning_raw_content", "text": "x"}),
    ("thinking-delta", {"text": "x"}, {"type": "agent_reasoning_delta", "delta": "x"}),
    ("thinking-delta", {"text": "x", "native": noticed("item/reasoning/textDelta")},
     {"type": "agent_reasoning_raw_content_delta", "delta": "x"}),
    ("thinking-delta", {"text": "\n\n", "native": noticed(
        "item/reasoning/summaryPartAdded", itemId="i", summaryIndex=1)},
     {"type": "agent_reasoning_section_break", "item_id": "i", "summary_index": 1}),
    ("tool-start", {"item": "c", "tool": "commandExecution", "title": "ls 'a b'"},
     {"type": "exec_command_begin", **EXEC}),
    ("tool-output", {"item": "c", "text": "é"}, {"type": "exec_command_output_delta",
     "call_id": "c", "stream": "stdout", "chunk": "w6k="}),
    ("tool-done", {"item": "c", "tool": "commandExecution", "status": "cut", "output": "o",
     "exit_code": None},
     {"type": "exec_command_end", **EXEC, "command": [], "stdout": "o", "stderr": "",
      "aggregated_output": "o",
      "exit_code": -1, "duration": NONE, "formatted_output": "o", "status": "failed"}),
    ("tool-start", {"item": "c", "tool": "fileChange"},
     {"type": "patch_apply_begin", **ITEM, "changes": {}, "auto_approved": False}),
    ("tool-done", {"item": "c", "tool": "fileChange", "status": "declined"},
     {"type": "patch_apply_end", **ITEM, "changes": {}, "stdout": "", "stderr": "",
      "success": False, "status": "declined"}),
    ("tool-start", {"item": "c", "tool": "read"}, {"type": "mcp_tool_call_begin", **OTHER}),
    ("tool-done", {"item": "c", "tool": "read", "status": "failed", "output": "no"},
     {"type": "mcp_tool_call_end", **OTHER, "duration": NONE, "result": {"Ok": {
      "content": [{"type": "text", "text": "no"}], "isError": True}}}),
    ("tool-start", {"item": "c", "tool": "webSearch"},
     {"type": "web_search_begin", "call_id": "c"}),
    ("tool-done", {"item": "c", "tool": "webSearch", "native": noticed("item/completed",
     item={"type": "webSearch", "id": "c", "query": "q", "action": {"type": "search"}})},
     {"type": "web_search_end", "call_id": "c", "query": "q", "action": {"type": "search"}}),
    ("tool-start", {"tool": "imageView", "native": noticed("item/started",
     item={"type": "imageView", "id": "c", "path": "/p.png"})},
     {"type": "view_image_tool_call", "call_id": "c", "path": "/p.png"}),
    ("tool-done", {"item": "c", "tool": "imageView", "status": "completed"}, None),
    ("plan", {"entries": [{"content": "a", "status": "in_progress"}], "text": ""},
     {"type": "plan_update", "explanation": None,
      "plan": [{"step": "a", "status": "in_progress"}]}),
    ("diff", {"diff": "d"}, {"type": "turn_diff", "unified_diff": "d"}),
    ("compact", {"item": "c"}, {"type": "context_compacted"}),
    ("warning", {"text": "x"}, {"type": "warning", "message": "x"}),
    ("warning", {"text": "x", "native": noticed("error", **TRIED)},
     {"type": "stream_error", "message": "again", "additional_details": "x", "codex_error_info":
      {"response_stream_disconnected": {"http_status_code": 500}}}),
    ("warning", {"text": "x", "native": noticed("error")}, {"type": "warning", "message": "x"}),
    ("warning", {"text": "x", "native": noticed("deprecationNotice", summary="s")},
     {"type": "deprecation_notice", "summary": "s", "details": None}),
    ("stalled", {"silent_s": 300, "turn": 1}, {"type": "background_event",
     "message": "Nothing was heard of the agent for 300 seconds."}),
    ("native", {"native": noticed("item/reasoning/summaryPartAdded", itemId="i")},
     {"type": "agent_reasoning_section_break", "item_id": "i", "summary_index": 0}),
    ("native", {"native": noticed("thread/status/changed", status={"type": "idle"})}, None),
    ("native", {"native": "something of another agent's"}, None),
    ("complete", {"turn": 1, "status": "completed", "reason": "", "native": None},
     {"type": "task_complete", "last_agent_message": None}),
    ("complete", {"turn": 1, "status": "interrupted", "native": noticed("turn/completed",
     turn={"id": "t"})}, {"type": "turn_aborted", "turn_id": "t", "reason": "interrupted"}),
    ("error", {"turn": 1, "status": "failed", "reason": "x", "native": noticed("turn/completed",
     turn={"id": "t", "error": {"message": "x", "codexErrorInfo": "usageLimitExceeded"}})},
     {"type": "error", "message": "x", "codex_error_info": "usage_limit_exceeded"}),
    ("error", {"text": "what somebody has fired"}, None),
    ("approval-resolved", {"id": 1}, None),
    ("ended", {"code": 0}, None),
    ("anything", {"text": "x"}, None),
]  # fmt: skip


@pytest.mark.parametrize(("name", "data", "expected"), CASES)
def test_every_event_has_its_frame(name: str, data: Fields, expected: Fields | None) -> None:
    assert frame(name, **data) == expected


def test_no_event_is_left_out() -> None:
    assert {name for name, *_ in CASES} >= FRAMES.keys() - {"usage"}


def test_tokens_are_counted() -> None:
    told: Fields = {
        "total_tokens": 5,
        "input_tokens": 4,
        "cached_tokens": 3,
        "output_tokens": 1,
    }
    one = {"inputTokens": 1, "cachedInputTokens": 0}
    native = noticed("thread/tokenUsage/updated", tokenUsage={
        "total": {"inputTokens": 4}, "last": one, "modelContextWindow": 9})  # fmt: skip
    said = frame("usage", **told, context_window=9, native=native)
    assert said == {"type": "token_count", "rate_limits": None, "info": {
        "total_token_usage": {"input_tokens": 4}, "model_context_window": 9,
        "last_token_usage": {"input_tokens": 1, "cached_input_tokens": 0}}}  # fmt: skip
    ours = frame("usage", **told)
    assert ours is not None
    assert ours["info"]["total_token_usage"] == {
        "input_tokens": 4, "cached_input_tokens": 3, "output_tokens": 1,
        "reasoning_output_tokens": 0, "total_tokens": 5,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("ended", "result"),
    [
        ({"result": {"content": []}}, {"Ok": {"content": []}}),
        ({"error": {"message": "no"}}, {"Err": "no"}),
    ],
)
def test_a_tool_servers_call(ended: Fields, result: Fields) -> None:
    item = {"type": "mcpToolCall", "id": "c", "server": "s", "tool": "t", "arguments": {"a": 1}}
    done = noticed("item/completed", item={**item, "durationMs": 1500, **ended})
    said = frame("tool-done", item="c", tool="s.t", native=done)
    assert said == {
        "type": "mcp_tool_call_end",
        "call_id": "c",
        "invocation": {"server": "s", "tool": "t", "arguments": {"a": 1}},
        "duration": {"secs": 1, "nanos": 500_000_000},
        "result": result,
    }


def test_what_is_known_of_a_session_is_told() -> None:
    about = msgspec.structs.replace(ABOUT, approval_policy="never", sandbox="read-only")
    said = frame("started", about, native_id="n")
    assert said is not None
    assert (said["approval_policy"], said["sandbox_policy"]) == ("never", {"type": "read-only"})
    patch = frame("tool-start", about, item="c", tool="fileChange")
    assert patch is not None
    assert patch["auto_approved"] is True


# What an agent asks.


def asked(kind: Any, native: Any = None, **detail: Any) -> Fields | None:
    inquiry = Inquiry(id="i", text="Which?", options=[Option("a", "A")])
    approval = Approval(
        id=3, session="s", kind=kind, title="Do it", detail=detail, choices=["approve", "own"],
        opened_ms=1, expires_ms=None, native=native, inquiries=[inquiry], key="k",
    )  # fmt: skip
    data = msgspec.to_builtins(approval)
    return framed(FrameEncoder(ABOUT, 1).event(event("approval-requested", data), "e"))


COMMON = {"approval_id": "3", "turn_id": "", "available_decisions": ["approved", "own"]}
ASKED = {"id": "i", "header": "", "question": "Which?", "isOther": True, "isSecret": False,
         "options": [{"label": "a", "description": "A"}]}  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "detail", "fields"),
    [
        ("command", {"command": "ls 'a b'", "cwd": "/x", "reason": "so"},
         {"type": "exec_approval_request", "command": ["ls", "a b"], "cwd": "/x",
          "reason": "so", "parsed_cmd": []}),
        ("command", {}, {"type": "exec_approval_request", "command": ["Do", "it"], "cwd": "/w",
                         "parsed_cmd": []}),
        ("file-change", {"changes": {"/f": {"type": "add"}}, "grant_root": "/g"},
         {"type": "apply_patch_approval_request", "changes": {"/f": {"type": "add"}},
          "grant_root": "/g"}),
        ("permission", {"permissions": {"network": True}},
         {"type": "request_permissions", "reason": "Do it", "permissions": {"network": True}}),
        ("tool", {}, {"type": "request_permissions", "reason": "Do it", "permissions": {}}),
        ("question", {}, {"type": "request_user_input", "questions": [ASKED]}),
        ("dialog", {"server": "x"}, {"type": "elicitation_request", "server_name": "x",
         "elicitation_id": "k", "message": "Do it", "questions": [ASKED]}),
    ],
)  # fmt: skip
def test_what_is_asked(kind: str, detail: Fields, fields: Fields) -> None:
    assert asked(kind, **detail) == {"call_id": "k", **COMMON, **fields}


def test_what_is_asked_in_codexs_own_words() -> None:
    own = [{"id": "q", "question": "?"}]
    native = {
        "method": "m",
        "id": 5,
        "params": {"itemId": "c", "turnId": "t", "questions": own},
    }
    said = asked("question", native)
    assert said is not None
    assert (said["call_id"], said["turn_id"], said["questions"]) == ("c", "t", own)
    dialog = asked("dialog", native)
    assert dialog is not None
    assert dialog["elicitation_id"] == 5


# What real app servers said.


def frames_of(scene: Scene) -> list[Fields]:
    frames = FrameEncoder(ABOUT, 1)
    events = [event(*pair) for pair in scene.reports.events()]
    said = [framed(frames.event(it, "e")) for it in events]
    return [fields for fields in said if fields and fields["type"] != "warning"]


def approved() -> Scene:
    scene = Scene("approve", **UNTRUSTED)
    scene.submit(RUN)
    scene.answer("approve")
    return scene


def patched() -> Scene:
    scene = Scene("filechange", **UNTRUSTED)
    scene.submit(PATCH)
    scene.answer("deny")
    return scene


def test_a_real_command() -> None:
    said = {fields["type"]: fields for fields in frames_of(approved())}
    begun, ended = said["exec_command_begin"], said["exec_command_end"]
    assert begun["command"] == ["/bin/bash", "-lc", "echo hi > made.txt && cat made.txt"]
    assert begun["parsed_cmd"] == [
        {"type": "unknown", "cmd": "echo hi > made.txt && cat made.txt"}
    ]
    assert (ended["call_id"], ended["exit_code"], ended["formatted_output"]) == (
        begun["call_id"], 0, "hi\n",
    )  # fmt: skip
    assert (begun["source"], ended["source"]) == ("agent", "unified_exec_startup")
    assert said["agent_message"]["message"].endswith("hi\n")
    assert said["token_count"]["info"]["last_token_usage"]["input_tokens"] > 0


def test_a_real_patch() -> None:
    said = {fields["type"]: fields for fields in frames_of(patched())}
    begun, ended = said["patch_apply_begin"], said["patch_apply_end"]
    assert begun["changes"] == {
        "/home/user/project/hello.txt": {"type": "add", "content": "hello\n"}
    }
    assert (ended["success"], ended["status"]) == (False, "declined")


# Once pieces have left the log.

LEFT = ("_delta", "agent_reasoning_section_break")
"""What ends the types of frames that are pieces."""


def turn_of(scene: Scene) -> list[tuple[str, Any]]:
    """Return what a log has of a turn: the host's own events around those of the agent."""
    begun = ("turn-started", {"turn": 1, "native_id": "t"})
    return [begun, *scene.reports.events(), ("complete", {"turn": 1, "status": "completed"})]


@pytest.mark.parametrize("play", [approved, patched])
def test_who_comes_later_gets_all_but_the_pieces(play: Callable[[], Scene]) -> None:
    before, after = logs_before_and_after_pieces_leave(turn_of(play()))
    assert len(after) < len(before)
    live, late = (
        [frames.event(each, "e") for each in log]
        for frames, log in ((FrameEncoder(ABOUT, 1), before), (FrameEncoder(ABOUT, 1), after))
    )
    told = [json.loads(one.split(b"data: ")[1]) for one in live if one]
    again = [json.loads(one.split(b"data: ")[1]) for one in late if one]
    assert again == [one for one in told if not one["type"].endswith(LEFT)]
    assert again[-1]["last_agent_message"] == told[-1]["last_agent_message"] is not None


@pytest.mark.parametrize("play", [approved, patched])
def test_a_client_of_the_multiplexer_likewise(play: Callable[[], Scene]) -> None:
    whole = ("message_end", "tool_execution_start", "tool_execution_end", "turn_end")
    live, late = (
        [json.loads(one) for each in log for one in runs.translate(each)]
        for log in logs_before_and_after_pieces_leave(turn_of(play()))
        for runs in [Translator(Limits(), lambda _: "codex")]
    )
    both = [
        [one for one in shown if one["type"] in (*whole, "agent_start", "agent_end")]
        for shown in (untimed(late), untimed(live))
    ]
    assert both[0] == both[1]
    assert both[0][-1]["messages"]


def untimed(value: Any) -> Any:
    """Return frames without when messages began: of a whole text it is when it was whole."""
    if isinstance(value, list):
        return [untimed(one) for one in value]
    if isinstance(value, dict):
        return {k: untimed(v) for k, v in value.items() if k != "timestamp"}
    return value


# The stream.


def test_it_is_over_with_its_turn() -> None:
    frames = FrameEncoder(ABOUT, 2)
    ended = []
    for turn in (1, 2):
        assert frames.event(event("complete", {"turn": turn}), "e")
        ended.append(frames.over)
    assert ended == [False, True]
    assert frames.event(event("message", {"text": "late"}), "e") == b""


@pytest.mark.parametrize(
    ("name", "fields", "expected"),
    [
        ("hello", {"cursor": "e:1"}, b""),
        ("heartbeat", {"cursor": "e:1"}, b"event: ping\ndata: ping\n\n"),
        ("state", {"state": "idle"}, b""),
        ("end", {"reason": "one\ntwo", "reconnect": True}, b""),
        ("end", {"reason": "gone", "reconnect": False},
         b'data: {"id":"r","type":"error","message":"gone"}\n\n'),
        ("gap", {"from": "e:1", "to": "e:5", "reason": "x"},
         b'id: e:5\ndata: {"id":"r","type":"warning","message":"Frames are missing: x."}\n\n'),
    ],
)  # fmt: skip
def test_control_frames(name: str, fields: Fields, expected: bytes) -> None:
    assert FrameEncoder(ABOUT, 1).control(name, fields) == expected


NAMES = """a b native params method item text turn type entries error codexErrorInfo id summary
tokenUsage total last changes path kind commandActions status detail choices key session title
opened_ms expires_ms result"""
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**70) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(NAMES.split()),
            inner,
            max_size=6,
        )
    ),
    max_leaves=12,
)


@given(st.sampled_from([*FRAMES, "approval-requested"]), JSON)
def test_rubbish_is_no_frame_or_a_whole_one(name: str, data: Any) -> None:
    framed(FrameEncoder(ABOUT, 1).event(event(name, data), "e"))
    ends_turn(event(name, data), 1)


@given(st.sampled_from(["complete", "error"]), JSON)
def test_an_end_is_one_for_both_who_ask(name: str, data: Any) -> None:
    frames = FrameEncoder(ABOUT, 1)
    frames.event(event(name, data), "e")
    assert not frames.over or ends_turn(event(name, data), 1)


# Words.


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("/bin/bash -lc 'a && b'", ["/bin/bash", "-lc", "a && b"]),
        (["a", "b c"], ["a", "b c"]),
        ("it's", ["it's"]),
        ("x" * 20_000 + " y", ["x" * 20_000 + " y"]),
        (None, []),
    ],
)
def test_a_command_is_its_words(command: Any, words: list[str]) -> None:
    assert split_command(command) == words


def test_changes_are_named_by_their_paths() -> None:
    listed = [
        {"path": "/a", "kind": {"type": "add"}, "diff": "x\n"},
        {"path": "/b", "kind": {"type": "delete"}, "diff": "y\n"},
        {"path": "/c", "kind": {"type": "update", "move_path": "/d"}, "diff": "@@"},
        "rubbish",
    ]
    assert changes_by_path(listed) == {
        "/a": {"type": "add", "content": "x\n"},
        "/b": {"type": "delete", "content": "y\n"},
        "/c": {"type": "update", "unified_diff": "@@", "move_path": "/d"},
    }
    assert changes_by_path(None) == {}


def test_names_are_written_codexs_way() -> None:
    assert to_snake_case("contextWindowExceeded") == "context_window_exceeded"
    assert to_snake_case({"aB": {"cD": "eF"}}) == {"a_b": {"c_d": "eF"}}
    assert to_snake_case(None) is None
