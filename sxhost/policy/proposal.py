"""The narrowest rule that would have answered a question, and how it is written in a file."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from msgspec.structs import asdict

from sxhost.model.approval import Question
from sxhost.policy.conditions import QuestionFacts, facts_of
from sxhost.policy.pattern import BadPattern
from sxhost.policy.rules import AskingSession, Policy, PolicyError, Rule
from sxhost.policy.shell import MAX_COMMAND_LENGTH, is_single_program

__all__ = ["NoRule", "narrowest_rule", "reach_of", "written_rule"]

WILD: Final = frozenset("*?")
"""What stands for other names in a glob, and cannot be written otherwise there."""

MEANING: Final = re.compile(r"[\\.^$*+?{}\[\]()|]")
"""Characters of a regular expression that do not stand for themselves."""


class NoRule(ValueError):
    """No rule can answer such a question; the message is a sentence that says why."""


def narrowest_rule(question: Question, about: AskingSession, name: str) -> Rule:
    """Return the rule of this name that allows this question, and as little else as it can.

    :raises NoRule: there is none.
    """
    facts = facts_of(question, about.agent, about.session, about.labels, about.cwd)
    _check(question, facts)
    written: dict[str, Any] = {
        "agent": _alone(about.agent),
        "kind": question.kind,
        "tool": _alone(facts.names["tool"]),
        "cwd": _alone(facts.cwd.real) if facts.cwd else None,
    }
    if facts.script is not None:
        written["command"] = MEANING.sub(r"\\\g<0>", facts.script)
        written["shell"] = not is_single_program(facts.script)
    if facts.paths:
        written["path"] = _one_or_many([_alone(path.real) for path in facts.paths if path])
    rule = Rule(decision="allow", name=name, **{k: v for k, v in written.items() if v})
    if not _answers(rule, question, about):
        raise NoRule("No rule covers it for certain: a person has to look at it.")
    return rule


def _check(question: Question, facts: QuestionFacts) -> None:
    """Check that a rule could answer a question.

    :raises NoRule: none could.
    """
    why = None
    if question.inquiries or question.kind in ("question", "dialog"):
        why = "It asks for an answer in words, and no rule has any."
    elif facts.has_extra_grants:
        why = "It asks for more than a rule can see: the network, or other permissions."
    elif "approve" not in question.choices:
        why = "It cannot be approved here, so no rule can do that either."
    elif facts.script is not None and len(facts.script) > MAX_COMMAND_LENGTH:
        why = f"Its command has more than {MAX_COMMAND_LENGTH} characters."
    elif facts.script is None and not facts.paths and not facts.names["tool"]:
        why = "It names no command, file or tool that a rule could be about."
    elif None in facts.paths:
        why = "It cannot be told where its paths lead."
    if why is not None:
        raise NoRule(why)


def _alone(name: str) -> str:
    """Return a name as the glob that matches it alone.

    :raises NoRule: no glob does.
    """
    if WILD & set(name):
        raise NoRule(f"A rule cannot name {name!r} alone: * and ? stand for other names there.")
    return name


def _one_or_many(values: Sequence[str]) -> str | list[str]:
    different = [*dict.fromkeys(values)]
    return different[0] if len(different) == 1 else different


def _answers(rule: Rule, question: Question, about: AskingSession) -> bool:
    """Tell whether a rule, as it would be read from a file, answers a question."""
    try:
        text = written_rule(rule).encode()
        return Policy.read(text).decide(question, about).decision is not None
    except (UnicodeError, PolicyError, BadPattern):
        return False


def reach_of(rule: Rule) -> str:
    """Return a sentence on what such a rule allows from now on."""
    who = rule.agent or "An agent"
    where = f" in {rule.cwd}" if rule.cwd else ""
    if rule.command is not None:
        return f"{who} may run exactly this command{where}, whatever it does by then."
    if rule.path is not None and rule.kind == "file-change":
        return f"{who} may change these files, in any way."
    on = " on these files" if rule.path else ""
    return f"{who} may use the tool {rule.tool}{on}{where}, whatever it is given."


def written_rule(rule: Rule) -> str:
    """Return a rule as it stands in a policy's file."""
    return "".join(_lines(rule))


def _lines(rule: Rule) -> Iterator[str]:
    yield "[[rule]]\n"
    order = ("name", "agent", "kind", "tool", "command", "shell", "path", "cwd", "decision")
    fields = asdict(rule)
    for field in order:
        if fields[field]:
            yield f"{field} = {_value(fields[field])}\n"


def _value(value: str | bool | Sequence[str]) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, str):
        return f"[{', '.join(map(_value, value))}]"
    if value.isprintable() and "'" not in value:
        return f"'{value}'" if "\\" in value or '"' in value else f'"{value}"'
    return "".join(['"', *map(_escaped, value), '"'])


def _escaped(char: str) -> str:
    """Return a character as it stands in a basic string; what cannot be seen, by its number."""
    if char in '"\\':
        return f"\\{char}"
    if char.isprintable():
        return char
    return json.dumps(char)[1:-1] if char <= "\uffff" else f"\\U{ord(char):08x}"
