"""The record of how an agent is started again: what it keeps, and what the store gets of it."""

from __future__ import annotations

import pytest
from msgspec import Raw

from sxhost.agents.launch_record import LaunchRecord, initial_hosting
from sxhost.drivers.contracts import NativeAnswer, Started
from sxhost.model.session import Hosting
from sxhost.model.turn import Launch, ModelDraft, Process, TurnDraft
from sxhost.testing import result_of

LAUNCH = Launch(agent="fake", prompt="first", model="small", effort="low", title="T")


class Stored:
    """A record, and what it has stored."""

    def __init__(self) -> None:
        self.fields: list[Hosting] = []
        self.record = LaunchRecord("a", LAUNCH, self._set_hosting)

    async def _set_hosting(self, session_id: str, fields: Hosting) -> None:
        assert session_id == "a"
        self.fields.append(fields)

    @property
    def last(self) -> Hosting:
        """The last fields; the launch among them is the record's."""
        assert self.fields[-1].launch is self.record.launch
        return self.fields[-1]


@pytest.fixture
def stored() -> Stored:
    return Stored()


def test_started_agent_is_resumed_without_its_first_prompt(stored: Stored) -> None:
    result_of(stored.record.started(Started(native_id="n", model="large")))
    assert (stored.record.launch.resume, stored.record.launch.prompt) == ("n", None)
    assert (stored.last.native_id, stored.last.model, stored.last.title) == ("n", "large", None)


def test_settings_of_a_turn_are_kept_and_restored(stored: Stored) -> None:
    before = stored.record.settings
    result_of(stored.record.apply_turn(TurnDraft(input="x", model="large", cwd="/d")))
    assert (stored.last.model, stored.last.cwd) == ("large", "/d")
    result_of(stored.record.restore(before))
    assert stored.record.launch == LAUNCH
    assert len(stored.fields) == 2


def test_turn_that_changes_no_setting_stores_nothing(stored: Stored) -> None:
    result_of(stored.record.apply_turn(TurnDraft(input="x", model="small")))
    assert stored.fields == []


def test_model_that_was_set_is_kept(stored: Stored) -> None:
    result_of(stored.record.keep(ModelDraft(model="large", effort="high")))
    assert (stored.record.launch.model, stored.record.launch.effort) == ("large", "high")
    assert (stored.last.model, stored.last.provider, stored.last.native_id) == (
        "large", None, None,
    )  # fmt: skip


def test_native_command_that_changes_the_conversation_is_kept(stored: Stored) -> None:
    result_of(stored.record.keep(NativeAnswer(result=Raw(b"1"), native_id="m")))
    assert (stored.record.launch.resume, stored.last.native_id) == ("m", "m")
    assert stored.record.launch.model == "small"


def test_native_command_that_changes_nothing_stores_nothing(stored: Stored) -> None:
    result_of(stored.record.keep(NativeAnswer(result=Raw(b"{}"))))
    assert stored.fields == []


def test_title_and_labels_are_kept(stored: Stored) -> None:
    result_of(stored.record.relabel(title="U", labels={"k": "v"}))
    assert (stored.record.launch.title, stored.last.labels) == ("U", {"k": "v"})


def test_process_is_stored_alone(stored: Stored) -> None:
    result_of(stored.record.process_changed(Process(7, 8)))
    assert stored.fields == [Hosting(process=Process(7, 8))]


def test_session_to_be_started_is_stored_without_its_prompt() -> None:
    fields = initial_hosting(LAUNCH)
    assert (fields.kind, fields.agent, fields.labels) == ("hosted", "fake", None)
    assert fields.launch is not None
    assert fields.launch.prompt is None
