"""Which session goes on with which: an agent's user begins another conversation in its process.

Claude tells the end of the one and the beginning of the other, in one directory; Codex only the
beginning, but its hooks name the process.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Final, NamedTuple

from sxhost.hooks.payload import Hook
from sxhost.model.host import Host
from sxhost.model.turn import OSProcess
from sxhost.os_process import boot_id, pid_namespace, read_process

__all__ = ["SessionLinks", "serves_one_terminal"]

SUCCESSION_S: Final = 10.0
"""Seconds after the end of a conversation within which another may go on with its session."""

CHANGES_CONVERSATION: Final = frozenset({"clear", "resume"})
"""Why a conversation ends and another begins in the same process."""

MOST_PROCESSES: Final = 1024
"""Processes whose last conversation is remembered."""


class Left(NamedTuple):
    """A session whose process goes on with another conversation; when it was left (Unix ms)."""

    session_id: str
    at_ms: int


def serves_one_terminal(process: OSProcess) -> bool:
    """Return whether a Codex, one of this machine, has the conversations of one user interface.

    Its app server has those of many.
    """
    is_here = (process.boot, process.namespace) == (boot_id(), pid_namespace())
    return is_here and b"app-server" not in read_process(process.pid, "cmdline")


class SessionLinks:
    """Has a session go on with the one that its agent's user has left for it."""

    def __init__(
        self, host: Host, serves_one: Callable[[OSProcess], bool] = serves_one_terminal
    ) -> None:
        self._host = host
        self._serves_one = serves_one
        self._left: dict[tuple[str, str, str], list[Left]] = {}
        """Sessions that others may go on with, by agent, directory and reason."""
        self._last: OrderedDict[OSProcess, str] = OrderedDict()
        """The session that each process of a Codex has had last."""

    async def note_hook(self, session_id: str, hook: Hook, *, is_new: bool) -> None:
        """Take note of a hook; `is_new` tells whether its session was unknown before.

        Where two in one directory are left at once, nobody knows which it is, and none is.
        """
        if hook.agent == "codex" and hook.process is not None:
            await self._note_process(session_id, hook.process, is_new=is_new)
        now_ms, reason = self._host.now_ms(), hook.text("reason") or hook.text("source")
        if reason not in CHANGES_CONVERSATION:
            return
        place = (hook.agent, hook.text("cwd"), reason)
        recent = [left for left in self._left.pop(place, []) if _is_recent(left, now_ms)]
        if hook.name == "SessionEnd":
            self._left[place] = [*recent, Left(session_id, now_ms)]
        elif hook.name == "SessionStart" and len(recent) == 1:
            await self._host.continue_session(recent[0].session_id, session_id)

    async def _note_process(self, session_id: str, process: OSProcess, *, is_new: bool) -> None:
        """Have a new session go on with the one at rest that its process has had last.

        One that works has begun the new one itself, for a subagent.
        """
        last = self._last.get(process)
        if last == session_id:
            return
        known = self._host.stored_session(last) if last is not None else None
        is_at_rest = known is not None and known.state.name == "idle"
        if last is None or is_at_rest:
            self._last[process] = session_id
            self._last.move_to_end(process)
        if len(self._last) > MOST_PROCESSES:
            self._last.popitem(last=False)
        if last is not None and is_new and is_at_rest and self._serves_one(process):
            await self._host.continue_session(last, session_id)


def _is_recent(left: Left, now_ms: int) -> bool:
    return now_ms - left.at_ms <= SUCCESSION_S * 1000
