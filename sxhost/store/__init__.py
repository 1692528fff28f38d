"""Where sessions, logs, inboxes, approvals, audit and ledger live: contracts, two stores.

A store is a `StoreState`, changed by transactions.  `MemoryStore` commits them to the state
alone, `JournalledStore` to a journal first.

=============== ==================================================================
approvals       one session's approvals: open, closed, asked again
contracts       what a store can do, as six Protocols, and all of them as `Store`
event_ring      the newest events of one session
follower        looks what other nodes have committed, again and again
group_commit    commits to a journal that are shared by all that waits
high_water      how far a journal was acknowledged: an older one in its place is noticed
journal         what a durable store asks of its journal, and what is exchanged
journalled      the store that lasts: a state and a journal
known_sessions  a cache of all sessions, which a store feeds
log_indexer     keeps the index of a journal's log up to date, and searches it
memory          the store that forgets with its process
metering        cumulative counters of agents, made into what was spent: one pure fold
message_queue   one session's messages: queue, leases, keys
news            what other nodes have committed, as it is told to those who follow
recent_events   a cache of the newest events of all logs, which a store feeds
replica         what other nodes have committed, made part of this node's state
retention       what a journal drops, and when
runs            events as a journal has them: rows of facts, or of pieces
session_draft   what a transaction makes of one session
state           what is known of all sessions
steady_clock    the time of day as retention believes it: steps forward count once they
                have lasted
superseded      pieces that the log has whole, until they have left
transaction     changes made to copies first, then committed
usage_ledger    what was used by sessions and turns: it outlives both
verbs           the verbs that every store has in common, as operations of transactions
write_batch     what a transaction writes, as rows
=============== ==================================================================
"""
