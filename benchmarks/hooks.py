"""What a hook costs its agent: ``python -m benchmarks.hooks``.

`http`: from the first byte of a request to the last of its answer, on a connection of its own,
as Claude Code does it. `command`: ``sxhost hook claude``, start to finish; without a host, too.
"""

from __future__ import annotations

import http.client
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.stress.host_process import running_host

ROUNDS = 40
NAMES = ("UserPromptSubmit", "PreToolUse", "PostToolUse", "Stop")
COMMANDS = ("status", "register a", "fire a thinking x", "pull a")


def said(number: int) -> bytes:
    hook = {
        "session_id": "bench",
        "cwd": str(Path.cwd()),
        "hook_event_name": NAMES[number % len(NAMES)],
        "tool_name": "Bash",
        "tool_input": {"command": "ls"},
        "tool_response": {"stdout": "x" * 2000},
    }
    return json.dumps(hook).encode()


def over_http(port: int, number: int) -> None:
    link = http.client.HTTPConnection("127.0.0.1", port)
    link.request("POST", "/hooks/claude", said(number), {"Content-Type": "application/json"})
    assert link.getresponse().read() == b"{}"
    link.close()


def by_command(environ: dict[str, str], number: int) -> None:
    command = [sys.executable, "-m", "sxhost", "hook", "claude"]
    subprocess.run(command, env=environ, input=said(number), check=True)


def asked(environ: dict[str, str], words: str, _: int) -> None:
    line = [sys.executable, "-m", "sxhost", *words.split()]
    subprocess.run(line, env=environ, check=True, stdout=subprocess.DEVNULL)


def timed(name: str, work: Callable[[int], object], rounds: int = ROUNDS) -> None:
    times, before = [], spent()
    for number in range(rounds):
        start = time.perf_counter()
        work(number)
        times.append((time.perf_counter() - start) * 1000)
    cpu = (spent() - before) * 1000 / rounds
    median = statistics.median(times)
    print(f"{name:26} median {median:6.1f} ms   max {max(times):6.1f} ms   CPU {cpu:5.1f} ms")


def spent() -> float:
    """Return the seconds of CPU that the commands have taken so far."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    with running_host() as host:
        url = f"http://127.0.0.1:{host.port}"
        here = {**os.environ, "SXHOST_URL": url}
        timed("http", lambda number: over_http(host.port, number), ROUNDS * 5)
        timed("command", lambda number: by_command(here, number))
        for words in COMMANDS:
            timed(f"sxhost {words}", partial(asked, here, words), 10)
    nowhere = {**os.environ, "SXHOST_URL": "http://127.0.0.1:9"}
    timed("command, no host", lambda number: by_command(nowhere, number))


if __name__ == "__main__":
    main()
