"""Metrics for Prometheus: requests counted as they end, gauges read when it scrapes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

from sxhost.http.router import Route
from sxhost.model.host import Host
from sxhost.model.session import StateName

__all__ = ["CONTENT_TYPE", "Metrics"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

disable_created_metrics()

BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0)
"""Seconds; long pulls fill the last ones."""


class Metrics:
    """One registry with the host's metrics and the process's own."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        self._requests = Counter(
            "sxhost_requests", "Requests answered.", ["method", "route", "status"],
            registry=registry,
        )  # fmt: skip
        self._seconds = Histogram(
            "sxhost_request_seconds", "Time to answer.", ["route"],
            registry=registry, buckets=BUCKETS,
        )  # fmt: skip
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

    def count(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answered request."""
        self._requests.labels(method, route, status).inc()
        self._seconds.labels(route).observe(seconds)

    async def render(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        counts = await self._host.counts()
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
