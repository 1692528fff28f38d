r"""Words of others as they may be shown: what would drive a terminal, or hide, is written out.

Whatever an agent, a host, a file or a client says goes through `visible` at the place where it
is printed or logged, and nowhere before.  The notation is Python's: ``\x1b``, ``\u202e``.
"""

from __future__ import annotations

import re
import sys
from typing import NoReturn

__all__ = ["complain", "refuse", "visible", "visible_json"]

HIDDEN = re.compile(
    "["
    "\x00-\x1f\x7f-\x9f"  # controls: C0, DEL, C1
    "\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff0-\ufffb"  # directions, no width
    "\xad\u034f\u0600-\u0605\u06dd\u070f\u0890\u0891\u08e2\u115f\u1160\u17b4\u17b5"
    "\u180b-\u180f\u3164\ufe00-\ufe0e\uffa0"  # formats, fillers, variants
    "\U000110bd\U000110cd\U00013430-\U0001345f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff"  # tags, more variants
    "\ud800-\udfff"  # halves of characters
    "]"
    "|(?<![^\ufe0f\x00-\x20])\ufe0f"  # the sign for emoji has something visible before it
)
"""What nobody sees, what drives a terminal, turns a text around, or cannot be written."""


def visible(text: str, keep: str = "") -> str:
    """Return a text of which all is seen and nothing is obeyed; `keep` may stay as it is."""
    return HIDDEN.sub(lambda found: found[0] if found[0] in keep else _written(found[0]), text)


def visible_json(text: str) -> str:
    """Return the same JSON with all that is hidden escaped; line breaks part its values."""
    return HIDDEN.sub(lambda found: found[0] if found[0] == "\n" else _quoted(found[0]), text)


def _written(char: str) -> str:
    return char.encode("unicode_escape").decode()


def _quoted(char: str) -> str:
    units = char.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))


def complain(message: str) -> None:
    """Say a sentence on stderr."""
    sys.stderr.write(f"{visible(message)}\n")


def refuse(status: int, message: str) -> NoReturn:
    """End the process with a sentence on stderr."""
    complain(message)
    sys.exit(status)
