"""Bytes to values and back, without input or output of its own.

============ =====================================================================
frames       what a subscriber is sent, in each encoding
json         JSON in, values out: one decoder for every body, with errors that name the field
json_edit    changes to a JSON text that leave every other byte as it was
jsonrpc      JSON-RPC, a message a line
lines        bytes to lines, on LF alone, of bounded length
partial_json JSON that has not come to its end: what can be known of it
shorten      texts and data cut to the room that an event or a title has
============ =====================================================================
"""
