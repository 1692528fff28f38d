"""The face of the Codex SSE server: ``POST /messages``, answered by a stream of frames.

=============== =====================================================================
routes          the routes
names           a client's id of a conversation, and the session that it is
stream          one conversation's frames, to the end of a turn
translate       the host's events as Codex's, a table
fields          the fields of events from which frames are made
translate_tools calls of tools as Codex's events
approvals       approvals as Codex's events, decisions as the host's
=============== =====================================================================
"""
