"""Policies: rules that decide agents' approvals in place of a person.

========== =====================================================================
rules      a policy's file and its rules: the first that matches decides
proposal   the narrowest rule that would have answered a question
conditions the conditions of rules: agent, kind, command, paths …
paths      the files that a question is about, resolved, and patterns for them
pattern    regular expressions in linear time: agents choose the texts they match
shell      what can be known of a shell's command line without running it
========== =====================================================================
"""
