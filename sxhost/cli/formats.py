"""Times, counts and texts as a person reads them: ``3 min``, ``13.3k``, ``$0.05``.

All of it is pure: what time it is and how wide the terminal is are arguments.  Widths are those
of a terminal, where a character of Chinese takes two columns and an accent none.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from sxhost.model.turn import CutReason
from sxhost.visible import escape_hidden

__all__ = [
    "age",
    "clock",
    "count",
    "cut",
    "date",
    "diff_extent",
    "dollars",
    "duration",
    "fit",
    "home_path",
    "one_line",
    "pad",
    "reason_text",
    "short_ids",
    "size",
    "usage_text",
    "wrap",
]

MINUTE, HOUR, DAY = 60, 3600, 86_400

SHORT_ID: Final = 8
"""Characters of an id that are shown at the least."""


# Times.


def age(seconds: float) -> str:
    """Return how long ago something was, in its largest unit: ``now``, ``40 s``, ``3 min``."""
    if seconds < 1:
        return "now"
    for unit, name, until in ((1, "s", MINUTE), (MINUTE, "min", HOUR), (HOUR, "h", 2 * DAY)):
        if seconds < until:
            return f"{int(seconds // unit)} {name}"
    return f"{int(seconds // DAY)} d"


def duration(seconds: float) -> str:
    """Return how long something took, in two units: ``0.4 s``, ``41 s``, ``2 min 10 s``."""
    if seconds < 10:  # noqa: PLR2004 - from there on tenths say nothing
        return f"{max(seconds, 0):.1f} s"
    whole = round(seconds)
    for unit, name, below, lower in (
        (DAY, "d", HOUR, "h"),
        (HOUR, "h", MINUTE, "min"),
        (MINUTE, "min", 1, "s"),
    ):
        if whole >= unit:
            rest = whole % unit // below
            return (
                f"{whole // unit} {name} {rest} {lower}" if rest else f"{whole // unit} {name}"
            )
    return f"{whole} s"


def clock(seconds: float) -> str:
    """Return the time of day of a moment in Unix seconds: ``14:03:05``."""
    return time.strftime("%H:%M:%S", time.localtime(seconds))


def date(seconds: float) -> str:
    """Return a moment in Unix seconds as a local date and time: ``2026-11-30 14:03:05``."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


# Counts.


def count(number: float) -> str:
    """Return a count with three digits at the most: ``410``, ``13.3k``, ``1.2M``."""
    for unit, name in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        scaled = number / unit
        if scaled >= 100:  # noqa: PLR2004 - three digits before the point
            return f"{scaled:,.0f}{name}"
        if scaled >= 0.9995:  # noqa: PLR2004 - what is rounded to 1
            return f"{scaled:.3g}{name}"
    return f"{number:.0f}"


def size(number: float) -> str:
    """Return a number of bytes: ``410 B``, ``13.3 kB``, ``1.2 MB``."""
    text = count(number)
    digits = text.rstrip("kMG")
    return f"{digits} {text.removeprefix(digits)}B"


def dollars(amount: float) -> str:
    """Return an amount of US dollars: ``$0.05``; of less than a cent ``<$0.01``."""
    return "<$0.01" if 0 < amount < 0.005 else f"${amount:,.2f}"  # noqa: PLR2004 - half a cent


def usage_text(usage: object) -> str:
    """Return what a conversation has used: ``13.3k in, 410 out, $0.05``; "" if that is unknown.

    :param usage: what `sxhost.model.event_types.UsageEvent` has; attached agents give anything.
    """
    if not isinstance(usage, Mapping):
        return ""
    sent, received = _number(usage.get("input_tokens")), _number(usage.get("output_tokens"))
    total, cost = _number(usage.get("total_tokens")), _number(usage.get("cost_usd"))
    parts = [
        *([f"{count(sent)} in"] if sent else ()),
        *([f"{count(received)} out"] if received else ()),
        *([f"{count(total)} tokens"] if total and not (sent or received) else ()),
        *([dollars(cost)] if cost else ()),
    ]
    return ", ".join(parts)


