"""What one line of a transcript says, in the host's words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, Protocol

from msgspec import Struct

from sxhost.codec.shorten import fold

__all__ = ["Fact", "FactKind", "TranscriptReader", "UsedTokens", "tool_title"]

FactKind = Literal[
    "prompt",
    "message",
    "thinking",
    "tool-start",
    "tool-done",
    "usage",
    "interrupted",
    "complete",
    "error",
    "warning",
    "compact",
    "model",
    "title",
]

TITLE_FIELDS: Final = (
    *("command", "cmd", "file_path", "path", "pattern", "url", "query", "description"),
)
"""Fields of a tool's input, the most telling first."""


class Fact(Struct, frozen=True, kw_only=True):
    """One thing that a transcript says.

    `id` is unique in the transcript, and the same whenever the line is read again; of a tool it
    is the id that hooks name too.  `turn` is the agent's own id of the turn, if it is known.
    `data` is as in the event of that name.
    """

    kind: FactKind
    id: str
    turn: str = ""
    data: Mapping[str, Any] = {}


class TranscriptReader(Protocol):
    """Reads the lines of one transcript in order."""

    def read_line(self, line: bytes) -> Sequence[Fact]:
        """Return what a line says; nothing for what is unknown or cannot be read."""


class UsedTokens(Struct, frozen=True, kw_only=True):
    """Tokens, as in a `usage` event: those from and to a cache are among the input."""

    input_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    total_tokens: int = 0
    cost_usd: float | None = None

    def __add__(self, other: UsedTokens) -> UsedTokens:
        costs = [cost for cost in (self.cost_usd, other.cost_usd) if cost is not None]
        return UsedTokens(
            input_tokens=self.input_tokens + other.input_tokens,
            cached_tokens=self.cached_tokens + other.cached_tokens,
            cache_write_tokens=self.cache_write_tokens + other.cache_write_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            reasoning_tokens=self.reasoning_tokens + other.reasoning_tokens,
            total_tokens=self.total_tokens + other.total_tokens,
            cost_usd=sum(costs) if costs else None,
        )

    def fields(self) -> dict[str, Any]:
        """Return the data of a `usage` event, without what is not known."""
        return {
            name: value
            for name in self.__struct_fields__
            if (value := getattr(self, name)) is not None
        }


def tool_title(tool: str, given: Any) -> str:
    """Return the title of a tool's use in one line, in the format of scorpiox-host."""
    fields = given if isinstance(given, dict) else {}
    texts = [fields[name] for name in TITLE_FIELDS if isinstance(fields.get(name), str)]
    summary = fold(texts[0]) if texts else ""
    return ": ".join(filter(None, (tool, summary)))
