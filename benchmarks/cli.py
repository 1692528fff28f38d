"""How long quick commands take from start to finish: ``python -m benchmarks.cli``.

With ``--imports`` it lists what each import of ``sxhost status`` costs by itself and with all
that it imports, the least of some runs (while they are timed, imports take half as long again).
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks.measures import spread
from tests.stress.host_process import Client as HostClient
from tests.stress.host_process import Host, request, running_host

ROUNDS, LEAST_US = 25, 1000
SXHOST = str(Path(sys.executable).with_name("sxhost"))
COMMANDS: Mapping[str, Sequence[str]] = {
    "python": [sys.executable, "-c", "pass"],
    "status": [SXHOST, "status"],
    "send": [SXHOST, "send", "bench", "hello"],
    "fire": [SXHOST, "fire", "bench", "thinking", "hello"],
    "pull": [SXHOST, "pull", "bench"],
    "approve": [SXHOST, "approve", "asker", "1"],
}
"""The last is refused, after as many requests as if there were that approval."""

Row = tuple[int, str, int]
"""How deep an import is in others, the module, and the microseconds that it takes itself."""


def cpu() -> float:
    """Return the CPU seconds of all processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def report(environ: Mapping[str, str], rounds: int) -> None:
    """Run each command in turn, and print a line for each."""
    took: dict[str, list[tuple[float, float]]] = {name: [] for name in COMMANDS}
    for _ in range(rounds):
        for name, command in COMMANDS.items():
            used, start = cpu(), time.perf_counter()
            subprocess.run(command, env=environ, check=False, capture_output=True)
            took[name].append((time.perf_counter() - start, cpu() - used))
    for name, figures in took.items():
        walls, used_ms = (
            [figure * 1000 for figure in each] for each in zip(*figures, strict=True)
        )
        print(
            f"{name:8} {spread(walls, '.0f')} ms; CPU {spread(used_ms, '.0f')} ms", flush=True
        )


def import_rows(environ: Mapping[str, str]) -> Iterator[Row]:
    """Run ``sxhost status`` once; yield its imports, each after all that it imports."""
    command = [sys.executable, "-X", "importtime", "-m", "sxhost", "status"]
    done = subprocess.run(command, env=environ, check=True, capture_output=True, text=True)
    for line in done.stderr.splitlines():
        took, _, module = line.removeprefix("import time:").split("|")
        if took.strip().isdigit():
            yield (len(module) - len(module.lstrip()) - 1) // 2, module.strip(), int(took)


def report_imports(environ: Mapping[str, str], rounds: int) -> None:
    """Print the imports that take a millisecond with what they import, as a tree."""
    runs = [list(import_rows(environ)) for _ in range(rounds)]
    least = {module: took for _, module, took in runs[0]}
    for _, module, took in (row for run in runs[1:] for row in run):
        least[module] = min(least.get(module, took), took)
    inner: list[tuple[int, int]] = []
    lines = []
    for depth, module, _ in runs[0]:
        whole = least[module]
        while inner and inner[-1][0] > depth:
            whole += inner.pop()[1]
        inner.append((depth, whole))
        if whole >= LEAST_US:
            own = least[module] / 1000
            lines.append(f"{whole / 1000:8.1f}{own:8.1f}  {'  ' * depth}{module}")
    print(
        f"{sum(least.values()) / 1000:8.1f} ms in {len(least)} modules; below: whole, by itself"
    )
    print("\n".join(reversed(lines)))


def prepare(host: Host) -> None:
    """Make the sessions that the commands are about."""
    with HostClient(host.port) as client:
        for session in ("bench", "asker"):
            client.exchange(request("POST", f"/sessions/{session}/register", b"{}"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--imports", action="store_true")
    args = parser.parse_args()
    with running_host() as host:
        prepare(host)
        environ = {**os.environ, "SXHOST_URL": f"http://127.0.0.1:{host.port}"}
        (report_imports if args.imports else report)(environ, args.rounds)


if __name__ == "__main__":
    main()
