"""The rows of a journal in SQL that SQLite and PostgreSQL both understand.

The tables are the same in both, checksums included, so what one has written the other reads.

============ ===================================================================
contracts    what is asked of a connection to an engine
copying      all that the tables hold, copied to another engine's and compared
pruning      drops old rows of the log, a step at a time
reading      reads back sessions and events
rows         rows with their checksums, written and checked
shared       a log that several nodes write to: its end, what each commit has changed, leases
============ ===================================================================
"""
