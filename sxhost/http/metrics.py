"""Metrics for Prometheus: requests counted as they end, gauges read when it scrapes."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import get_args

from prometheus_client import (
    CollectorRegistry,
    Gauge,
    Metric,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from sxhost.http.routes import Route
from sxhost.model.host import Host
from sxhost.model.session import StateName
from sxhost.model.usage import SpentByModel

__all__ = ["CONTENT_TYPE", "Metrics"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

KINDS = ("input", "cached", "cache_write", "output")
"""Kinds of tokens, as `TokenCounts.billed` has them; they do not overlap."""

BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0)
"""Seconds; long pulls fill the last ones."""


class RequestFigures(Collector):
    """Requests counted in plain numbers: those of `prometheus_client` take locks for each."""

    def __init__(self) -> None:
        self._requests: Counter[tuple[str, str, int]] = Counter()
        self._seconds: dict[str, list[float]] = {}
        """By route: their number in each bucket and above all, and their sum."""

    def count(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answered request."""
        self._requests[method, route, status] += 1
        row = self._seconds.get(route)
        if row is None:
            row = self._seconds[route] = [0.0] * (len(BUCKETS) + 2)
        row[bisect_left(BUCKETS, seconds)] += 1
        row[-1] += seconds

    def collect(self) -> Iterator[Metric]:
        """Return the figures for Prometheus."""
        labels = ["method", "route", "status"]
        requests = CounterMetricFamily("sxhost_requests", "Requests answered.", labels=labels)
        for (method, route, status), number in self._requests.items():
            requests.add_metric([method, route, str(status)], number)
        yield requests
        times = HistogramMetricFamily(
            "sxhost_request_seconds", "Time to answer.", labels=["route"]
        )
        limits = [*map(floatToGoString, BUCKETS), "+Inf"]
        for route, (*numbers, total) in self._seconds.items():
            buckets = list(zip(limits, accumulate(numbers), strict=True))
            times.add_metric([route], buckets, total)
        yield times


class UsageFigures(Collector):
    """What agents have used since the host's start; the pairs of its labels are bounded."""

    def __init__(self) -> None:
        self.spent: Sequence[SpentByModel] = ()

    def collect(self) -> Iterator[Metric]:
        """Return the figures for Prometheus."""
        pair = ["agent", "model"]
        tokens = CounterMetricFamily(
            "sxhost_tokens", "Tokens that agents have used.", labels=[*pair, "kind"]
        )
        cost = CounterMetricFamily(
            "sxhost_cost_usd", "US dollars that agents have told of.", labels=pair
        )
        for each in self.spent:
            labels = [each.agent, each.model]
            for kind, number in zip(KINDS, each.tokens.billed, strict=True):
                tokens.add_metric([*labels, kind], number)
            cost.add_metric(labels, float(each.cost))
        yield tokens
        yield cost


class Metrics:
    """One registry with the host's metrics and the process's own."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        requests = RequestFigures()
        registry.register(requests)
        self.count = requests.count
        """Counts one answered request."""
        self._usage = UsageFigures()
        registry.register(self._usage)
        self._events = Gauge("sxhost_events", "Events ever appended.", registry=registry)
        self._sessions = Gauge(
            "sxhost_sessions", "Sessions by state.", ["state"], registry=registry
        )
        self._inbox = Gauge(
            "sxhost_inbox_messages", "Messages queued or on lease.", registry=registry
        )
        self._hot = Gauge(
            "sxhost_hot_bytes", "Bytes of memory that events take.", registry=registry
        )
        self._subscribers = Gauge("sxhost_subscribers", "Live readers.", registry=registry)

    async def render(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        counts = await self._host.counts()
        self._usage.spent = await self._host.usage_spent()
        for name in get_args(StateName):
            self._sessions.labels(name).set(counts.states.get(name, 0))
        self._events.set(counts.events)
        self._inbox.set(counts.messages)
        self._hot.set(counts.event_bytes)
        self._subscribers.set(counts.subscribers)
        return generate_latest(self.registry)

    def routes(self) -> Sequence[Route]:
        """Return the route that Prometheus scrapes."""
        return (
            Route("GET", "/metrics", self.render, "Figures for Prometheus.",
                  produces=CONTENT_TYPE, tag="about"),
        )  # fmt: skip
