"""Two real hosts over a real PostgreSQL: the engine ends, then the active host does."""

from __future__ import annotations

from tests.stress.takeover import ask, new_pair, suffer


def test_nothing_that_was_acknowledged_is_lost() -> None:
    with new_pair("engine") as pair:
        suffer(pair, "engine")
        before = pair.active()
        writers = suffer(pair, "kill", prefix="t")
        assert pair.active() == 1 - before
        assert (503, "not_ready") in writers.refusals, "it stood by before"
        stands_by = pair.hosts[before].port
        assert ask(stands_by, "GET", "/health") == (200, {"status": "ok"})
        assert ask(stands_by, "GET", "/ready")[0] == 503
        assert ask(stands_by, "GET", "/sessions")[1]["error"] == "not_ready"
