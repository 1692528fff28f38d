"""The face of codexd: its routes, records and WebSocket over the hosted sessions of codex.

========= =====================================================================
face      the routes
about     what codexd says of itself
input     bodies, read by its rules and refused in its words
drafts    bodies as launches, turns and steers
wire      its records as they stand on the wire
records   sessions as its records: pure functions
events    an event as a record: pure
live      its WebSocket
manner    how it answers and refuses
========= =====================================================================
"""
