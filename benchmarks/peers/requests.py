"""What an answered request costs: the server's CPU, asked by many connections at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from benchmarks.peers.load import Load
from benchmarks.peers.servers import Server
from tests.stress.host_process import NDJSON, request

__all__ = ["ROWS", "RequestRow"]

CONNECTIONS = 32
EVENT = b'{"event":"tool-start","data":"Bash: git status --short --branch"}'
EVENTS = "/sessions/bench/events"
HOSTS = ("host, memory", "host, durable")


class RequestRow(NamedTuple):
    """A request that is repeated; `unit` of it are what a figure is for (events of a batch)."""

    name: str
    message: bytes
    servers: Sequence[str]
    """Those that answer it; the figures are compared with the first one's."""
    unit: int = 1
    connections: int = CONNECTIONS

    def measure(self, server: Server, seconds: float) -> float:
        """Return the CPU microseconds that a server uses for a unit."""
        load = Load(server.port, self.connections, self.message)
        before = server.cpu()
        answered = load.run(seconds)
        return (server.cpu() - before) / answered / self.unit * 1e6


ROWS: Sequence[RequestRow] = (
    RequestRow(
        "GET /health",
        request("GET", "/health"),
        ("node", "nginx", "klein", "host, memory"),
    ),
    RequestRow("POST one event", request("POST", EVENTS, EVENT), ("node", "klein", *HOSTS)),
    RequestRow(
        "POST 500 events, an event",
        request("POST", EVENTS, b"\n".join([EVENT] * 500), NDJSON),
        HOSTS,
        unit=500,
        connections=1,
    ),
)
