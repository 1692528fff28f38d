"""Real hosts that are all active over one real PostgreSQL."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from tests.stress.host_process import Host, running_host
from tests.stress.takeover import ask
from tests.support.postgresql import Cluster


def post(host: Host, number: int) -> Any:
    path = "/sessions/a/events"
    return ask(host.port, "POST", path, {"event": "x", "data": number, "key": str(number)})


def test_what_one_has_acknowledged_the_others_have(postgresql: Cluster, worker_id: str) -> None:
    url = postgresql.schema(f"{worker_id}_active")
    with ExitStack() as stack:
        options = (f"--store={url}", "--cluster=active")
        hosts = [stack.enter_context(running_host(*options)) for _ in range(3)]
        for number in range(30):
            status, _ = post(hosts[number % 3], number)
            assert status == 200
            answer = ask(hosts[(number + 1) % 3].port, "GET", "/sessions/a")
            assert answer[1]["event_count"] == number + 1
        hosts[0].process.kill()
        assert post(hosts[1], 30)[0] == post(hosts[2], 31)[0] == 200
        assert post(hosts[2], 30)[0] == 200, "a retry at another node is done once"
        _, log = ask(hosts[2].port, "GET", "/sessions/a/events?from=start")
        assert [event["data"] for event in log] == list(range(32))
        assert [event["id"] for event in log] == list(range(1, 33))
        refused = ask(hosts[1].port, "POST", "/sessions", {"agent": "codex"})
        assert "runs no agents" in refused[1]["message"]
