"""The log as conversations: one fold of events, of which the faces' protocols are renderings.

================ =====================================================================
messages         the messages of a conversation, each made of one event
growing_message  messages and tools' outputs that are being written, at any event
transcript       one fold of a turn's events: messages, tools, the last answer, usage
conversation     events folded to the items that a person reads
paging           pages of a session's conversation, read from its log
transcript_cache the transcripts of sessions that are read, in bounded memory
================ =====================================================================
"""
