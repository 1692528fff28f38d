"""How long `sxhost-emit` keeps its caller waiting while the collector never answers.

    python benchmarks/emit.py [RUNS]

`alone`: each run starts when the sender of the one before is gone. `in a row`: they start one
after the other while up to RUNS senders import Twisted beside them.
"""

import os
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path

COMMAND = [
    str(Path(sys.executable).with_name("sxhost-emit")),
    "--type",
    "user",
    "--content",
    "x",
]


def one_run(environ: dict[str, str]) -> float:
    start = time.perf_counter()
    subprocess.run(COMMAND, env=environ, check=True)
    return (time.perf_counter() - start) * 1000


def let_go(collector: socket.socket) -> None:
    """Wait for a sender's request, then hang up on it."""
    connection, _ = collector.accept()
    with connection:
        connection.recv(1)


def report(name: str, times: list[float]) -> None:
    print(f"{name:9} median {statistics.median(times):5.1f} ms   max {max(times):5.1f} ms")


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    with socket.create_server(("127.0.0.1", 0), backlog=runs) as collector:
        url = f"http://127.0.0.1:{collector.getsockname()[1]}/"
        settings = {"EMIT_SESSION_TRACKING": "1", "EMIT_SESSION_API_URL": url}
        alone = []
        for _ in range(runs):
            alone.append(one_run(os.environ | settings))
            let_go(collector)
        report("alone", alone)
        report("in a row", [one_run(os.environ | settings) for _ in range(runs)])


if __name__ == "__main__":
    main()
