r"""Regular expressions whose time grows only with the text's length, whatever the text.

Python's own backtrack: ``(a+)+b`` takes years for 40 letters, and who writes the texts that
are matched here (an agent's commands) may be an enemy.  So all ways to match are followed side
by side, which leaves out what looks around or back.  What there is means what it means in `re`
without flags: literals, ``.``, ``[a-z]``, ``[^…]``, ``\d \w \s`` and their opposites, ``( )``,
``(?: )``, ``|``, ``*``, ``+``, ``?``, ``{2}``, ``{2,}``, ``{2,5}``; ``^`` at the beginning and
``$`` at the end change nothing.

Method: https://swtch.com/~rsc/regexp/regexp2.html (Pike's machine, without captures).
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterable
from collections.abc import Set as AbstractSet
from typing import Final, NamedTuple

__all__ = ["BadPattern", "Pattern", "glob", "path_glob"]

MOST_STATES: Final = 1000
"""States of a machine: a text of 4096 characters takes at worst a second."""

MOST_NESTED: Final = 50
ENDLESS: Final = -1
SIGNS: Final = {"*": (0, ENDLESS), "+": (1, ENDLESS), "?": (0, 1)}

TOKEN = re.compile(
    r"(?P<anchor>\A\^|\$\Z)"
    r"|(?P<atom>\.|\\[dDwWsSnrt]|\\[^0-9A-Za-z]|\[\^?\]?(?:[^\]\\]|\\.)*\]"
    r"|[^\\.\[\](){}|*+?^$])"
    r"|(?P<repeat>[*+?]|\{[0-9]{1,4}(?:,(?:[0-9]{1,4})?)?\})(?![*+?{])"
    r"|(?P<group>\((?!\?)|\(\?:)"
    r"|(?P<other>[|)])",
    re.DOTALL,
)

Test = Callable[[str], object]


class BadPattern(ValueError):
    """It is no pattern, or one that cannot be matched safely."""


class Pattern:
    """A compiled pattern.

    :raises BadPattern: in words that fit behind "is wrong: ".
    """

    def __init__(self, text: str) -> None:
        machine = _Machine()
        self._first = _Parser(text).whole()(machine, 0)
        self._states = machine.states

    def matches(self, text: str) -> bool:
        """Tell whether it matches the whole text."""
        return self.within(text, {0}, {len(text)})

    def within(self, text: str, starts: AbstractSet[int], ends: AbstractSet[int]) -> bool:
        """Tell whether it matches from one of some places to one of some others."""
        now: set[int] = set()
        for place in range(len(text) + 1):
            if place in starts:
                self._reach(now, (self._first,))
            if 0 in now and place in ends:
                return True
            if place < len(text):
                now = self._step(now, text[place])
        return False

    def _step(self, now: AbstractSet[int], character: str) -> set[int]:
        after: set[int] = set()
        for number in now:
            state = self._states[number]
            if state.test is not None and state.test(character):
                self._reach(after, state.then)
        return after

    def _reach(self, reached: set[int], numbers: Iterable[int]) -> None:
        """Add states, and those that follow them without a character."""
        waiting = list(numbers)
        while waiting:
            number = waiting.pop()
            if number not in reached:
                reached.add(number)
                state = self._states[number]
                waiting.extend(state.then if state.test is None else ())


# Globs.


def glob(text: str) -> Pattern:
    """Return the pattern of a glob over names: ``*`` is anything, ``?`` one character."""
    wild = {"*": r"[\s\S]*", "?": r"[\s\S]"}
    return Pattern("".join(wild.get(char) or _literal(char) for char in text))


def path_glob(text: str) -> Pattern:
    """Return the pattern of a glob over paths.

    ``*`` and ``?`` stay within a name, ``**`` stands for any number of names, none as well.
    """
    parts = text.split("/")
    if any("**" in part and part != "**" for part in parts):
        raise BadPattern("`**` stands between slashes")
    return Pattern("".join(_names(number, part) for number, part in enumerate(parts)))


def _names(number: int, part: str) -> str:
    slash = "/" if number else ""
    if part == "**":
        return rf"(?:{slash}[\s\S]*)?"
    wild = {"*": "[^/]*", "?": "[^/]"}
    return slash + "".join(wild.get(char) or _literal(char) for char in part)


def _literal(char: str) -> str:
    return char if char.isalnum() or char in "/_" else f"\\{char}"


# The machine.


class _State(NamedTuple):
    """Leads to all of `then`; if it has a test, only by a character that passes."""

    test: Test | None
    then: tuple[int, ...]


class _Machine:
    """States; number 0 is the end, and each is added before those that lead to it."""

    def __init__(self) -> None:
        self.states: list[_State] = [_State(None, ())]

    def add(self, test: Test | None, *then: int) -> int:
        """Add a state; return its number."""
        if len(self.states) >= MOST_STATES:
            raise BadPattern("it is too large")
        self.states.append(_State(test, then))
        return len(self.states) - 1

    def loop(self, part: _Part, then: int) -> int:
        """Add what may come any number of times."""
        here = self.add(None)
        self.states[here] = _State(None, (part(self, here), then))
        return here


_Part = Callable[[_Machine, int], int]
"""Adds a piece of a pattern in front of a state; returns where it begins."""


def _one(test: Test) -> _Part:
    return lambda machine, then: machine.add(test, then)


def _either(parts: list[_Part]) -> _Part:
    return lambda machine, then: machine.add(None, *(part(machine, then) for part in parts))


def _sequence(parts: list[_Part]) -> _Part:
    def add(machine: _Machine, then: int) -> int:
        for part in reversed(parts):
            then = part(machine, then)
        return then

    return add


def _repeated(part: _Part, least: int, most: int) -> _Part:
    def add(machine: _Machine, then: int) -> int:
        end = machine.add(None, then)
        here = machine.loop(part, end) if most == ENDLESS else end
        for _ in range(most - least):
            here = machine.add(None, part(machine, here), end)
        for _ in range(least):
            here = part(machine, here)
        return here

    return add


# Reading.


class _Parser:
    """Reads a pattern from left to right."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._depth = 0

    def whole(self) -> _Part:
        """Read all of it."""
        part = self._choice()
        if self._at < len(self._text):
            raise self._wrong()
        return part

    def _choice(self) -> _Part:
        branches = [self._branch()]
        while self._text.startswith("|", self._at):
            self._at += 1
            branches.append(self._branch())
        return _either(branches)

    def _branch(self) -> _Part:
        parts: list[_Part] = []
        while (found := TOKEN.match(self._text, self._at)) and found.lastgroup != "other":
            self._at = found.end()
            token = found[0]
            if found.lastgroup == "atom":
                parts.append(_one(_test(token)))
            elif found.lastgroup == "group":
                parts.append(self._group())
            elif found.lastgroup == "repeat":
                parts.append(self._repeat(token, parts))
        return _sequence(parts)

    def _group(self) -> _Part:
        self._depth += 1
        if self._depth > MOST_NESTED:
            raise BadPattern("its groups are nested too deeply")
        part = self._choice()
        if not self._text.startswith(")", self._at):
            raise BadPattern("a group is not closed") if self._ended else self._wrong()
        self._at += 1
        self._depth -= 1
        return part

    def _repeat(self, token: str, parts: list[_Part]) -> _Part:
        if not parts:
            raise BadPattern(f"there is nothing that `{token}` could repeat")
        least, most = _times(token)
        if most != ENDLESS and least > most:
            raise BadPattern(f"`{token}` has its numbers in the wrong order")
        return _repeated(parts.pop(), least, most)

    @property
    def _ended(self) -> bool:
        return self._at >= len(self._text)

    def _wrong(self) -> BadPattern:
        rest = self._text[self._at : self._at + 10]
        return BadPattern(f"`{rest}` at its character {self._at + 1} is not understood here")


def _times(written: str) -> tuple[int, int]:
    if written in SIGNS:
        return SIGNS[written]
    least, comma, most = written[1:-1].partition(",")
    return int(least), int(most) if most else ENDLESS if comma else int(least)


def _test(atom: str) -> Test:
    if len(atom) == 1 and atom != ".":
        return atom.__eq__
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return re.compile(atom).fullmatch
    except (re.error, Warning) as error:
        raise BadPattern(f"`{atom}` is none: {error}") from None
