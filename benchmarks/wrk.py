"""Whether memory stays flat under wrk: ``python -m benchmarks.wrk``.

Each route is asked for a minute by 32 connections, then once more: what the host needs for
so many it has after the first time, and all that it grows by in the second is lost.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.stress.host_process import Client, Host, request, running_host

SECONDS, CONNECTIONS = 60, 32
MOST_MB = 5
"""By how much the host may grow in the second minute: what allocators do not give back."""

POST = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = '{"event":"tool-start","data":"Bash: git status --short --branch"}'
"""
ROUTES = {
    "GET /health": "",
    "GET /sessions": "",
    "GET /sessions/bench-0/messages": "",
    "POST /sessions/bench-0/events": POST,
}


def fill(host: Host) -> None:
    """Make a hundred sessions."""
    with Client(host.port) as client:
        for number in range(100):
            path = f"/sessions/bench-{number}/events"
            client.exchange(request("POST", path, b'{"event":"thinking"}'))


def load(host: Host, path: str, script: str, seconds: int) -> tuple[str, str]:
    """Run wrk; return how many requests a second it made, and the latency's p99."""
    options = ["-t1", f"-c{CONNECTIONS}", f"-d{seconds}", "--latency"]
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
        file.write(script)
        file.flush()
        url = f"http://127.0.0.1:{host.port}{path}"
        command = ["wrk", *options, "-s", file.name, url]
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert "Non-2xx" not in said, said
    return told(r"Requests/sec: +(\S+)", said), told(r"99% +(\S+)", said)


def told(pattern: str, said: str) -> str:
    found = re.search(pattern, said)
    assert found is not None, said
    return found[1]


def report(host: Host, route: str, seconds: int) -> float:
    """Load a route twice; print how it went; return by how many MB the second time grew it."""
    path, sizes = route.partition(" ")[2], [host.memory()]
    for _ in range(2):
        rate, p99 = load(host, path, ROUTES[route], seconds)
        sizes.append(host.memory())
    before, first, second = (size / 1e6 for size in sizes)
    print(f"{route:32} {rate:>9} requests/s, p99 {p99:>8}; {before:.1f} MB before,"
          f" {first:.1f} after, {second:.1f} after the second", flush=True)  # fmt: skip
    return second - first


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=SECONDS)
    args = parser.parse_args()
    if shutil.which("wrk") is None:
        sys.exit("wrk is needed: apt-get install wrk")
    with running_host() as host:
        fill(host)
        grown = [report(host, route, args.seconds) for route in ROUTES]
        files = len([*Path(f"/proc/{host.process.pid}/fd").iterdir()])
        print(f"{files} descriptors in the end")
        assert not host.trouble, host.trouble
    sys.exit(max(grown) > MOST_MB)


if __name__ == "__main__":
    main()
