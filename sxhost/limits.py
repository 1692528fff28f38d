"""Every bound of the host, each with its unit and its reason.

``/status`` shows them; the command line sets those that have an option.
"""

from __future__ import annotations

from msgspec import Struct

__all__ = ["Limits"]

KIB = 1024
MIB = 1024 * KIB


class Limits(Struct, frozen=True, kw_only=True):
    """What the host holds, reads and waits for at the most."""

    sessions: int = 1024
    """Sessions held at once; the source system's constant, 64, is a busy afternoon."""

    events: int = 256
    """Events buffered for each session: what a late reader still gets."""

    retain: int = 10_000
    """Events kept on disk for each session: several days of work."""

    retain_days: int = 7
    """Days that an event is kept on disk."""

    messages: int = 32
    """Messages waiting for one agent; more means that nobody is pulling."""

    message_size: int = 8 * KIB
    """Bytes of UTF-8 in one message: an instruction, not a file."""

    event_size: int = 256 * KIB
    """Bytes of JSON in one event's data: the longest sensible tool output."""

    body: int = 1 * MIB
    """Bytes of one request's body, counted before it is parsed."""

    batch_body: int = 10 * MIB
    """The same for an NDJSON batch of events."""

    depth: int = 64
    """Nested arrays and objects in a body: deeper JSON is an attack on parsers."""

    wait: float = 300.0
    """Seconds that one pull may wait; most proxies cut a silent answer sooner or then."""

    lease: float = 3600.0
    """Seconds that a message may be out on lease before it must be confirmed."""

    closed_messages: int = 32
    """Delivered and withdrawn messages whose state (and key) a sender can still ask for."""

    deeds: int = 10_000
    """Entries of the audit: who did what, for months of one person's work."""

    stall_after: float = 300.0
    """Seconds of silence after which a working session counts as stalled."""

    lost_after: float = 1800.0
    """Seconds of silence after which a working session counts as lost."""

    tries: int = 10
    """Wrong tokens a minute and peer: guessing 256 bits needs more, a typing error less."""

    linger: float = 2.0
    """Seconds that a refused upload is read and thrown away, so that its sender sees why."""

    stop_within: float = 4.0
    """Seconds that running requests get to finish when the host stops."""
