"""Searches of all logs: over HTTP, page by page, in the sessions that are meant."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import pytest

from sxhost.history import SAMPLE_EVERY
from sxhost.testing import HostInMemory, is_done, result_of

SAID = {
    "a": ["The quick brown fox", "a lazy dog"],
    "b": ["Déjà vu: the fox again", "fox fox fox"],
}


@pytest.fixture
def full(lab: HostInMemory) -> HostInMemory:
    lab.request("POST", "/sessions/a/register", {"agent": "codex", "cwd": "/w/site"})
    lab.request("POST", "/sessions/b/register", {"agent": "pi", "cwd": "/w/app", "title": "T"})
    for session, texts in SAID.items():
        for text in texts:
            lab.request("POST", f"/sessions/{session}/events", {"event": "note", "data": text})
    return lab


def ask(lab: HostInMemory, **query: Any) -> Any:
    done = lab.begin("GET", f"/search?{urlencode(query)}")
    for _ in range(1000):
        if is_done(done):
            break
        lab.clock.advance(0)
        lab.treq.flush()
    return result_of(done).json()


def seqs(page: Any) -> list[str]:
    return [f"{hit['session']}:{hit['seq']}" for hit in page["hits"]]


def test_a_hit_says_where_it_is_and_shows_the_words(full: HostInMemory) -> None:
    page = ask(full, q="deja")
    (hit,) = page["hits"]
    ts_ms = hit.pop("ts_ms")
    assert ts_ms > 0
    assert hit == {
        "session": "b",
        "seq": 1,
        "id": 3,
        "event": "note",
        "agent": "pi",
        "title": "T",
        "project": "app",
        "text": "Déjà vu: the fox again",
        "marks": [[0, 4]],
    }
    assert {**page, "hits": 0} == {
        "hits": 0,
        "before": None,
        "restarted": False,
        "unindexed": 0,
    }
    assert seqs(ask(full, q="fox", since_ms=ts_ms + 1)) == []


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, ["b:2", "b:1", "a:1"]),
        ({"session": "a"}, ["a:1"]),
        ({"session": "a,b", "agent": "pi"}, ["b:2", "b:1"]),
        ({"agent": "codex"}, ["a:1"]),
        ({"project": "app"}, ["b:2", "b:1"]),
        ({"project": "nowhere"}, []),
        ({"types": "note,message"}, ["b:2", "b:1", "a:1"]),
        ({"types": "message"}, []),
    ],
)
def test_a_search_is_where_it_is_meant(
    full: HostInMemory, query: dict[str, str], found: list[str]
) -> None:
    assert seqs(ask(full, q="fox", **query)) == found


def test_pages_go_on_where_the_one_before_ended(full: HostInMemory) -> None:
    found, page = [], ask(full, q="fox", limit=1)
    while page["before"]:
        found += seqs(page)
        assert page["before"].startswith(f"{full.store.epoch}:")
        page = ask(full, q="fox", limit=1, before=page["before"])
        assert not page["restarted"]
    assert found + seqs(page) == ["b:2", "b:1", "a:1"]
    assert seqs(ask(full, q="fox", before="4")) == ["b:1", "a:1"], "a plain number is an id"


@pytest.mark.parametrize("cursor", ["other:2", "unknown:0"])
def test_a_cursor_of_another_epoch_begins_with_the_newest(
    full: HostInMemory, cursor: str
) -> None:
    page = ask(full, q="fox", before=cursor)
    assert (seqs(page)[0], page["restarted"]) == ("b:2", True)


def test_many_events_are_searched_without_holding_the_host_up(full: HostInMemory) -> None:
    for _ in range(5):
        batch = "\n".join('{"event":"note","data":"dog"}' for _ in range(200)).encode()
        full.request("POST", "/sessions/c/events", batch, Content_Type="application/x-ndjson")
    done = full.begin("GET", "/search?q=fox")
    assert not is_done(done), "it goes on in another turn"
    assert seqs(ask(full, q="fox")) == ["b:2", "b:1", "a:1"]


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ({"q": "a OR b"}, 400, "bad_field"),
        ({"q": ""}, 400, "bad_field"),
        ({"q": "x" * 1001}, 400, "bad_field"),
        ({}, 400, "bad_field"),
        ({"q": "fox", "limit": 201}, 400, "bad_field"),
        ({"q": "fox", "before": "nonsense here"}, 400, "bad_field"),
        ({"q": "fox", "session": "nobody"}, 404, "unknown_session"),
    ],
)
def test_what_cannot_be_searched_is_refused(
    full: HostInMemory, query: dict[str, Any], status: int, code: str
) -> None:
    answer = full.request("GET", f"/search?{urlencode(query)}")
    assert (answer.status, answer.json()["error"]) == (status, code)


def test_a_session_that_is_deleted_is_not_found(full: HostInMemory) -> None:
    full.request("DELETE", "/sessions/b")
    assert seqs(ask(full, q="fox")) == ["a:1"]


def test_figures_over_time_are_told_a_minute_each(lab: HostInMemory) -> None:
    lab.service.startService()
    for tokens, cost in ((5, 0.5), (9, 0.75)):
        data = {"input_tokens": tokens, "output_tokens": 1, "cost_usd": cost}
        lab.request("POST", "/sessions/a/events", {"event": "usage", "data": data})
        lab.clock.advance(SAMPLE_EVERY)
    history = lab.request("GET", "/history").json()
    assert history["every_s"] == SAMPLE_EVERY
    first, *_, before, last = history["samples"]
    assert (first["events"], before["events"], last["events"]) == (0, 1, 2)
    assert (last["sessions"], last["tokens"], last["cost_usd"]) == (1, 10, 0.75)
    after = lab.request("GET", f"/history?after_ms={before['at_ms']}").json()
    assert after["samples"] == [last]
    activity = lab.request("GET", "/activity").json()
    assert activity["every_s"] * len(activity["sessions"]["a"]) == 3600
    assert sum(activity["sessions"]["a"]) == 2