def diff_extent(diff: str) -> str:
    """Return how many lines a diff adds and removes: ``+3 -1``."""
    lines = diff.splitlines()
    added = sum(line.startswith("+") and not line.startswith("+++") for line in lines)
    removed = sum(line.startswith("-") and not line.startswith("---") for line in lines)
    return f"+{added} -{removed}"


def _number(value: object) -> float:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else 0


# Texts.


def one_line(text: str) -> str:
    """Return a text in one line: blanks and breaks as one space, hidden characters escaped."""
    return escape_hidden(" ".join(text.split()))


def columns_of(text: str) -> int:
    """Return how many columns of a terminal a text takes."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def fit(text: str, columns: int) -> str:
    """Return a text in one line, cut to so many columns."""
    return cut(one_line(text[: 8 * max(columns, 0) + 80]), columns)


def cut(line: str, columns: int) -> str:
    """Return a line of at most so many columns, cut with ``…`` if it is longer."""
    if columns_of(line) <= columns:
        return line
    kept, used = [], 1
    for char in line:
        used += columns_of(char)
        if used > columns:
            break
        kept.append(char)
    return f"{''.join(kept).rstrip()}…" if columns > 0 else ""


def pad(text: str, columns: int, *, right: bool = False) -> str:
    """Return a text with blanks up to so many columns: behind it, or before it if `right`."""
    blanks = " " * (columns - columns_of(text))
    return blanks + text if right else text + blanks


def wrap(text: str, columns: int, indent: str = "") -> list[str]:
    """Return a text as lines of at most so many columns, broken at blanks if there are any."""
    room = max(columns - columns_of(indent), 1)
    lines: list[str] = []
    for paragraph in escape_hidden(text, "\n").split("\n"):
        line = ""
        for word in _pieces(paragraph.split(" "), room):
            longer = f"{line} {word}" if line else word
            if line and columns_of(longer) > room:
                lines.append(indent + line)
                longer = word
            line = longer
        lines.append((indent + line).rstrip())
    return lines


def _pieces(words: Iterable[str], room: int) -> Iterable[str]:
    """Yield words, those that are wider than the room in pieces."""
    for word in words:
        if columns_of(word) <= room:
            yield word
            continue
        piece, used = "", 0
        for char in word:
            used += columns_of(char)
            if used > room and piece:
                yield piece
                piece, used = "", columns_of(char)
            piece += char
        yield piece


def home_path(path: str, home: str) -> str:
    """Return a path with ``~`` for the home directory."""
    home = home.rstrip("/")
    if home and (path == home or path.startswith(f"{home}/")):
        return f"~{path[len(home) :]}"
    return path


def short_ids(ids: Sequence[str]) -> dict[str, str]:
    """Return ids with their shortest beginnings that no other of them has.

    An id that is not much longer stays whole; the others keep `SHORT_ID` characters at least.
    """
    ordered = sorted(set(ids))
    short = {}
    for before, one, after in zip(["", *ordered], ordered, [*ordered[1:], ""], strict=False):
        need = max(_common(one, before), _common(one, after)) + 1
        length = max(need, SHORT_ID)
        short[one] = one if len(one) <= length + SHORT_ID else one[:length]
    return short


def _common(one: str, other: str) -> int:
    length = 0
    for a, b in zip(one, other, strict=False):
        if a != b:
            break
        length += 1
    return length


CUT: Final[Mapping[str, str]] = {
    CutReason.PROCESS_ENDED: "the agent's process has ended in the middle of it",
    CutReason.HOST_ENDED: "the host has ended in the middle of it",
}
"""What reasons that are names mean."""


def reason_text(reason: str) -> str:
    """Return why a turn is over as a person reads it: an agent's own words stay."""
    return CUT.get(reason, reason)
