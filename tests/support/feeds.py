"""What agents and their hooks say to a real host."""

from __future__ import annotations

import json
from threading import Thread
from typing import Any
from urllib.request import Request, urlopen

from tests.support.driving import ask
from tests.support.hosts import PATIENCE, Host

__all__ = ["Asking", "Feed"]


class Feed:
    """What agents and their hooks say to a host."""

    def __init__(self, host: Host, token: str = "") -> None:
        self._host = host
        self._token = token

    def ask(self, path: str, body: Any = None) -> Any:
        """Ask the host as its own user does, or by a token; it does not refuse."""
        method = "GET" if body is None else "POST"
        status, answer = ask(self._host, method, path, body, self._token)
        assert status < 300, answer
        return answer

    def register(self, session: str, **fields: Any) -> None:
        """Register an attached session."""
        self.ask(f"/sessions/{session}/register", {"agent": "claude", **fields})

    def fire(self, session: str, event: str, **data: Any) -> int:
        """Fire an event; return its number."""
        body = {"event": event, "data": data}
        return int(self.ask(f"/sessions/{session}/events", body)["seq"])

    def say(self, session: str, count: int) -> None:
        """Let an agent say numbers, all in one request."""
        lines = ({"event": "message", "data": {"text": f"word {n + 1}"}} for n in range(count))
        body = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
        headers = {"Content-Type": "application/x-ndjson"}
        address = f"{self._host.url}/sessions/{session}/events"
        with urlopen(Request(address, body, headers)) as answer:
            assert answer.status == 200

    def permission(
        self, session: str, cwd: str = "/work", tool: str = "Bash", **given: Any
    ) -> Asking:
        """Let an agent's hook ask for a permission, and wait for the decision."""
        hook = {
            "session_id": session,
            "hook_event_name": "PermissionRequest",
            "tool_name": tool,
            "tool_input": given,
            "cwd": cwd,
        }
        return Asking(self, hook)


class Asking:
    """A hook that waits for a decision."""

    def __init__(self, feed: Feed, hook: dict[str, Any]) -> None:
        self._answers: list[Any] = []
        path = f"/hooks/claude?wait={PATIENCE:.0f}"
        self._thread = Thread(target=lambda: self._answers.append(feed.ask(path, hook)))
        self._thread.start()

    @property
    def decision(self) -> dict[str, Any]:
        """What the hook was answered; waits for it."""
        self._thread.join(PATIENCE)
        found: dict[str, Any] = self._answers[0]["hookSpecificOutput"]["decision"]
        return found
