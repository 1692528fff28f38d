"""What is printed: the source system's lines, and nothing that drives a terminal."""

from __future__ import annotations

import time
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from sxhost.cli.serve import _twistd_arguments
from sxhost.cli.terminal import (
    HostLink,
    event_line,
    session_lines,
    status_line,
)
from sxhost.model.event import Event
from sxhost.model.limits import Limits
from sxhost.model.session import Detail, Done, Summary
from sxhost.model.status import Status

ESCAPE = "\x1b[31mred\x1b[0m"

STATUS = Status(
    version="1.0",
    port=7432,
    uptime=3621,
    sessions=3,
    active=2,
    total_events=847,
    epoch="0a1b",
    pid=1,
    store="memory",
    durability="none",
    subscribers=0,
    waiting=0,
    pending_approvals=0,
    limits=Limits(),
)
SUMMARY = Summary(
    id="abc-123",
    state="active",
    last_event="tool-start",
    event_count=42,
    model="gpt-4.1",
    provider="openai",
    detail_state="working",
    reason="tool-start",
    since_ms=0,
    agent="",
    kind="attached",
    title="",
    cwd="",
    git_branch="",
    labels={},
    start_time=0,
    last_seen_ms=0,
    queued_messages=0,
    pending_approvals=0,
)
EVENT = Event("tool-start", msgspec.Raw(b'"Bash: ls"'), 1_710_312_005, 7, 70, 0, "a")


def detail(**fields: Any) -> Detail:
    given = {**msgspec.structs.asdict(SUMMARY), "pid": None, "heartbeat_s": None}
    return Detail(**{**given, "metadata": {}, "usage": None, "events": [], **fields})


def event(data: Any) -> Event:
    return replace(EVENT, data=msgspec.Raw(msgspec.json.encode(data)))


def test_status_line_is_that_of_the_original_hub() -> None:
    assert status_line(STATUS) == "Host running on :7432 — 3 sessions, 2 active"


def test_session_lines_are_those_of_the_original_hub() -> None:
    second = replace(
        SUMMARY,
        id="def-456",
        state="idle",
        last_event="complete",
        event_count=18,
        model="claude",
        provider="anthropic",
    )
    assert session_lines([SUMMARY, second]) == [
        "abc-123  active   tool-start   openai/gpt-4.1  events:42",
        "def-456  idle     complete     anthropic/claude  events:18",
    ]


def test_long_ids_and_events_widen_the_columns() -> None:
    long = replace(SUMMARY, id="a-long-session-id", last_event="approval-requested")
    lines = session_lines([SUMMARY, long])
    assert len({line.index("active") for line in lines}) == 1
    assert len({line.index("openai") for line in lines}) == 1
    assert "approval-requested  openai" in lines[1]


@pytest.mark.parametrize(
    ("provider", "model", "shown"),
    [("p", "m", "p/m"), ("", "m", "m"), ("p", "", "p"), ("", "", "-")],
)
def test_unknown_model_fields_are_left_out(provider: str, model: str, shown: str) -> None:
    session = replace(SUMMARY, provider=provider, model=model)
    assert session_lines([session])[0].split()[3] == shown


def test_empty_session_list_prints_nothing() -> None:
    assert session_lines([]) == []


def test_event_line_has_the_local_time() -> None:
    clock = time.strftime("%H:%M:%S", time.localtime(1_710_312_005))
    assert event_line(EVENT) == f"     7  {clock}  tool-start    Bash: ls"


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        ("", ""),
        (None, ""),
        ({"a": [1]}, "a: 1"),
        ("ü", "ü"),
        ({ESCAPE: 1}, f"{ESCAPE}: 1"),
    ],
)
def test_event_line_shows_what_it_says(data: Any, shown: str) -> None:
    line = event_line(event(data))
    assert line[18:] == f"tool-start    {shown}".rstrip()


def test_raw_event_line_has_the_data() -> None:
    assert event_line(event({"a": [1]}), raw=True)[32:] == '{"a":[1]}'


@pytest.mark.parametrize(
    ("value", "printed"),
    [
        (Done(), '{"ok":true}\n'),
        ([Done(), Done(ok=False)], '{"ok":true}\n{"ok":false}\n'),
        ([], ""),
    ],
)
def test_json_output_is_one_object_or_a_line_each(
    value: Any, printed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    HostLink("http://h", json=True).show(value, "for people")
    assert capsys.readouterr().out == printed


@pytest.mark.parametrize(
    ("lines", "printed"), [(["for", "people\n"], "for\npeople\\n\n"), ([], "")]
)
def test_text_output_is_lines(
    lines: list[str], printed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    HostLink("http://h", json=False).show(Done(), *lines)
    assert capsys.readouterr().out == printed


# The words of a command line.


def words(**options: Any) -> list[str]:
    given = {"addr": None, "listen": (), "port": None, "host": None, "state_dir": None}
    return _twistd_arguments({**given, **options})


def test_missing_options_are_left_out() -> None:
    assert words() == []


def test_options_become_arguments() -> None:
    given = words(port="0", state_dir="/a b", max_message_size="9", log_level="debug")
    assert given == [
        "--port=0",
        "--state-dir=/a b",
        "--max-message-size=9",
        "--log-level=debug",
    ]


@pytest.mark.parametrize(
    ("address", "host", "port"),
    [("127.0.0.1:0", "127.0.0.1", "0"), ("h:x", "h", "x"), ("[::1]:80", "::1", "80")],
)
def test_an_address_is_host_and_port(address: str, host: str, port: str) -> None:
    assert sorted(words(addr=address)) == [f"--host={host}", f"--port={port}"]


def test_every_listener_is_announced() -> None:
    assert words(listen=("unix:/s", "tcp:1")) == ["--listen=unix:/s", "--listen=tcp:1"]


@pytest.mark.parametrize("address", ["", "7432", "h", ":7432", "h:"])
def test_addr_without_a_port_is_refused(
    address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        words(addr=address)
    assert caught.value.code == 2
    assert capsys.readouterr() == ("", f"--addr is written HOST:PORT, not {address!r}.\n")
