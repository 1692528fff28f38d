"""The face of the Codex SSE server: ``POST /messages``, answered by a stream of frames.

========= =====================================================================
face      the routes
names     what a client calls a conversation
stream    one conversation's frames, to the end of a turn
frames    our events as Codex's, a table
words     what of an event a frame is made from
tools     calls of tools
asks      what agents ask, in either's words
========= =====================================================================
"""
