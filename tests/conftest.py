"""What every test gets: a lab, and a guard against failures that nobody looked at."""

from __future__ import annotations

import gc
import importlib.metadata
import os
import signal
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from itertools import chain
from operator import itemgetter
from typing import Any

import hypothesis
import pytest
from twisted.logger import ILogObserver, LogLevel, globalLogPublisher
from zope.interface import implementer

from sxhost.testing import HostInMemory
from tests.support.agents.real_agents import agent_home, fake_model, real_agents
from tests.support.hosts import forks_hosts, running_host, start_daemon, start_host, twistd
from tests.support.postgresql import Cluster, shared_cluster

__all__ = [
    "FailureLog",
    "agent_home",
    "fake_model",
    "forks_hosts",
    "real_agents",
    "running_host",
    "start_daemon",
    "start_host",
    "twistd",
]

SLOWEST_FIRST = ("contracts", "process", "house", "host", "unit", "stress")
"""The tiers, by how long one of their files takes."""

# No test is timed: on a busy machine any of them takes as long as it takes.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")

# pytest asks it for each test, for Twisted's, and reads a file of metadata each time.
importlib.metadata.version = cache(importlib.metadata.version)

# Images of containers forbid it, and then each program that a test starts, and each worker of
# xdist, would compile the same again.
if sys.dont_write_bytecode:
    sys.dont_write_bytecode = False
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# `( pytest & )`, nohup and some runners start us with these ignored, and each host that a test
# starts would inherit that; what is handled is not inherited.
for _name in ("SIGINT", "SIGQUIT", "SIGHUP"):
    if signal.getsignal(_number := signal.Signals[_name]) is signal.SIG_IGN:
        signal.signal(_number, lambda *_: None)


@implementer(ILogObserver)
class FailureLog:
    """The failures and critical errors that were logged while a test ran."""

    def __init__(self) -> None:
        self._events: list[dict[str, Any]] = []

    def __call__(self, event: dict[str, Any]) -> None:
        if "log_failure" in event or event.get("log_level") is LogLevel.critical:
            self._events.append(event)

    def flush(self, oldest_generation: int = 2) -> list[dict[str, Any]]:
        """Return what was logged, and forget it: the test expected it."""
        gc.collect(oldest_generation)
        events, self._events = self._events, []
        return events


@pytest.fixture(autouse=True, scope="session")
def _quick_collections() -> None:
    """Leave out of every later collection what lives as long as the tests do."""
    gc.collect()
    gc.freeze()


@contextmanager
def no_failures(oldest_generation: int) -> Iterator[FailureLog]:
    """Assert that no failure is logged, or lost and found by the garbage collector."""
    log = FailureLog()
    globalLogPublisher.addObserver(log)
    try:
        yield log
        lost = log.flush(oldest_generation)
    finally:
        globalLogPublisher.removeObserver(log)
    assert not lost, "\n".join(str(e.get("log_failure") or e) for e in lost)


@pytest.fixture(autouse=True)
def failure_log() -> Iterator[FailureLog]:
    """Fail the test if a failure was lost or logged that it did not expect.

    Only young objects are collected: all of them, after each of thousands of tests, take longer
    than many a test does.
    """
    with no_failures(oldest_generation=1) as log:
        yield log


@pytest.fixture(autouse=True, scope="module")
def _no_old_failure() -> Iterator[None]:
    """Fail a module's last test if one of its tests lost a failure that had grown old."""
    yield
    with no_failures(oldest_generation=2):
        pass


@pytest.fixture(scope="session")
def postgresql(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[Cluster]:
    """A PostgreSQL server, which all workers share."""
    run = tmp_path_factory.getbasetemp()
    cluster, release = shared_cluster(run if worker_id == "master" else run.parent)
    yield cluster
    release()


@pytest.fixture
def lab() -> HostInMemory:
    """A host in memory with the usual limits."""
    return HostInMemory()


@pytest.fixture
def make_lab() -> Callable[..., HostInMemory]:
    """Make a host in memory with limits of the test's own."""
    return HostInMemory


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Look for no garbage while the tests are collected, which makes what stays."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test with its tier (``-m unit`` is ``tests/unit``), the slowest tiers first.

    The workers of xdist take files in this order, and the last ones are short: none of them
    is left alone with a long one.
    """
    for item in items:
        item.add_marker(_tier(item))
    items.sort(key=lambda item: SLOWEST_FIRST.index(_tier(item)))


def _tier(item: pytest.Item) -> str:
    return item.nodeid.split("/", 2)[1]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print how long each tier's tests took; workers of xdist share that time."""
    seconds: dict[str, float] = defaultdict(float)
    tests = Counter[str]()
    for report in chain.from_iterable(terminalreporter.stats.values()):
        if isinstance(report, pytest.TestReport):
            tier = report.nodeid.split("/")[1]
            seconds[tier] += report.duration
            tests[tier] += report.when == "call"
    for tier, spent in sorted(seconds.items(), key=itemgetter(1), reverse=True):
        terminalreporter.write_line(f"{tier:10} {tests[tier]:6} tests {spent:7.1f} s")
