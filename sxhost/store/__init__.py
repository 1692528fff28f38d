"""Where sessions, their logs and their inboxes live: one contract, two engines.

============= =====================================================================
age           the time of day as retention believes it: steps forward count once they have
              lasted
approvals     one session's approvals: open, closed, asked again
archive       sessions that made room: on the disk, and not in memory
contracts     the verbs of a store as a Protocol
hot           what memory has of all logs, within its bytes
inbox         one session's messages: queue, leases, keys
ledger        what a store holds in memory
memory        the store that forgets with its process
recent_events the hot end of one session's log
transaction   changes made on paper first, then committed
============= =====================================================================
"""
