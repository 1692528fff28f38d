"""An event in a line: every name that has a meaning says it, and anything else is shown."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from sxhost.cli.event_text import event_text, value_text
from sxhost.cli.formats import one_line
from sxhost.model.event import Event, raw_json
from sxhost.model.event_types import EVENT_TYPES


def text_of(name: str, data: Any) -> str:
    return one_line(event_text(Event(name, raw_json(data), 1_710_312_005, 7, 70, 0, "a")))


APPROVAL = {
    "id": 7, "session": "a", "kind": "command", "title": "make deploy", "detail": {},
    "choices": ["approve"], "opened_ms": 1, "expires_ms": None, "native": None, "key": "k",
}  # fmt: skip
MOVED = "7: make deploy (only at its terminal)"
DIFF = "--- a/x.py\n+++ b/x.py\n@@ -1 +1,2 @@\n-a\n+b\n+c\n"


@pytest.mark.parametrize(
    ("name", "data", "text"),
    [
        ("tool-start", "Bash: make test", "Bash: make test"),
        ("tool-start", {"tool": "bash", "title": "make test", "input": {}}, "make test"),
        ("tool-start", {"tool": "bash", "title": "", "input": None}, "bash"),
        ("tool-done", {"tool": "bash", "status": "completed", "output": "a\nb"}, "bash: a b"),
        (
            "tool-done",
            {"tool": "bash", "status": "failed", "exit_code": 2, "output": ""},
            "bash: failed, exit status 2",
        ),
        ("message", {"item": "1", "text": "All is\nwell.", "native": {"a": 1}}, "All is well."),
        ("turn-started", {"turn": 3, "native_id": None}, "turn 3"),
        ("complete", {"turn": 3, "status": "completed"}, "turn 3"),
        ("complete", {"turn": 3, "status": "interrupted"}, "turn 3: interrupted"),
        ("error", {"turn": 3, "status": "failed", "reason": "no model"}, "turn 3: no model"),
        ("asleep", {"idle_s": 1800.5}, "after 30 min without work"),
        ("stalled", {"silent_s": 300, "turn": 1}, "silent for 5 min"),
        (
            "usage",
            {"input_tokens": 13300, "output_tokens": 410, "cost_usd": 0.05, "native": {}},
            "13.3k in, 410 out, $0.05",
        ),
        ("compact", {"tokens_before": 120_000}, "from 120k tokens"),
        (
            "plan",
            {"entries": [{"content": "a", "status": "completed"}, {"content": "b"}]},
            "1 of 2 done; next: b",
        ),
        ("diff", {"diff": DIFF}, "x.py +2 -1"),
        ("background", {"tasks": [{"id": "1", "title": "tests"}]}, "tests"),
        ("background", {"tasks": []}, "nothing"),
        ("approval-requested", APPROVAL, "7: make deploy"),
        (
            "approval-resolved",
            {
                **APPROVAL,
                "state": "answered",
                "resolution": {"decision": "deny", "by": "own", "at_ms": 1, "reason": "no"},
            },
            "7: make deploy (denied by you: no)",
        ),
        (
            "approval-resolved",
            {
                **APPROVAL,
                "state": "withdrawn",
                "resolution": {"decision": "cancel", "by": "agent", "at_ms": 1},
            },
            "7: make deploy (withdrawn)",
        ),
        (
            "approval-resolved",
            {
                **APPROVAL,
                "state": "answered",
                "resolution": {"decision": "approve", "by": "terminal", "at_ms": 1},
            },
            "7: make deploy (approved at the terminal)",
        ),
        ("approval-moved", {**APPROVAL, "at_terminal_ms": 1}, MOVED),
        ("approval-moved", APPROVAL, "7: make deploy (here again)"),
        ("thinking", None, ""),
        ("mine", {"a": [1, True], "b": {"c": None}}, "a: 1, yes"),
        ("usage", {"tokens": [1]}, "tokens: 1"),
        ("complete", '{"tokens": [1]}', '{"tokens": [1]}'),
        ("mine", "\x1b[8m\nx", "\\x1b[8m x"),
    ],
)
def test_an_event_says_what_it_means(name: str, data: Any, text: str) -> None:
    assert text_of(name, data) == text


@pytest.mark.parametrize("name", EVENT_TYPES)
@pytest.mark.parametrize("data", [{}, [], 1, "x", {"text": 1}, {"tasks": 1, "entries": {}}])
def test_whatever_an_attached_agent_fires_is_one_line(name: str, data: Any) -> None:
    assert "\n" not in text_of(name, data)
    assert "UNSET" not in text_of(name, data)


def test_values_are_written_without_brackets() -> None:
    assert value_text({"a": [1, "b"], "c": {"d": False}, "e": None, "f": ""}) == (
        "a: 1, b, c: d: no"
    )


def test_deep_values_are_no_trouble() -> None:
    deep: Any = "x"
    for _ in range(100):
        deep = [deep]
    assert msgspec.json.encode(deep)
    assert value_text(deep) == "x"
