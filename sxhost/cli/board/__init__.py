"""The live board of ``sxhost top``: sessions at the left, a conversation at the right.

============= =================================================================
host          a host as the board asks and follows it: the seam between Twisted and asyncio
sessions      the sessions that are listed: their order, what each does now
feed          what the host says of them, and whether there is a link to it
rows          a session as a line
board_list    the list, as a widget
items         an item of a conversation as lines, as sxhost log has them
document      a conversation's lines, laid out when they are needed
conversation  the conversation, as a widget
card          what an agent asks, as a widget
bars          the lines around the two
composer      the line to write in, as a widget
dialogs       what stands in front of it all for a moment
keys          what each key does, and what a token must allow for it
answering     keys and words become answers
acts          what keys do at the host
app           all of them on a screen
============= =================================================================

Nothing here knows Twisted but `host`; tests give the screen a host in memory.
"""
