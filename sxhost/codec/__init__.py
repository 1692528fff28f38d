"""Encoding and decoding: JSON, JSON lines, JSON-RPC, frames of streams.  It does no I/O.

============= ====================================================================
approval_text what an approval is about, whole, for a person
compact       events for readers who want less: no words of agents' own, pieces joined
frames        the frames of a stream, in each encoding
json          decodes request bodies, with errors that name the field; encodes answers
json_edit     edits a JSON text and leaves every other byte as it was
jsonrpc       JSON-RPC messages, one a line
lines         splits a stream of bytes into lines of bounded length, on LF alone
long_json     JSON of which only both ends are there
partial_json  reads a JSON object that is still arriving, as far as it goes
shorten       cuts texts and data to the size that an event or a title may have
unified_diff  the changes that a question has, as one text
well_formed   JSON as programs write it: half a character, or odd bytes, cost no line
============= ====================================================================
"""
