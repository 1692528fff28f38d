"""schemathesis against the contract that the host generates: it finds nothing."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest_twisted
from twisted.internet import reactor
from twisted.internet.utils import getProcessOutputAndValue

from sxhost.config import Settings
from sxhost.limits import Limits
from sxhost.tap import assemble

SCHEMATHESIS = str(Path(sys.executable).with_name("schemathesis"))
EXAMPLES = "100"

# Streams have no end; `test_stream`, `test_websocket` and `test_messages` ask them.
ENDLESS = (
    *("events", "live_events", "log", "live_log", "stream"),
    *("say_to_codex", "follow_codex", "commands"),
)
# It runs programs of this machine; `test_fleet` asks it.
STARTING = ("start",)
LEFT_OUT = [word for name in (*ENDLESS, *STARTING) for word in ("--exclude-operation-id", name)]
# Another system's answers (404 to any unknown method, say) are kept: `test_codexd`.
LEFT_OUT += ["--exclude-path-regex", "^/(v1/codexd|healthz|describe)"]


@pytest_twisted.ensureDeferred
async def test_schemathesis_finds_nothing(tmp_path: Path) -> None:
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
        words = ["run", url, *LEFT_OUT, "--max-examples", EXAMPLES, "--no-color", "--seed", "1"]
        out, err, code = await getProcessOutputAndValue(
            SCHEMATHESIS, words, env=dict(os.environ), path=str(tmp_path)
        )
    finally:
        await host.stopService()
    report = (out + err).decode()
    assert code == 0, report
    assert re.search(r"\d+ generated", report), report
