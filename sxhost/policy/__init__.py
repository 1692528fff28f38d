"""Rules that answer agents' questions, so that nobody has to.

========== =====================================================================
rules      a file's rules: the first that matches decides
conditions what a rule can ask of a question
places     which files a question is about, and where they lie
========== =====================================================================
"""
