"""Agents that the host runs itself, and what any agent asks.

================== =====================================================================
supervisor         all hosted sessions: started, found again, told, ended in order
message_delivery   messages from inboxes to their agents: which goes next, one at a time
session            one: its agent, its turns, what it reports
turns              its turns as the log tells them, and reports that wait for that
questions          what its agent asks: opened as approvals, answered, withdrawn
event_turns        which turn an event belongs to, also one that comes late
event_writer       from its reports to the log: gathered, bounded, never twice
launch_record      how one's agent is started again, kept as settings change
settings           what holds for an agent: as it was started, and as turns have changed it
approvals          what agents ask: opened, decided, answered, withdrawn, expired
rules              the policy in use: decides, is shown, and has rules proposed for it
answers            which answers fit a question, and which one is a no
attached_questions what agents elsewhere ask while their hooks wait
handover           a conversation to a terminal, or from there to the host
attached_processes whether the processes of agents elsewhere are gone, which ends their sessions
unfinished         what a killed host or program has left open in the log, ended as cut
usage              what a conversation has used, over all of its processes
watchdog           is an agent silent, and when is it started again
workdirs           where agents may work
dependencies       what all hosted sessions are given
lifecycle          the states of an agent, one machine for all
================== =====================================================================
"""
