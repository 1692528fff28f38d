"""What a scripted agent is told to do: the words of a turn, a step for each directive.

A directive is a line; all else is said as it is, lines that stand together as one message::

    SAY: text              say it
    THINK: text            think it
    RUN: command           pretend to run a command; none is ever run
    ASK: command           the same, after asking for approval
    QUESTION: text | a | b ask; what is answered is said
    SLOW n [ms]            say n pieces, one each 50 (or ms) milliseconds
    FLOOD n                say n pieces at once
    BIG n                  a tool prints n bytes
    PLAN a; b              report a plan
    USAGE in out [cached]  report so many tokens
    FAIL text              the turn fails
    HANG                   nothing more until it is interrupted or steered
    CRASH                  the agent is gone, as if killed
    EXIT code              the agent is gone, with this exit code
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from msgspec import Struct

__all__ = ["Step", "parse"]

MOST: Final = 10_000_000
"""The largest number in a script: more would only keep the host from its work."""

DIRECTIVE = re.compile(
    r"(?P<telling>SAY|THINK|RUN|ASK|QUESTION):\s*(?P<told>\S.*)"
    r"|(?P<noting>FAIL|PLAN)(?P<noted>\s.*)?"
    r"|(?P<counting>SLOW|FLOOD|BIG|USAGE|EXIT)(?P<counts>(?:\s+[0-9]{1,12}){1,3})"
    r"|(?P<bare>HANG|CRASH)"
)


class Step(Struct, frozen=True):
    """One thing to do: which, with what text or numbers."""

    word: str
    text: str = ""
    numbers: tuple[int, ...] = ()


def parse(text: str) -> list[Step]:
    """Return the steps of a script; every text is one."""
    steps: list[Step] = []
    plain: list[str] = []
    for line in text.splitlines():
        step = _directive(line.strip())
        if step is None:
            plain.append(line)
        else:
            steps += [*_said(plain), step]
            plain = []
    return [*steps, *_said(plain)]


def _directive(line: str) -> Step | None:
    found = DIRECTIVE.fullmatch(line)
    if found is None:
        return None
    word = found["telling"] or found["noting"] or found["counting"] or found["bare"]
    text = (found["told"] or found["noted"] or "").strip()
    numbers = (min(int(digits), MOST) for digits in (found["counts"] or "").split())
    return Step(word, text, tuple(numbers))


def _said(lines: list[str]) -> Iterator[Step]:
    text = "\n".join(lines).strip()
    if text:
        yield Step("SAY", text)
