"""The command ``sxhost``: a group of commands to a room.

========= =====================================================================
main      serve, status, sessions, send, events and the like
follow    the commands that go on: tail, events -f
agents    new, turn, steer, interrupt, approvals, approve, deny
run       an agent at the terminal, for one turn
policy    what the rules of a file would decide
admin     token, open, audit
attach    any program as an attached session
hooks     agents' hooks, and their settings
trust     which projects may say where telemetry goes
stdio     the multiplexer over two pipes
terminal  a command's two ends: the host, and what it tells of that in lines
output    all that is printed: escaped in one place
========= =====================================================================
"""
