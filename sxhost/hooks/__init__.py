"""Agents that report by hooks; nothing is imported here, since agents wait for their hooks.

============= =====================================================================
payload       what agents tell their hooks, in the host's words, and what hooks answer
command       `sxhost hook claude`: a hook's JSON to the host, its answer back; in haste
body          what that command sends: the JSON within the host's limit, and what we add
connection    its way to the host: address, token, one request
deadline      how long an agent waits for its hook at the most
listener      `sxhost hook claude --listen`: wakes an idle agent once a message waits
sessions      agents that report by hooks: registered, heard, asked for, handed messages
questions     what agents ask by hooks: opened as approvals, ended when they ask no more
session_links which session goes on with which, when an agent begins another conversation
transcripts   what the agents' own files say beside their hooks
discovery     looks for agents that run: without hooks, or waiting since before a restart
installation  whether our hooks are in agents' settings, and still good
settings      agents' settings files: our hooks put in and taken out
============= =====================================================================
"""
