"""The lines that lists show of a session: its beginning, its agent's words, what it does."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given as given_any
from hypothesis import strategies as st
from msgspec import Raw
from msgspec.structs import replace

from sxhost.codec.json import encode
from sxhost.model.activity import SessionLines, first_words, lines_after
from sxhost.model.event import Event
from sxhost.model.session import Session, State

SESSION = Session(id="a", start_ms=0, last_seen_ms=0, state=State("idle", "", 0))

START = ("tool-start", {"item": "c", "tool": "bash", "title": "make  test\nnow", "input": None})
OTHER = ("tool-start", {"item": "d", "tool": "read", "title": "", "input": None})
DONE = ("tool-done", {"item": "c", "tool": "bash", "status": "completed"})
ASKED = ("approval-requested", {"title": "Run rm"})
SAID = ("message", {"text": "It is\ndone.", "item": "m"})

CASES: list[tuple[list[tuple[str, Any]], str, str]] = [
    ([], "", ""),
    ([START], "", "make test now"),
    ([START, DONE], "", ""),
    ([START, OTHER, DONE], "", "read"),
    ([START, ASKED], "", "Run rm"),
    ([START, ASKED, ("approval-resolved", {"title": "Run rm"})], "", "Run rm"),
    ([START, ASKED, DONE], "", ""),
    ([SAID, START, ("complete", {})], "It is done.", ""),
    ([SAID, ("error", {"reason": "no credit"})], "no credit", ""),
    ([("message", "plain"), ("message", {"text": ""})], "plain", ""),
    ([("message", "x" * 500)], "x" * 160, ""),
    ([START, ("message", {"text": "sub", "parent": "c"})], "", "make test now"),
    ([("tool-start", {"tool": "bash", "title": "", "input": None, "late": True})], "", ""),
    ([("tool-start", 7), ("message", ["x"]), ("custom", "y"), ("usage", None)], "", ""),
]


@pytest.mark.parametrize(("given", "preview", "activity"), CASES)
def test_lines_follow_from_events(
    given: list[tuple[str, Any]], preview: str, activity: str
) -> None:
    events = [
        Event(name, Raw(encode(data)), 1, seq, seq, 1000 + seq, "a")
        for seq, (name, data) in enumerate(given, 1)
    ]
    at_once = lines_after(SESSION, events)
    assert (at_once.preview, at_once.activity.title) == (preview, activity)


def test_an_activity_has_its_beginning() -> None:
    event = Event(START[0], Raw(encode(START[1])), 1, 1, 1, 1234, "a")
    assert lines_after(SESSION, [event]).activity.since_ms == 1234


LATE = ("tool-start", {"item": "e", "tool": "bash", "title": "", "input": None, "late": True})
SUB = ("message", {"text": "sub", "parent": "c"})
PROMPT = ("user-message", {"text": "Mend it"})
NAMELESS = ("tool-done", {"tool": "bash", "status": "completed"})
ANY = [
    START,
    OTHER,
    DONE,
    NAMELESS,
    ASKED,
    SAID,
    LATE,
    SUB,
    ("idle", None),
    ("usage", 1),
    PROMPT,
]


@given_any(st.lists(st.sampled_from([*ANY, *(one for case in CASES for one in case[0])])))
def test_a_batch_leaves_the_lines_that_its_events_leave_one_by_one(
    chosen: list[tuple[str, Any]],
) -> None:
    events = [
        Event(name, Raw(encode(data)), 1, seq, seq, 1000 + seq, "a")
        for seq, (name, data) in enumerate(chosen, 1)
    ]
    session = SESSION
    for event in events:
        lines = lines_after(session, [event])
        session = replace(
            session, opening=lines.opening, preview=lines.preview, activity=lines.activity
        )
    at_once = lines_after(SESSION, events)
    assert at_once == SessionLines(session.opening, session.preview, session.activity)


def test_an_opening_is_the_first_prompt_of_the_session_itself() -> None:
    prompts = [
        {"text": "a subagent's", "parent": "c"},
        {"text": " \n", "by": "turn"},
        {"text": "Mend the\n  tests", "by": "turn"},
        {"text": "And the documents", "by": "turn"},
    ]
    events = [
        Event("user-message", Raw(encode(prompt)), 1, seq, seq, 1000 + seq, "a")
        for seq, prompt in enumerate(prompts, 1)
    ]
    assert lines_after(SESSION, events).opening == "Mend the tests"


def test_first_words_are_cut_between_words() -> None:
    assert first_words("word " * 30) == ("word " * 12).strip() + "…"
    assert len(first_words("x" * 100)) == 60
