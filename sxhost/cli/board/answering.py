"""Brings somebody's keys and words to what an agent asks, question by question."""

from __future__ import annotations

from collections.abc import Callable

from sxhost.cli.answers import answer_to, own_choices
from sxhost.cli.board.composer import Answers, Composer, Purpose
from sxhost.model.approval import Answer, Approval

__all__ = ["Answering"]


class Answering:
    """What is written, or pressed, becomes an answer.

    :param decide: sends an answer to the host.
    :param say: tells somebody why there is none.
    """

    def __init__(
        self,
        composer: Composer,
        decide: Callable[[Approval, Answer], object],
        say: Callable[[str], None],
    ) -> None:
        self._composer = composer
        self._decide = decide
        self._say = say

    def by_decision(self, approval: Approval, decision: str) -> None:
        """Answer by one of the usual decisions; the questions of a form are asked first."""
        if approval.inquiries and decision == "approve":
            self._ask(approval, {})
        elif decision not in approval.choices:
            self._say(f"It takes one of: {', '.join(approval.choices)}")
        elif decision == "deny":
            self._composer.open(Purpose("deny", "deny, because:", approval.session, approval))
        else:
            self._decide(approval, Answer(decision=decision))

    def by_number(self, approval: Approval, number: int) -> None:
        """Answer by the choice of a number."""
        if len(approval.inquiries) == 1:
            self._take(approval, {}, str(number))
        elif number <= len(choices := own_choices(approval)):
            self._decide(approval, Answer(decision=choices[number - 1]))

    def by_words(self, purpose: Purpose, text: str) -> None:
        """Answer by a line that was written: a reason to deny, or the answer to a question."""
        approval = purpose.approval
        if approval is None:
            return
        if purpose.kind == "deny":
            self._decide(approval, Answer(decision="deny", reason=text.strip() or None))
        else:
            self._take(approval, purpose.answers, text)

    def _ask(self, approval: Approval, answers: Answers) -> None:
        """Have the next answer written."""
        inquiry = approval.inquiries[len(answers)]
        label = f"{inquiry.header or inquiry.text}:"
        purpose = Purpose("answer", label, approval.session, approval, answers)
        self._composer.open(purpose, secret=inquiry.secret)

    def _take(self, approval: Approval, answers: Answers, text: str) -> None:
        """Take an answer to the next question, and ask for the one after it."""
        inquiry = approval.inquiries[len(answers)]
        answer = answer_to(inquiry, text)
        if answer is None or not text:
            labels = ", ".join(option.label for option in inquiry.options)
            self._say(f"It takes one of: {labels}" if labels else "It takes some words.")
            return
        answers = {**answers, inquiry.id: answer}
        if len(answers) < len(approval.inquiries):
            self._ask(approval, answers)
        else:
            self._decide(approval, Answer(decision="approve", answers=answers))
