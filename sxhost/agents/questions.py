"""The questions of a hosted session's agent: opened as approvals, answered, withdrawn."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from sxhost.agents.answers import refusal_of
from sxhost.agents.dependencies import Dependencies
from sxhost.agents.event_writer import EventWriter
from sxhost.errors import HostError, QuestionLimit
from sxhost.logs import logger
from sxhost.model.approval import Answer, Question
from sxhost.model.event_types import WarningEvent
from sxhost.waiting import background

__all__ = ["SessionQuestions"]

log = logger(__name__)

TITLE = 200
"""Characters of the title of a question that is refused."""

NOT_ASKED = "the agent does not wait for it any more"


class SessionQuestions:
    """The open questions of one session, by their keys.

    `answer` passes a decision to the agent; `on_wait` is called when a question is open,
    `on_resume` when the last open one has its decision.
    """

    def __init__(
        self,
        session_id: str,
        dependencies: Dependencies,
        writer: EventWriter,
        *,
        answer: Callable[[Question, Answer], Awaitable[None]],
        on_wait: Callable[[], object],
        on_resume: Callable[[], object],
    ) -> None:
        self._session_id = session_id
        self._approvals = dependencies.approvals
        self._clock = dependencies.clock
        self._max_open = dependencies.limits.open_questions
        self._writer = writer
        self._answer = answer
        self._on_wait = on_wait
        self._on_resume = on_resume
        self._open: dict[str, Question] = {}

    @property
    def any_open(self) -> bool:
        """Whether the agent waits for a decision."""
        return bool(self._open)

    def open(self, question: Question) -> None:
        """Open an approval for a question, once all that was reported before it is logged.

        One too many is answered no.
        """
        if len(self._open) >= self._max_open and question.key not in self._open:
            self._refuse(question, QuestionLimit("of one session", self._max_open))
            return
        self._open[question.key] = question
        self._on_wait()
        self._background(self._open_approval(question))

    async def _open_approval(self, question: Question) -> None:
        await self._writer.flushed()
        if question.key in self._open:
            try:
                await self._approvals.open_approval(
                    self._session_id, question, self._deliver_decision
                )
            except QuestionLimit as error:
                self._remove(question.key)
                self._refuse(question, error)
                return
        if question.key not in self._open:  # the agent gave it up while it was opened
            await self._approvals.close_question(self._session_id, question.key, NOT_ASKED)

    def _refuse(self, question: Question, error: QuestionLimit) -> None:
        """Answer no and log a warning.

        The answer is a reactor turn late: the agent is still reporting its question.
        """
        self._writer.put(WarningEvent(text=f"{question.title[:TITLE]}: {error.message}"))
        answer = Answer(decision=refusal_of(question), reason=error.message)
        self._clock.callLater(0, lambda: self._background(self._answer(question, answer)))

    async def _deliver_decision(self, question: Question, answer: Answer) -> None:
        self._remove(question.key)
        await self._answer(question, answer)

    def close(self, key: str, why: str) -> None:
        """Close the approval of a question that the agent asks no longer."""
        if key in self._open:
            self._remove(key)
            self._background(self._approvals.close_question(self._session_id, key, why))

    def withdraw_turn(self, why: str) -> None:
        """Close the approvals of the questions that do not outlive their turn."""
        if not any(question.outlives_turn for question in self._open.values()):
            self.withdraw_all(why)
            return
        for key, question in tuple(self._open.items()):
            if not question.outlives_turn:
                del self._open[key]
                self._background(self._approvals.close_question(self._session_id, key, why))

    def withdraw_all(self, why: str) -> None:
        """Close the approvals of all open questions."""
        if self._open:
            self._open.clear()
            self._background(self._approvals.withdraw(self._session_id, why, "agent"))

    def _remove(self, key: str) -> None:
        was_open = self._open.pop(key, None) is not None
        if was_open and not self._open:
            self._on_resume()

    def _background(self, work: Awaitable[object]) -> None:
        background(work, log, self._session_id, (HostError,))
