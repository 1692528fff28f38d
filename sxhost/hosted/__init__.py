"""Agents that the host runs itself.

========= =====================================================================
fleet     all of them: started, found again, told, ended in order
session   one: its agent, its turns, what it reports
outlet    from its reports to the log: gathered, bounded, never twice
settings  what holds for an agent: as it was started, and as turns have changed it
desk      what agents ask: told, decided, answered, withdrawn, expired
care      is it silent, and when is it started again
roster    those of one kind, and what they said last
roots     where agents may work
parts     what a host that runs agents is given from outside
ground    what all sessions stand on
verbs     the verbs of `sxhost.model.host.AgentHost`
========= =====================================================================
"""
