"""Lines of real transcripts as facts; whatever else stands in a file."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sxhost.agent_files.facts import Fact, TranscriptReader, tool_title
from sxhost.agent_files.places import READERS
from tests.support.attached_recordings import moments_of


def facts_of(scenario: str) -> list[Fact]:
    reader = READERS[scenario.partition("-")[0]]()
    lines = [moment.line for moment in moments_of(scenario) if moment.source == "file"]
    return [fact for line in lines for fact in reader.read_line(line)]


def kinds(scenario: str) -> list[str]:
    return [fact.kind for fact in facts_of(scenario) if fact.kind not in ("usage", "model")]


PI_TALK = (
    "prompt thinking tool-start tool-done thinking message complete"
    " prompt message interrupted prompt error"
)


@pytest.mark.parametrize(
    ("scenario", "expected"),
    [
        ("claude-2.1.329/answered-yes", "prompt tool-start tool-done message complete"),
        ("claude-2.1.329/answered-no", "prompt tool-start tool-done interrupted"),
        ("claude-2.1.329/escape-in-dialog", "prompt tool-start tool-done interrupted"),
        (
            "claude-2.1.329/escape-while-streaming",
            "prompt thinking message interrupted prompt message complete",
        ),
        ("claude-2.1.329/api-error", "prompt error"),
        ("codex-0.169.0/answered-yes", "prompt tool-start tool-done message complete"),
        ("codex-0.169.0/escape-in-dialog", "prompt tool-start tool-done interrupted"),
        ("codex-0.169.0/escape-while-streaming", "prompt thinking interrupted"),
        ("codex-0.169.0/api-error", "prompt error"),
        (
            "pi-mariozechner-0.73.1/talk-escape-error",
            PI_TALK,
        ),
        (
            "pi-earendil-0.87.1/talk-escape-error",
            PI_TALK,
        ),
    ],
)
def test_a_recorded_transcript_says_what_was_done(scenario: str, expected: str) -> None:
    assert " ".join(kinds(scenario)) == expected


@pytest.mark.parametrize(
    ("scenario", "status"),
    [
        ("claude-2.1.329/answered-yes", "completed"),
        ("claude-2.1.329/answered-no", "declined"),
        ("claude-2.1.329/escape-while-a-command-runs", "cut"),
        ("codex-0.169.0/answered-yes", "completed"),
        ("codex-0.169.0/escape-in-dialog", "cut"),
        ("pi-earendil-0.87.1/talk-escape-error", "completed"),
    ],
)
def test_a_tool_ends_in_one_of_four_ways(scenario: str, status: str) -> None:
    (done,) = [fact for fact in facts_of(scenario) if fact.kind == "tool-done"]
    assert done.data["status"] == status
    (start,) = [fact for fact in facts_of(scenario) if fact.kind == "tool-start"]
    assert start.id == done.id == start.data["item"]


def test_a_models_usage_is_summed_over_its_messages() -> None:
    usages = [
        f.data for f in facts_of("claude-2.1.329/words-between-tools") if f.kind == "usage"
    ]
    by_message = {u["message"]["id"]: u["message"] for u in usages if "message" in u}
    assert len(by_message) == 3
    assert usages[-1]["total_tokens"] == sum(m["total_tokens"] for m in by_message.values())
    assert usages[-1]["cost_usd"] > 0


def test_a_change_of_the_model_is_told_once() -> None:
    facts = facts_of("claude-2.1.329/model-and-compact")
    models = [fact.data["model"] for fact in facts if fact.kind == "model"]
    assert models == ["claude-opus-5-5", "claude-haiku-5-5"]
    assert "compact" in kinds("claude-2.1.329/model-and-compact")


def test_what_codex_uses_is_what_it_counts() -> None:
    usages = [f.data for f in facts_of("codex-0.169.0/answered-yes") if f.kind == "usage"]
    assert [u["total_tokens"] for u in usages] == [13050, 26225]
    assert usages[-1]["message"]["output_tokens"] == 18


def claude(line: dict[str, Any]) -> list[tuple[str, Any]]:
    facts = READERS["claude"]().read_line(json.dumps({"uuid": "u", **line}).encode())
    return [(fact.kind, dict(fact.data)) for fact in facts]


@pytest.mark.parametrize(
    "line",
    [
        {"type": "user", "isMeta": True, "message": {"content": "Stop hook feedback"}},
        {"type": "user", "isSidechain": True, "message": {"content": "a subagent's prompt"}},
        {"type": "user", "message": {"content": "<command-name>/clear</command-name>"}},
        {"type": "user", "isCompactSummary": True, "message": {"content": "In short…"}},
        {"type": "assistant", "message": {"content": [{"type": "new-kind"}]}},
        {"type": "attachment"},
    ],
)
def test_what_claudes_user_has_not_said_is_no_prompt(line: dict[str, Any]) -> None:
    assert claude(line) == []


@pytest.mark.parametrize(
    "line",
    [
        {"type": "custom-title", "customTitle": "A title"},
        {"type": "ai-title", "aiTitle": "A title"},
        {"type": "summary", "summary": "A title"},
    ],
)
def test_claude_gives_its_sessions_titles(line: dict[str, Any]) -> None:
    assert claude(line) == [("title", {"title": "A title"})]


def test_a_call_of_the_model_that_is_tried_again_is_a_warning() -> None:
    error = {"error": {"error": {"message": "Overloaded"}}}
    line = {"type": "system", "subtype": "api_error", "error": error}
    assert claude(line) == [("warning", {"text": "Overloaded"})]


def test_halves_of_characters_and_bad_bytes_are_replaced() -> None:
    line = rb'{"type":"user","uuid":"u","message":{"content":"x\ud83d ? \ud83d\ude00"}}'
    line = line.replace(b"?", b"\xff")
    (fact,) = READERS["claude"]().read_line(line)
    assert fact.data["text"] == "x\ufffd \ufffd \U0001f600"


@pytest.fixture(params=READERS)
def reader(request: pytest.FixtureRequest) -> TranscriptReader:
    return READERS[request.param]()


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"null",
        b"[]",
        b"{",
        b'{"type":"message","message":[]}',
        b'{"type":"event_msg","payload":{"type":"token_count","info":7}}',
        b'{"type":"response_item","payload":{"type":"function_call","call_id":"a"}}'[:-9],
        b'{"type":"user","message":{"content":[7]}}',
        b"[" * 100_000,
    ],
)
def test_what_cannot_be_read_says_nothing(reader: TranscriptReader, line: bytes) -> None:
    assert list(reader.read_line(line)) == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["type", "payload", "message", "content", "usage", "id", "role", "info"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@given(JSON)
def test_no_json_breaks_a_reader(value: Any) -> None:
    line = json.dumps(value).encode()
    for make in READERS.values():
        make().read_line(line)


def test_the_title_of_a_tools_use_is_one_line() -> None:
    folded = "Bash: make … (2 lines, 9 characters)"
    assert tool_title("Bash", {"command": "make\ntest"}) == folded
    assert tool_title("Bash", {"command": 7}) == "Bash"
    assert tool_title("Bash", None) == "Bash"
