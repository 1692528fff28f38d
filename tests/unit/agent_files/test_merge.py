"""Hooks and transcripts of real agents, in every order: each thing is said once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sxhost.agent_files.facts import Fact
from sxhost.agent_files.merge import SessionMerger
from sxhost.agent_files.places import READERS
from sxhost.hooks.payload import Hook
from sxhost.model.event import EventDraft
from tests.support.attached_recordings import Moment, attached_scenarios, moments_of

SCENARIOS = [name for name in attached_scenarios() if not name.startswith("pi-")]
ONE_SESSION = [name for name in SCENARIOS if "clear" not in name and "new" not in name]


def agent_of(scenario: str) -> str:
    return scenario.partition("-")[0]


def value(draft: EventDraft) -> Any:
    return msgspec.json.decode(draft.data)


class Play:
    """The events of one session, from what its agent's hooks and file say."""

    def __init__(self, scenario: str) -> None:
        self._agent = agent_of(scenario)
        self._reader = READERS[self._agent]()
        self.merger = SessionMerger()
        self.drafts: list[EventDraft] = []

    def play(self, moments: Iterable[Moment]) -> Play:
        for moment in moments:
            if moment.source == "hook":
                hook = Hook(self._agent, moment.message)
                turn = hook.text("prompt_id") or hook.text("turn_id")
                self.drafts += self.merger.merge_hook(turn, hook.events())
            elif moment.source == "file":
                facts = self._reader.read_line(moment.line)
                self.drafts += self.merger.merge_facts(facts).drafts
        return self

    def names(self) -> list[str]:
        return [draft.event for draft in self.drafts]

    def all_of(self, event: str) -> list[Any]:
        return [value(draft) for draft in self.drafts if draft.event == event]


def truth(moments: Sequence[Moment], scenario: str) -> list[Fact]:
    reader = READERS[agent_of(scenario)]()
    lines = (moment.line for moment in moments if moment.source == "file")
    return [fact for line in lines for fact in reader.read_line(line)]


def interleaved(moments: Sequence[Moment], order: Sequence[bool]) -> list[Moment]:
    """Return hooks and lines in another order, each of them in their own."""
    hooks = [moment for moment in moments if moment.source == "hook"]
    lines = [moment for moment in moments if moment.source == "file"]
    found = []
    for hook_first in order:
        source = hooks if (hook_first and hooks) or not lines else lines
        if source:
            found.append(source.pop(0))
    return [*found, *hooks, *lines]


def is_told_once(moments: Sequence[Moment], scenario: str) -> None:
    play, facts = Play(scenario).play(moments), truth(moments, scenario)
    for kind in ("tool-start", "tool-done"):
        told = Counter(data["item"] for data in play.all_of(kind))
        wanted = {fact.id for fact in facts if fact.kind == kind}
        assert set(told) == wanted
        assert set(told.values()) <= {1}
    for kind, event in (("prompt", "user-message"), ("message", "message")):
        told = Counter(data["text"] for data in play.all_of(event))
        assert told == Counter(fact.data["text"] for fact in facts if fact.kind == kind)
    for kind in ("thinking", "usage"):
        assert len(play.all_of(kind)) == sum(fact.kind == kind for fact in facts)
    keys = [draft.key for draft in play.drafts if draft.key]
    assert len(set(keys)) == len(keys)


# A prompt typed while Claude works is in the file as a queued command, and by the hook only.
EXACT = [name for name in ONE_SESSION if "typed-meanwhile" not in name]


@pytest.mark.parametrize("scenario", EXACT)
def test_as_it_was_each_thing_is_told_once(scenario: str) -> None:
    is_told_once(moments_of(scenario), scenario)


@given(st.sampled_from(EXACT), st.lists(st.booleans(), max_size=60))
def test_in_any_order_each_thing_is_told_once(scenario: str, order: list[bool]) -> None:
    is_told_once(interleaved(moments_of(scenario), order), scenario)


@pytest.mark.parametrize("scenario", [name for name in ONE_SESSION if "escape" in name])
def test_escape_ends_the_turn_once(scenario: str) -> None:
    moments = moments_of(scenario)
    key = next(n for n, moment in enumerate(moments) if moment.source == "person")
    play = Play(scenario)
    assert play.play(moments[:key]).merger.is_running
    after = play.play(m for m in moments[key:] if m.seconds < moments[key].seconds + 1)
    ends = [data for data in after.all_of("complete") if data]
    assert ends == [{"status": "interrupted", "reason": "interrupted"}]
    assert not play.merger.is_running


