"""Drivers: each speaks the protocol of one kind of agent; the host knows the contract alone.

============ =====================================================================
contracts    the contract of host and driver, and the table of events
jsonrpc_peer a JSON-RPC connection over a child's lines: codex, ACP
registry     the installed drivers, by their entry points
============ =====================================================================

A package for each agent: ``codex``, ``pi``, ``claude``, ``acp``; ``echo`` runs no program.
"""
