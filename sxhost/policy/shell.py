"""What can be known of a shell's command line without running it.

To allow one, its effect must be certain: `is_single_program` accepts only one program with its
arguments, written in characters that have no second meaning.  To deny one, it is enough to find
something in it (`searchable_forms`); a shell has endless ways to write anything, so what is not
found may be there all the same.
"""

from __future__ import annotations

import re
import shlex
from typing import Final

__all__ = [
    "BEFORE",
    "BEHIND",
    "MAX_COMMAND_LENGTH",
    "command_line_of",
    "is_single_program",
    "searchable_forms",
]

MAX_COMMAND_LENGTH: Final = 4096
"""Characters of a command line that is analysed; a longer one is unknown."""

# Quoting that every shell reads alike.  `++` never gives back: no text is read twice.
BARE = r"[\w./:@%+,-]++"
QUOTED = r"'[^']*+'|\"[^\"$`\\!]*+\""
WRAPPED = re.compile(
    rf"(?:/(?:usr/(?:local/)?)?bin/)?(?:ba|da|z)?sh -l?c ((?:{BARE}|{QUOTED})++)"
)
PIECE = re.compile(rf"({BARE})|'([^']*+)'|\"([^\"]*+)\"")

WORD = rf"(?:(?![=~])[\w./:@%+,^~*?\[\]=-]++(?!['\"])|(?:{BARE}=)?(?:{QUOTED})(?=\Z| ))"
PLAIN = re.compile(rf"(?![^ ]*=){WORD}(?: +{WORD})*+")
SPECIAL = re.compile(r"[;&|<>`$\\]|[=:]~")
UPWARD = re.compile(r"(?:\A|[\s/=:,'\"])\.\.(?:\Z|[\s/:,'\"])")

BEFORE = frozenset(" \t\r\n;&|()<>{}$`\"'\\,=/:")
BEHIND = frozenset(" \t\r\n;&|()<>{}$`\"'\\,=")
"""Characters after which a word may begin, and before which it may end."""


def command_line_of(command: object) -> str | None:
    """Return a command (a text, or a list of arguments) as one command line.

    A shell around it (``bash -lc '…'``) is removed if its quoting is unambiguous.  Anything
    else than a command is None.
    """
    if isinstance(command, list) and all(isinstance(word, str) for word in command):
        command = shlex.join(command)
    if not isinstance(command, str) or not command.strip():
        return None
    found = WRAPPED.fullmatch(command) if len(command) <= MAX_COMMAND_LENGTH else None
    return "".join(map("".join, PIECE.findall(found[1]))) if found else command


def is_single_program(script: str) -> bool:
    """Tell whether a command line is certainly one program with its arguments.

    It has no operators, expansions or redirections, not even in quotes (the program may be a
    shell itself); no words that are quoted in part; no ``..``; nothing invisible.
    """
    return (
        len(script) <= MAX_COMMAND_LENGTH
        and script.isprintable()
        and not SPECIAL.search(script)
        and not UPWARD.search(script)
        and PLAIN.fullmatch(script) is not None
    )


def searchable_forms(script: str) -> list[str]:
    """Return a command line in forms to search: as written, and without quoting.

    In both, words begin after `BEFORE` and end before `BEHIND`.
    """
    joined = re.sub(r"\\\r?\n", "", script)  # a backslash at its end continues a line
    unquoted = re.sub(r"\s+", " ", re.sub(r"[\"'\\]", "", joined))
    return [*dict.fromkeys((script, unquoted))]
