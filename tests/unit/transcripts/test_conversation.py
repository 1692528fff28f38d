"""Events folded to the items of a conversation, from the log's beginning or its middle."""

from __future__ import annotations

from typing import Any

from msgspec import Raw

from sxhost.codec.json import encode
from sxhost.model.approval import Approval
from sxhost.model.event import Event
from sxhost.model.transcript import TranscriptItem
from sxhost.transcripts.conversation import ConversationFold


def log(*given: tuple[str, Any], first: int = 1) -> list[Event]:
    return [
        Event(name, Raw(encode(data)), 1, seq, seq, 1000 + seq, "s")
        for seq, (name, data) in enumerate(given, first)
    ]


def folded(*given: tuple[str, Any], whole: bool = True, first: int = 1) -> list[TranscriptItem]:
    conversation = ConversationFold(whole=whole)
    for event in log(*given, first=first):
        conversation.add(event)
    return list(conversation.items)


def shown(item: TranscriptItem, *names: str) -> tuple[Any, ...]:
    return tuple(getattr(item, name) for name in names)


def test_a_turn_is_its_words_calls_and_end() -> None:
    items = folded(
        ("turn-started", {"turn": 1, "native_id": None}),
        ("user-message", {"text": "go", "by": "turn", "turn": 1}),
        ("thinking", {"item": "t", "text": "hm"}),
        (
            "tool-start",
            {"item": "c", "tool": "bash", "title": "ls", "input": {"command": "ls"}},
        ),
        ("tool-output", {"item": "c", "text": "a"}),
        ("tool-done", {"item": "c", "tool": "bash", "status": "failed", "exit_code": 0}),
        ("message", {"item": "m", "text": "done"}),
        ("complete", {"turn": 1, "status": "completed"}),
    )
    told = [shown(item, "kind", "text", "status", "turn", "seq", "last") for item in items]
    assert told == [
        ("user", "go", "completed", 1, 2, 2),
        ("thinking", "hm", "completed", 1, 3, 3),
        ("tool", "a", "failed", 1, 4, 6),
        ("message", "done", "completed", 1, 7, 7),
        ("end", "", "completed", 1, 8, 8),
    ]
    assert shown(items[2], "title", "exit_code", "ts_ms", "end_ms") == ("ls", 0, 1004, 1006)


def test_pieces_are_a_running_text_until_it_is_whole() -> None:
    pieces = [("message-delta", {"item": "m", "text": text}) for text in ("so", " it")]
    (running,) = folded(*pieces)
    assert shown(running, "text", "status", "seq", "last") == ("so it", "running", 1, 2)
    (whole,) = folded(*pieces, ("message", {"item": "m", "text": "so it is"}))
    assert shown(whole, "text", "status", "seq", "last") == ("so it is", "completed", 1, 3)
    (unnamed,) = folded(
        ("message-delta", {"text": "so"}), ("message", {"item": "m", "text": "so"})
    )
    assert shown(unnamed, "item", "status") == ("m", "completed")


def test_what_runs_is_cut_with_its_turn_but_for_subagents() -> None:
    items = folded(
        ("message-delta", {"item": "m", "text": "so"}),
        ("tool-start", {"item": "c", "tool": "bash", "title": "ls", "input": None}),
        ("tool-start", {"item": "d", "tool": "x", "title": "", "input": 1, "parent": "c"}),
        ("error", {"reason": "no"}),
        ("tool-done", {"item": "c", "tool": "bash", "status": "completed", "output": ["a"]}),
    )
    assert [item.status for item in items] == ["cut", "completed", "running", "failed"]
    assert (items[0].text, items[1].text, items[3].text) == ("so", '["a"]', "no")


def test_an_approval_is_one_item_with_who_has_answered() -> None:
    approval = Approval(
        id=7,
        session="s",
        kind="command",
        title="Run rm",
        detail={},
        choices=["approve"],
        opened_ms=1,
        expires_ms=None,
        native={"large": 1},
        key="k",
    )
    asked = ("approval-requested", approval)
    (item,) = folded(asked)
    assert shown(item, "title", "status") == ("Run rm", "pending")
    assert item.approval is not None
    assert item.approval.native is None
    resolution = {"decision": "approve", "by": "own", "at_ms": 2}
    closed = {"id": 7, "session": "s", "kind": "command", "title": "Run rm", "detail": {}}
    closed |= {"choices": [], "opened_ms": 1, "expires_ms": None, "native": None, "key": "k"}
    (item,) = folded(
        asked, ("approval-resolved", {**closed, "state": "answered", "resolution": resolution})
    )
    assert (item.status, item.seq, item.last) == ("answered", 1, 2)
    assert item.approval is not None
    assert item.approval.resolution is not None
    assert item.approval.resolution.by == "own"


