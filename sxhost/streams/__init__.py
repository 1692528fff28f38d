"""Readers of the log: woken, fed, and told who is there; the log as a transcript.

=============== =====================================================================
feed_index      feeds by what they select: whom a write concerns
growing_message messages and tools' outputs that are being written, at any event
messages        the messages of a conversation, each made of one event
notifier        pokes, and whom they wake
presence        who was heard when; states told as they change
reader          where a reading begins; the logs read once
subscription    one live reader: a feed (shared bytes), a place, where to write
transcript      one fold of a turn's events: messages, tools, the last answer, usage
=============== =====================================================================
"""
