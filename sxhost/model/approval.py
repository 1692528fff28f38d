"""Approvals: an agent's questions to a person, and the decisions on them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct
from msgspec.structs import replace

from sxhost.model.names import SESSION_ID, Argument

__all__ = [
    "REFUSALS",
    "TERMINAL",
    "Answer",
    "AnswerBatch",
    "AnswerResult",
    "AnswerResults",
    "Approval",
    "ApprovalKind",
    "ApprovalQuery",
    "ApprovalState",
    "Inquiry",
    "NamedAnswer",
    "Option",
    "Question",
    "Resolution",
    "TerminalAnswer",
    "unseen",
]

ApprovalKind = Literal["command", "file-change", "permission", "tool", "question", "dialog"]
ApprovalState = Literal["pending", "answered", "withdrawn", "expired"]

TERMINAL: Final = "terminal"
"""Who has decided (`Resolution.by`) what was answered in the agent's own dialog."""


class Option(Struct, frozen=True):
    """One of the answers that an inquiry offers."""

    label: str
    description: str = ""


class Inquiry(Struct, frozen=True, kw_only=True):
    """One question of a form that an agent wants filled in."""

    id: str
    text: str
    header: str = ""
    options: list[Option] = []
    other: bool = True
    """Whether a text that is not among the options is accepted."""
    multiple: bool = False
    secret: bool = False


class Question(Struct, frozen=True, kw_only=True):
    """A question of an agent, as its driver opens it; it becomes an `Approval`.

    `key` identifies it in its session: opened again, it is the same approval.  `choices` are
    the decisions that the agent understands: ``approve``, ``approve_session``, ``deny``,
    ``cancel`` and the agent's own.  `expires_s` is how many seconds the agent waits, if it has
    a limit.
    """

    key: str
    kind: ApprovalKind
    title: str
    detail: Mapping[str, object] = {}
    """What it is about: ``command``, ``cwd``, ``paths``, ``tool``, ``reason``, …"""
    choices: list[str]
    inquiries: list[Inquiry] = []
    native: object = None
    """The agent's own request, unchanged."""
    expires_s: float | None = None
    outlives_turn: bool = False
    """Whether its asker may wait on after the turn (a subagent in the background): its driver
    withdraws it once nobody waits.  Others the host withdraws at the end of the turn.
    """
    at_terminal: bool = False
    """Whether its agent asks its own user too: then it stays open for as long as that dialog,
    also when nobody waits for an answer here any more.
    """


REFUSALS: Final = ("deny", "cancel")
"""The decisions by which nothing happens."""


def unseen(question: Question, size: int) -> Question:
    """Return a question that nobody can see whole, of so many bytes: it can only be refused.

    Inquiries are seen, and may be answered.
    """
    if question.inquiries:
        return question
    text = f"{size} bytes are too many to be shown whole: it can only be refused here"
    choices = [choice for choice in question.choices if choice in REFUSALS]
    return replace(question, choices=choices, detail={**question.detail, "cut": text})


class Answer(Struct, frozen=True, kw_only=True):
    """A decision: one of the choices; `answers` to inquiries by their ids."""

    decision: Annotated[str, Meta(min_length=1, max_length=512)]
    reason: Argument | None = None
    answers: dict[str, str | list[str]] | None = None


class NamedAnswer(Answer, frozen=True, kw_only=True):
    """A decision on the approval of this session and number."""

    session: Annotated[str, Meta(pattern=SESSION_ID)]
    id: Annotated[int, Meta(ge=0, lt=2**53)]
    """Below what JSON's numbers hold exactly, where ``1.0`` is a whole number, too."""


class AnswerBatch(Struct, frozen=True, kw_only=True):
    """Decisions on approvals that are named, each by itself: what came since is not in it."""

    answers: Annotated[list[NamedAnswer], Meta(min_length=1, max_length=100)]


class AnswerResult(Struct, frozen=True, kw_only=True):
    """What became of one answer of a batch: the approval, or the refusal with its fields."""

    session: str
    id: int
    ok: bool
    approval: Approval | None = None
    error: dict[str, object] | None = None


class AnswerResults(Struct, frozen=True, kw_only=True):
    """The results of a batch, in its order."""

    results: list[AnswerResult]


class Resolution(Struct, frozen=True, kw_only=True):
    """How an approval was closed: the decision, by whom, when (Unix milliseconds)."""

    decision: str
    by: str
    """``own``, ``token ID``, ``policy NAME``, ``terminal``, ``agent``, ``host``."""
    at_ms: int
    reason: str | None = None
    answers: dict[str, str | list[str]] | None = None


class TerminalAnswer(Struct, frozen=True, kw_only=True):
    """What is known of an answer that the agent's user gave in the agent's own dialog."""

    decision: Literal["approve", "deny", "answered"] = "answered"
    """``answered``: nobody knows how."""
    reason: str = "answered at the terminal"


class Approval(Struct, frozen=True, kw_only=True):
    """A question of an agent that waits for a decision, or has one; times in Unix ms."""

    id: int
    session: str
    kind: ApprovalKind
    title: str
    detail: Mapping[str, object]
    choices: list[str]
    opened_ms: int
    expires_ms: int | None
    native: object
    inquiries: list[Inquiry] = []
    key: str
    state: ApprovalState = "pending"
    at_terminal_ms: int | None = None
    """Since when it can only be answered at its agent's own terminal; None: it can be here."""
    resolution: Resolution | None = None


class ApprovalQuery(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Which approvals to list: the pending ones, or all that are remembered."""

    all: bool = False
