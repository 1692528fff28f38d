"""The command table: what is decoded, and what each command is like."""

from __future__ import annotations

import json

import pytest
from msgspec import UNSET

from sxhost.faces.pi.commands import COMMANDS, Prompt
from sxhost.faces.pi.scheduling import TRAITS
from sxhost.faces.pi.validation import BadCommand, parse

SERVER = {
    "list_sessions", "create_session", "delete_session", "switch_session", "get_metrics",
    "health_check", "get_startup_recovery", "get_command_history", "list_stored_sessions",
    "load_session",
}  # fmt: skip
OLDEST = {
    "list_sessions", "create_session", "delete_session", "switch_session", "prompt", "steer",
    "abort", "get_state", "get_messages", "set_model", "compact",
}  # fmt: skip
FIELDS = {
    "message": "x", "provider": "p", "modelId": "m", "level": "low", "enabled": True,
    "command": "ls", "name": "n", "sessionPath": "/x.jsonl", "entryId": "e", "targetId": "t",
    "requestId": "r", "response": {"method": "cancelled"}, "sessionId": "s",
}  # fmt: skip


def test_every_command_is_declared() -> None:
    assert COMMANDS.keys() >= SERVER | OLDEST
    assert len(COMMANDS) == 10 + 34 + 1
    assert "unsubscribe" in COMMANDS


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_decoded(name: str) -> None:
    command = parse(json.dumps({**FIELDS, "type": name, "id": "1", "more": 1}).encode())
    assert (type(command), command.type, command.id) == (COMMANDS[name], name, "1")


def test_envelope_fields_are_decoded() -> None:
    said = {
        "type": "prompt", "sessionId": "s", "message": "x", "id": "b", "dependsOn": ["a"],
        "ifSessionVersion": 0, "idempotencyKey": "k",
    }  # fmt: skip
    command = parse(json.dumps(said).encode())
    assert isinstance(command, Prompt)
    assert (command.target, command.depends_on, command.idempotency_key) == ("s", ["a"], "k")
    assert command.if_session_version == 0
    assert command.streaming_behavior is UNSET


def test_reads_overtake_and_change_nothing() -> None:
    reads = {name for name, trait in TRAITS.items() if trait.scope == "read"}
    assert not any(TRAITS[name].mutates for name in reads)
    assert {TRAITS[name].priority for name in reads} == {"reads", "controls"}
    assert reads >= {"get_state", "switch_session", "health_check", "get_tree"}
    for name in ("abort", "steer", "follow_up"):
        assert TRAITS[name].priority == "controls"
    for name in ("prompt", "set_model", "compact"):
        assert TRAITS[name].priority == "in_order"


def test_uncancellable_commands_have_no_timeout() -> None:
    endless = {name for name, trait in TRAITS.items() if trait.time_limit is None}
    assert endless >= {
        "create_session", "delete_session", "load_session", "set_session_name", "export_html",
    }  # fmt: skip
    assert TRAITS["prompt"].time_limit == "long"
    assert TRAITS["abort"].time_limit == "short"


def test_malformed_command_keeps_its_name_and_id() -> None:
    with pytest.raises(BadCommand) as caught:
        parse(b'{"type":"prompt","id":"1","sessionId":"s"}')
    assert (caught.value.command, caught.value.id) == ("prompt", "1")
