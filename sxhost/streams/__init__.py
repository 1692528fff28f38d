"""Live readers of the log: woken by writes, fed from the store, sent sessions' states.

================ =====================================================================
feed_index       feeds by what they select: which of them a write concerns
notifier         wakes the subscriptions that a write concerns
overview         whole summaries of sessions, sent as they change
presence         when each session last reported; states, sent as they change
reader           the logs read once, in pages; where a cursor points to
subscription     one live reader: a feed (shared bytes), a position, a sink
topics           what requests wait for, and what is poked when there may be more
================ =====================================================================
"""
