"""What real agents at a terminal told their hooks and wrote into their files, and when.

``tests/recordings/attached/<agent>/<scenario>.jsonl``: a line for each hook (``from``:
``hook``), line of a transcript (``file``), change of Claude's status (``status``) and key that
was pressed (``person``), in the order in which they came; `t` in seconds.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from tests.support.places import RECORDINGS

__all__ = ["Moment", "attached_scenarios", "moments_of"]

ATTACHED = RECORDINGS / "attached"


class Moment(NamedTuple):
    """One thing that has happened; `file` is whose line it is, below the agent's home."""

    seconds: float
    source: str
    message: Any
    file: str = ""

    @property
    def line(self) -> bytes:
        """The line of a transcript."""
        return json.dumps(self.message).encode()


def attached_scenarios() -> list[str]:
    """Return the names of all recordings."""
    found = ATTACHED.glob("*/*.jsonl")
    return sorted(str(path.relative_to(ATTACHED).with_suffix("")) for path in found)


def moments_of(scenario: str) -> list[Moment]:
    """Return what has happened in a scenario."""
    lines = (ATTACHED / f"{scenario}.jsonl").read_text(encoding="utf-8").splitlines()
    return list(_moments(lines))


def _moments(lines: list[str]) -> Iterator[Moment]:
    for line in lines:
        row = json.loads(line)
        yield Moment(row["t"], row["from"], row["msg"], row.get("file", ""))
