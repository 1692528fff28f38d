"""What can be told of a shell's command line without running it.

To allow one, it must be known for certain what it does: `is_single_program` says yes only to
one program
with its words, written in characters that have no second meaning.  To deny one, it is enough
to find something in it (`searchable_forms`), however it is written; a shell knows endless ways
to write
anything, so that what is not found may be there all the same.
"""

from __future__ import annotations

import re
import shlex
from typing import Any, Final

__all__ = [
    "BEFORE",
    "BEHIND",
    "MAX_COMMAND_LENGTH",
    "command_line_of",
    "is_single_program",
    "searchable_forms",
]

MAX_COMMAND_LENGTH: Final = 4096
"""Characters of a command line that is looked into."""

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
"""Characters before and behind which a word may begin and end."""


def command_line_of(command: Any) -> str | None:
    """Return what a shell is to do: a command line, or a program's words, as one text.

    What is only there to start a shell (``bash -lc '…'``) is taken off, if that is certain.
    None: it is no command.
    """
    if isinstance(command, list) and all(isinstance(word, str) for word in command):
        command = shlex.join(command)
    if not isinstance(command, str) or not command.strip():
        return None
    found = WRAPPED.fullmatch(command) if len(command) <= MAX_COMMAND_LENGTH else None
    return "".join(map("".join, PIECE.findall(found[1]))) if found else command


def is_single_program(script: str) -> bool:
    """Tell whether it is certainly one program with its words.

    It has no operators, expansions, redirections, not even in quotes (a program may be a shell
    in disguise); no words quoted in part; no ``..`` steps; nothing invisible.
    """
    return (
        len(script) <= MAX_COMMAND_LENGTH
        and script.isprintable()
        and not SPECIAL.search(script)
        and not UPWARD.search(script)
        and PLAIN.fullmatch(script) is not None
    )


def searchable_forms(script: str) -> list[str]:
    """Return what to look into for something forbidden: as written, and without quoting.

    Words begin and end there at `BEFORE` and `BEHIND`.
    """
    joined = re.sub(r"\\\r?\n", "", script)
    bare = re.sub(r"\s+", " ", re.sub(r"[\"'\\]", "", joined))
    return [*dict.fromkeys((script, bare))]
