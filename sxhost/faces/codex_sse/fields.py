"""The fields of events from which frames of Codex are made: the host's, and codex's own."""

from __future__ import annotations

import re
import shlex
from typing import Final

from msgspec import DecodeError, Raw, Struct, ValidationError, json

from sxhost.model.session import Event

__all__ = [
    "Conversation",
    "EventFields",
    "Item",
    "NativeNotice",
    "changes_by_path",
    "split_command",
    "to_snake_case",
]

MAX_COMMAND: Final = 16_384
"""Characters of a command that is split into arguments; a longer one stays whole."""

NULL: Final = Raw(b"null")


class Conversation(Struct, frozen=True, kw_only=True):
    """The session that a stream is about; `id` is its client's name for it."""

    id: str
    session: str
    model: str = ""
    provider: str = ""
    cwd: str = ""
    approval_policy: str | None = None
    sandbox: str | None = None


# The host's events.


class PlanStep(Struct, frozen=True):
    """A step of a plan."""

    content: str = ""
    status: str = ""


class EventData(Struct, frozen=True):
    """The fields of all events together; each event has some of them.

    See `sxhost.drivers.contracts`, and `sxhost.agents.session` for turns.
    """

    text: str = ""
    item: str = ""
    tool: str = ""
    title: str = ""
    status: str = ""
    input: object = None
    output: str | None = None
    exit_code: int | None = None
    diff: str = ""
    entries: list[PlanStep] = []
    turn: int | None = None
    native_id: str | None = None
    reason: str = ""
    silent_s: float = 0
    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    total_tokens: int = 0
    context_window: int | None = None
    native: Raw = NULL


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


class EventFields(Struct, frozen=True):
    """A decoded event; `last_message` is the agent's last one in the turn so far."""

    conversation: Conversation
    data: EventData
    native: NativeNotice
    last_message: str | None = None

    @classmethod
    def of(
        cls, event: Event, conversation: Conversation, last_message: str | None
    ) -> EventFields | None:
        """Decode an event; return None if a field has another type than here."""
        try:
            data = json.decode(event.data, type=EventData)
        except (ValidationError, DecodeError, RecursionError):
            return None
        return cls(conversation, data, NativeNotice.of(data.native), last_message)

    @property
    def params(self) -> Params:
        """The parameters of codex's own notification."""
        return self.native.params

    @property
    def item(self) -> Item:
        """The item that the event is about: codex's own, else made of the event's fields."""
        data = self.data
        given = data.input if isinstance(data.input, dict) else {}
        return self.params.item or Item(
            type=data.tool,
            id=data.item,
            command=data.title,
            cwd=str(given.get("cwd") or ""),
            status=data.status,
            aggregated_output=data.output,
            exit_code=data.exit_code,
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
