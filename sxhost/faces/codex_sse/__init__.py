"""The face of the Codex SSE server: ``POST /messages``, answered by a stream of frames.

=============== =====================================================================
routes          the routes
names           what a client calls a conversation
stream          one conversation's frames, to the end of a turn
translate       our events as Codex's, a table
fields          what of an event a frame is made from
translate_tools calls of tools
approvals       what agents ask, in either's words
=============== =====================================================================
"""
