r"""Escapes texts for terminals and logs: control characters and invisible ones are written out.

Every text of an agent, a host, a file or a client goes through `escape_hidden` where it is
printed or logged, and nowhere before.  The notation is Python's: ``\x1b``, ``\u202e``.
"""

from __future__ import annotations

import re
import sys
from typing import Final, NoReturn

__all__ = [
    "escape_hidden",
    "escape_hidden_json",
    "exit_with_error",
    "print_error",
    "without_secrets",
]

SECRET: Final = re.compile(r"(sxhost_[0-9a-z]{1,32}_)[\w-]{16,}", re.ASCII)
"""A token of ours; its beginning says which."""

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
"""Characters that are invisible, control a terminal, reorder text, or cannot be encoded."""


def without_secrets(text: str) -> str:
    """Cut the secrets of our tokens out of a text."""
    return SECRET.sub(r"\1...", text) if "sxhost_" in text else text


def escape_hidden(text: str, keep: str = "") -> str:
    """Return a text with all hidden characters escaped; those in `keep` stay as they are."""
    return HIDDEN.sub(
        lambda found: (
            found[0] if found[0] in keep else found[0].encode("unicode_escape").decode()
        ),
        text,
    )


def escape_hidden_json(text: str) -> str:
    """Return equal JSON with hidden characters escaped; line breaks between values stay."""
    return HIDDEN.sub(
        lambda found: found[0] if found[0] == "\n" else _json_escaped(found[0]), text
    )


def _json_escaped(char: str) -> str:
    units = char.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))


def print_error(message: str) -> None:
    """Print a message to stderr, escaped."""
    sys.stderr.write(f"{escape_hidden(message)}\n")


def exit_with_error(status: int, message: str) -> NoReturn:
    """Print a message to stderr, escaped, and exit with a status."""
    print_error(message)
    sys.exit(status)
