"""Notifications: what a person is told of, where, and that it was told once.

========== =====================================================================
rules      the file: channels, and rules of what is told where
conditions what is so of sessions that somebody may want to know
outbox     what was told, and what is still to be sent, over restarts
channels   how a notice is sent: ntfy, webhook, command, desktop
notifier   looks, decides by the rules, sends, tries again
========== =====================================================================
"""
