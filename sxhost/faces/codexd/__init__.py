"""The face of codexd: its routes, records and WebSocket over the hosted sessions of codex.

================ =====================================================================
routes           the routes
describe         codexd's paths and its description of itself
requests         bodies, validated by its rules and refused with its messages
requests_to_host bodies as launches, turns and inputs that steer
records_wire     its records as they stand on the wire
records          sessions as its records: pure functions
events           an event as a record: pure
directory        the sessions of codex, and their newest events
websocket        its WebSocket
responses        its response format
================ =====================================================================
"""
