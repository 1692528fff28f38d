"""A policy's file and its rules, which decide agents' approvals: the first that matches counts.

A rule that allows matches only if it certainly covers the question: the whole command, each
path.  A rule that denies (or asks, as an exception) matches if any part may be covered.  Where
that is unknown (a command is too long to be read, say), a person is asked.  ``docs/policy.md``
describes the file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from sxhost.model.approval import Question
from sxhost.model.session import Session
from sxhost.model.turn import Launch
from sxhost.policy.conditions import CONDITIONS, Condition, QuestionFacts, facts_of
from sxhost.policy.pattern import BadPattern
from sxhost.rule_file import RuleFile, RuleFileError, rule_place

__all__ = [
    "ASK_A_PERSON",
    "DEFAULT",
    "AskingSession",
    "Policy",
    "PolicyDecision",
    "PolicyError",
    "Rule",
]

Words = Annotated[str, Meta(min_length=1, max_length=4096)]
Many = Words | Annotated[list[Words], Meta(min_length=1, max_length=1000)]
Seconds = Annotated[float, Meta(ge=1, le=31_622_400)]
Asking = Literal["ask", "allow", "approve", "approve_session", "deny"]
Silence = Literal["deny", "cancel"]
"""Decisions for an approval that nobody answers; consent is not one of them."""

DEFAULT: Final = "default"
"""What a decision names as its rule where none matches."""


class PolicyError(RuleFileError):
    """A policy's file is wrong."""


class AskingSession(Struct, frozen=True, kw_only=True):
    """The session whose agent asks: what rules match beside the question."""

    agent: str = ""
    session: str = ""
    labels: Mapping[str, str] = {}
    cwd: str | None = None

    @classmethod
    def launched(cls, session: str, launch: Launch) -> AskingSession:
        """Return it for a hosted session, from its launch."""
        return cls(agent=launch.agent, session=session, labels=launch.labels, cwd=launch.cwd)

    @classmethod
    def of(cls, session: Session) -> AskingSession:
        """Return it for a session; what a hosted one shows of itself may be anything."""
        if session.launch is not None and session.kind == "hosted":
            return cls.launched(session.id, session.launch)
        return cls(
            agent=session.agent, session=session.id, labels=session.labels, cwd=session.cwd
        )


class PolicyDecision(Struct, frozen=True, kw_only=True):
    """A policy's decision: one of the question's choices, or None to ask a person.

    If that person does not answer within `expire_s` seconds, `on_expiry` is the decision.
    """

    decision: str | None = None
    rule: str = ""
    reason: str | None = None
    expire_s: float | None = None
    on_expiry: Silence = "deny"


ASK_A_PERSON: Final = PolicyDecision()


