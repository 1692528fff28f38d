"""What of an event a frame of Codex is made from: our words, and codex's own beside them."""

from __future__ import annotations

import re
import shlex
from typing import Any, Final

from msgspec import DecodeError, Raw, Struct, ValidationError, json

from sxhost.model.session import Event

__all__ = [
    "Conversation",
    "EventFields",
    "Item",
    "NativeNotice",
    "changes_of",
    "snaked",
    "words_of",
]

LONGEST: Final = 16_384
"""Characters of a command that is taken apart into words."""

NOTHING: Final = Raw(b"null")


class Conversation(Struct, frozen=True, kw_only=True):
    """The session that a stream is about: `id` is what its client calls it."""

    id: str
    session: str
    model: str = ""
    provider: str = ""
    cwd: str = ""
    approval_policy: str | None = None
    sandbox: str | None = None


# Our own words.


class Step(Struct, frozen=True):
    """A step of a plan."""

    content: str = ""
    status: str = ""


class Words(Struct, frozen=True):
    """The fields of all events; see `sxhost.drivers.contracts`, and `sxhost.agents.session`
    for turns.
    """

    text: str = ""
    item: str = ""
    tool: str = ""
    title: str = ""
    status: str = ""
    input: Any = None
    output: str | None = None
    exit_code: int | None = None
    diff: str = ""
    entries: list[Step] = []
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
    native: Raw = NOTHING


# Codex's.


class Item(Struct, frozen=True, rename="camel"):
    """A part of a conversation, as ``codex app-server`` writes it."""

    type: str = ""
    id: str = ""
    command: str = ""
    cwd: str = ""
    process_id: str | None = None
    source: str = "agent"
    status: str = ""
    command_actions: list[dict[str, Any]] = []
    aggregated_output: str | None = None
    exit_code: int | None = None
    duration_ms: float | None = None
    changes: Any = None
    server: str = ""
    tool: str = ""
    arguments: Any = None
    result: Any = None
    error: Any = None
    query: str = ""
    action: Any = None
    path: str = ""
    summary: list[Any] | None = None


class Trouble(Struct, frozen=True, rename="camel"):
    """What went wrong."""

    message: str = ""
    codex_error_info: Any = None
    additional_details: str | None = None


class _Turn(Struct, frozen=True):
    id: str = ""
    error: Trouble | None = None


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
    error: Trouble | None = None
    summary: str = ""
    details: str | None = None
    questions: Any = None
    permissions: Any = None
    proposed_execpolicy_amendment: Any = None
    network_approval_context: Any = None
    server_name: str = ""
    message: Any = None


class NativeNotice(Struct, frozen=True):
    """A notice or a request of ``codex app-server``."""

    method: str = ""
    id: int | str | None = None
    params: Params = Params()

    @classmethod
    def of(cls, raw: Raw) -> NativeNotice:
        """Return what can be read of it: other agents have other words."""
        try:
            return json.decode(raw, type=cls)
        except (ValidationError, DecodeError, RecursionError):
            return cls()


class EventFields(Struct, frozen=True):
    """An event, taken apart; `last` is what the agent said last in its turn."""

    about: Conversation
    words: Words
    native: NativeNotice
    last: str | None = None

    @classmethod
    def of(cls, event: Event, about: Conversation, last: str | None) -> EventFields | None:
        """Return an event's words; None if it has none that are understood."""
        try:
            words = json.decode(event.data, type=Words)
        except (ValidationError, DecodeError, RecursionError):
            return None
        return cls(about, words, NativeNotice.of(words.native), last)

    @property
    def params(self) -> Params:
        """What codex said."""
        return self.native.params

    @property
    def item(self) -> Item:
        """The item it is about: codex's, or, where it has said none, ours in its words."""
        words = self.words
        given = words.input if isinstance(words.input, dict) else {}
        return self.params.item or Item(
            type=words.tool,
            id=words.item,
            command=words.title,
            cwd=str(given.get("cwd") or ""),
            status=words.status,
            aggregated_output=words.output,
            exit_code=words.exit_code,
        )


# From the app server's spelling to that of `EventMsg`.


def snaked(value: Any) -> Any:
    """Return names in snake case: a name itself, or those of an object, at any depth."""
    if isinstance(value, dict):
        return {_snake(str(name)): _inner(inner) for name, inner in value.items()}
    return _snake(value) if isinstance(value, str) else value


def _inner(value: Any) -> Any:
    return snaked(value) if isinstance(value, dict) else value


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def words_of(command: Any) -> list[str]:
    """Return a command as the words that it was put together from."""
    if isinstance(command, list):
        return [str(word) for word in command]
    text = command if isinstance(command, str) else ""
    try:
        return shlex.split(text) if len(text) <= LONGEST else [text]
    except ValueError:
        return [text]


def changes_of(changes: Any) -> dict[str, Any]:
    """Return changes of files by their paths, as a patch names them."""
    if isinstance(changes, dict):
        return changes
    listed = changes if isinstance(changes, list) else []
    return {str(c["path"]): _change(c) for c in listed if isinstance(c, dict) and "path" in c}


def _change(change: dict[str, Any]) -> dict[str, Any]:
    kind, diff = change.get("kind"), change.get("diff") or ""
    kind = kind if isinstance(kind, dict) else {"type": kind}
    name = str(kind.get("type") or "update")
    if name in ("add", "delete"):
        return {"type": name, "content": diff}
    return {"type": name, "unified_diff": diff, "move_path": kind.get("move_path")}
