"""Events with a meaning, one type for each: their fields, and who fills them.

An event in the log has a name and JSON for data (`sxhost.model.event.Event`).  For the names
in `EVENT_TYPES` the data is an object with the fields of that type; in a session that the host
runs, only the host appends them.  Attached agents may fire any name with any data: a name with
no type here is a `CustomEvent`.  Drivers report values of these types, `encode_data` writes
them, `decode_event` reads them.

Every event of an item (a text, a call of a tool) has the same ``item``, from its first piece to
the event that has it whole.  Where an event of a subagent has ``parent``, that is the item of
the call which has started the subagent (Claude Code).  What comes after its turn's end has
``turn``, that one's number.  ``native`` is the agent's own message,
where that says more than the event.  A field with a default is left out of the JSON where it
has that value.

Each type is a *fact* or a *piece* of one (`Nature`).  A piece matters only until the fact is in
the log that has it whole: `WHOLE_OF` names it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import ClassVar, Final, Literal, TypedDict, get_args, get_origin

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType
from msgspec.structs import FieldInfo, fields

from sxhost.model.approval import Approval
from sxhost.model.event import NULL, Event, raw_json
from sxhost.model.pictures import Picture
from sxhost.model.session import BackgroundTask
from sxhost.model.turn import TurnStatus

__all__ = [
    "COUNTS",
    "EVENT_TYPES",
    "MALFORMED",
    "NULL",
    "PIECES",
    "WHOLE_OF",
    "AgentEvent",
    "ApprovalMovedEvent",
    "ApprovalRequestedEvent",
    "ApprovalResolvedEvent",
    "AsleepEvent",
    "BackgroundEvent",
    "CompactEvent",
    "CompleteEvent",
    "CustomEvent",
    "DiffEvent",
    "EndedEvent",
    "ErrorEvent",
    "HandedOverEvent",
    "IdleEvent",
    "MessageDeltaEvent",
    "MessageEvent",
    "NativeEvent",
    "Nature",
    "PlanEntry",
    "PlanEvent",
    "StalledEvent",
    "StartedEvent",
    "ThinkingDeltaEvent",
    "ThinkingEvent",
    "ToolDoneEvent",
    "ToolOutputEvent",
    "ToolStartEvent",
    "ToolStatus",
    "TurnStartedEvent",
    "UsageEvent",
    "UserMessageEvent",
    "WarningEvent",
    "decode_event",
    "encode_data",
    "raw_json",
]

Nature = Literal["fact", "piece"]
"""Whether an event says something by itself, or is a part of what another event has whole."""

ToolStatus = Literal["completed", "failed", "declined", "cut"]
"""How a tool's call has ended; ``declined``: a person said no, ``cut``: it was broken off."""


# Agents and their turns.