@pytest.mark.parametrize("scenario", [name for name in ONE_SESSION if "error" in name])
def test_an_error_of_the_models_api_ends_the_turn(scenario: str) -> None:
    play = Play(scenario).play(moments_of(scenario))
    assert play.names().count("error") == 1
    told = [*play.all_of("error"), *play.all_of("warning")]
    assert any("told to fail" in str(data) for data in told)


def test_words_between_tools_are_told() -> None:
    scenario = "claude-2.1.329/words-between-tools"
    play = Play(scenario).play(moments_of(scenario))
    assert [data["text"] for data in play.all_of("thinking")] == ["deep"] * 3
    (*_, usage) = play.all_of("usage")
    assert usage["total_tokens"] == 510


def test_models_and_titles_are_no_events() -> None:
    merged = SessionMerger().merge_facts(
        [
            Fact(kind="model", id="1", data={"model": "m"}),
            Fact(kind="title", id="2", data={"title": "t"}),
        ]
    )
    assert (merged.model, merged.title, merged.drafts) == ("m", "t", [])


def text(kind: Any, fact_id: str, words: str, turn: str = "1") -> Fact:
    return Fact(kind=kind, id=fact_id, turn=turn, data={"text": words})


def test_equal_messages_of_a_turn_are_both_told() -> None:
    merger = SessionMerger()
    tool = Fact(kind="tool-start", id="t", turn="1", data={"item": "t"})
    facts = [text("prompt", "1", "go"), text("message", "2", "again"), tool]
    drafts = merger.merge_facts(facts).drafts
    said = EventDraft.of("message", {"text": "again"})
    drafts += merger.merge_hook("1", [said, EventDraft.of("complete", {})])
    drafts += merger.merge_facts([text("message", "3", "again")]).drafts
    assert [d.event for d in drafts].count("message") == 2
    assert len({d.key for d in drafts if d.event == "message"}) == 2


@pytest.mark.parametrize(
    ("kind", "event"), [("prompt", "user-message"), ("message", "message")]
)
def test_blanks_around_a_text_make_no_other_text_of_it(kind: str, event: str) -> None:
    merger = SessionMerger()
    said = EventDraft.of(event, {"text": "words", "by": "prompt"})
    assert merger.merge_hook("1", [said])
    assert merger.merge_facts([text(kind, "2", "\n words \n")]).drafts == []
    assert len(merger.merge_facts([text(kind, "3", "words  ")]).drafts) == 1
    assert merger.merge_hook("1", [said]) == []


def test_hooks_that_name_no_turns_are_merged_by_text() -> None:
    merger = SessionMerger()
    said = EventDraft.of("user-message", {"text": "continue", "by": "prompt"})
    for turn in ("1", "2"):
        (prompt,) = merger.merge_hook("", [said])
        assert prompt.key is None
        assert not merger.merge_facts([text("prompt", turn, "continue", turn)]).drafts
        assert merger.is_running
        cut = merger.merge_facts([Fact(kind="interrupted", id=f"cut-{turn}", turn=turn)])
        assert cut.is_cut
        assert not merger.is_running


def test_what_is_typed_twice_in_a_turn_is_told_twice() -> None:
    merger = SessionMerger()
    said = EventDraft.of("user-message", {"text": "continue", "by": "prompt"})
    drafts = merger.merge_hook("1", [said]) + merger.merge_hook("1", [said])
    assert len({draft.key for draft in drafts}) == 2


def test_a_cut_that_comes_late_does_not_end_the_next_turn() -> None:
    merger = SessionMerger()
    prompt = EventDraft.of("user-message", {"text": "go", "by": "prompt"})
    merger.merge_hook("1", [prompt])
    merger.merge_hook("2", [prompt])
    late = Fact(kind="interrupted", id="x", turn="1")
    assert not merger.merge_facts([late]).drafts
    assert merger.is_running


def test_what_comes_after_the_end_is_no_work() -> None:
    merger = SessionMerger()
    merger.merge_hook("1", [EventDraft.of("complete", {})])
    (draft,) = merger.merge_facts([text("thinking", "a", "hm")]).drafts
    assert value(draft) == {"text": "hm", "late": True}


def test_a_subagents_work_is_not_the_sessions() -> None:
    merger = SessionMerger()
    done = EventDraft.of("tool-done", {"item": "a", "parent": "b"})
    assert merger.merge_hook("1", [done]) == [done]
    assert not merger.is_running
