"""The conditions of a policy's rules: agent, kind, tool, session, label, command, path, cwd.

A rule that allows needs `certainly_holds`: the question is covered, all of it, without doubt.
A rule that denies needs `possibly_holds`: any of it may be covered; None means that it is
unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final, NamedTuple, Protocol, get_args

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
EXTRA_GRANTS: Final = ("permissions", "network")
"""Details by which a question asks for more than its command or files, unseen by patterns."""


class QuestionFacts(NamedTuple):
    """What is known of a question, prepared for matching."""

    names: Mapping[str, str]
    """Its agent, kind, tool and session."""
    labels: Mapping[str, str]
    script: str | None
    searchable: Sequence[str]
    """The command in forms that patterns search; none if it is too long."""
    cwd: ResolvedPath | None
    paths: Sequence[ResolvedPath | None]
    has_extra_grants: bool

    @property
    def kind(self) -> str:
        """The kind of the question."""
        return self.names["kind"]


def facts_of(
    question: Question,
    agent: str,
    session: str,
    labels: Mapping[str, str],
    cwd: str | None,
) -> QuestionFacts:
    """Prepare a question; its own ``cwd`` goes before the session's."""
    detail = question.detail
    directory = resolve(detail.get("cwd") or cwd, cwd)
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
        searchable=_searchable(detail.get("command"), script),
        cwd=directory,
        paths=[
            resolve(path, directory.real if directory else None) for path in paths_of(detail)
        ],
        has_extra_grants=any(detail.get(name) for name in EXTRA_GRANTS),
    )


def _searchable(command: object, script: str | None) -> list[str]:
    if script is None:
        return []
    whole = " ".join(command) if isinstance(command, list) else str(command)
    return searchable_forms(whole) if len(whole) <= MAX_COMMAND_LENGTH else []


class Condition(Protocol):
    """One field of a rule that is a condition."""

    def certainly_holds(self, facts: QuestionFacts) -> bool:
        """Tell whether the question is covered, without doubt."""

    def possibly_holds(self, facts: QuestionFacts) -> bool | None:
        """Tell whether any of the question may be covered; None if that is unknown."""


class _Name:
    """A name (agent, kind, tool, session) matches any of the globs."""

    def __init__(self, field: str, values: Sequence[str], _shell: bool) -> None:
        self._field = field
        self._globs = [glob(value) for value in values]
        if field == "kind" and not all(any(map(kind.matches, KINDS)) for kind in self._globs):
            raise BadPattern(f"the kinds are {', '.join(KINDS)}")

    def certainly_holds(self, facts: QuestionFacts) -> bool:
        name = facts.names[self._field]
        return any(pattern.matches(name) for pattern in self._globs)

    possibly_holds = certainly_holds


class _Labels:
    """Labels match the globs (``name:value``): certainly all globs, possibly any."""

    def __init__(self, values: Sequence[str], _shell: bool) -> None:
        if not all(":" in value[1:] for value in values):
            raise BadPattern("a label is written `name:value`")
        self._globs = [glob(value) for value in values]

    def certainly_holds(self, facts: QuestionFacts) -> bool:
        return all(self._matches(facts))

    def possibly_holds(self, facts: QuestionFacts) -> bool | None:
        return any(self._matches(facts))

    def _matches(self, facts: QuestionFacts) -> list[bool]:
        labels = [f"{name}:{value}" for name, value in facts.labels.items()]
        return [any(map(pattern.matches, labels)) for pattern in self._globs]


class _Command:
    """The command matches any of the patterns: certainly as a whole, possibly in part."""

    def __init__(self, values: Sequence[str], shell: bool) -> None:
        self._patterns = [Pattern(value) for value in values]
        self._parts = [Pattern(value, BEFORE, BEHIND) for value in values]
        self._shell = shell

    def certainly_holds(self, facts: QuestionFacts) -> bool:
        script = facts.script
        if script is None or len(script) > MAX_COMMAND_LENGTH or facts.has_extra_grants:
            return False
        readable = self._shell or is_single_program(script)
        return readable and any(pattern.matches(script) for pattern in self._patterns)

    def possibly_holds(self, facts: QuestionFacts) -> bool | None:
        if facts.script is None:
            return None if facts.kind == "command" else False
        if not facts.searchable:
            return None
        return any(part.matches(text) for part in self._parts for text in facts.searchable)


class _Paths:
    """Paths of the question match the patterns: certainly each of them, possibly any."""

    def __init__(self, values: Sequence[str], _shell: bool) -> None:
        self._patterns = [PathPattern(value) for value in values]

    def certainly_holds(self, facts: QuestionFacts) -> bool:
        if not facts.paths or len(facts.paths) > MAX_PATHS or facts.has_extra_grants:
            return False
        return all(
            path is not None and any(one.certainly_contains(path) for one in self._patterns)
            for path in facts.paths
        )

    def possibly_holds(self, facts: QuestionFacts) -> bool | None:
        resolved = [path for path in facts.paths if path is not None]
        if any(
            pattern.possibly_contains(path) for pattern in self._patterns for path in resolved
        ):
            return True
        some_unknown = len(resolved) < len(facts.paths) or len(facts.paths) > MAX_PATHS
        all_unknown = not facts.paths and facts.kind == "file-change"
        return None if some_unknown or all_unknown else False


class _Cwd:
    """The command's directory matches any of the patterns."""

    def __init__(self, values: Sequence[str], _shell: bool) -> None:
        self._patterns = [PathPattern(value) for value in values]

    def certainly_holds(self, facts: QuestionFacts) -> bool:
        return facts.cwd is not None and any(
            pattern.certainly_contains(facts.cwd) for pattern in self._patterns
        )

    def possibly_holds(self, facts: QuestionFacts) -> bool | None:
        if facts.cwd is None:
            return None
        return any(pattern.possibly_contains(facts.cwd) for pattern in self._patterns)


CONDITIONS: Final[Mapping[str, Callable[[Sequence[str], bool], Condition]]] = {
    **{field: partial(_Name, field) for field in ("agent", "kind", "tool", "session")},
    "label": _Labels,
    "command": _Command,
    "path": _Paths,
    "cwd": _Cwd,
}
"""The fields of a rule that are conditions; each makes one of its values and ``shell``."""