class StartedEvent(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The agent is ready for turns."""

    name: ClassVar[Literal["started"]] = "started"
    nature: ClassVar[Nature] = "fact"

    agent: str = ""
    """Its driver; of hooks, ``claude`` or ``codex``."""
    native_id: str = ""
    """The agent's own id of the conversation; hooks have none."""
    reason: str = ""
    """What has started it, as a hook says (``startup``, ``resume``, …)."""
    command: list[str] = []
    """The program and its arguments, of a command that ``sxhost attach`` runs."""


class EndedEvent(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The agent's process has ended."""

    name: ClassVar[Literal["ended"]] = "ended"
    nature: ClassVar[Nature] = "fact"

    agent: str = ""
    """``claude`` or ``codex``, where a hook says it."""
    code: int | UnsetType | None = UNSET
    """Its exit status; null where a signal has ended it."""
    signal: str | UnsetType | None = UNSET
    """``SIGKILL``, …; null where it exited."""
    stderr: str | None = None
    """The end of what it wrote there: 4096 characters at the most."""
    reason: str
    """How it ended, as a sentence for a person."""


class AsleepEvent(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The agent was idle for long: its process is ended until a turn or message needs it."""

    name: ClassVar[Literal["asleep"]] = "asleep"
    nature: ClassVar[Nature] = "fact"

    idle_s: float
    """Seconds since it was last heard."""


class HandedOverEvent(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The conversation goes on elsewhere: at a terminal, or with the host."""

    name: ClassVar[Literal["handed-over"]] = "handed-over"
    nature: ClassVar[Nature] = "fact"

    to: str
    """``terminal`` or ``host``."""

    @property
    def words(self) -> str:
        """The same, for a person."""
        return "to the host" if self.to == "host" else f"to its {self.to}"


class TurnStartedEvent(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A turn has begun."""

    name: ClassVar[Literal["turn-started"]] = "turn-started"
    nature: ClassVar[Nature] = "fact"

    turn: int | None
    """Its number in the session."""
    native_id: str | None
    """The agent's own id of it; null where it has none."""


class CompleteEvent(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The turn is over and has not failed.  Hooks give `background` alone."""

    name: ClassVar[Literal["complete"]] = "complete"
    nature: ClassVar[Nature] = "fact"

    turn: int | None = None
    """Its number in the session."""
    native_id: str | UnsetType | None = UNSET
    """The agent's own id of it; null where it has none."""
    status: TurnStatus | None = None
    """``completed`` or ``interrupted``."""
    reason: str | None = None
    """Why it is not completed; also a stop reason that is not the usual one (ACP)."""
    background: list[BackgroundTask] = []
    """What an attached agent has running on; of a hosted one ``background`` tells."""
    native: Raw | UnsetType = UNSET
    """The agent's own message; null where it has none."""


class ErrorEvent(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The turn has failed.  Hooks give `reason` alone."""

    name: ClassVar[Literal["error"]] = "error"
    nature: ClassVar[Nature] = "fact"

    turn: int | None = None
    """Its number in the session."""
    native_id: str | UnsetType | None = UNSET
    """The agent's own id of it; null where it has none."""
    status: TurnStatus | None = None
    """``failed``."""
    reason: str
    """Why, in the agent's words; the host's (`sxhost.model.turn.CutReason`) if it was cut."""
    native: Raw | UnsetType = UNSET
    """The agent's own message; null where the host has ended the turn."""


class BackgroundEvent(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What runs in the background has changed: it outlives the turn that has started it."""

    name: ClassVar[Literal["background"]] = "background"
    nature: ClassVar[Nature] = "fact"

    tasks: list[BackgroundTask]
    """All that runs now, each with `id`, `kind` (``subagent``, ``command``, …) and `title`."""
    native: Raw | UnsetType = UNSET


class IdleEvent(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The agent waits for its user: attached agents alone say so."""

    name: ClassVar[Literal["idle"]] = "idle"
    nature: ClassVar[Nature] = "fact"

    text: str = ""
    """The notification that a hook of Claude Code has passed on."""
    type: str = ""
    """Its type: ``idle_prompt``."""


class StalledEvent(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The agent works and has been silent for too long."""

    name: ClassVar[Literal["stalled"]] = "stalled"
    nature: ClassVar[Nature] = "fact"

    silent_s: float
    """Seconds since it was last heard."""
    turn: int | None
    """The turn that runs."""


# Texts.


class UserMessageEvent(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Input that the agent was given."""

    name: ClassVar[Literal["user-message"]] = "user-message"
    nature: ClassVar[Nature] = "fact"

    text: str
    """The input as text; images and files stand in brackets."""
    images: list[Picture] = []
    """Its pictures, each with `mime_type` and `data` (base64), as far as there is room."""
    by: str = ""
    """``turn``, ``steer`` or ``message``; ``prompt`` where a hook tells of the user's own, and
    ``task`` where Claude Code goes on by itself, since a task in the background has ended.
    """
    turn: int | UnsetType | None = UNSET
    """The turn that it belongs to; hooks have none."""
    parent: str | None = None
    native: Raw | UnsetType = UNSET


class MessageDeltaEvent(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The next piece of a text of the assistant."""

    name: ClassVar[Literal["message-delta"]] = "message-delta"
    nature: ClassVar[Nature] = "piece"

    item: str = ""
    text: str
    turn: int | UnsetType = UNSET
    parent: str | None = None
    native: Raw | UnsetType = UNSET


class MessageEvent(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A text of the assistant, whole; of hooks without `item`."""

    name: ClassVar[Literal["message"]] = "message"
    nature: ClassVar[Nature] = "fact"

    item: str = ""
    text: str
    images: list[Picture] = []
    """Pictures in it, as in `user-message`."""
    cut: bool = False
    """Whether it broke off: `text` is what had come."""
    turn: int | UnsetType = UNSET
    parent: str | None = None
    native: Raw | UnsetType = UNSET


class ThinkingDeltaEvent(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The next piece of the assistant's reasoning."""

    name: ClassVar[Literal["thinking-delta"]] = "thinking-delta"
    nature: ClassVar[Nature] = "piece"

    item: str = ""
    text: str
    turn: int | UnsetType = UNSET
    parent: str | None = None
    native: Raw | UnsetType = UNSET


class ThinkingEvent(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Reasoning of the assistant, whole."""

    name: ClassVar[Literal["thinking"]] = "thinking"
    nature: ClassVar[Nature] = "fact"

    item: str = ""
    text: str
    cut: bool = False
    """Whether it broke off: `text` is what had come."""
    late: bool = False
    """Whether it is told after its turn's end, by an attached agent's file: it is no work."""
    turn: int | UnsetType = UNSET
    parent: str | None = None
    native: Raw | UnsetType = UNSET


# Tools.


class ToolStartEvent(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The call of a tool begins: once for each item."""

    name: ClassVar[Literal["tool-start"]] = "tool-start"
    nature: ClassVar[Nature] = "fact"

    item: str = ""
    tool: str
    """The tool's name, in the agent's words."""
    title: str
    """The call in one line, for a person."""
    input: Raw
    """The call's arguments: an object, or null where the agent does not tell (ACP)."""
    late: bool = False
    """Whether it is told after its turn's end, by an attached agent's file: it is no work."""
    turn: int | UnsetType = UNSET
    parent: str | None = None
    native: Raw | UnsetType = UNSET


class ToolOutputEvent(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the tool has printed since the last such event."""

    name: ClassVar[Literal["tool-output"]] = "tool-output"
    nature: ClassVar[Nature] = "piece"

    item: str = ""
    text: str
    turn: int | UnsetType = UNSET
    parent: str | None = None
    native: Raw | UnsetType = UNSET


class ToolDoneEvent(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The call of a tool is over: once for each ``tool-start``."""

    name: ClassVar[Literal["tool-done"]] = "tool-done"
    nature: ClassVar[Nature] = "fact"

    item: str = ""
    tool: str
    """The tool's name, in the agent's words."""
    status: ToolStatus
    output: object = UNSET
    """Its output in all, a text; as far as it came, if it was cut.  Of hooks, any JSON."""
    images: list[Picture] = []
    """Pictures in its output, as in `user-message`."""
    exit_code: int | UnsetType | None = UNSET
    """Of a command; null or missing where it is not known, or the tool has none."""
    late: bool = False
    """Whether it is told after its turn's end, by an attached agent's file: it is no work."""
    turn: int | UnsetType = UNSET
    parent: str | None = None
    native: Raw | UnsetType = UNSET


# The conversation.


class PlanEntry(TypedDict, total=False):
    """A step of a plan; agents may add fields of their own (ACP: ``priority``)."""

    content: str
    status: str
    """``pending``, ``in_progress`` or ``completed``."""


class PlanEvent(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the agent means to do: the whole plan each time."""

    name: ClassVar[Literal["plan"]] = "plan"
    nature: ClassVar[Nature] = "fact"

    item: str = ""
    """Codex, where the model has written the plan as a text."""
    entries: list[PlanEntry]
    """Each with ``content`` and ``status``: ``pending``, ``in_progress``, ``completed``."""
    text: str | None = None
    """Codex: the plan as a text, or why it has changed; may be empty."""
    turn: int | UnsetType = UNSET
    parent: str | None = None
    native: Raw | UnsetType = UNSET


class DiffEvent(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Changes of files.  Codex: all of the turn so far, in place of the last such event."""

    name: ClassVar[Literal["diff"]] = "diff"
    nature: ClassVar[Nature] = "fact"

    item: str = ""
    """ACP: the call that has changed the file."""
    path: str = ""
    """ACP: the file."""
    diff: str
    """In the unified format."""
    turn: int | UnsetType = UNSET
    parent: str | None = None
    native: Raw | UnsetType = UNSET


class UsageEvent(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the conversation has used so far; what is not known is left out, or null.

    In hosted sessions no count ever falls, also where an agent's new process counts anew.
    """

    name: ClassVar[Literal["usage"]] = "usage"
    nature: ClassVar[Nature] = "fact"

    input_tokens: int | UnsetType | None = UNSET
    """Those from a cache included."""
    cached_tokens: int | UnsetType | None = UNSET
    """Those that were read from a cache."""
    cache_write_tokens: int | UnsetType | None = UNSET
    """Those that were written to one; Claude Code, codex, pi, some by ACP."""
    output_tokens: int | UnsetType | None = UNSET
    reasoning_tokens: int | UnsetType | None = UNSET
    """Of the output; Claude Code, codex, pi, some by ACP."""
    total_tokens: int | UnsetType | None = UNSET
    context_window: int | UnsetType | None = UNSET
    """Tokens that the model can take in all."""
    cost_usd: float | UnsetType | None = UNSET
    """US dollars; not codex."""
    message: dict[str, object] | UnsetType = UNSET
    """What the last message has used, in the same fields; its `id`.  Attached agents alone."""
    model: str | UnsetType = UNSET
    """What is used, where the agent says it with its counts."""
    models: dict[str, dict[str, object]] | UnsetType = UNSET
    """The same counts by model, as the agent has them; Claude Code."""
    since_ms: int | UnsetType = UNSET
    """When they began, in hosted sessions: another time means another conversation."""
    turn: int | UnsetType = UNSET
    native: Raw | UnsetType = UNSET


COUNTS: Final = (
    "input_tokens",
    "cached_tokens",
    "cache_write_tokens",
    "output_tokens",
    "reasoning_tokens",
    "total_tokens",
    "cost_usd",
)
"""The fields of a usage that count up."""


class CompactEvent(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The conversation has been shortened."""

    name: ClassVar[Literal["compact"]] = "compact"
    nature: ClassVar[Nature] = "fact"

    item: str = ""
    """Codex."""
    text: str = ""
    """Echo."""
    tokens_before: int | UnsetType | None = UNSET
    """pi: the tokens of the conversation before."""
    turn: int | UnsetType = UNSET
    parent: str | None = None
    native: Raw | UnsetType = UNSET


class WarningEvent(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something is wrong, and the turn goes on."""

    name: ClassVar[Literal["warning"]] = "warning"
    nature: ClassVar[Nature] = "fact"

    text: str
    """One sentence for a person."""
    turn: int | UnsetType = UNSET
    native: Raw | UnsetType = UNSET


class NativeEvent(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Anything else that an agent says, so that nothing is lost."""

    name: ClassVar[Literal["native"]] = "native"
    nature: ClassVar[Nature] = "piece"

    text: str = ""
    """A notice that is no warning (ACP)."""
    turn: int | UnsetType = UNSET
    native: Raw


# Approvals.


class ApprovalRequestedEvent(Approval, frozen=True, kw_only=True):
    """An approval is open: the host appends it in the same commit."""

    name: ClassVar[Literal["approval-requested"]] = "approval-requested"
    nature: ClassVar[Nature] = "fact"


class ApprovalMovedEvent(Approval, frozen=True, kw_only=True):
    """From now on it can only be answered at its agent's own terminal, or here again."""

    name: ClassVar[Literal["approval-moved"]] = "approval-moved"
    nature: ClassVar[Nature] = "fact"


class ApprovalResolvedEvent(Approval, frozen=True, kw_only=True):
    """The approval is closed: answered, withdrawn or expired."""

    name: ClassVar[Literal["approval-resolved"]] = "approval-resolved"
    nature: ClassVar[Nature] = "fact"


# All of them.


class CustomEvent(Struct, frozen=True):
    """An event of any other name: what it means is between the agent and its readers."""

    name: str
    data: Raw = NULL

    nature: ClassVar[Nature] = "fact"


AgentEvent = (
    StartedEvent
    | EndedEvent
    | AsleepEvent
    | HandedOverEvent
    | TurnStartedEvent
    | CompleteEvent
    | ErrorEvent
    | BackgroundEvent
    | IdleEvent
    | StalledEvent
    | UserMessageEvent
    | MessageDeltaEvent
    | MessageEvent
    | ThinkingDeltaEvent
    | ThinkingEvent
    | ToolStartEvent
    | ToolOutputEvent
    | ToolDoneEvent
    | PlanEvent
    | DiffEvent
    | UsageEvent
    | CompactEvent
    | WarningEvent
    | NativeEvent
    | ApprovalRequestedEvent
    | ApprovalMovedEvent
    | ApprovalResolvedEvent
    | CustomEvent
)
"""An event, decoded; its `name` is the tag, which stands beside the data in the log."""

EVENT_TYPES: Final[Mapping[str, type[AgentEvent]]] = {
    kind.name: kind for kind in get_args(AgentEvent) if kind is not CustomEvent
}
"""The types by the names of their events."""

PIECES: Final = frozenset(n for n, kind in EVENT_TYPES.items() if kind.nature == "piece")
"""The names of events that are pieces: they come by the hundred, and mean little alone."""

WHOLE_OF: Final[Mapping[str, str]] = {
    MessageDeltaEvent.name: MessageEvent.name,
    ThinkingDeltaEvent.name: ThinkingEvent.name,
    ToolOutputEvent.name: ToolDoneEvent.name,
}
"""The fact that has a piece whole, under the same `item`; a native event has none."""

# A count of tokens that somebody says as 10.0 is 10.
_DECODERS: Final = {
    name: msgspec.json.Decoder(kind, strict=kind is not UsageEvent)
    for name, kind in EVENT_TYPES.items()
}
_decode_object = msgspec.json.Decoder(dict[str, Raw]).decode
MALFORMED: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding raises for data that is not what it should be: attached agents fire any."""


def encode_data(event: AgentEvent) -> Raw:
    """Encode what an event has beside its name: the data of the event in the log."""
    return event.data if isinstance(event, CustomEvent) else raw_json(event)


def decode_event(event: Event) -> AgentEvent:
    """Decode an event of the log as the type that its name stands for.

    Attached agents fire these names with data of any shape: a field of another type counts as
    missing, and a missing one as empty.  Nothing is raised.
    """
    decoder = _DECODERS.get(event.event)
    if decoder is None:
        return CustomEvent(event.event, event.data)
    if bytes(event.data).startswith(b'"'):  # a text, as scripts fire it
        return decoder.decode(_bare(EVENT_TYPES[event.event]))
    try:
        return decoder.decode(event.data)
    except MALFORMED:
        return decoder.decode(_what_fits(EVENT_TYPES[event.event], event.data))


def _what_fits(kind: type[AgentEvent], data: Raw) -> bytes:
    """Return an object with the fields of `data` that a type has so, and all that it needs."""
    try:
        given = _decode_object(data)
    except MALFORMED:
        return _bare(kind)
    return _fitting(kind, given)


@cache
def _bare(kind: type[AgentEvent]) -> bytes:
    """Return an object with all that a type needs, empty: what a text as data comes to."""
    return _fitting(kind, {})


def _fitting(kind: type[AgentEvent], given: Mapping[str, Raw]) -> bytes:
    fitting: dict[str, object] = {}
    for field, decoder in _field_decoders(kind):
        try:
            decoder.decode(given[field.name])
        except (KeyError, *MALFORMED):
            if field.required:
                fitting[field.name] = _empty(field.type)
        else:
            fitting[field.name] = given[field.name]
    return msgspec.json.encode(fitting)


@cache
def _field_decoders(
    kind: type[AgentEvent],
) -> Sequence[tuple[FieldInfo, msgspec.json.Decoder[object]]]:
    """Return a type's fields, each with its decoder: making one takes 20 us."""
    return [(field, msgspec.json.Decoder(field.type)) for field in fields(kind)]


_EMPTY: Final[Mapping[object, object]] = {
    str: "",
    int: 0,
    float: 0.0,
    list: [],
    Mapping: {},
    Raw: NULL,
}


def _empty(kind: object) -> object:
    """Return what a required field has where its event does not say it; None if that may be."""
    origin = get_origin(kind)
    return get_args(kind)[0] if origin is Literal else _EMPTY.get(origin or kind)
