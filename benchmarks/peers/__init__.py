"""The host beside Node, nginx and plain Twisted + Klein: ``python -m benchmarks.peers``.

========== ===================================================================================
servers    the peers, each a process of its own on a free port, and what CPU it has used
load       requests over many connections at once, as fast as they are answered
requests   rows: what an answered request costs
========== ===================================================================================

A module of rows has them in ``ROWS``; ``__main__`` measures all of them in turn.
"""
