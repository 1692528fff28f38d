"""Telemetry, sent and received; nothing is imported here before it is asked for: the command
is in haste.

========= =====================================================================
command   `sxhost-emit` up to the moment of sending
forwarder the host's own telemetry, an ordinary reader of its log
ingest    telemetry of others, as events of sessions of ours
sender    sending: one POST, its answer thrown away
========= =====================================================================
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sxhost.telemetry.command import emit, main

__all__ = ["emit", "main"]


if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """Import what is public here when it is asked for, not before."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from sxhost.telemetry import command

        return getattr(command, name)
