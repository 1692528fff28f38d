"""Questions of agents that the host does not run: asked while a hook of theirs waits."""

from __future__ import annotations

from sxhost.agents.approvals import ApprovalBroker
from sxhost.model.approval import Answer, Question
from sxhost.streams.notifier import LogNotifier
from sxhost.streams.topics import Waiter

__all__ = ["AttachedQuestions"]


class AttachedQuestions:
    """Has questions decided as approvals, for callers who wait for the answer."""

    def __init__(self, approvals: ApprovalBroker, notifier: LogNotifier) -> None:
        self._approvals = approvals
        self._notifier = notifier
        self._waiting: dict[tuple[str, str], dict[Waiter, str]] = {}
        """Who waits for the answer to a question (session, key), and why it was withdrawn."""

    async def ask(self, session_id: str, question: Question, wait_s: float) -> Answer | None:
        """Open an approval and wait for its decision; None if it was closed without one.

        It is closed after `wait_s` seconds, by `withdraw`, or when the caller is cancelled.

        :raises QuestionLimit: too many are open already, or too much.
        """
        notifier, place = self._notifier, (session_id, question.key)
        answers: list[Answer] = []
        with notifier.topics.watch(f"question:{session_id}:{question.key}") as waiter:

            async def deliver_decision(_question: Question, answer: Answer) -> None:
                answers.append(answer)
                waiter.poke()

            waiting = self._waiting.setdefault(place, {})
            waiting[waiter], reason = "", "its agent no longer waits"
            try:
                await self._approvals.open_approval(session_id, question, deliver_decision)
                if not answers and not notifier.closed:
                    await waiter.wait(wait_s)
                reason = waiting[waiter] or "nobody decided in time"
            finally:
                del waiting[waiter]
                if not waiting:
                    self._waiting.pop(place, None)
                if not answers:
                    await self._approvals.close_question(session_id, question.key, reason)
        return answers[0] if answers else None

    async def withdraw_all(self, session_id: str, reason: str) -> None:
        """Close all approvals of a session; whoever waits for an answer gets none."""
        for (session, _), waiting in tuple(self._waiting.items()):
            for waiter in tuple(waiting) if session == session_id else ():
                waiting[waiter] = reason
                waiter.poke()
        await self._approvals.withdraw(session_id, reason)

    async def withdraw(self, session_id: str, key: str, reason: str) -> None:
        """Close the approval of a question; whoever waits for its answer gets none."""
        waiting = self._waiting.get((session_id, key))
        if waiting is None:
            await self._approvals.close_question(session_id, key, reason)
            return
        for waiter in tuple(waiting):  # each closes the approval on its way out
            waiting[waiter] = reason
            waiter.poke()
