"""The agent's side: an agent reports events and takes messages, whether a host runs or not.

========== =====================================================================
agent      `AgentSession`, for programs on Twisted
outbox     sends events to the host: each once, and in order
spool      the events that are not sent yet, in bounded memory
foreground a program that has our terminal, and our signals
wrapper    runs any program as an attached session
terminal   the program's output, terminal, signals and input
========== =====================================================================
"""

from sxhost.attach.agent import AgentSession

__all__ = ["AgentSession"]
