"""schemathesis against the contract that the host generates: it finds nothing."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.utils import getProcessOutputAndValue

from sxhost.config import Settings
from sxhost.model.limits import Limits
from sxhost.tap import assemble

SCHEMATHESIS = str(Path(sys.executable).with_name("schemathesis"))
EXAMPLES = "25"
"""Of each route, beside all of its bounds: a hundred find no more, in three times the time."""

# A target may have 8 KiB, and a character takes up to 12 bytes of it.
CONFIG = """
[checks]
negative_data_rejection.expected-statuses = [
    400, 401, 403, 404, 405, 406, 409, 414, 415, 422, 428, 429, "5xx"
]

[[operations]]
include-path = "/search"
checks.positive_data_acceptance.enabled = false  # no schema says what has a word in it
"""

# Streams have no end; `test_stream`, `test_websocket` and `test_messages` ask them.
ENDLESS = (
    *("events", "live_events", "log", "live_log", "stream", "session_stream"),
    *("say_to_codex", "follow_codex", "commands", "listen"),
)
# It runs programs of this machine; `test_fleet` asks it.
STARTING = ("start",)
LEFT_OUT = [word for name in (*ENDLESS, *STARTING) for word in ("--exclude-operation-id", name)]
CODEXD = "^/(v1/codexd|healthz|describe)"
OURS = ("--exclude-path-regex", CODEXD)
# Codexd keeps its system's answers: it knows no 405, and here it lacks a codex and the
# directories that it is asked for.  What breaks is a logged failure, which fails the test.
CODEXDS = (
    *("--include-path-regex", CODEXD, "--exclude-checks"),
    "unsupported_method,not_a_server_error,positive_data_acceptance",
)


@pytest.mark.parametrize("face", [OURS, CODEXDS], ids=["ours", "codexds"])
@pytest_twisted.ensureDeferred
async def test_schemathesis_finds_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, face: tuple[str, ...]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # no agent is to be found
    (tmp_path / "schemathesis.toml").write_text(CONFIG)
    settings = Settings(
        listen=("tcp:0:interface=127.0.0.1",),
        state_dir=tmp_path,
        store="memory:",
        limits=Limits(wait=0.1),  # long pulls are not what is looked at here
    )
    host = assemble(settings, reactor)
    host.sessions.on_stop = lambda: None
    host.privilegedStartService()
    host.startService()
    try:
        url = f"http://127.0.0.1:{host.sessions.port}/openapi.json"
        kinds = [*LEFT_OUT, *face, "--max-examples", EXAMPLES]
        words = ["run", url, *kinds, "--no-color", "--seed", "1"]
        out, err, code = await getProcessOutputAndValue(
            SCHEMATHESIS, words, env=dict(os.environ), path=str(tmp_path)
        )
    finally:
        await host.stopService()
    report = (out + err).decode()
    assert code == 0, report
    assert re.search(r"\d+ generated", report), report
