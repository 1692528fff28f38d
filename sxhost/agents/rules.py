"""The policy in use: it decides what agents ask, is shown, and a rule for it is proposed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from msgspec.structs import asdict

from sxhost.errors import BadField
from sxhost.logs import logger
from sxhost.model.approval import Approval, Question
from sxhost.model.policy import PolicyRule, PolicyView, RuleMatch
from sxhost.model.session import Session
from sxhost.policy.proposal import NoRule, narrowest_rule, reach_of, written_rule
from sxhost.policy.rules import (
    DEFAULT,
    AskingSession,
    Policy,
    PolicyDecision,
    PolicyError,
    Rule,
)

__all__ = ["Candidate", "Rules"]

log = logger(__name__)

Asked = tuple[Session, Approval]
"""A question of the past, and the session whose agent asked it."""


class Candidate(NamedTuple):
    """A rule that is proposed, and the rule of the file above which it has to stand."""

    rule: Rule
    above: str | None

    @property
    def text(self) -> str:
        """The rule as it stands in a policy's file."""
        return written_rule(self.rule)

    @property
    def reach(self) -> str:
        """What it allows from now on, as a sentence."""
        return reach_of(self.rule)


class Rules:
    """The policy file that decides approvals; it can be read again while the host runs.

    Without a file there are no rules: a person decides everything.

    :raises PolicyError: the file is no use.
    """

    def __init__(self, file: Path | None = None) -> None:
        self.file = file
        self._policy = Policy() if file is None else Policy.load(file)
        self._hits = Counter[str]()

    def __call__(self, session: Session, question: Question) -> PolicyDecision:
        """Decide a question of a session's agent."""
        verdict = self._policy.decide(question, AskingSession.of(session))
        self._hits[verdict.rule] += 1
        return verdict

    def reload(self) -> None:
        """Read the file again; if it is invalid, log that and keep the rules as they were."""
        if self.file is None:
            return
        try:
            self._policy = Policy.load(self.file)
        except PolicyError as error:
            log.error("The policy stays as it was: {error}", error=str(error))  # noqa: TRY400 - no traceback
        else:
            self._hits.clear()
            file = str(self.file)
            log.info("Questions are decided by the rules that are now in {file}", file=file)

    def view(self) -> PolicyView:
        """Return the rules and how often each has matched."""
        return PolicyView(
            file=str(self.file) if self.file else None,
            default=self._policy.default.decision,
            rules=[
                PolicyRule(
                    name=name,
                    decision=rule.decision,
                    conditions=_conditions(rule),
                    hits=self._hits[name],
                )
                for name, rule in self._policy.rules
            ],
            hits=self._hits[DEFAULT],
        )

    def propose(self, session: Session, approval: Approval) -> Candidate:
        """Return the narrowest rule that allows what was asked.

        :raises BadField: there is none.
        """
        question, about = _question(approval), AskingSession.of(session)
        try:
            rule = narrowest_rule(question, about, f"no. {approval.id} of {session.id}")
        except NoRule as error:
            raise BadField("approval", str(error)) from None
        before = self._policy.decide(question, about).rule
        return Candidate(rule, None if before == DEFAULT else before)

    def matches(self, found: Candidate, past: Iterable[Asked]) -> Iterator[list[RuleMatch]]:
        """Yield for each question of the past, in a list, whether a rule would answer it."""
        alone, reached = Policy([found.rule]), {DEFAULT, found.above}
        for session, approval in past:
            question, about = _question(approval), AskingSession.of(session)
            allowed = alone.decide(question, about).decision is not None
            is_reached = allowed and self._policy.decide(question, about).rule in reached
            yield [_match(approval)] if is_reached else []


def _conditions(rule: Rule) -> dict[str, str | bool | list[str]]:
    fields = asdict(rule)
    return {n: v for n, v in fields.items() if v and n not in ("name", "decision", "expire_s")}


def _question(approval: Approval) -> Question:
    """Return an approval as the question that it was."""
    return Question(
        key=approval.key,
        kind=approval.kind,
        title=approval.title,
        detail=approval.detail,
        choices=approval.choices,
        inquiries=approval.inquiries,
    )


def _match(approval: Approval) -> RuleMatch:
    end = approval.resolution
    return RuleMatch(
        session=approval.session,
        id=approval.id,
        title=approval.title,
        opened_ms=approval.opened_ms,
        decision=end.decision if end else None,
    )
