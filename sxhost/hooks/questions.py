"""What agents ask by their hooks: opened as approvals, and ended when the agent asks no more.

An agent's own dialog may stand beside its hook, and outlive it.  So a question ends when the
agent's user has answered it at the terminal, not when the hook is gone.
"""

from __future__ import annotations

from typing import Any, Final

from twisted.internet.defer import CancelledError
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from sxhost.agent_files.follower import Follower
from sxhost.errors import AlreadyAnswered, HostError, Stopping
from sxhost.hooks.payload import Hook
from sxhost.logs import logger
from sxhost.model.approval import TERMINAL, Answer, Approval, ApprovalQuery, TerminalAnswer
from sxhost.model.host import Host
from sxhost.waiting import background

__all__ = ["LOST_S", "HookQuestions"]

log = logger(__name__)

APPROVAL_GRACE: Final = 5.0
"""Seconds by which an approval outlives the hook that waits for it."""

LOST_S: Final = 15.0
"""Seconds until a question is withdrawn whose hook was lost and has not asked again, where the
agent's files, which would say what became of it, are out of reach.
"""


class HookQuestions:
    """The questions of agents with hooks; `follower` reads the files of some of them."""

    def __init__(self, host: Host, clock: IReactorTime, follower: Follower | None) -> None:
        self._host = host
        self._clock = clock
        self._follower = follower
        self._lost: dict[tuple[str, str], IDelayedCall] = {}
        """Questions whose hooks were lost, by session and key, until they are withdrawn."""

    def close(self) -> None:
        """Withdraw nothing any more."""
        for timer in self._lost.values():
            timer.cancel()
        self._lost.clear()

    async def ask(self, session_id: str, hook: Hook, wait: float, call: str) -> dict[str, Any]:
        """Open an approval; return its decision as the hook's answer, empty if too late.

        :param call: names the call of the hook, which asks again under that name when it has
            lost the host; empty if it does not.
        :raises Stopping: the host is, and the hook can ask again when it is back.
        """
        question = hook.question(wait + APPROVAL_GRACE, call)
        if call:
            self._keep(session_id, question.key)
            decided = await self._decided(session_id, question.key)
            if decided is not None:
                return hook.decision(decided)
        try:
            answer = await self._host.ask(session_id, question, wait)
        except AlreadyAnswered:  # at the terminal, before the hook asked again
            return {}
        except Stopping:
            if call:
                raise
            return {}
        except CancelledError:
            if self._follower is None or not self._follower.follows(session_id):
                self._lose(session_id, question.key, LOST_S if call else 0)
            raise
        return {} if answer is None else hook.decision(answer)

    async def _decided(self, session_id: str, key: str) -> Answer | None:
        """Return the answer to a question that its hook has not heard."""
        for asked in await self._host.session_approvals(session_id, ApprovalQuery(all=True)):
            how = asked.resolution
            is_decided = asked.key == key and asked.state in ("answered", "expired")
            if is_decided and how is not None and how.by != TERMINAL:
                return Answer(decision=how.decision, reason=how.reason, answers=how.answers)
        return None

    def _lose(self, session_id: str, key: str, seconds: float) -> None:
        """Withdraw a question whose hook was lost, unless it asks again in time."""
        self._keep(session_id, key)
        self._lost[session_id, key] = self._clock.callLater(
            seconds, self._give_up, session_id, key
        )

    def _keep(self, session_id: str, key: str) -> None:
        timer = self._lost.pop((session_id, key), None)
        if timer is not None:
            timer.cancel()

    def _give_up(self, session_id: str, key: str) -> None:
        del self._lost[session_id, key]
        withdrawing = self._withdraw_lost(session_id, key)
        background(withdrawing, log, f"withdrawing a question of {session_id}", (HostError,))

    async def _withdraw_lost(self, session_id: str, key: str) -> None:
        """Withdraw a question, unless a hook waits: an old connection may be lost late."""
        for asked in await self._pending(session_id):
            if asked.key == key and asked.at_terminal_ms is not None:
                await self._host.end_question(session_id, key, "its agent no longer waits")

    # What became of them.

    async def end_overtaken(self, session_id: str, hook: Hook) -> None:
        """End the questions of which a hook shows that the agent does not ask them any more.

        Claude shows its dialog while its hook waits, and does not end the hook with it.
        """
        for asked in await self._pending(session_id):
            end = hook.end_of(asked)
            if end is not None:
                await self._host.end_question(session_id, asked.key, end)

    async def settle_answered(
        self, session_id: str, before_ms: int | None, answer: TerminalAnswer
    ) -> None:
        """End the questions whose dialogs were answered at the terminal.

        Those of a subagent have none as long as their hook waits.

        :param before_ms: which: those that were asked before (Unix ms); None: all of the turn.
        """
        for asked in await self._pending(session_id):
            is_mains = not asked.detail.get("agent")
            has_dialog = is_mains or asked.at_terminal_ms is not None
            is_earlier = has_dialog and asked.opened_ms <= (before_ms or 0)
            if is_earlier or (before_ms is None and is_mains):
                await self._host.end_question(session_id, asked.key, answer)

    async def _pending(self, session_id: str) -> list[Approval]:
        if self._host.stored_session(session_id) is None:
            return []
        return await self._host.session_approvals(session_id, ApprovalQuery())
