"""Which answers fit a question, and which one is a no to it."""

from __future__ import annotations

from sxhost.errors import BadField
from sxhost.model.approval import Answer, Inquiry, Question

__all__ = ["check_answer", "refusal_of"]


def check_answer(answer: Answer, question: Question, approval_id: int) -> None:
    """Check that an answer fits its question.

    :raises BadField: it does not, or says yes to what was no question of yes or no.
    """
    if answer.decision not in question.choices:
        choices = ", ".join(question.choices)
        raise BadField("decision", f"The field `decision` is wrong: choose one of {choices}.")
    strangers = (answer.answers or {}).keys() - {inquiry.id for inquiry in question.inquiries}
    if strangers:
        raise BadField("answers", f"Nobody asked for an answer to {min(strangers)!r}.")
    if answer.answers is None and question.inquiries and answer.decision.startswith("approve"):
        asked = "; ".join(map(_in_words, question.inquiries))
        raise BadField(
            "answers",
            f"It asks a question, to which {answer.decision!r} is no answer: {asked}"
            f" Send `answers`, or use: sxhost answer {approval_id} CHOICE",
        )
    for inquiry in question.inquiries:
        _check_choice(inquiry, (answer.answers or {}).get(inquiry.id, []))


def _check_choice(inquiry: Inquiry, answer: str | list[str]) -> None:
    labels = {option.label for option in inquiry.options}
    texts = {answer} if isinstance(answer, str) else {*answer}
    if labels and not inquiry.other and not texts <= labels:
        raise BadField(f"answers.{inquiry.id}", f"It takes one of these: {_in_words(inquiry)}")


def _in_words(inquiry: Inquiry) -> str:
    offers = ", ".join(f"{n} {option.label}" for n, option in enumerate(inquiry.options, 1))
    return f"{inquiry.text} ({offers})." if offers else inquiry.text


def refusal_of(question: Question, decision: str = "deny") -> str:
    """Return the decision, or a no that the agent understands; none is guessed."""
    wanted = (decision, "deny", "cancel")
    return next((word for word in wanted if word in question.choices), "cancel")
