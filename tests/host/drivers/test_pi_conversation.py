"""What pi is at the moment, and how it is made something else."""

from __future__ import annotations

from pathlib import Path

import pytest

from sxhost.errors import AgentFailed
from sxhost.model.turn import Launch, ModelDraft
from sxhost.testing import result_of
from tests.support.agents.recorded_pi import STATE, Pi, plain, printed

MODELS = [
    {"id": "a", "provider": "other"},
    {"id": "a", "provider": "fake"},
    {"id": "b", "provider": "other"},
]


@pytest.fixture
def host() -> Pi:
    made = Pi()
    made.start()
    made.answers["get_available_models"] = {"models": MODELS}
    return made


@pytest.mark.parametrize(
    ("name", "provider"), [("a", "fake"), ("b", "other"), ("other/a", "other")]
)
def test_whose_model_it_is(host: Pi, name: str, provider: str) -> None:
    result_of(host.agent.set_model(ModelDraft(model=name)))
    sent = host.said[-1]
    assert (sent["provider"], sent["modelId"]) == (provider, name[-1])


def test_no_such_model(host: Pi) -> None:
    with pytest.raises(AgentFailed, match="pi knows no model 'c'; it has other/a, fake/a"):
        result_of(host.agent.set_model(ModelDraft(model="c")))


def test_the_window_is_that_of_the_model(host: Pi) -> None:
    host.state = {**STATE, "model": {"id": "a", "provider": "fake", "contextWindow": 5}}
    result_of(host.agent.set_model(ModelDraft(model="a")))
    message = {"role": "assistant", "usage": {"input": 1, "totalTokens": 1}}
    host.say({"type": "message_end", "message": message})
    assert host.reports.events("usage")[0][1]["context_window"] == 5


def test_a_resumed_session_counts_on(tmp_path: Path) -> None:
    file = tmp_path / "s.jsonl"
    file.write_bytes(printed({"type": "session", "id": "s1"}))
    host = Pi(Launch(agent="pi", cwd="/w", resume=str(file)))
    host.answers["get_session_stats"] = {"tokens": {"input": 7, "total": 7}, "cost": 1.5}
    host.start()
    message = {"role": "assistant", "usage": {"input": 1, "totalTokens": 1}}
    host.say({"type": "message_end", "message": message})
    usage = host.reports.events("usage")[0][1]
    assert (usage["input_tokens"], usage["cost_usd"]) == (8, 1.5)


def test_a_session_without_a_file_goes_by_its_id() -> None:
    host = Pi()
    host.state = {**STATE, "sessionFile": None}
    assert host.start().native_id == "s1"
    host = Pi()
    host.state = {**STATE, "sessionFile": "/" + "x" * 600}
    assert host.start().native_id == "s1"


def test_another_session_has_its_own_sum(host: Pi) -> None:
    message = {"role": "assistant", "usage": {"input": 1, "totalTokens": 1}}
    host.say({"type": "message_end", "message": message})
    host.state = {**STATE, "sessionFile": "/s/2.jsonl"}
    assert plain(result_of(host.pi.native_command("new_session", {})).result) is None
    host.say({"type": "message_end", "message": message})
    assert [d["total_tokens"] for _, d in host.reports.events("usage")] == [1, 1]
