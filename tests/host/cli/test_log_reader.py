"""Which part of a conversation is read: turns counted from its end, since a moment, all."""

from __future__ import annotations

from typing import Any

import pytest

from sxhost.cli import log_reader
from sxhost.cli.log_reader import begins_turn, last_turns, read_conversation
from sxhost.model.event import EventDraft
from sxhost.testing import HostInMemory, result_of
from sxhost.testing.host import MIDNIGHT_MS
from tests.unit.cli.test_conversation_view import item


@pytest.fixture
def spoken(lab: HostInMemory) -> HostInMemory:
    """A host with a conversation of ten turns, one each minute."""
    for number in range(10):
        for event, data in (
            ("user-message", f"ask {number}"),
            ("message", f"answer {number}"),
            ("complete", None),
        ):
            result_of(lab.service.fire("a", EventDraft.of(event, data)))
        lab.clock.advance(60)
    return lab


def words(lab: HostInMemory, **how: Any) -> list[str]:
    given = {"turns": None, "since": None, "detail": "full", **how}
    read = result_of(read_conversation(lab.client, "a", **given))
    assert read.through == 30
    return [item.text for item in read.items if item.kind == "message"]


@pytest.mark.parametrize("page", [1, 4, 500])
def test_a_part_of_a_conversation_is_read(
    spoken: HostInMemory, page: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_reader, "PAGE", page)
    answers = [f"answer {number}" for number in range(10)]
    assert words(spoken) == answers
    assert words(spoken, turns=1) == answers[-1:]
    assert words(spoken, turns=3) == answers[-3:]
    assert words(spoken, turns=99) == answers
    since = MIDNIGHT_MS / 1000 + 7 * 60
    assert words(spoken, since=since) == answers[7:]
    assert words(spoken, since=since + 3600) == []


def test_turns_are_counted_from_the_end() -> None:
    items = [
        item("note", title="started"),
        item("user", text="1"),
        item("user", text="more", by="steer"),
        item("user", text="2"),
        item("user", text="sub", parent="c"),
        item("end"),
    ]
    assert [one.text for one in items if begins_turn(one)] == ["1", "2"]
    assert last_turns(items, 1) == items[3:]
    assert last_turns(items, 2) == items[1:]
    assert last_turns(items, 3) == items
