"""The face of codexd: its routes, records and WebSocket over the hosted sessions of codex.

================ =====================================================================
routes           the routes
describe         what codexd says of itself
requests         bodies, read by its rules and refused in its words
requests_to_host bodies as launches, turns and steers
records_wire     its records as they stand on the wire
records          sessions as its records: pure functions
events           an event as a record: pure
websocket        its WebSocket
responses        how it answers and refuses
================ =====================================================================
"""
