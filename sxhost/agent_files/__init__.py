"""The files that agents keep of their conversations: followed while they are written.

========= =====================================================================
facts     what one line of a transcript says, in the host's words, with its ids
records   lines decoded, whatever else is in them
claude    a line of Claude Code's transcript to facts
codex     a line of Codex's rollout to facts
pi        a line of pi's session file to facts
running   agents that run and have told nobody, found by their processes and files
status    the file in which a running Claude Code says whether it works or waits
places    where agents keep these files; which paths are believed
subagents the transcripts of Claude's subagents: what they have used
tail      one file read from a position on, whatever is done to it meanwhile
notices   the system's notices of changed files, where it has them
follower  many files followed: when each is read, and how much of it
merge     what a transcript and the hooks of a session say, each thing once
========= =====================================================================
"""
