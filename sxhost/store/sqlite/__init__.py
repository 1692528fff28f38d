"""The durable engine: one SQLite file.

========== =====================================================================
changes    what a change writes, as rows
connection one SQLite file: a connection that writes, one that reads; it blocks, so it runs in
           threads
epoch      the name of a log's life; a new one where the end of a log may be lost
file       the file: locked, made, recognised, verified, migrated
high_water how far a file was acknowledged, beside it: an older one in its place is noticed
integrity  finds damage in the middle of a write-ahead log, which SQLite would pass over
rows       all SQL: rows with their checksums, written, read, dropped
store      the durable store: the memory store with a journal; group commit
========== =====================================================================
"""
