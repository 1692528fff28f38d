"""What speaks each agent's language; the host knows the contract alone.

============ =====================================================================
contracts    the contract of host, driver and child as Protocols
jsonrpc_peer a conversation in JSON-RPC: calls awaited, questions answered
pieces       a text that is said in pieces, as much of it as an event has room for
registry     the drivers that are installed (entry points)
============ =====================================================================
"""
