"""The agent's side of a host: it reports, and is told; whether the host is there or not.

========= =====================================================================
agent     `AgentSession`, for programs on Twisted
outbox    from an event's firing to the host's log: once, and in order
spool     what could not yet be sent: bounded
signal    waiting, until somebody rings
wrapper   any program as an attached session
terminal  its output, terminal, signals, input
========= =====================================================================
"""

from sxhost.attach.agent import AgentSession

__all__ = ["AgentSession"]
