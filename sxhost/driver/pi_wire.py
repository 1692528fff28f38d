"""What pi prints in ``--mode rpc``, a line at a time: no more of it than is needed.

Two lines of pi are spoken: the old one (0.73) puts snapshots of the whole message into each
``message_update``, the newer one does not.  What is not known is told by its name alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from msgspec import UNSET, DecodeError, Raw, Struct, UnsetType, json

__all__ = [
    "AgentEnd",
    "Block",
    "Cost",
    "Delta",
    "Heard",
    "Message",
    "MessageEnd",
    "MessageStart",
    "Model",
    "NotPi",
    "Pause",
    "Request",
    "Response",
    "Settled",
    "State",
    "Stats",
    "ToolEnd",
    "ToolStart",
    "ToolUpdate",
    "TurnEnd",
    "Update",
    "Usage",
    "Woe",
    "parse",
]


class NotPi(ValueError):
    """A line is nothing that pi says."""


# What is in a message.


class Cost(Struct, frozen=True):
    """What something cost, in US dollars."""

    total: float = 0.0


class Usage(Struct, frozen=True, rename="camel"):
    """Tokens; `input` is without what the cache had."""

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0
    reasoning: int = 0
    total_tokens: int = 0
    cost: Cost = Cost()


class Block(Struct, frozen=True):
    """A part of a message."""

    type: str = ""
    text: str = ""
    thinking: str = ""


class Message(Struct, frozen=True, rename="camel"):
    """A message of anybody; `timestamp` is Unix ms."""

    role: str = ""
    content: list[Block] | str = []
    usage: Usage | None = None
    stop_reason: str = ""
    error_message: str | None = None
    timestamp: int = 0
    tool_call_id: str | None = None

    @property
    def blocks(self) -> list[Block]:
        """Its parts; plain words are one."""
        if isinstance(self.content, str):
            return [Block("text", self.content)]
        return self.content


# Events.


class MessageStart(Struct, frozen=True):
    """A message begins."""

    message: Message


class MessageEnd(Struct, frozen=True):
    """A message is whole."""

    message: Message


class Delta(Struct, frozen=True, rename="camel"):
    """What was added to the assistant's message, at which of its blocks."""

    type: str
    content_index: int = 0
    delta: str | UnsetType = UNSET


class Update(Struct, frozen=True, rename="camel", tag_field="type", tag="message_update"):
    """The assistant's message grows."""

    assistant_message_event: Delta


class ToolStart(Struct, frozen=True, rename="camel"):
    """A tool begins."""

    tool_call_id: str
    tool_name: str = ""
    args: Raw = Raw(b"null")


class Output(Struct, frozen=True, rename="camel"):
    """What a tool has printed so far, or in all."""

    content: list[Block] = []
    structured_content: dict[str, Any] | None = None

    @property
    def text(self) -> str:
        """Its words."""
        return "\n".join(block.text for block in self.content if block.type == "text")


class ToolUpdate(Struct, frozen=True, rename="camel"):
    """A tool has printed something: all that it printed so far."""

    tool_call_id: str
    partial_result: Output = Output()


class ToolEnd(Struct, frozen=True, rename="camel"):
    """A tool is done."""

    tool_call_id: str
    tool_name: str = ""
    result: Output = Output()
    is_error: bool = False


class TurnEnd(Struct, frozen=True):
    """One answer of the model and its tools are done; its message was told before."""


class AgentEnd(Struct, frozen=True, rename="camel"):
    """A run is over, if it is not tried again; old pi does not say whether it will."""

    messages: list[Message] = []
    will_retry: bool | UnsetType = UNSET


class Settled(Struct, frozen=True):
    """Nothing more will come (newer pi)."""

    aborted: bool = False


class Summary(Struct, frozen=True, rename="camel"):
    """What became of a conversation that was shortened."""

    tokens_before: int | None = None
    usage: Usage | None = None


class Pause(Struct, frozen=True, rename="camel"):
    """A retry or a compaction begins or is over: `delay_ms` until the retry."""

    attempt: int = 0
    max_attempts: int = 0
    delay_ms: float = 0
    error_message: str | None = None
    success: bool = True
    aborted: bool = False
    will_retry: bool = False
    result: Summary | None = None


class Woe(Struct, frozen=True, rename="camel"):
    """An extension failed."""

    extension_path: str = ""
    event: str = ""
    error: str = ""


