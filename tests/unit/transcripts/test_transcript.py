"""The fold of a turn's events: what was so at each of them."""

from __future__ import annotations

from typing import Any

from msgspec import Raw

from sxhost.codec.json import encode
from sxhost.model.event import Event
from sxhost.model.event_types import UsageEvent
from sxhost.transcripts.messages import TextBlock, ThinkingBlock, ToolCallBlock
from sxhost.transcripts.transcript import Transcript, begins_turn, ends_turn


def event(seq: int, name: str, **data: Any) -> Event:
    return Event(name, Raw(encode(data)), 1, seq, seq + 10, 1000 + seq, "s")


def folded(*said: tuple[str, dict[str, Any]], limit: int = 10**6) -> Transcript:
    """Return the transcript of these events, numbered from 1."""
    events = [event(seq, name, **data) for seq, (name, data) in enumerate(said, 1)]
    transcript = Transcript(events[0], "codex", limit, 1000)
    for each in events:
        transcript.append(each)
    return transcript


def text(words: str, item: str = "m") -> tuple[str, dict[str, Any]]:
    return "message", {"item": item, "text": words}


STARTED: tuple[str, dict[str, Any]] = ("turn-started", {"turn": 1, "native_id": None})
TURN = (
    STARTED,
    ("user-message", {"text": "go"}),
    ("thinking", {"item": "t", "text": "hm"}),
    ("message-delta", {"item": "m", "text": "I "}),
    ("message-delta", {"item": "m", "text": "look"}),
    text("I look."),
    ("tool-start", {"item": "1", "tool": "bash", "title": "ls", "input": {}}),
    ("tool-output", {"item": "1", "text": "a\n"}),
    ("tool-done", {"item": "1", "tool": "", "status": "completed", "output": "a\n"}),
    ("usage", {"input_tokens": 7}),
    ("complete", {"turn": 1, "status": "completed"}),
)


def test_a_turn_is_its_messages() -> None:
    transcript = folded(*TURN)
    messages = transcript.page()
    assert [(m.seq, m.role, type(m.blocks[0])) for m in messages] == [
        (2, "user", TextBlock),
        (3, "assistant", ThinkingBlock),
        (6, "assistant", TextBlock),
        (7, "assistant", ToolCallBlock),
        (9, "tool", TextBlock),
    ]
    assert (messages[2].first, messages[2].ts_ms) == (4, 1004), "it began with its first piece"
    assert messages[4].tool == "bash", "named by its beginning"
    assert transcript.usage == UsageEvent(input_tokens=7)
    assert transcript.ended


def test_what_was_so_does_not_change() -> None:
    transcript = folded(*TURN)
    growing = transcript.growing_message(4)
    assert growing is not None
    assert [growing.text_at(0, seq) for seq in (4, 5)] == [b"I ", b"I look"]
    assert transcript.growing_message(7) is None
    assert [m.seq for m in transcript.completed_at(6)] == [6]
    assert [m.seq for m in transcript.page(before=7)] == [2, 3, 6]


def test_pages_go_both_ways() -> None:
    transcript = folded(*TURN)
    assert [m.seq for m in transcript.page(after=2, limit=2)] == [3, 6]
    assert [m.seq for m in transcript.page(before=9, limit=2)] == [6, 7]
    assert [m.seq for m in transcript.page(after=3, before=7)] == [6]
    assert transcript.page(after=9) == []
    assert transcript.page(after=7, before=3) == []


def test_the_last_answer_is_words_of_this_turn() -> None:
    transcript = folded(*TURN, STARTED, ("user-message", {"text": "more"}), text("", "n"))
    answers = [transcript.last_answer(seq) for seq in (3, 6, 11, 12, 13, 14)]
    assert answers == [None, "I look.", "I look.", None, None, ""]


def test_pieces_may_have_had_no_item() -> None:
    transcript = folded(("message-delta", {"text": "tw"}), text("two", "named only now"))
    (message,) = transcript.page()
    assert (message.first, message.text) == (1, "two")


def test_texts_that_come_together_are_kept_apart() -> None:
    transcript = folded(
        ("thinking-delta", {"item": "1", "text": "hm"}),
        ("message-delta", {"item": "2", "text": "a"}),
        ("thinking-delta", {"item": "1", "text": "m"}),
    )
    thought, words = (transcript.growing_message(3, item) for item in "12")
    assert thought is not None
    assert words is not None
    assert (thought.text_at(0, 3), words.text_at(0, 3)) == (b"hmm", b"a")


def test_what_is_unfinished_is_cut_at_the_end() -> None:
    half = ("message-delta", {"item": "m", "text": "half"})
    failed = ("error", {"turn": 1, "status": "failed", "reason": "it broke"})
    (message,) = folded(STARTED, half, failed).page()
    assert (message.text, message.status, message.reason) == ("half", "failed", "it broke")
    (message,) = folded(STARTED, half, ("complete", {"status": "interrupted"})).page()
    assert (message.first, message.seq, message.status) == (2, 3, "interrupted")
    (message,) = folded(STARTED, failed).page()
    assert (message.text, message.status) == ("", "failed"), "a failure is said in any case"


def test_the_oldest_messages_are_dropped() -> None:
    transcript = folded(*(text("x" * 300, str(n)) for n in range(100)), limit=2000)
    assert [m.item for m in transcript.page()] == ["96", "97", "98", "99"]
    assert transcript.size <= 2000
    large = folded(text("a"), text("x" * 5000), limit=100)
    assert [len(m.text) for m in large.page()] == [5000], "one is always kept"


def test_it_covers_what_follows_without_a_gap() -> None:
    transcript = folded(STARTED, text("a"))
    assert transcript.covers(event(3, "x"))
    assert transcript.covers(event(1, "x"))
    assert transcript.covers(event(4, "x")), "what is not there are pieces that have left"
    assert not transcript.covers(event(4, "x"), missing=13)
    other = Event("x", Raw(b"{}"), 1, 2, 77, 1000, "s")
    assert not transcript.covers(other), "it is of another session of the same name"


def test_where_a_turn_begins_and_ends() -> None:
    assert begins_turn(event(7, *STARTED[:1]), None)
    words, idle = event(7, "message"), event(8, "idle")
    assert not begins_turn(words, None)
    assert begins_turn(event(1, "message"), None)
    before = Transcript(event(1, "message"), "", 1000, 1000)
    assert not begins_turn(words, before)
    before.append(event(1, "complete"))
    assert begins_turn(words, before)
    assert not begins_turn(idle, before)
    assert ends_turn(event(9, "error"))
    assert not ends_turn(idle)
