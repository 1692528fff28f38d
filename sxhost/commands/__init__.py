"""The multiplexer's commands (pi-app-server, protocol 1.0.0): bytes in, a typed command out.

========== =====================================================================
table      the commands: one tagged union
fields     how their fields are written
traits     what each is like: scope, whether it overtakes, how long it may take
complaints what is wrong with one, in the source's words
========== =====================================================================
"""
