"""Readers of the log: woken, fed, and told who is there.

============ =====================================================================
feed_index   feeds by what they select: whom a write concerns
notifier     pokes, and whom they wake
presence     who was heard when; states told as they change
reader       where a reading begins; the logs read once
subscription one live reader: a feed (shared bytes), a place, where to write
============ =====================================================================
"""
