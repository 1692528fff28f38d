"""What codexd's clients are shown: its records, as they stand on the wire.

Some fields are there because codexd has them; times are ISO 8601 with milliseconds.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final, Literal

from msgspec import Struct

from sxhost import __version__

__all__ = [
    "ENDPOINT",
    "MOST_RECENT",
    "ChildStatus",
    "CodexdChild",
    "CodexdDaemon",
    "CodexdEvent",
    "CodexdIdentity",
    "CodexdRecentEvents",
    "CodexdRunRegistry",
    "CodexdRuntime",
    "CodexdSession",
    "CodexdSessionRegistry",
    "CodexdSnapshot",
    "Level",
    "Purpose",
    "iso",
]

MOST_RECENT: Final = 50
"""Events that a snapshot shows."""

ENDPOINT: Final = "stdio://codex-app-server"

Purpose = Literal["duplex", "smoke", "worker"]
Level = Literal["error", "info", "warn"]
ChildStatus = Literal["external", "failed", "idle", "running", "starting", "stopped"]


class CodexdRuntime(Struct, frozen=True, kw_only=True, rename="camel"):
    """Where the face is served, by the base URL of the request."""

    configured_base_url: str
    event_stream_path: str
    event_stream_url: str | None
    listening: bool = True
    resolved_base_url: str | None
    websocket_clients: int


class CodexdSession(Struct, frozen=True, kw_only=True, rename="camel"):
    """A session of codex; times are ISO 8601."""

    session_id: str
    purpose: Purpose
    thread_id: str | None
    status: Literal["active", "closed"]
    endpoint: str
    child_pid: int | None
    created_at: str
    updated_at: str
    cwd: str | None
    model: str | None
    model_provider: str | None
    current_turn_id: str | None
    """None while no turn runs."""
    last_turn_id: str | None
    last_turn_status: Literal["inProgress", "completed", "failed"] | None
    last_turn_error: str | None
    """Why the last turn failed: a failure class, or codex's message."""
    metadata: dict[str, str]
    approval_policy: object
    base_instructions: object
    config: object
    developer_instructions: object
    ephemeral: object
    personality: object
    sandbox: object
    service_tier: object


class CodexdEvent(Struct, frozen=True, kw_only=True, rename="camel"):
    """Something that happened; `seq` increases over all sessions."""

    seq: int
    created_at: str
    level: Level
    type: str
    message: str
    detail: dict[str, object] | None


class CodexdChild(Struct, frozen=True, kw_only=True, rename="camel"):
    """The process that runs, or what became of the last one."""

    strategy: Literal["external", "spawn"] = "spawn"
    mode: Literal["app-server", "exec"] = "app-server"
    endpoint: str = ENDPOINT
    status: ChildStatus = "idle"
    command: str | None = "codex"
    args: tuple[str, ...] = ("app-server",)
    pid: int | None = None
    started_at: str | None = None
    exited_at: str | None = None
    exit_code: int | None = None
    signal: str | None = None
    last_error: str | None = None


class CodexdDaemon(Struct, frozen=True, kw_only=True, rename="camel"):
    """The host, and its child."""

    started: bool = True
    started_at: str
    stopped_at: str | None = None
    updated_at: str
    pid: int
    child: CodexdChild


class CodexdIdentity(Struct, frozen=True, kw_only=True, rename="camel"):
    """Which host this is."""

    daemon_id: str
    node_id: str = "sxhost"
    repo_root: str = ""
    created_at: str
    version: str = __version__


class CodexdSessionRegistry(Struct, frozen=True, kw_only=True, rename="camel"):
    """All sessions."""

    updated_at: str
    sessions: list[CodexdSession]


class CodexdRunRegistry(Struct, frozen=True, kw_only=True, rename="camel"):
    """Runs: codexd has done away with them."""

    updated_at: str
    runs: list[object] = []


class CodexdRecentEvents(Struct, frozen=True, kw_only=True, rename="camel"):
    """The newest events, oldest first."""

    max_entries: int = MOST_RECENT
    updated_at: str
    events: list[CodexdEvent]


class CodexdSnapshot(Struct, frozen=True, kw_only=True, rename="camel"):
    """All there is, at one moment."""

    daemon: CodexdDaemon
    identity: CodexdIdentity
    recent_events: CodexdRecentEvents
    run_registry: CodexdRunRegistry
    session_registry: CodexdSessionRegistry


def iso(ms: int) -> str:
    """Write Unix milliseconds as JavaScript does."""
    seconds, rest = divmod(ms, 1000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:03d}Z"
