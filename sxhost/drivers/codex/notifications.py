"""Notices of ``codex app-server``: the fields of them that are read."""

from __future__ import annotations

from typing import Any

from msgspec import DecodeError, Raw, Struct, ValidationError, json

from sxhost.drivers.codex.tools import Item

__all__ = [
    "DiffParams",
    "ErrorParams",
    "ItemParams",
    "Notification",
    "PlanParams",
    "SummaryPartParams",
    "TurnParams",
    "UsageParams",
    "WarningParams",
]


class _Brief(Struct, frozen=True, gc=False, rename="camel"):
    thread_id: str | None = None
    item_id: Any = None
    delta: Any = None
    message: Any = None


_brief = json.Decoder(_Brief).decode


class Notification(Struct, frozen=True, gc=False):
    """A notice: its words as they came, and what nearly all of them have."""

    method: str
    params: Raw
    thread: str | None = None
    item: str = ""
    text: str = ""

    @classmethod
    def of(cls, method: str, params: Raw) -> Notification:
        """Return a notice with what can be read of it."""
        try:
            brief = _brief(params)
        except (ValidationError, DecodeError, RecursionError):
            return cls(method, params)
        text = brief.message if brief.delta is None else brief.delta
        item = brief.item_id if isinstance(brief.item_id, str) else ""
        return cls(method, params, brief.thread_id, item, text if isinstance(text, str) else "")

    @property
    def native(self) -> dict[str, Any]:
        """The notice as codex wrote it."""
        return {"method": self.method, "params": self.params}


class ItemParams(Struct, frozen=True):
    """``item/started``, ``item/completed``."""

    item: Item


class _Error(Struct, frozen=True, rename="camel"):
    message: str = ""
    additional_details: str | None = None


class _Turn(Struct, frozen=True):
    id: str
    status: str = ""
    error: _Error | None = None


class TurnParams(Struct, frozen=True):
    """``turn/started``, ``turn/completed``."""

    turn: _Turn


class ErrorParams(Struct, frozen=True, rename="camel"):
    """``error``."""

    error: _Error
    will_retry: bool = False


class WarningParams(Struct, frozen=True):
    """Warnings of four kinds."""

    message: str = ""
    summary: str = ""
    details: str | None = None


class _Tokens(Struct, frozen=True, rename="camel"):
    total_tokens: int = 0
    input_tokens: int = 0
    cached_input_tokens: int = 0
    output_tokens: int = 0
    reasoning_output_tokens: int = 0


class _Usage(Struct, frozen=True, rename="camel"):
    total: _Tokens
    model_context_window: int | None = None


class UsageParams(Struct, frozen=True, rename="camel"):
    """``thread/tokenUsage/updated``."""

    token_usage: _Usage


class _Step(Struct, frozen=True):
    step: str
    status: str = ""


class PlanParams(Struct, frozen=True):
    """``turn/plan/updated``."""

    plan: list[_Step]
    explanation: str | None = None


class DiffParams(Struct, frozen=True):
    """``turn/diff/updated``."""

    diff: str


class SummaryPartParams(Struct, frozen=True, rename="camel"):
    """``item/reasoning/summaryPartAdded``."""

    summary_index: int = 0
