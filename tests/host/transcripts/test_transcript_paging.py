"""Pages of a transcript: the same conversation, forward, backward, and all at once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sxhost.codec.json import encode, encode_lines
from sxhost.model.event import EventDraft, EventQuery
from sxhost.model.event_types import PIECES
from sxhost.model.transcript import TranscriptItem, TranscriptPage, TranscriptQuery
from sxhost.testing import HostInMemory, is_done, result_of, started
from sxhost.transcripts import paging
from sxhost.transcripts.conversation import ConversationFold
from tests.support.agents.played import Played
from tests.support.places import RECORDINGS

PLAYED = sorted(path for path in RECORDINGS.glob("*/*.jsonl") if path.parent.name != "attached")


def fill(lab: HostInMemory, *given: tuple[str, Any]) -> None:
    for name, data in given:
        result_of(lab.service.fire("a", EventDraft.of(name, data)))


def settled(lab: HostInMemory, work: Any) -> Any:
    """Return the result of what is read in slices."""
    done = started(work)
    while not is_done(done):
        lab.clock.advance(0)
    return result_of(done)


def page(lab: HostInMemory, **query: Any) -> TranscriptPage:
    found: TranscriptPage = settled(lab, lab.service.transcript("a", TranscriptQuery(**query)))
    return found


def forward(lab: HostInMemory, **query: Any) -> Iterator[TranscriptItem]:
    after: int | None = 0
    while after is not None:
        found = page(lab, after=after, **query)
        yield from found.items
        assert found.after is None or found.after > after
        after = found.after


def backward(lab: HostInMemory, **query: Any) -> list[TranscriptItem]:
    items: list[TranscriptItem] = []
    before: int | None = None
    while True:
        found = page(lab, before=before, **query)
        items[:0] = found.items
        if found.before is None:
            return items
        assert before is None or found.before < before
        before = found.before


def whole(lab: HostInMemory) -> list[TranscriptItem]:
    conversation = ConversationFold(whole=True)
    for event in settled(lab, lab.service.events("a", EventQuery(after="0"))):
        conversation.add(event)
    return list(conversation.items)


@pytest.mark.parametrize("path", PLAYED, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_pages_of_recorded_conversations_are_the_whole(lab: HostInMemory, path: Path) -> None:
    played = Played(path)
    played.play()
    told = [(one[1], one[2]) for one in played.reports.told if one[0] == "event"]
    facts = [(name, data) for name, data in told if name not in PIECES]
    if not facts:
        return  # its program was refused, say: it has told nothing
    fill(lab, *facts)
    at_once = whole(lab)
    assert at_once
    for limit in (1, 3, 1000):
        assert list(forward(lab, limit=limit)) == at_once, limit
        assert backward(lab, limit=limit) == at_once, limit


def calls(count: int, size: int = 10) -> Iterator[tuple[str, Any]]:
    """Return calls of tools that overlap: each is over after the next has begun."""
    for number in range(count):
        yield "tool-start", {"item": f"c{number}", "tool": "t", "title": "", "input": None}
        done = {"item": f"c{number - 1}", "tool": "t", "status": "failed", "output": "x" * size}
        yield ("tool-done", done) if number else ("usage", {"input_tokens": 1})


@pytest.mark.parametrize("limit", [1, 2, 7, 1000])
def test_calls_that_end_on_another_page_are_told_with_their_end(
    lab: HostInMemory, limit: int
) -> None:
    fill(lab, *calls(40))
    at_once = whole(lab)
    assert [item.status for item in at_once] == [*["failed"] * 39, "running"]
    assert list(forward(lab, limit=limit)) == at_once
    assert backward(lab, limit=limit) == at_once


def test_large_outputs_make_smaller_pages(lab: HostInMemory) -> None:
    fill(lab, *calls(40, 100_000))
    at_once = whole(lab)
    assert list(forward(lab)) == at_once
    assert backward(lab) == at_once
    assert len(page(lab).items) < 20
    assert len(page(lab, after=0).items) < 20


def test_long_stretches_without_items_are_passed(
    lab: HostInMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paging, "SCANNED", 50)
    fill(lab, ("message", "old"), *[("usage", {"input_tokens": 1})] * 400, ("message", "new"))
    assert [item.text for item in forward(lab)] == ["old", "new"]
    assert [item.text for item in backward(lab)] == ["old", "new"]


@pytest.mark.parametrize("ends", [False, True])
def test_last_page_has_the_tool_that_prints_more_than_a_page(
    lab: HostInMemory, monkeypatch: pytest.MonkeyPatch, *, ends: bool
) -> None:
    monkeypatch.setattr(paging, "SIZE", 1000)
    fill(lab, ("user-message", {"text": "go on"}))
    fill(lab, ("tool-start", {"tool": "Bash", "item": "t", "title": "Bash: cat big"}))
    printed = ("tool-output", {"item": "t", "text": "x" * 300})
    fill(lab, *[printed] * 20)
    if ends:
        fill(lab, ("tool-done", {"tool": "Bash", "item": "t", "status": "failed"}))
        fill(lab, *[("usage", {})] * 4)
    last = page(lab)
    assert [item.title for item in last.items if item.kind == "tool"] == ["Bash: cat big"]
    assert last.items[-1].status == ("failed" if ends else "running")
    assert (last.after, last.through) == (None, 27 if ends else 22)
    assert [item.seq for item in backward(lab)] == [1, 2]


def test_what_retention_has_dropped_is_said() -> None:
    lab = HostInMemory(events=10, retain=10)
    fill(lab, *[("message", str(number)) for number in range(30)])
    lab.clock.advance(100)
    result_of(lab.store.sweep(lab.wall_ms()))
    found = page(lab, limit=4)
    assert (found.dropped, found.through, found.after) == (20, 30, None)
    assert [item.text for item in found.items] == ["26", "27", "28", "29"]
    assert found.before == 27
    assert [item.text for item in backward(lab, limit=4)] == [str(n) for n in range(20, 30)]
    assert page(lab, before=21).before is None


def test_places_beyond_the_log_are_its_ends(lab: HostInMemory) -> None:
    fill(lab, ("message", "a"), ("message", "b"))
    assert page(lab, before=0) == TranscriptPage(
        items=[], before=None, after=0, through=0, dropped=0
    )
    beyond = page(lab, after=99)
    assert (beyond.items, beyond.after) == ([], None)
    assert [item.text for item in page(lab, after=0, before=2).items] == ["a"]


def test_details_are_cut_or_left_out_on_demand(lab: HostInMemory) -> None:
    long = "\n".join(f"line {number}" for number in range(1000))
    fill(
        lab,
        ("user-message", "go"),
        ("thinking", "hm"),
        ("tool-start", {"item": "c", "tool": "t", "title": "", "input": {"text": long}}),
        ("tool-done", {"item": "c", "tool": "t", "status": "completed", "output": long}),
        ("message", "done"),
        ("complete", None),
    )
    assert [item.kind for item in page(lab, detail="words").items] == ["user", "message"]
    assert [item.text for item in page(lab, detail="words", limit=1).items] == ["done"]
    (tool,) = [item for item in page(lab, detail="compact").items if item.kind == "tool"]
    assert tool.text.startswith("line 0\n")
    assert tool.text.endswith("\nline 999")
    assert "characters more" in tool.text
    assert len(tool.text) < 2_100
    assert len(encode(tool.input)) < 2_500


def test_the_route_answers_and_refuses_as_all_do(lab: HostInMemory) -> None:
    lab.request("POST", "/sessions/a/events", {"event": "message", "data": "hi"})
    told = lab.request("GET", "/sessions/a/transcript?limit=1").json()
    assert told == {
        "items": [
            {
                "kind": "message",
                "seq": 1,
                "last": 1,
                "ts_ms": lab.wall_ms(),
                "end_ms": lab.wall_ms(),
                "text": "hi",
            }
        ],
        "before": None,
        "after": None,
        "through": 1,
        "dropped": 0,
    }
    assert lab.request("GET", "/sessions/b/transcript").json()["error"] == "unknown_session"
    for query in ("limit=0", "limit=1001", "after=-1", "before=x", "detail=all"):
        refused = lab.request("GET", f"/sessions/a/transcript?{query}").json()
        assert (refused["error"], refused["field"]) == ("bad_field", query.partition("=")[0])


def test_the_client_reads_pages(lab: HostInMemory) -> None:
    body = encode_lines([{"event": "message", "data": "hi"}])
    lab.request("POST", "/sessions/a/events", body, content_type="application/x-ndjson")
    found = result_of(lab.client.transcript("a", TranscriptQuery(after=0)))
    assert [item.text for item in found.items] == ["hi"]
