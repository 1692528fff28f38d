"""Drivers: each speaks the protocol of one kind of agent; the host knows the contract alone.

============ =====================================================================
contracts    the contract of host and driver
registry     the installed drivers, by their entry points
============ =====================================================================

A package for each agent: ``codex``, ``pi``, ``claude``, ``acp``; ``echo`` runs no program.
``kit`` has what every driver needs, once.
"""
