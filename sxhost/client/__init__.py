"""The client of a host over HTTP: for scripts, the command line and attached agents.

========= =====================================================================
endpoints the way to a host, made of its address: an endpoint, an agent over it
host      `HostClient`: sessions, events, messages
requests  one request and its answer: a whole one, or one that goes on
auth      requests that have a token, or find one when asked
stream    a stream, each event once, whatever becomes of the link
link      one answer that goes on, while it lives
websocket the client's side of a WebSocket
========= =====================================================================
"""

from sxhost.client.host import HostClient, connect

__all__ = ["HostClient", "connect"]
