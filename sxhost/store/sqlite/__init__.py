"""The journal of a host that runs alone: one SQLite file.

============ ===================================================================
backup       a file copied while a host may write to it, and put back
checksums    the checksums of all rows, checked as it is opened
connection   the journal: a connection that writes and one that reads; it blocks, so it runs
             in threads
copying      a file that no host has, read as a whole or made as a whole
epoch        the name of a log's life; a new one where the end of a log may be lost
file         the file: locked, made, recognised, verified, migrated
integrity    finds damage in the middle of a write-ahead log, which SQLite would pass over
search_index the index of all words in the log, in a file of its own
upgrades     what SQL cannot do to bring a database up to date
============ ===================================================================
"""
