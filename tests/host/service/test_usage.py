"""``GET /usage`` and the figures of ``/metrics``: from events to sums, over HTTP."""

from __future__ import annotations

from typing import Any

from sxhost.testing import HostInMemory


def use(lab: HostInMemory, session: str, **data: Any) -> None:
    event = {"event": "usage", "data": data}
    lab.request("POST", f"/sessions/{session}/events", event)


def begin(lab: HostInMemory, session: str, model: str) -> None:
    fields = {"agent": "claude", "model": model, "cwd": "/w/site", "title": f"T {session}"}
    lab.request("POST", f"/sessions/{session}/register", fields)


def usage(lab: HostInMemory, query: str = "") -> Any:
    return lab.request("GET", f"/usage{query}").json()


def test_what_sessions_have_used_is_summed_up(lab: HostInMemory) -> None:
    begin(lab, "a", "gpt-5.5")
    begin(lab, "b", "mine")
    use(lab, "a", input_tokens=1_000_000, cached_tokens=500_000, output_tokens=10)
    use(lab, "b", output_tokens=10)
    found = usage(lab)
    first, second = found["groups"]
    assert (first["name"], first["title"], first["cost_usd"]) == ("a", "T a", "2.7503")
    assert (second["name"], second["cost_usd"], second["unpriced_tokens"]) == ("b", None, 10)
    assert found["total"]["total_tokens"] == 1_000_020
    assert found["unpriced_models"] == ["mine"]
    assert [each["name"] for each in usage(lab, "?by=project")["groups"]] == ["site"]
    assert usage(lab, "?model=mine")["total"]["output_tokens"] == 10


def test_it_outlives_the_session_but_for_its_title(lab: HostInMemory) -> None:
    begin(lab, "a", "gpt-5.5")
    use(lab, "a", output_tokens=10)
    lab.request("DELETE", "/sessions/a")
    (group,) = usage(lab)["groups"]
    assert (group["name"], group["title"], group["output_tokens"]) == ("a", "", 10)


def test_a_time_chooses_what_was_used_then(lab: HostInMemory) -> None:
    begin(lab, "a", "gpt-5.5")
    use(lab, "a", output_tokens=10)
    (group,) = usage(lab)["groups"]
    at = group["first_ms"]
    assert usage(lab, f"?since_ms={at}")["groups"] == [group]
    assert usage(lab, f"?since_ms={at + 1}")["groups"] == []
    assert usage(lab, f"?until_ms={at}")["groups"] == []


def test_a_query_that_is_wrong_is_refused(lab: HostInMemory) -> None:
    for query in ("by=hour", "since_ms=-1", "limit=0", "limit=10001"):
        assert lab.request("GET", f"/usage?{query}").status == 400


def test_prometheus_counts_tokens_by_agent_and_model(lab: HostInMemory) -> None:
    begin(lab, "a", "gpt-5.5")
    use(lab, "a", input_tokens=7, cached_tokens=3, output_tokens=10, cost_usd=0.5)
    text = lab.request("GET", "/metrics").body.decode()
    for kind, number in (("input", 4), ("cached", 3), ("cache_write", 0), ("output", 10)):
        labels = f'agent="claude",kind="{kind}",model="gpt-5.5"'
        assert f"sxhost_tokens_total{{{labels}}} {number}.0" in text
    assert 'sxhost_cost_usd_total{agent="claude",model="gpt-5.5"} 0.5' in text
