"""The fields of events from which frames of Codex are made: the host's, and codex's own."""

from __future__ import annotations

import re
import shlex
from typing import Final, Generic, TypeVar

from msgspec import UNSET, DecodeError, Raw, Struct, ValidationError, json

from sxhost.model.event import Event
from sxhost.model.event_types import (
    AgentEvent,
    ToolDoneEvent,
    ToolStartEvent,
    decode_event,
)

__all__ = [
    "Conversation",
    "EventFields",
    "Item",
    "NativeNotice",
    "changes_by_path",
    "item_of",
    "split_command",
    "to_snake_case",
]

MAX_COMMAND: Final = 16_384
"""Characters of a command that is split into arguments; a longer one stays whole."""


class Conversation(Struct, frozen=True, kw_only=True):
    """The session that a stream is about; `id` is its client's name for it."""

    id: str
    session: str
    model: str = ""
    provider: str = ""
    cwd: str = ""
    approval_policy: str | None = None
    sandbox: str | None = None


# Notifications and requests of ``codex app-server``.


class Item(Struct, frozen=True, rename="camel"):
    """A part of a conversation, as ``codex app-server`` writes it."""

    type: str = ""
    id: str = ""
    command: str = ""
    cwd: str = ""
    process_id: str | None = None
    source: str = "agent"
    status: str = ""
    command_actions: list[dict[str, object]] = []
    aggregated_output: str | None = None
    exit_code: int | None = None
    duration_ms: float | None = None
    changes: object = None
    server: str = ""
    tool: str = ""
    arguments: object = None
    result: object = None
    error: object = None
    query: str = ""
    action: object = None
    path: str = ""
    summary: list[object] | None = None


class ErrorInfo(Struct, frozen=True, rename="camel"):
    """An error, as ``codex app-server`` writes it."""

    message: str = ""
    codex_error_info: object = None
    additional_details: str | None = None


class _Turn(Struct, frozen=True):
    id: str = ""
    error: ErrorInfo | None = None


class _Usage(Struct, frozen=True, rename="camel"):
    total: dict[str, int]
    last: dict[str, int]
    model_context_window: int | None = None


class Params(Struct, frozen=True, rename="camel"):
    """The parameters of notices and requests."""

    item: Item | None = None
    item_id: str | None = None
    call_id: str | None = None
    turn_id: str | None = None
    summary_index: int = 0
    token_usage: _Usage | None = None
    turn: _Turn | None = None
    error: ErrorInfo | None = None
    summary: str = ""
    details: str | None = None
    questions: object = None
    permissions: object = None
    proposed_execpolicy_amendment: object = None
    network_approval_context: object = None
    server_name: str = ""
    message: object = None


class NativeNotice(Struct, frozen=True):
    """A notice or a request of ``codex app-server``."""

    method: str = ""
    id: int | str | None = None
    params: Params = Params()

    @classmethod
    def of(cls, raw: Raw) -> NativeNotice:
        """Decode it; return an empty one if it is not codex's: other agents are hosted, too."""
        try:
            return json.decode(raw, type=cls)
        except (ValidationError, DecodeError, RecursionError):
            return cls()


E_co = TypeVar("E_co", bound=AgentEvent, covariant=True)


class EventFields(Struct, Generic[E_co], frozen=True):
    """A decoded event; `last_message` is the agent's last one in the turn so far."""

    conversation: Conversation
    data: E_co
    native: NativeNotice
    last_message: str | None = None

    @classmethod
    def of(
        cls, event: Event, conversation: Conversation, last_message: str | None
    ) -> EventFields[AgentEvent]:
        """Decode an event."""
        data = decode_event(event)
        native = getattr(data, "native", UNSET)
        notice = NativeNotice.of(native) if isinstance(native, Raw) else NativeNotice()
        return EventFields(conversation, data, notice, last_message)

    @property
    def params(self) -> Params:
        """The parameters of codex's own notification."""
        return self.native.params


def item_of(event: EventFields[ToolStartEvent | ToolDoneEvent]) -> Item:
    """Return the item that an event is about: codex's own, else made of the event's fields."""
    if event.params.item is not None:
        return event.params.item
    match event.data:
        case ToolStartEvent() as start:
            given = json.decode(start.input)
            cwd = given.get("cwd") if isinstance(given, dict) else None
            return Item(type=start.tool, id=start.item, command=start.title, cwd=str(cwd or ""))
        case ToolDoneEvent() as done:
            return Item(
                type=done.tool,
                id=done.item,
                status=done.status,
                aggregated_output=done.output if isinstance(done.output, str) else None,
                exit_code=done.exit_code if isinstance(done.exit_code, int) else None,
            )


# From the app server's spelling to that of `EventMsg`.


def to_snake_case(value: object) -> object:
    """Return a name in snake case, or an object whose names are so at any depth."""
    if isinstance(value, dict):
        return {
            to_snake_case(str(name)): to_snake_case(inner) if isinstance(inner, dict) else inner
            for name, inner in value.items()
        }
    if isinstance(value, str):
        return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", value).lower()
    return value


def split_command(command: object) -> list[str]:
    """Return a command as a list of arguments; one that no shell can split is a single one."""
    if isinstance(command, list):
        return [str(word) for word in command]
    text = command if isinstance(command, str) else ""
    try:
        return shlex.split(text) if len(text) <= MAX_COMMAND else [text]
    except ValueError:
        return [text]


def changes_by_path(changes: object) -> dict[str, object]:
    """Return changes of files by their paths, in the form of codex's patch events."""
    if isinstance(changes, dict):
        return changes
    listed = changes if isinstance(changes, list) else []
    return {str(c["path"]): _change(c) for c in listed if isinstance(c, dict) and "path" in c}


def _change(change: dict[str, object]) -> dict[str, object]:
    kind, diff = change.get("kind"), change.get("diff") or ""
    kind = kind if isinstance(kind, dict) else {"type": kind}
    name = str(kind.get("type") or "update")
    if name in ("add", "delete"):
        return {"type": name, "content": diff}
    return {"type": name, "unified_diff": diff, "move_path": kind.get("move_path")}
