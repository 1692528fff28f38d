"""``sxhost hook claude --listen``: wakes an idle Claude Code once a message waits for it.

Claude runs it in the background (``asyncRewake``) and begins a turn when it exits with 2; the
first hook of that turn hands the message over, as any other hook does.  It waits for as long as
Claude runs, so it sleeps, and imports only what it uses.  The one that was started last is the
one that listens: the host ends those before it.
"""

from __future__ import annotations

import os
import re
import sys
import time
from threading import Thread

from sxhost.hooks.body import read_all
from sxhost.hooks.connection import HookError, post
from sxhost.hooks.deadline import Deadline
from sxhost.os_process import agent_above

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["WAKE_MESSAGE", "WAKE_SUMMARY", "listen"]

WAKE_SUMMARY = "message from sxhost"
"""What Claude shows its user when it is woken, and says in the prompt that it gives itself."""

WAKE_MESSAGE = "Your user has sent you a prompt through sxhost; it follows. Act on it."
"""What it says to its model."""

WAKES, QUIET = 2, 0
"""The exit status that wakes Claude, and the one that says nothing."""

WAKES_FROM = (2, 1, 110)
"""The version of Claude Code that can be woken so; older ones do not say theirs."""

CONNECT_S = 5.0
RETRY_FIRST, RETRY_MOST = 0.5, 5.0
"""Seconds until the host is looked for again when it is away; each time twice as many."""

LOOK_S = 2.0
"""Seconds between two looks at the agent, where the system does not tell of its end."""


def listen(environ: Mapping[str, str]) -> int:
    """Wait for a message to the session of the hook on stdin; return the exit status."""
    body = session_of(read_all(0))
    agent = agent_above("claude", os.getppid())
    if agent is None or not body or not can_be_woken(environ):
        return QUIET
    Thread(target=end_with, args=(agent,), daemon=True).start()
    pause = RETRY_FIRST
    while True:
        began = time.monotonic()
        try:
            answer = post("/hooks/claude/listen", body, 0.0, environ, Deadline(CONNECT_S))
        except (OSError, ValueError, HookError):
            if time.monotonic() - began > RETRY_MOST:
                pause = RETRY_FIRST  # it was there
            time.sleep(pause)
            pause = min(2 * pause, RETRY_MOST)
            continue
        if b'"wake":true' not in answer:
            return QUIET
        sys.stderr.write("(sxhost)\n")
        return WAKES


def session_of(hook: bytes) -> bytes:
    """Return what the host is to know of a hook: its session; empty if it names none."""
    found = re.search(rb'"session_id"\s*:\s*"([\w.:-]{1,128})"', hook)
    return b'{"session_id":"%s"}' % found[1] if found else b""


def can_be_woken(environ: Mapping[str, str]) -> bool:
    """Return whether a Claude can that has given its hook this environment.

    It says its version: ``claude-code_2-1-329_harness``.  Without a terminal (``claude -p``) it
    would wait for its hooks before it ends.
    """
    found = re.match(r"claude-code_(\d+)-(\d+)-(\d+)", environ.get("AI_AGENT", ""))
    is_attended = environ.get("CLAUDE_CODE_SESSION_ATTENDED") == "1"
    return is_attended and found is not None and tuple(map(int, found.groups())) >= WAKES_FROM


def end_with(agent: int) -> None:
    """End this process as soon as its agent's has ended."""
    import select

    try:
        select.select([os.pidfd_open(agent)], [], [])
    except (AttributeError, OSError):
        parent = os.getppid()
        while os.getppid() == parent:
            time.sleep(LOOK_S)
    os._exit(QUIET)
