"""The durable store: one SQLite file.

============ ===================================================================
connection   the journal: a connection that writes and one that reads; it blocks, so it runs
             in threads
epoch        the name of a log's life; a new one where the end of a log may be lost
file         the file: locked, made, recognised, verified, migrated
high_water   how far a file was acknowledged, beside it: an older one in its place is noticed
integrity    finds damage in the middle of a write-ahead log, which SQLite would pass over
pruning      drops old rows of the log, a step at a time
reading      reads back sessions and events
rows         rows with their checksums, written and checked
search_index the index of all words in the log, in a file of its own
store        the store: a state with this journal
upgrades     what SQL cannot do to bring a database up to date
============ ===================================================================
"""
