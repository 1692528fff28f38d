"""Hosted agents, as a client drives them."""

from __future__ import annotations

import json
from typing import Any

from benchmarks.rig import Client, Host, request

__all__ = ["post"]


def post(host: Host, path: str, body: Any) -> Any:
    """Post over a connection of its own; return the answer, which must be a success."""
    with Client(host.port) as client:
        status, answer = client.ask(request("POST", path, json.dumps(body).encode()))
    assert status < 300, (status, answer[:500])
    return json.loads(answer)
