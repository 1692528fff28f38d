"""1,000 slow clients of three kinds, by slowhttptest: ``python -m benchmarks.slow``.

``-H`` sends a header bit by bit, ``-B`` a body, ``-X`` reads an answer bit by bit.  Told is
after how many seconds the last of them was gone, and how long ``/health`` took meanwhile.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import time
from pathlib import Path

from tests.stress.host_process import NDJSON, Client, Host, raise_files, request, running_host

CONNECTIONS = 1000
LONGEST = 90
"""Seconds after which a kind is given up."""

KINDS = {
    "H": ("-H", "-i", "10", "-x", "24", "-t", "GET", "/health"),
    "B": ("-B", "-i", "10", "-x", "10", "-s", "8192", "-t", "POST", "/sessions/bench/events"),
    "X": ("-X", "-w", "512", "-y", "1024", "-n", "5", "-z", "32", "/sessions/bench/events"),
}


def attack(host: Host, kind: str, connections: int) -> subprocess.Popen[bytes]:
    *options, path = KINDS[kind]
    command = ["slowhttptest", "-c", str(connections), "-r", "500", "-l", str(LONGEST)]
    url = f"http://127.0.0.1:{host.port}{path}"
    return subprocess.Popen(
        [*command, "-p", "3", *options, "-u", url],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def fill(client: Client) -> None:
    """Make an answer of half a megabyte."""
    event = b'{"event":"tool-done","data":"%s"}' % (b"x" * 2000)
    body = b"\n".join([event] * 256)
    client.exchange(request("POST", "/sessions/bench/events", body, NDJSON))


def descriptors(host: Host) -> int:
    return len([*Path(f"/proc/{host.process.pid}/fd").iterdir()])


def probed(port: int) -> float:
    """Ask for /health over a new connection; return the seconds it took."""
    start = time.perf_counter()
    with Client(port) as client:
        client.exchange(request("GET", "/health"))
    return time.perf_counter() - start


def report(kind: str, connections: int) -> None:
    with running_host() as host:
        with Client(host.port) as client:
            fill(client)
        probed(host.port)
        before, start, last, most = descriptors(host), time.perf_counter(), 0.0, 0
        memory, took = [host.memory()], []
        process = attack(host, kind, connections)
        try:
            while (now := time.perf_counter() - start) < LONGEST:
                took.append(probed(host.port))
                memory.append(host.memory())
                held = descriptors(host) - before
                most = max(most, held)
                if held > 1:
                    last = now
                elif now > last + 5 and most:
                    break
                time.sleep(0.05)
        finally:
            process.kill()
            process.wait()
        print(f"-{kind}: {most} connections at once; the last was gone after {last:.0f} s;"
              f" {told(took)}; memory"
              f" +{(max(memory) - memory[0]) / 1e6:.0f} MB at most", flush=True)  # fmt: skip


def told(took: list[float]) -> str:
    """Sum up how many seconds the probes took."""
    ms = sorted(seconds * 1000 for seconds in took)
    p50, p99 = ms[len(ms) // 2], ms[int(len(ms) * 0.99)]
    return f"/health p50 {p50:.1f} ms, p99 {p99:.1f}, max {ms[-1]:.1f} ({len(ms)} probes)"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kind", choices=sorted(KINDS))
    parser.add_argument("--connections", type=int, default=CONNECTIONS)
    args = parser.parse_args()
    if shutil.which("slowhttptest") is None:
        sys.exit("slowhttptest is needed: apt-get install slowhttptest")
    raise_files(args.connections + 1000)
    for kind in [args.kind] if args.kind else KINDS:
        report(kind, args.connections)


if __name__ == "__main__":
    main()
