"""What a policy's rules can ask of a question: who, what, where.

A condition is asked in two ways.  `surely`: is all of it so, without doubt?  That is for rules
that allow.  `perhaps`: could any of it be so?  That is for rules that deny; None means that
nobody can tell.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol, get_args

from sxhost.model.approval import ApprovalKind, Question
from sxhost.policy.paths import MOST_PATHS, Area, Seen, look, paths_of
from sxhost.policy.pattern import BadPattern, Pattern, glob
from sxhost.policy.shell import BEFORE, BEHIND, LONGEST, is_plain, readings, script_of

__all__ = ["CONDITIONS", "Condition", "Facts", "facts_of"]

KINDS: Final = get_args(ApprovalKind)
MORE: Final = ("permissions", "network")
"""What a question may ask for beside its command or its files; no pattern tells of it."""


class Facts(NamedTuple):
    """What is known of a question."""

    names: Mapping[str, str]
    """Its agent, kind, tool and session."""
    labels: Mapping[str, str]
    script: str | None
    looked: Sequence[str]
    """The command as it may be looked into; nothing if it is too long."""
    cwd: Seen | None
    paths: Sequence[Seen | None]
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
) -> Facts:
    """Return what is known of a question; what its detail says goes before what we know."""
    detail = question.detail
    here = detail.get("cwd") or cwd
    seen = look(here, cwd)
    script = script_of(detail.get("command"))
    return Facts(
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
        paths=[look(path, seen.real if seen else None) for path in paths_of(detail)],
        more=any(detail.get(name) for name in MORE),
    )


def _looked(command: Any, script: str | None) -> list[str]:
    if script is None:
        return []
    whole = " ".join(command) if isinstance(command, list) else str(command)
    return readings(whole) if len(whole) <= LONGEST else []


class Condition(Protocol):
    """What one field of a rule asks for."""

    def surely(self, facts: Facts) -> bool:
        """Tell whether all of it is so."""

    def perhaps(self, facts: Facts) -> bool | None:
        """Tell whether any of it is so; None if that cannot be told."""


class _Name:
    """One of the names is covered by one of some globs."""

    def __init__(self, field: str, values: Sequence[str]) -> None:
        self._field = field
        self._globs = [glob(value) for value in values]
        if field == "kind" and not all(map(_is_known, self._globs)):
            raise BadPattern(f"the kinds are {', '.join(KINDS)}")

    def surely(self, facts: Facts) -> bool:
        name = facts.names[self._field]
        return any(pattern.matches(name) for pattern in self._globs)

    perhaps = surely


def _is_known(kind: Pattern) -> bool:
    return any(map(kind.matches, KINDS))


class _Labels:
    """Labels, ``name:value``: all of them, or any."""

    def __init__(self, values: Sequence[str], _shell: bool) -> None:
        if not all(":" in value[1:] for value in values):
            raise BadPattern("a label is written `name:value`")
        self._globs = [glob(value) for value in values]

    def surely(self, facts: Facts) -> bool:
        return all(self._found(facts))

    def perhaps(self, facts: Facts) -> bool | None:
        return any(self._found(facts))

    def _found(self, facts: Facts) -> list[bool]:
        labels = [f"{name}:{value}" for name, value in facts.labels.items()]
        return [any(map(pattern.matches, labels)) for pattern in self._globs]


class _Command:
    """The command is covered by one of some patterns, or has a part that is."""

    def __init__(self, values: Sequence[str], shell: bool) -> None:
        self._patterns = [Pattern(value) for value in values]
        self._parts = [Pattern(value, BEFORE, BEHIND) for value in values]
        self._shell = shell

    def surely(self, facts: Facts) -> bool:
        script = facts.script
        if script is None or len(script) > LONGEST or facts.more:
            return False
        readable = self._shell or is_plain(script)
        return readable and any(pattern.matches(script) for pattern in self._patterns)

    def perhaps(self, facts: Facts) -> bool | None:
        if facts.script is None:
            return None if facts.kind == "command" else False
        if not facts.looked:
            return None
        return any(part.matches(text) for part in self._parts for text in facts.looked)


class _Paths:
    """Each path of the question lies in one of some areas, or any does."""

    def __init__(self, values: Sequence[str], _shell: bool) -> None:
        self._areas = [Area(value) for value in values]

    def surely(self, facts: Facts) -> bool:
        if not facts.paths or len(facts.paths) > MOST_PATHS or facts.more:
            return False
        return all(seen is not None and self._covers(seen) for seen in facts.paths)

    def perhaps(self, facts: Facts) -> bool | None:
        seen = [one for one in facts.paths if one is not None]
        if any(area.touches(one) for area in self._areas for one in seen):
            return True
        unknown = len(seen) < len(facts.paths) or len(facts.paths) > MOST_PATHS
        nothing = not facts.paths and facts.kind == "file-change"
        return None if unknown or nothing else False

    def _covers(self, seen: Seen) -> bool:
        return any(area.covers(seen) for area in self._areas)


class _Cwd:
    """The command's directory lies in one of some areas."""

    def __init__(self, values: Sequence[str], _shell: bool) -> None:
        self._areas = [Area(value) for value in values]

    def surely(self, facts: Facts) -> bool:
        return facts.cwd is not None and any(area.covers(facts.cwd) for area in self._areas)

    def perhaps(self, facts: Facts) -> bool | None:
        if facts.cwd is None:
            return None
        return any(area.touches(facts.cwd) for area in self._areas)


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
