"""What a policy's rules can ask of a question: who, what, where.

A condition is asked in two ways.  `surely`: is all of it so, without doubt?  That is for rules
that allow.  `perhaps`: could any of it be so?  That is for rules that deny; None means that
nobody can tell.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol, get_args

from sxhost.model.approval import ApprovalKind, Question
from sxhost.policy.paths import MAX_PATHS, PathPattern, ResolvedPath, paths_of, resolve
from sxhost.policy.pattern import BadPattern, Pattern, glob
from sxhost.policy.shell import (
    BEFORE,
    BEHIND,
    MAX_COMMAND_LENGTH,
    command_line_of,
    is_single_program,
    searchable_forms,
)

__all__ = ["CONDITIONS", "Condition", "QuestionFacts", "facts_of"]

KINDS: Final = get_args(ApprovalKind)
MORE: Final = ("permissions", "network")
"""What a question may ask for beside its command or its files; no pattern tells of it."""


class QuestionFacts(NamedTuple):
    """What is known of a question."""

    names: Mapping[str, str]
    """Its agent, kind, tool and session."""
    labels: Mapping[str, str]
    script: str | None
    looked: Sequence[str]
    """The command as it may be looked into; nothing if it is too long."""
    cwd: ResolvedPath | None
    paths: Sequence[ResolvedPath | None]
    more: bool

    @property
    def kind(self) -> str:
        """What kind of question it is."""
        return self.names["kind"]


def facts_of(
    question: Question,
    agent: str,
    session: str,
    labels: Mapping[str, str],
    cwd: str | None,
) -> QuestionFacts:
    """Return what is known of a question; what its detail says goes before what we know."""
    detail = question.detail
    here = detail.get("cwd") or cwd
    seen = resolve(here, cwd)
    script = command_line_of(detail.get("command"))
    return QuestionFacts(
        names={
            "agent": agent,
            "session": session,
            "kind": question.kind,
            "tool": str(detail.get("tool") or ""),
        },
        labels=labels,
        script=script,
        looked=_looked(detail.get("command"), script),
        cwd=seen,
        paths=[resolve(path, seen.real if seen else None) for path in paths_of(detail)],
        more=any(detail.get(name) for name in MORE),
    )


def _looked(command: Any, script: str | None) -> list[str]:
    if script is None:
        return []
    whole = " ".join(command) if isinstance(command, list) else str(command)
    return searchable_forms(whole) if len(whole) <= MAX_COMMAND_LENGTH else []


class Condition(Protocol):
    """What one field of a rule asks for."""

    def certainly_holds(self, facts: QuestionFacts) -> bool:
        """Tell whether all of it is so."""

    def possibly_holds(self, facts: QuestionFacts) -> bool | None:
        """Tell whether any of it is so; None if that cannot be told."""


class _Name:
    """One of the names is covered by one of some globs."""

    def __init__(self, field: str, values: Sequence[str]) -> None:
        self._field = field
        self._globs = [glob(value) for value in values]
        if field == "kind" and not all(map(_is_known, self._globs)):
            raise BadPattern(f"the kinds are {', '.join(KINDS)}")

    def certainly_holds(self, facts: QuestionFacts) -> bool:
        name = facts.names[self._field]
        return any(pattern.matches(name) for pattern in self._globs)

    possibly_holds = certainly_holds


def _is_known(kind: Pattern) -> bool:
    return any(map(kind.matches, KINDS))


class _Labels:
    """Labels, ``name:value``: all of them, or any."""

    def __init__(self, values: Sequence[str], _shell: bool) -> None:
        if not all(":" in value[1:] for value in values):
            raise BadPattern("a label is written `name:value`")
        self._globs = [glob(value) for value in values]

    def certainly_holds(self, facts: QuestionFacts) -> bool:
        return all(self._found(facts))

    def possibly_holds(self, facts: QuestionFacts) -> bool | None:
        return any(self._found(facts))

    def _found(self, facts: QuestionFacts) -> list[bool]:
        labels = [f"{name}:{value}" for name, value in facts.labels.items()]
        return [any(map(pattern.matches, labels)) for pattern in self._globs]


class _Command:
    """The command is covered by one of some patterns, or has a part that is."""

    def __init__(self, values: Sequence[str], shell: bool) -> None:
        self._patterns = [Pattern(value) for value in values]
        self._parts = [Pattern(value, BEFORE, BEHIND) for value in values]
        self._shell = shell

    def certainly_holds(self, facts: QuestionFacts) -> bool:
        script = facts.script
        if script is None or len(script) > MAX_COMMAND_LENGTH or facts.more:
            return False
        readable = self._shell or is_single_program(script)
        return readable and any(pattern.matches(script) for pattern in self._patterns)

    def possibly_holds(self, facts: QuestionFacts) -> bool | None:
        if facts.script is None:
            return None if facts.kind == "command" else False
        if not facts.looked:
            return None
        return any(part.matches(text) for part in self._parts for text in facts.looked)


class _Paths:
    """Each path of the question lies in one of some areas, or any does."""

    def __init__(self, values: Sequence[str], _shell: bool) -> None:
        self._areas = [PathPattern(value) for value in values]

    def certainly_holds(self, facts: QuestionFacts) -> bool:
        if not facts.paths or len(facts.paths) > MAX_PATHS or facts.more:
            return False
        return all(seen is not None and self._covers(seen) for seen in facts.paths)

    def possibly_holds(self, facts: QuestionFacts) -> bool | None:
        seen = [one for one in facts.paths if one is not None]
        if any(area.possibly_contains(one) for area in self._areas for one in seen):
            return True
        unknown = len(seen) < len(facts.paths) or len(facts.paths) > MAX_PATHS
        nothing = not facts.paths and facts.kind == "file-change"
        return None if unknown or nothing else False

    def _covers(self, seen: ResolvedPath) -> bool:
        return any(area.certainly_contains(seen) for area in self._areas)


class _Cwd:
    """The command's directory lies in one of some areas."""

    def __init__(self, values: Sequence[str], _shell: bool) -> None:
        self._areas = [PathPattern(value) for value in values]

    def certainly_holds(self, facts: QuestionFacts) -> bool:
        return facts.cwd is not None and any(
            area.certainly_contains(facts.cwd) for area in self._areas
        )

    def possibly_holds(self, facts: QuestionFacts) -> bool | None:
        if facts.cwd is None:
            return None
        return any(area.possibly_contains(facts.cwd) for area in self._areas)


def _name(field: str) -> Callable[[Sequence[str], bool], Condition]:
    return lambda values, _shell: _Name(field, values)


CONDITIONS: Final[Mapping[str, Callable[[Sequence[str], bool], Condition]]] = {
    **{field: _name(field) for field in ("agent", "kind", "tool", "session")},
    "label": _Labels,
    "command": _Command,
    "path": _Paths,
    "cwd": _Cwd,
}
"""The fields of a rule that are conditions: what makes one of its values and of ``shell``."""
