"""The kinds of updates over ACP."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from sxhost.drivers.acp import updates as acp_updates
from sxhost.drivers.acp.updates import (
    AgentMessageChunk,
    SessionUpdate,
    ToolCallStart,
    ToolCallUpdate,
    UsageUpdate,
)


@pytest.mark.parametrize(
    ("update", "kind"),
    [
        (
            {"sessionUpdate": "agent_message_chunk", "content": {"type": "audio"}},
            AgentMessageChunk,
        ),
        ({"toolCallId": "c", "sessionUpdate": "tool_call"}, ToolCallStart),
        ({"toolCallId": "c", "sessionUpdate": "tool_call_update"}, ToolCallUpdate),
        ({"sessionUpdate": "usage_update", "used": 1, "size": 2, "cost": None}, UsageUpdate),
    ],
)
def test_kinds(update: dict[str, Any], kind: type) -> None:
    assert type(msgspec.convert({"update": update}, SessionUpdate).update) is kind


@pytest.mark.parametrize("update", [{}, {"sessionUpdate": "new"}, {"sessionUpdate": 1}, None])
def test_what_is_no_known_kind(update: Any) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"update": update}, SessionUpdate)


def test_all_kinds_are_exported() -> None:
    assert "SessionUpdate" in acp_updates.__all__
