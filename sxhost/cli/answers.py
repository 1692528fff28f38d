"""What a person types as an answer: to the questions of an approval, or one of its choices.

A choice is named by its text, whatever its capitals, or by its number, as it is shown: 1 is the
first.  Any other text is the answer itself, where the question takes one.
"""

from __future__ import annotations

from collections.abc import Sequence

from sxhost.cli.output import fail
from sxhost.errors import AlreadyAnswered
from sxhost.model.approval import Answer, Approval, Inquiry

__all__ = [
    "answer_from_words",
    "answer_to",
    "choice_of",
    "numbered",
    "own_choices",
    "question_text",
]

USAGE = 2
"""The exit status for words that cannot be an answer."""

STANDARD = ("approve", "approve_session", "deny", "cancel")
"""Decisions that have commands and keys of their own: they are not numbered."""


def own_choices(approval: Approval) -> list[str]:
    """Return the choices that only this approval has, in the order of their numbers."""
    return [choice for choice in approval.choices if choice not in STANDARD]


def question_text(approval: Approval) -> str:
    """Return what an approval asks for, with the numbers of the choices; empty if yes or no."""
    if not approval.inquiries:
        return numbered(own_choices(approval))
    return "; ".join(
        f"{inquiry.text} {numbered([option.label for option in inquiry.options])}".rstrip()
        for inquiry in approval.inquiries
    )


def numbered(choices: Sequence[str]) -> str:
    """Return choices with their numbers, in a line."""
    return " / ".join(f"{number} {choice}" for number, choice in enumerate(choices, 1))


def choice_of(text: str, choices: Sequence[str], numbers: Sequence[str] | None = None) -> str:
    """Return the choice that a text names; empty if it names none.

    :param numbers: the choices that are numbered, if not all are.
    """
    if text in choices:
        return text
    alike = [choice for choice in choices if choice.casefold() == text.casefold()]
    if len(alike) == 1:
        return alike[0]
    if text.isascii() and text.isdecimal() and len(text) < len("1000"):
        return dict(enumerate(choices if numbers is None else numbers, 1)).get(int(text), "")
    return ""


def answer_to(inquiry: Inquiry, text: str) -> str | list[str] | None:
    """Return the answer to a question that a text is; None if it takes no such text.

    To a question that takes several choices they are written with commas, or as ``1 3``.
    """
    labels = [option.label for option in inquiry.options]
    found = choice_of(text, labels)
    if not inquiry.multiple:
        return found or (text if inquiry.other or not labels else None)
    if found:
        return [found]
    for parts in (text.split(","), text.split()):
        several = [choice_of(part.strip(), labels) for part in parts]
        if several and all(several):
            return [*dict.fromkeys(several)]
    return [text] if inquiry.other or not labels else None


def answer_from_words(approval: Approval, words: Sequence[str]) -> Answer:
    """Return the answer that words are; end the process with a sentence if they are none.

    :raises AlreadyAnswered: it is closed.
    """
    how = approval.resolution
    if how is not None:
        raise AlreadyAnswered(approval.id, by=how.by, decision=how.decision, at_ms=how.at_ms)
    if approval.inquiries:
        return Answer(decision="approve", answers=_answers(approval, words))
    decision = choice_of(" ".join(words), approval.choices, own_choices(approval))
    if not decision:
        fail(USAGE, f"Approval {approval.id} takes one of: {', '.join(approval.choices)}.")
    return Answer(decision=decision)


def _answers(approval: Approval, words: Sequence[str]) -> dict[str, str | list[str]]:
    """Return the answers by the ids of their questions."""
    texts: dict[str, list[str]] = {}
    in_order = []
    names = {inquiry.id for inquiry in approval.inquiries}
    for word in words:
        name, equals, text = word.partition("=")
        if equals and name in names:
            texts.setdefault(name, []).append(text)
        else:
            in_order.append(word)
    left = [inquiry for inquiry in approval.inquiries if inquiry.id not in texts]
    if len(left) == 1 and in_order:
        texts[left[0].id] = in_order
    elif len(left) == len(in_order):
        texts |= {inquiry.id: [word] for inquiry, word in zip(left, in_order, strict=True)}
    else:
        questions = "; ".join(f"{inquiry.id}: {inquiry.text}" for inquiry in left)
        fail(USAGE, f"Approval {approval.id} asks for {len(left)} answers more: {questions}")
    return {
        inquiry.id: _answer(approval, inquiry, texts[inquiry.id])
        for inquiry in approval.inquiries
    }


def _answer(approval: Approval, inquiry: Inquiry, words: Sequence[str]) -> str | list[str]:
    whole = answer_to(inquiry, " ".join(words))
    if inquiry.multiple and len(words) > 1:
        each = [answer_to(inquiry, word) for word in words]
        found = [text for one in each for text in (one or ())]
        whole = [*dict.fromkeys(found)] if all(each) else None
    if whole is None:
        choices = numbered([option.label for option in inquiry.options])
        fail(USAGE, f"Approval {approval.id}: {inquiry.text} takes one of: {choices}.")
    return whole
