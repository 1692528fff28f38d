"""Notifications of ``codex app-server`` as structs: the fields that the driver reads."""

from __future__ import annotations

from typing import Any

from msgspec import DecodeError, Raw, Struct, ValidationError, json

from sxhost.drivers.codex.tools import Item
from sxhost.model.event_types import raw_json

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


class _Head(Struct, frozen=True, gc=False, rename="camel"):
    thread_id: str | None = None
    turn_id: Any = None
    item_id: Any = None
    delta: Any = None
    message: Any = None


_decode_head = json.Decoder(_Head).decode


class Notification(Struct, frozen=True, gc=False):
    """A notification: its params undecoded, and the fields that most of them have.

    Pieces of text are most of what comes: they are decoded no further than this.
    """

    method: str
    params: Raw
    thread: str | None = None
    item: str = ""
    text: str = ""
    turn: str | None = None

    @classmethod
    def of(cls, method: str, params: Raw) -> Notification:
        """Return a notification; what has another type than expected is left out."""
        try:
            head = _decode_head(params)
        except (ValidationError, DecodeError, RecursionError):
            return cls(method, params)
        text = head.message if head.delta is None else head.delta
        item = head.item_id if isinstance(head.item_id, str) else ""
        turn = head.turn_id if isinstance(head.turn_id, str) else None
        text = text if isinstance(text, str) else ""
        return cls(method, params, head.thread_id, item, text, turn)

    @property
    def native(self) -> Raw:
        """The notification as codex wrote it."""
        return raw_json({"method": self.method, "params": self.params})


class ItemParams(Struct, frozen=True):
    """Params of ``item/started`` and ``item/completed``."""

    item: Item


class _Error(Struct, frozen=True, rename="camel"):
    message: str = ""
    additional_details: str | None = None


class _Turn(Struct, frozen=True):
    id: str
    status: str = ""
    error: _Error | None = None


class TurnParams(Struct, frozen=True):
    """Params of ``turn/started`` and ``turn/completed``."""

    turn: _Turn


class ErrorParams(Struct, frozen=True, rename="camel"):
    """Params of ``error``."""

    error: _Error
    will_retry: bool = False


class WarningParams(Struct, frozen=True):
    """Params of ``warning``, ``guardianWarning``, ``configWarning``, ``deprecationNotice``."""

    message: str = ""
    summary: str = ""
    details: str | None = None


class _Tokens(Struct, frozen=True, rename="camel"):
    total_tokens: int = 0
    input_tokens: int = 0
    cached_input_tokens: int = 0
    cache_write_input_tokens: int = 0
    output_tokens: int = 0
    reasoning_output_tokens: int = 0


class _Usage(Struct, frozen=True, rename="camel"):
    total: _Tokens
    model_context_window: int | None = None


class UsageParams(Struct, frozen=True, rename="camel"):
    """Params of ``thread/tokenUsage/updated``; `total` is of the conversation so far."""

    token_usage: _Usage


class _Step(Struct, frozen=True):
    step: str
    status: str = ""


class PlanParams(Struct, frozen=True):
    """Params of ``turn/plan/updated``."""

    plan: list[_Step]
    explanation: str | None = None


class DiffParams(Struct, frozen=True):
    """Params of ``turn/diff/updated``: the diff of the whole turn so far."""

    diff: str


class SummaryPartParams(Struct, frozen=True, rename="camel"):
    """Params of ``item/reasoning/summaryPartAdded``: a paragraph of reasoning begins."""

    summary_index: int = 0
