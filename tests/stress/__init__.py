"""A seeded load on a real host, with exact counts: ``python -m tests.stress --seed 1``.

================= ======================================================================
deletion_scenario sessions that are deleted and registered again under load
fleet             the writers and readers of a scenario, and how their histories compare
host_process      a host in a process of its own, its bill, and a client without frills
log_clients       the load generator of logs: writers, and readers that are cut anywhere
log_history       what readers of logs must have received: pure
log_scenarios     much of everything, too much of it, and rude company
message_scenarios senders that repeat themselves and pullers that compete
queue_history     what senders and pullers of messages must have seen: pure
restart_scenarios a host that is killed, or stopped, and comes back
rude_clients      clients that a host must bear
scenario          one run: a host that may go away, clients that come back, a time limit
stream_client     live subscriptions as a client sees them, byte by byte
================= ======================================================================

All choices come from the seed; how threads take turns does not.
"""
