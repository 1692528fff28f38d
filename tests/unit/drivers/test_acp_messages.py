"""What is read of ACP: what agents leave out, add and null."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from sxhost.drivers.acp.messages import (
    ConfigOption,
    InitializeResult,
    SessionResult,
    ToolCallContent,
)


@pytest.mark.parametrize(
    ("info", "name"),
    [(None, "the agent"), ({"name": "a"}, "a"), ({"name": "a", "title": "An A"}, "An A")],
)
def test_names(info: Any, name: str) -> None:
    assert msgspec.convert({"agentInfo": info}, InitializeResult).name == name


def test_logins() -> None:
    ways = [{"id": "a"}, {"id": "b", "name": "B"}, {"id": "c", "description": "run c"}, {}]
    assert msgspec.convert({"authMethods": ways}, InitializeResult).logins == "a; B; run c"
    assert InitializeResult().logins == "by its own command"


def test_capabilities_that_are_null_are_not_there() -> None:
    given: dict[str, Any] = {
        "agentCapabilities": {"sessionCapabilities": {"resume": None, "close": {}}}
    }
    can = msgspec.convert(given, InitializeResult).agent_capabilities
    assert [can.has(name) for name in ("resume", "close", "fork")] == [False, True, False]


def test_values_in_groups() -> None:
    given: Any = {
        "id": "m",
        "options": [{"value": 1}, {"name": "g", "options": [{"value": 2}]}],
    }
    assert msgspec.convert(given, ConfigOption).values == [1, 2]


def test_words_of_a_content() -> None:
    given: list[Any] = [{"type": "text", "text": "a"}, {"text": 1}, "a", None]
    assert [ToolCallContent("content", content).text for content in given] == ["a", "", "", ""]


def test_a_session_of_nothing() -> None:
    given: Any = {"sessionId": "s", "configOptions": None, "models": None, "modes": None}
    assert msgspec.convert(given, SessionResult) == SessionResult("s")
