"""What can be set over ACP, in the way of options and in the older one."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from sxhost.drivers.acp.messages import SessionResult
from sxhost.drivers.acp.settings import SessionSettings
from sxhost.drivers.acp.updates import CommandsUpdate, ConfigOptionsUpdate, SlashCommand
from sxhost.errors import Unsupported

OPTIONS: dict[str, Any] = {
    "configOptions": [
        {
            "id": "m",
            "category": "model",
            "currentValue": "corp/small",
            "options": [{"options": [{"value": "corp/small"}]}, {"value": "corp/big"}],
        },
        {"id": "mode", "currentValue": "ask", "options": [{"value": "ask"}, {"value": "plan"}]},
        {"id": "e", "category": "thought_level", "options": [{"value": "high"}]},
        {"id": "fast", "category": "model_config", "type": "boolean", "currentValue": True},
    ]
}
OLDER: dict[str, Any] = {
    "models": {"availableModels": [{"modelId": "corp/big"}], "currentModelId": "corp/small"},
    "modes": {"availableModes": [{"id": "yolo"}], "currentModeId": "yolo"},
}


def settings(*sessions: dict[str, Any]) -> SessionSettings:
    made = SessionSettings(lambda: None)
    given = {name: value for session in sessions for name, value in session.items()}
    made.session_opened(msgspec.convert(given, SessionResult))
    return made


def test_options_are_preferred() -> None:
    both = settings(OLDER, OPTIONS)
    assert both.model == "corp/small"
    choice = "session/set_config_option"
    assert both.model_request("corp/big") == (choice, {"configId": "m", "value": "corp/big"})
    assert both.effort_request("high") == (choice, {"configId": "e", "value": "high"})
    assert both.mode_request("plan") == (choice, {"configId": "mode", "value": "plan"})
    assert both.mode_request("yolo") == ("session/set_mode", {"modeId": "yolo"})


def test_the_older_way() -> None:
    older = settings(OLDER)
    assert (older.model, older.has_models) == ("corp/small", True)
    assert older.model_request("x") == ("session/set_model", {"modelId": "x"})
    assert older.mode_request("yolo") == ("session/set_mode", {"modeId": "yolo"})


def test_nothing_can_be_set() -> None:
    bare = settings()
    assert (bare.model, bare.has_models, bare.compact_prompt) == ("", False, None)
    for choose, what in (
        (bare.model_request, "its model"),
        (bare.effort_request, "the effort"),
        (bare.mode_request, "it has: none"),
    ):
        with pytest.raises(Unsupported, match=what):
            choose("x")


@pytest.mark.parametrize("given", [OPTIONS, OLDER])
@pytest.mark.parametrize(
    ("model", "provider", "value"),
    [
        ("big", "corp", "corp/big"),
        ("new", "corp", "corp/new"),
        ("corp/big", "corp", "corp/big"),
        ("big", None, "big"),
    ],
)
def test_models_of_a_provider(
    given: dict[str, Any], model: str, provider: str | None, value: str
) -> None:
    _, params = settings(given).model_request(model, provider)
    assert value in params.values()


def test_what_there_is_not_is_named() -> None:
    with pytest.raises(Unsupported, match="no effort 'low'; it has: high"):
        settings(OPTIONS).effort_request("low")
    with pytest.raises(Unsupported, match="no mode 'low'; it has: ask, plan"):
        settings(OPTIONS).mode_request("low")


def test_settings_change() -> None:
    changes: list[str] = []
    made = SessionSettings(lambda: changes.append("changed"))
    made.session_opened(SessionResult())
    made.options_updated(
        ConfigOptionsUpdate(msgspec.convert(OPTIONS, SessionResult).config_options or [])
    )
    made.commands_updated(CommandsUpdate([SlashCommand("compress"), SlashCommand("help")]))
    assert (made.has_models, made.compact_prompt) == (True, "/compress")
    assert len(changes) == 3
