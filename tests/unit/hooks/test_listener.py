"""Who listens for an idle agent, and for which session."""

from __future__ import annotations

import pytest

from sxhost.hooks.listener import can_be_woken, session_of

AT_TERMINAL = {"AI_AGENT": "claude-code_2-1-329_harness", "CLAUDE_CODE_SESSION_ATTENDED": "1"}


@pytest.mark.parametrize(
    ("environ", "can"),
    [
        ({}, True),
        ({"AI_AGENT": "claude-code_2-1-110_harness"}, True),
        ({"AI_AGENT": "claude-code_3-0-0"}, True),
        ({"AI_AGENT": "claude-code_2-1-109_harness"}, False),
        ({"AI_AGENT": ""}, False),
        ({"AI_AGENT": "another_9-9-9"}, False),
        ({"CLAUDE_CODE_SESSION_ATTENDED": "0"}, False),
        ({"CLAUDE_CODE_SESSION_ATTENDED": ""}, False),
    ],
)
def test_claude_can_be_woken_at_a_terminal_from_a_version_on(
    environ: dict[str, str], can: bool
) -> None:
    assert can_be_woken(AT_TERMINAL | environ) is can


@pytest.mark.parametrize(
    ("hook", "session"),
    [
        (b'{"a":1, "session_id" : "a-b.c_1","b":2}', b'{"session_id":"a-b.c_1"}'),
        (b'{"session_id":""}', b""),
        (b'{"session_id":"a b"}', b""),
        (b"nonsense", b""),
        (b"", b""),
    ],
)
def test_session_is_read_from_a_hook(hook: bytes, session: bytes) -> None:
    assert session_of(hook) == session
