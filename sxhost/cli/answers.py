"""The words of ``sxhost answer`` as an answer: to the questions of an approval, or a choice."""

from __future__ import annotations

from collections.abc import Sequence

from sxhost.cli.output import fail
from sxhost.errors import AlreadyAnswered
from sxhost.model.approval import Answer, Approval

__all__ = ["answer_from_words"]

USAGE = 2
"""The exit status for words that cannot be an answer."""


def answer_from_words(approval: Approval, words: Sequence[str]) -> Answer:
    """Return the answer that words are; end the process with a sentence if they are none.

    :raises AlreadyAnswered: it is closed.
    """
    how = approval.resolution
    if how is not None:
        raise AlreadyAnswered(approval.id, by=how.by, decision=how.decision, at_ms=how.at_ms)
    if not approval.inquiries:
        return Answer(decision=_choice(approval, " ".join(words)))
    return Answer(decision="approve", answers=_answers(approval, words))


def _choice(approval: Approval, text: str) -> str:
    """Return the choice that a text is; capitals matter only where they make a difference."""
    if text in approval.choices:
        return text
    alike = [choice for choice in approval.choices if choice.casefold() == text.casefold()]
    if len(alike) != 1:
        fail(USAGE, f"Approval {approval.id} takes one of: {', '.join(approval.choices)}.")
    return alike[0]


def _answers(approval: Approval, words: Sequence[str]) -> dict[str, str | list[str]]:
    """Return the answers by the ids of their questions."""
    unanswered = {inquiry.id: inquiry for inquiry in approval.inquiries}
    answers: dict[str, str | list[str]] = {}
    in_order = []
    for word in words:
        name, equals, text = word.partition("=")
        if equals and name in unanswered:
            inquiry = unanswered[name]
            before = answers.get(name, [])
            answers[name] = [*before, text] if inquiry.multiple else text
        else:
            in_order.append(word)
    left = [inquiry for inquiry in approval.inquiries if inquiry.id not in answers]
    if len(left) == 1 and in_order:
        answers[left[0].id] = in_order if left[0].multiple else " ".join(in_order)
    elif len(left) == len(in_order):
        pairs = zip(left, in_order, strict=True)
        answers |= {one.id: [word] if one.multiple else word for one, word in pairs}
    else:
        questions = "; ".join(f"{one.id}: {one.text}" for one in left)
        fail(USAGE, f"Approval {approval.id} asks for {len(left)} answers more: {questions}")
    return answers
