"""Agents that the host runs itself.

============ =====================================================================
supervisor   all of them: started, found again, told, ended in order
session      one: its agent, its turns, what it reports
turns        its turns as the log tells them, and reports that wait for that
questions    what its agent asks: opened as approvals, answered, withdrawn
event_writer from its reports to the log: gathered, bounded, never twice
settings     what holds for an agent: as it was started, and as turns have changed it
approvals    what agents ask: told, decided, answered, withdrawn, expired
watchdog     is it silent, and when is it started again
directory    those of one kind, and what they said last
workdirs     where agents may work
dependencies what all sessions stand on
lifecycle    the life of an agent, one machine for all
============ =====================================================================
"""
