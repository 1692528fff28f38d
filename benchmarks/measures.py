"""What is measured of a host: requests a second and its CPU time; how figures are written."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence

from tests.stress.host_process import Client, Host


def exchanges(host: Host, client: Client, message: bytes, seconds: float) -> tuple[float, ...]:
    """Repeat an exchange; return how many a second, and the host's CPU µs for each."""
    cpu, start, count = host.cpu(), time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        client.exchange(message)
        count += 1
    return count / (time.perf_counter() - start), (host.cpu() - cpu) / count * 1e6


def spent(host: Host, work: Callable[[], object]) -> float:
    """Return the CPU seconds that the host spends while `work` runs."""
    cpu = host.cpu()
    work()
    return host.cpu() - cpu


def spread(figures: Sequence[float], form: str = ".2f") -> str:
    """Write figures as their least and their median: the machine is shared."""
    return f"min {min(figures):{form}}, median {statistics.median(figures):{form}}"
