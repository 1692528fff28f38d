"""Agents that report by hooks; nothing is imported here, since a hook is in haste.

========= =====================================================================
payload   what agents tell their hooks, in the host's words, and what hooks answer
========= =====================================================================
"""
