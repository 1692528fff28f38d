"""How long ``sxhost status`` takes from start to finish: ``python -m benchmarks.cli``."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from tests.stress.host_process import running_host

ROUNDS = 25


def main() -> None:
    command = [str(Path(sys.executable).with_name("sxhost")), "status"]
    with running_host() as host:
        environ = {**os.environ, "SXHOST_URL": f"http://127.0.0.1:{host.port}"}
        times = []
        for _ in range(ROUNDS):
            start = time.perf_counter()
            subprocess.run(command, env=environ, check=True, stdout=subprocess.DEVNULL)
            times.append((time.perf_counter() - start) * 1000)
    times.sort()
    print(f"sxhost status: median {statistics.median(times):.0f} ms, min {times[0]:.0f} ms,"
          f" max {times[-1]:.0f} ms of {ROUNDS}")  # fmt: skip


if __name__ == "__main__":
    main()
