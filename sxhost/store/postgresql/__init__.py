"""The journals of hosts over one PostgreSQL database: one is active, or all are.

In the first case the active one holds an advisory lock for as long as its connection lives.
Each commit moves the one row of `tip`, from the version and nonce that its host knows: so that
learns that another one has written meanwhile, and what became of a commit whose answer was
lost.

============ ===================================================================
bounds       how long the engine may take to answer
commit       a commit as one statement, so one trip
connection   one connection, as the SQL of `sxhost.store.sql` wants it
copying      a schema that no host has, read as a whole or filled as a whole
journal      the journal: the active host's three connections; it blocks, so it runs in threads
promises     what an engine promises of a commit
shared       the journal of nodes that are all active: who is not first is told the news
tip          who may write; the schema's versions
============ ===================================================================
"""
