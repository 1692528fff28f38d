"""Questions of agents that the host does not run: asked while a hook of theirs waits."""

from __future__ import annotations

from sxhost.agents.approvals import ApprovalBroker
from sxhost.errors import Stopping
from sxhost.model.approval import Answer, Question, TerminalAnswer
from sxhost.streams.notifier import LogNotifier
from sxhost.streams.topics import Waiter

__all__ = ["AttachedQuestions"]

End = str | TerminalAnswer
"""Why a question is withdrawn, or how it was answered at the terminal."""


class AttachedQuestions:
    """Has questions decided as approvals, for callers who wait for the answer."""

    def __init__(self, approvals: ApprovalBroker, notifier: LogNotifier) -> None:
        self._approvals = approvals
        self._notifier = notifier
        self._waiting: dict[tuple[str, str], dict[Waiter, End | None]] = {}
        """Who waits for the answer to a question (session, key), and what has ended it."""

    async def ask(self, session_id: str, question: Question, wait_s: float) -> Answer | None:
        """Open an approval and wait for its decision; None if there was none.

        It is closed by `end`, and when nobody waits for it any more: after `wait_s` seconds, or
        when the caller is cancelled.  One that the agent asks at its terminal too stays open
        for as long as its dialog does; with `wait_s` 0 it is there from the beginning, and no
        policy is asked either.

        :raises QuestionLimit: too many are open already, or too much.
        :raises Stopping: the host is; the question is open when it is back, and may be asked
            again.
        """
        if not wait_s:
            await self._approvals.note_question(session_id, question)
            return None
        notifier, place = self._notifier, (session_id, question.key)
        answers: list[Answer] = []
        with notifier.topics.watch(f"question:{session_id}:{question.key}") as waiter:

            async def deliver_decision(_question: Question, answer: Answer) -> None:
                answers.append(answer)
                waiter.poke()

            self._waiting.setdefault(place, {})[waiter] = None
            reason = "its agent no longer waits"
            try:
                await self._approvals.open_approval(session_id, question, deliver_decision)
                if not answers and not notifier.closed:
                    await waiter.wait(wait_s)
                reason = "nobody decided in time"
            finally:
                is_open = not answers and not notifier.closed
                end = await self._stop_waiting(
                    session_id, question, waiter, is_open=is_open, reason=reason
                )
        if not answers and end is None and notifier.closed:
            raise Stopping
        return answers[0] if answers else None

    async def _stop_waiting(
        self, session_id: str, question: Question, waiter: Waiter, *, is_open: bool, reason: str
    ) -> End | None:
        """Forget who waits, and close the question if nobody is left; return what has ended it.

        :param is_open: whether nobody has decided, although the host takes decisions.
        """
        place = (session_id, question.key)
        waiting = self._waiting[place]
        end = waiting.pop(waiter)
        if not waiting:
            del self._waiting[place]
        if end is not None:
            await self._close(session_id, question.key, end)
        elif is_open and not waiting and question.at_terminal:
            await self._approvals.leave_question(session_id, question.key)
        elif is_open and not waiting:
            await self._close(session_id, question.key, reason)
        return end

    async def withdraw_all(self, session_id: str, reason: str) -> None:
        """Close all approvals of a session; whoever waits for an answer gets none."""
        for (session, _), waiting in tuple(self._waiting.items()):
            for waiter in tuple(waiting) if session == session_id else ():
                waiting[waiter] = reason
                waiter.poke()
        await self._approvals.withdraw(session_id, reason)

    async def end(self, session_id: str, key: str, end: End) -> None:
        """Close the approval of a question; whoever waits for its answer gets none."""
        waiting = self._waiting.get((session_id, key))
        if waiting is None:
            await self._close(session_id, key, end)
            return
        for waiter in tuple(waiting):  # each closes the approval on its way out
            waiting[waiter] = end
            waiter.poke()

    async def _close(self, session_id: str, key: str, end: End) -> None:
        if isinstance(end, TerminalAnswer):
            await self._approvals.settle_question(session_id, key, end)
        else:
            await self._approvals.close_question(session_id, key, end)