class Default(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table ``[default]``: what applies where no rule matches."""

    decision: Asking = "ask"
    expire_s: Seconds | None = None
    on_expiry: Silence = "deny"


class Rule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A rule as it is written; a condition that is absent always holds."""

    decision: Asking
    name: Words | None = None
    agent: Many | None = None
    kind: Many | None = None
    tool: Many | None = None
    session: Many | None = None
    label: Many | None = None
    command: Many | None = None
    shell: bool = False
    path: Many | None = None
    cwd: Many | None = None
    reason: Words | None = None
    expire_s: Seconds | None = None

    @property
    def allows(self) -> bool:
        """Whether it consents, and so may match only with certainty."""
        return self.decision not in ("ask", "deny")


class _CompiledRule(Struct, frozen=True):
    """A rule with its name and its conditions."""

    rule: Rule
    name: str
    conditions: Sequence[Condition]

    def holds(self, facts: QuestionFacts) -> bool | None:
        """Tell whether it matches; None if that is unknown."""
        if self.rule.allows:
            return all(condition.certainly_holds(facts) for condition in self.conditions)
        found = {condition.possibly_holds(facts) for condition in self.conditions}
        return False if False in found else None if None in found else True


class Policy:
    """Rules in order; without any, a person is always asked."""

    def __init__(self, rules: Sequence[Rule] = (), default: Default = Default()) -> None:  # noqa: B008 - frozen
        self.default = default
        self._rules = [_compile(number, rule) for number, rule in enumerate(rules, 1)]

    @property
    def rules(self) -> list[tuple[str, Rule]]:
        """The rules in order, each with the name that a decision gives it."""
        return [(compiled.name, compiled.rule) for compiled in self._rules]

    @classmethod
    def load(cls, path: Path) -> Policy:
        """Read a policy's file.

        :raises PolicyError: it cannot be read, is wrong, or anyone could have written it.
        """
        name = str(path)
        return cls.read(RuleFile(name, PolicyError).content(path), name)

    @classmethod
    def read(cls, text: bytes, file: str = "policy") -> Policy:
        """Parse a policy; `file` is its name in errors.

        :raises PolicyError: it is wrong.
        """
        source = RuleFile(file, PolicyError)
        tables = source.tables(text)
        default = source.convert(tables.pop("default", {}), Default, "[default]")
        written = tables.pop("rule", [])
        if tables:
            why = "There are only the table `[default]` and rules, `[[rule]]`."
            raise source.fault(f"`{min(tables)}`", why)
        if not isinstance(written, list):
            raise source.fault("[rule]", "A rule begins with `[[rule]]`.")
        rules = [
            source.convert(table, Rule, rule_place(number, table))
            for number, table in enumerate(written, 1)
        ]
        try:
            return cls(rules, default)
        except _BadRule as error:
            place = rule_place(error.number, written[error.number - 1])
            raise source.fault(place, str(error)) from None

    def decide(self, question: Question, about: AskingSession) -> PolicyDecision:
        """Decide a question by the first rule that matches, else by the default."""
        facts = facts_of(question, about.agent, about.session, about.labels, about.cwd)
        for compiled in self._rules:
            holds = compiled.holds(facts)
            if holds is not False:
                return self._apply(compiled, question, certain=holds is True)
        return self._verdict(self.default.decision, DEFAULT, None, None, question)

    def _apply(
        self, compiled: _CompiledRule, question: Question, *, certain: bool
    ) -> PolicyDecision:
        rule = compiled.rule
        if not certain:
            reason = f"it cannot be told whether the rule {compiled.name!r} holds"
            return self._verdict("ask", compiled.name, reason, rule.expire_s, question)
        return self._verdict(rule.decision, compiled.name, rule.reason, rule.expire_s, question)

    def _verdict(
        self,
        wanted: Asking,
        rule: str,
        reason: str | None,
        expire_s: float | None,
        question: Question,
    ) -> PolicyDecision:
        decision = _decision_among_choices(wanted, question)
        if decision is None and wanted != "ask":
            reason = f"a rule cannot answer this: it takes {', '.join(question.choices)}"
        elif wanted == "deny":
            reason = reason or f"the host's policy does not allow it ({rule})"
        patience = self.default.expire_s if expire_s is None else expire_s
        return PolicyDecision(
            decision=decision,
            rule=rule,
            reason=reason,
            expire_s=patience,
            on_expiry=self.default.on_expiry,
        )


_ACCEPTABLE: Final[Mapping[str, Sequence[str]]] = {
    "ask": (),
    "allow": ("approve",),
    "approve": ("approve",),
    "approve_session": ("approve_session", "approve"),
    "deny": ("deny", "cancel"),
}


def _decision_among_choices(wanted: str, question: Question) -> str | None:
    """Return the question's choice for a rule's decision; None if it has none.

    A question with a form to fill in is never approved: a rule cannot fill it in.
    """
    if question.inquiries and wanted != "deny":
        return None
    return next((word for word in _ACCEPTABLE[wanted] if word in question.choices), None)


# Parsing.


class _BadRule(ValueError):
    def __init__(self, number: int, why: str) -> None:
        super().__init__(why)
        self.number = number


def _compile(number: int, rule: Rule) -> _CompiledRule:
    written = {name: getattr(rule, name) for name in CONDITIONS if getattr(rule, name)}
    if not written:
        raise _BadRule(number, "It names no condition; what holds for all is `[default]`.")
    if rule.shell and rule.command is None:
        raise _BadRule(number, "`shell` is for rules with a `command`.")
    conditions = [
        _compile_condition(number, rule, name, value) for name, value in written.items()
    ]
    return _CompiledRule(rule, rule.name or f"rule {number}", conditions)


def _compile_condition(number: int, rule: Rule, name: str, value: str | list[str]) -> Condition:
    values = [value] if isinstance(value, str) else value
    try:
        return CONDITIONS[name](values, rule.shell)
    except BadPattern as error:
        raise _BadRule(number, f"The field `{name}` is wrong: {error}.") from None
