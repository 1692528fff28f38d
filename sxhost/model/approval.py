"""What an agent asks a person, and what it is told."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from sxhost.model.names import Argument

__all__ = [
    "Answer",
    "Approval",
    "ApprovalKind",
    "ApprovalQuery",
    "ApprovalState",
    "Inquiry",
    "Option",
    "Question",
    "Resolution",
]

ApprovalKind = Literal["command", "file-change", "permission", "tool", "question", "dialog"]
ApprovalState = Literal["pending", "answered", "withdrawn", "expired"]


class Option(Struct, frozen=True):
    """One of the answers that an agent offers."""

    label: str
    description: str = ""


class Inquiry(Struct, frozen=True, kw_only=True):
    """One thing that an agent wants to know, in words."""

    id: str
    text: str
    header: str = ""
    options: list[Option] = []
    other: bool = True
    """Whether words that are not among the options will do."""
    multiple: bool = False
    secret: bool = False


class Question(Struct, frozen=True, kw_only=True):
    """What a driver asks on behalf of its agent.

    `key` names it in its session: asked again, it is the same one.  `choices` are the
    decisions that the agent understands: ``approve``, ``approve_session``, ``deny``,
    ``cancel`` and the agent's own.  `expires_s` is the agent's patience, if it has a limit.
    """

    key: str
    kind: ApprovalKind
    title: str
    detail: dict[str, Any] = {}
    """What it is about: ``command``, ``cwd``, ``paths``, ``tool``, ``reason``, …"""
    choices: list[str]
    inquiries: list[Inquiry] = []
    native: Any = None
    """The agent's own request, whole."""
    expires_s: float | None = None


class Answer(Struct, frozen=True, kw_only=True):
    """A decision: one of the choices; `answers` to inquiries by their ids."""

    decision: Annotated[str, Meta(min_length=1, max_length=512)]
    reason: Argument | None = None
    answers: dict[str, str | list[str]] | None = None


class Resolution(Struct, frozen=True, kw_only=True):
    """How an approval ended: what was decided, by whom, when (Unix ms)."""

    decision: str
    by: str
    """``own``, ``token ID``, ``policy NAME``, ``agent``, ``host``."""
    at_ms: int
    reason: str | None = None
    answers: dict[str, str | list[str]] | None = None


class Approval(Struct, frozen=True, kw_only=True):
    """A question of an agent that waits for a decision, or has it; times in Unix ms."""

    id: int
    session: str
    kind: ApprovalKind
    title: str
    detail: dict[str, Any]
    choices: list[str]
    opened_ms: int
    expires_ms: int | None
    native: Any
    inquiries: list[Inquiry] = []
    key: str
    state: ApprovalState = "pending"
    resolution: Resolution | None = None


class ApprovalQuery(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Which approvals: those that wait, or all that are remembered."""

    all: bool = False
