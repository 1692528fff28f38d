"""Parses a turn's text into the steps of a scripted agent.

A directive is a line; adjacent lines that are none become one message::

    SAY: text              a message
    THINK: text            reasoning
    RUN: command           pretend to run a command; none is ever run
    ASK: command           the same, after asking for approval
    QUESTION: text | a | b ask; the answer becomes a message
    SLOW n [ms]            a message of n pieces, one each 50 (or ms) milliseconds
    FLOOD n                a message of n pieces at once
    BIG n                  a tool prints n bytes
    PLAN a; b              report a plan
    USAGE in out [cached]  report so many tokens
    FAIL text              the turn fails
    HANG                   nothing more until it is interrupted or steered
    CRASH                  the agent ends as if killed by SIGKILL
    EXIT code              the agent ends with this exit code
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from msgspec import Struct

__all__ = ["Step", "parse"]

MOST: Final = 10_000_000
"""The largest number in a script: a larger one would only block the host."""

DIRECTIVE = re.compile(
    r"(?P<speech>SAY|THINK|RUN|ASK|QUESTION):\s*(?P<spoken>\S.*)"
    r"|(?P<noting>FAIL|PLAN)(?P<noted>\s.*)?"
    r"|(?P<counting>SLOW|FLOOD|BIG|USAGE|EXIT)(?P<counts>(?:\s+[0-9]{1,12}){1,3})"
    r"|(?P<bare>HANG|CRASH)"
)


class Step(Struct, frozen=True):
    """A directive (`word`) with its text or numbers."""

    word: str
    text: str = ""
    numbers: tuple[int, ...] = ()


def parse(text: str) -> list[Step]:
    """Return the steps of a text; every text is a script."""
    steps: list[Step] = []
    plain: list[str] = []
    for line in text.splitlines():
        step = _directive(line.strip())
        if step is None:
            plain.append(line)
        else:
            steps += [*_message_step(plain), step]
            plain = []
    return [*steps, *_message_step(plain)]


def _directive(line: str) -> Step | None:
    match = DIRECTIVE.fullmatch(line)
    if match is None:
        return None
    word = match["speech"] or match["noting"] or match["counting"] or match["bare"]
    text = (match["spoken"] or match["noted"] or "").strip()
    numbers = (min(int(digits), MOST) for digits in (match["counts"] or "").split())
    return Step(word, text, tuple(numbers))


def _message_step(lines: list[str]) -> Iterator[Step]:
    text = "\n".join(lines).strip()
    if text:
        yield Step("SAY", text)
