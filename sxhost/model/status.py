"""What the host says of itself: that it answers, and a few figures."""

from __future__ import annotations

from msgspec import Struct

from sxhost.model.limits import Limits
from sxhost.model.session import StateName

__all__ = ["Health", "HostCounts", "Memory", "Status"]


class Health(Struct, frozen=True):
    """The host answers."""

    status: str = "ok"


class Memory(Struct, frozen=True, kw_only=True):
    """What the host holds in memory, in bytes."""

    events: int = 0
    """The newest events; `hot_bytes` at the most."""
    largest: int = 0
    """Those of the session that has most; `ring_bytes` at the most."""
    superseded: int = 0
    """Texts and outputs whose pieces are about to leave, since the log has them whole."""


class Status(Struct, frozen=True, kw_only=True):
    """The host in a few numbers; `uptime` is in seconds."""

    version: str
    port: int
    uptime: int
    sessions: int
    active: int
    total_events: int
    epoch: str
    pid: int
    store: str
    durability: str
    """What acknowledged writes survive: ``none``, ``process`` (its end), ``power`` (a cut)."""
    subscribers: int
    waiting: int
    """Pulls that wait for a message now."""
    pending_approvals: int
    missing: str = ""
    """Acknowledged events that the store had lost when the host started: a sentence, or ""."""
    telemetry: str = ""
    """The URL of the host's own telemetry, without secrets in it, if it is on."""
    memory: Memory = Memory()
    limits: Limits


class HostCounts(Struct, frozen=True, kw_only=True):
    """How much a host holds at this moment, for metrics."""

    events: int
    """Events ever appended."""
    messages: int
    """Messages that are queued or on lease."""
    states: dict[StateName, int]
    """Sessions by state."""
    event_bytes: int
    """Bytes of memory that events take."""
    subscribers: int
