"""Live readers of the log: woken by writes, fed from the store, sent sessions' states.

The log as a transcript is here too.

================ =====================================================================
feed_index       feeds by what they select: which of them a write concerns
growing_message  messages and tools' outputs that are being written, at any event
messages         the messages of a conversation, each made of one event
notifier         wakes the subscriptions that a write concerns
presence         when each session last reported; states, sent as they change
reader           the logs read once, in pages; where a cursor points to
subscription     one live reader: a feed (shared bytes), a position, a sink
topics           what requests wait for, and what is poked when there may be more
transcript       one fold of a turn's events: messages, tools, the last answer, usage
transcript_cache the transcripts of sessions that are read, in bounded memory
================ =====================================================================
"""