def test_plans_and_diffs_of_a_turn_are_one_item_each() -> None:
    items = folded(
        ("plan", {"entries": [{"content": "a", "status": "pending"}]}),
        ("diff", {"diff": "1"}),
        ("plan", {"entries": [{"content": "a", "status": "completed"}]}),
        ("diff", {"diff": "2"}),
        ("diff", {"diff": "3", "path": "other"}),
        ("complete", None),
        ("diff", {"diff": "4"}),
    )
    assert [(item.kind, item.diff) for item in items] == [
        ("plan", ""), ("diff", "2"), ("diff", "3"), ("end", ""), ("diff", "4"),
    ]  # fmt: skip
    assert items[0].entries == [{"content": "a", "status": "completed"}]


def test_events_of_attached_agents_may_have_any_data() -> None:
    items = folded(
        ("user-message", "go"),
        ("message", "yes"),
        ("deployed", {"to": "prod"}),
        ("beat", None),
        ("tool-start", {"tool": "make"}),
        ("tool-done", {"tool": "make", "output": "ok"}),
        ("tool-done", 7),
    )
    assert [(item.kind, item.title, item.text) for item in items] == [
        ("user", "", "go"),
        ("message", "", "yes"),
        ("event", "deployed", '{"to":"prod"}'),
        ("event", "beat", ""),
        ("tool", "make", "ok"),
        ("tool", "", ""),
    ]


def test_notes_tell_of_the_agent_itself() -> None:
    items = folded(
        ("started", {"reason": "resume"}),
        ("warning", {"text": "slow"}),
        ("asleep", {"idle_s": 1}),
        ("ended", {"reason": "It was killed.", "code": 1}),
        ("usage", {"input_tokens": 3}),
        ("native", {"native": {}}),
    )
    assert [shown(item, "kind", "title", "text", "status") for item in items] == [
        ("note", "started", "resume", "completed"),
        ("note", "warning", "slow", "completed"),
        ("note", "asleep", "", "completed"),
        ("note", "ended", "It was killed.", "failed"),
    ]


def test_the_middle_of_a_log_leaves_out_what_began_before() -> None:
    ends = (
        ("tool-output", {"item": "c", "text": "x"}),
        ("tool-done", {"item": "c", "tool": "bash", "status": "completed"}),
    )
    assert folded(*ends, whole=False, first=5) == []
    (item,) = folded(*ends, first=5)
    assert (item.tool, item.seq) == ("bash", 6)


def test_a_fold_goes_on_with_items_that_are_known() -> None:
    first = log(
        ("turn-started", {"turn": 4, "native_id": None}),
        ("tool-start", {"item": "c", "tool": "bash", "title": "ls", "input": None}),
        ("tool-output", {"item": "c", "text": "a"}),
        ("message-delta", {"item": "m", "text": "so"}),
    )
    rest = log(
        ("tool-output", {"item": "c", "text": "b"}),
        ("message-delta", {"item": "m", "text": " it"}),
        ("tool-done", {"item": "c", "tool": "bash", "status": "completed"}),
        first=5,
    )
    before, at_once = ConversationFold(whole=True), ConversationFold(whole=True)
    for event in first:
        before.add(event)
    resumed = ConversationFold(before.items)
    for event in rest:
        resumed.add(event)
    for event in (*first, *rest):
        at_once.add(event)
    assert resumed.items == at_once.items
    assert resumed.items[0].text == "ab"


PNG = {"mime_type": "image/png", "data": "iVBORw0KGgo="}
SVG = {"mime_type": "image/svg+xml", "data": "PHN2Zy8+"}


def test_pictures_are_of_their_items_and_nothing_else_is_one() -> None:
    images = [PNG, SVG, PNG]
    user, tool, answer, odd = folded(
        ("user-message", {"text": "[image]", "images": images}),
        ("tool-start", {"tool": "Read", "title": "Read", "item": "1", "input": {}}),
        ("tool-done", {"tool": "Read", "item": "1", "status": "completed", "images": images}),
        ("message", {"text": "so", "images": images}),
        ("message", {"text": "odd", "images": [{"mime_type": 3}, "x"]}),
    )
    for item in (user, tool, answer):
        assert [each.mime_type for each in item.images] == ["image/png", "image/png"]
    assert (odd.text, odd.images) == ("odd", [])
