"""Rules that answer agents' questions, so that nobody has to.

========== =====================================================================
rules      a file's rules: the first that matches decides
conditions what a rule can ask of a question
paths      which files a question is about, and where they lie
pattern    regular expressions in linear time: policies meet words that agents choose
shell      what can be told of a shell's command line without running it
========== =====================================================================
"""
