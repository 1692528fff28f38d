"""What Prometheus reads."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from sxhost.testing import HostInMemory


def figures(lab: HostInMemory) -> dict[tuple[str, str], float]:
    """Return each sample's value by its name and its last label."""
    text = lab.request("GET", "/metrics").body.decode()
    return {
        (sample.name, next(reversed(sample.labels.values()), "")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_gauges_show_the_hosts_state(lab: HostInMemory) -> None:
    lab.request("POST", "/sessions/a/events", {"event": "thinking"})
    lab.request("POST", "/sessions/b/events", {"event": "complete"})
    lab.request("POST", "/sessions/a/messages", {"content": "x"})
    lab.begin("GET", "/sessions/b/messages?wait=30")
    found = figures(lab)
    assert found["sxhost_events", ""] == 2
    assert found["sxhost_sessions", "working"] == 1
    assert found["sxhost_sessions", "idle"] == 1
    assert found["sxhost_sessions", "lost"] == 0
    assert found["sxhost_inbox_messages", ""] == 1
    assert found["sxhost_subscribers", ""] == 0
    assert found["process_resident_memory_bytes", ""] > 0


def test_live_readers_are_counted(lab: HostInMemory) -> None:
    lab.begin("GET", "/events?follow=1")
    assert figures(lab)["sxhost_subscribers", ""] == 1


def test_requests_are_counted_by_route_and_status(lab: HostInMemory) -> None:
    lab.metrics.count("GET", "/health", 200, 0.002)
    lab.metrics.count("GET", "/health", 200, 0.3)
    found = figures(lab)
    assert found["sxhost_requests_total", "200"] == 2
    assert found["sxhost_request_seconds_count", "/health"] == 2
    assert found["sxhost_request_seconds_sum", "/health"] == 0.302


def test_metrics_have_prometheus_media_type(lab: HostInMemory) -> None:
    answer = lab.request("GET", "/metrics")
    assert answer.header("content-type") == "text/plain; version=0.0.4; charset=utf-8"
