"""The policy in use as it is shown, and a rule that is proposed for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from sxhost.model.names import SessionId

__all__ = ["PolicyRule", "PolicyView", "RuleDraft", "RuleMatch", "RuleProposal"]


class PolicyRule(Struct, frozen=True, kw_only=True):
    """One rule of the policy in use."""

    name: str
    decision: str
    conditions: Mapping[str, str | bool | Sequence[str]]
    """Its other fields, as they stand in the file."""
    hits: int
    """Questions that it has decided, or left to a person, since the file was read."""


class PolicyView(Struct, frozen=True, kw_only=True):
    """The policy in use: its rules in order, and what holds where none matches."""

    file: str | None
    """Null: there is none, so that a person is always asked."""
    default: str
    rules: list[PolicyRule]
    hits: int
    """Questions for which none of the rules matched, since the file was read."""


class RuleDraft(Struct, frozen=True, kw_only=True):
    """Which question a rule is wanted for."""

    session: SessionId
    approval: int


class RuleMatch(Struct, frozen=True, kw_only=True):
    """A question of the past that a proposed rule would have answered."""

    session: str
    id: int
    title: str
    opened_ms: int
    decision: str | None
    """How it was decided then; null while it waits."""


class RuleProposal(Struct, frozen=True, kw_only=True):
    """The narrowest rule for a question, as a text for the policy's file."""

    rule: str
    reach: str
    """What it allows from now on, as a sentence."""
    file: str | None
    """The policy's file; null if the host runs without one."""
    above: str | None
    """The rule that it has to stand above to be reached; null if it may stand last."""
    looked_at: int
    """The newest questions, over all sessions, that it was tried on."""
    matches: list[RuleMatch]
    """Those of them that it would have answered, newest first."""