class Request(Struct, frozen=True, rename="camel"):
    """An extension shows something (``notify``, …) or asks (`timeout` in ms)."""

    id: str
    method: str
    title: str = ""
    message: str = ""
    options: list[str] = []
    placeholder: str | None = None
    prefill: str | None = None
    timeout: float | None = None
    notify_type: str | None = None


# Answers.


class Response(Struct, frozen=True):
    """An answer; it has no `id` where pi could not make sense of the question."""

    id: str | int | None = None
    command: str = ""
    success: bool = False
    data: Raw = Raw(b"null")
    error: str = ""


class Model(Struct, frozen=True, rename="camel"):
    """A model that pi knows."""

    id: str = ""
    provider: str = ""
    context_window: int | None = None


class State(Struct, frozen=True, rename="camel"):
    """The answer to ``get_state``."""

    model: Model | None = None
    thinking_level: str | None = None
    is_streaming: bool = False
    is_compacting: bool = False
    session_file: str | None = None
    session_id: str = ""
    session_name: str | None = None


class Tokens(Struct, frozen=True, rename="camel"):
    """Tokens of a session."""

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0
    total: int = 0


class Stats(Struct, frozen=True):
    """The answer to ``get_session_stats``."""

    tokens: Tokens = Tokens()
    cost: float = 0.0


# Lines.


class Heard(NamedTuple):
    """What a line says: its `kind`, what we understand of it, and the line itself.

    `said` is None where we know nothing but the kind; of old pi's ``message_update``
    `native` is the line without its snapshots.
    """

    kind: str
    said: Any
    native: Raw


class _Head(Struct, frozen=True):
    type: str


KINDS: Final[Mapping[str, type]] = {
    "response": Response,
    "message_start": MessageStart,
    "message_update": Update,
    "message_end": MessageEnd,
    "tool_execution_start": ToolStart,
    "tool_execution_update": ToolUpdate,
    "tool_execution_end": ToolEnd,
    "turn_end": TurnEnd,
    "agent_end": AgentEnd,
    "agent_settled": Settled,
    "compaction_start": Pause,
    "compaction_end": Pause,
    "auto_compaction_start": Pause,
    "auto_compaction_end": Pause,
    "auto_retry_start": Pause,
    "auto_retry_end": Pause,
    "extension_error": Woe,
    "extension_ui_request": Request,
}

_decoders: dict[str, Callable[[bytes], Any]] = {
    kind: json.Decoder(struct).decode for kind, struct in KINDS.items()
}
_head = json.Decoder(_Head).decode
_BEGIN = re.compile(rb'\{"type":"([a-z_]+)"')
_UPDATE = b'{"type":"message_update"'
_LONE = re.compile(rb"\\ud[89ab][0-9a-f]{2}(?!\\ud[c-f])|(?<!\\ud[89ab]..)\\ud[c-f][0-9a-f]{2}")


def parse(line: bytes) -> Heard:
    """Return what a line says.

    :raises NotPi: it is no object of JSON with a ``type``.
    """
    if b"\\ud" in line:  # half an emoji, which JavaScript writes down and others cannot read
        line = _LONE.sub(rb"\\ufffd", line)
    try:
        return _short(line) or _whole(line)
    except (DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise NotPi(str(error)) from None


def _short(line: bytes) -> Heard | None:
    """Read an update only up to its snapshots, which grow with every one of them."""
    at = line.find(b',"partial":') if line.startswith(_UPDATE) else -1
    if at < 0:
        return None
    line = line[:at] + b"}}"
    try:
        return _known("message_update", line)
    except DecodeError:  # it was another ``partial``, deeper in
        return None


def _whole(line: bytes) -> Heard:
    begin = _BEGIN.match(line)
    kind = begin[1].decode() if begin else _head(line).type
    try:
        return _known(kind, line)
    except DecodeError:
        _head(line)
        return Heard(kind, None, _raw(line))


def _known(kind: str, line: bytes) -> Heard:
    decode = _decoders.get(kind, _nothing)
    return Heard(kind, decode(line), _raw(line))


def _nothing(line: bytes) -> None:
    _head(line)


def _raw(line: bytes) -> Raw:
    line.decode()  # the texts that nobody has read go into logs as well
    return Raw(line)
