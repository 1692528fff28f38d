"""Sessions, their events and messages: the requests and answers of the native API.

The structs are the wire format: the faces encode them as they are, the client decodes into
them, and ``/openapi.json`` is generated from them.  Fields that scorpiox-host has too stand
first, in its order.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Raw, Struct, field

from sxhost.model.delivery import Delivery, InboxKind
from sxhost.model.limits import Limits
from sxhost.model.names import (
    CURSOR,
    LABEL,
    UNLIMITED,
    EventName,
    Key,
    Label,
    LabelName,
    Line,
    Path,
)
from sxhost.model.turn import Launch, OSProcess, Process, Turn

__all__ = [
    "NO_ACTIVITY",
    "NULL",
    "Accepted",
    "Activity",
    "Claim",
    "Detail",
    "Discovered",
    "Done",
    "Event",
    "EventDraft",
    "EventQuery",
    "Fired",
    "Forgotten",
    "Gap",
    "Health",
    "HostCounts",
    "Hosted",
    "Hosting",
    "LogQuery",
    "Memory",
    "Message",
    "MessageDraft",
    "PullQuery",
    "Registered",
    "Registration",
    "Rest",
    "SeenDraft",
    "Sent",
    "Session",
    "SessionQuery",
    "SessionRemoved",
    "State",
    "StateChange",
    "Status",
    "Steered",
    "Summary",
    "SummaryChange",
    "raw_json",
]

Mode = Literal["auto", "interrupt", "queue"]
MessageState = Literal["queued", "leased", "delivered", "expired", "withdrawn"]
StateName = Literal["working", "waiting", "idle", "stalled", "ended", "lost"]
Kind = Literal["attached", "hosted"]
Rest = Literal["", "asleep", "ended"]
"""Why a hosted agent's process is not there: it was idle for long, or somebody has ended it."""


# Requests.


class Registration(Struct, frozen=True, kw_only=True):
    """What an agent reports of itself; a field that is absent or null is not changed."""

    model: Line | None = None
    provider: Line | None = None
    cwd: Path | None = None
    git_branch: Line | None = None
    title: Line | None = None
    agent: Line | None = None
    pid: Annotated[int, Meta(ge=1, le=2**31 - 1)] | None = None
    labels: Annotated[dict[LabelName, Label], Meta(max_length=64)] | None = None
    metadata: dict[str, object] | None = None
    heartbeat_s: Annotated[float, Meta(ge=0, le=86400)] | None = None
    """Seconds within which the agent promises to report again; 0 ends the promise."""
    inbox: InboxKind | None = None
    """How the agent takes messages."""
    os_process: OSProcess | None = None
    """The agent's process: once it is gone, the session has ended."""


class Claim(Registration, frozen=True, kw_only=True):
    """A registration whose sender becomes the session's owner."""

    owner: str


NULL: Final = Raw(b"null")


def raw_json(value: object) -> Raw:
    """Encode a value for a field that has JSON, such as `EventDraft.data`.

    Lone surrogates, as in names of files that are no UTF-8, become U+FFFD.
    """
    try:
        return Raw(msgspec.json.encode(value))
    except UnicodeEncodeError:
        return Raw(msgspec.json.encode(_encodable(msgspec.to_builtins(value))))


def _encodable(value: object) -> object:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {_encodable(name): _encodable(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_encodable(inner) for inner in value]
    return value


class EventDraft(Struct, frozen=True, kw_only=True):
    """An event to append; `ts` is in Unix seconds, `key` is an idempotency key.

    `data` stays JSON, as its sender wrote it, all the way to the log.
    """

    event: EventName
    data: Annotated[Raw, Meta(extra_json_schema={"default": None})] = field(
        default_factory=lambda: NULL
    )
    ts: Annotated[int, Meta(ge=0, le=2**40)] | None = None
    key: Key | None = None

    @classmethod
    def of(
        cls, event: str, value: object, *, ts: int | None = None, key: str | None = None
    ) -> EventDraft:
        """Return a draft with a Python value as its data."""
        return cls(event=event, data=raw_json(value), ts=ts, key=key)


class MessageDraft(Struct, frozen=True, kw_only=True):
    """A message to an agent; `mode` is for when it is busy, `key` is an idempotency key."""

    content: Annotated[str, Meta(min_length=1)]
    mode: Mode = "auto"
    key: Key | None = None
    sender: Line | None = field(default=None, name="from")
    ttl_s: Annotated[float, Meta(gt=0, le=30 * 86400)] | None = None
    """Seconds after which it expires if it was not taken."""


class SessionQuery(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Which sessions to list: a page of those that match all that is given."""

    state: str = ""
    """A `state` or a `detail_state`."""
    label: Annotated[str, Meta(pattern=LABEL)] = ""
    """Written ``name:value``."""
    agent: Line = ""
    dir: Path = ""
    """A directory in which they work, or below which."""
    project: Line = ""
    limit: Annotated[int, Meta(ge=1, le=UNLIMITED)] = UNLIMITED
    after: str = ""
    """The last id of the previous page; sessions are listed in the order of their ids."""


class EventQuery(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Which events to read: those after a cursor or a number, of some `types` (``a,b``).

    A type with a ``!`` before it is not wanted.  With `native` false agents' own messages are
    left out; with `deltas` ``merged``, adjacent pieces of one text are one event.

    With `follow` the answer stays open and brings new events; with `state` also changes of
    state, with `summary` whole summaries.  Without `follow`, pieces that the log has whole are
    left out, unless `pieces` asks for those that are still there.
    """

    after: Annotated[str, Meta(pattern=CURSOR)] = ""
    limit: Annotated[int, Meta(ge=1, le=UNLIMITED)] = UNLIMITED
    types: str = ""
    follow: bool = False
    state: bool = False
    summary: bool = False
    pieces: bool = False
    native: bool = True
    deltas: Literal["all", "merged"] = "all"

    def names(self) -> frozenset[str]:
        """Return the event names asked for; none means all."""
        return frozenset(name for name in self._types() if not name.startswith("!"))

    def without(self) -> frozenset[str]:
        """Return the event names that are not wanted."""
        native = () if self.native else ("native",)
        return frozenset(n[1:] for n in self._types() if n.startswith("!")).union(native)

    def _types(self) -> list[str]:
        return list(filter(None, self.types.split(",")))


class LogQuery(EventQuery, frozen=True, kw_only=True, omit_defaults=True):
    """The same over all sessions, or those that are named (``a,b``) or have a label."""

    session: str = ""
    label: Annotated[str, Meta(pattern=LABEL)] = ""


class PullQuery(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How to take messages: wait for one, lease them (both in seconds), or only look."""

    wait: Annotated[float, Meta(ge=0)] = 0.0
    lease: Annotated[float, Meta(ge=0)] = 0.0
    peek: bool = False


# Answers.


class Health(Struct, frozen=True):
    """The host answers."""

    status: str = "ok"


class Done(Struct, frozen=True):
    """The verb succeeded, and there is nothing to return."""

    ok: bool = True


class Event(Struct, frozen=True, gc=False):
    """A numbered fact from a session; `data` is kept as JSON, encoded once.

    `seq` counts in the session from 1; `id` is unique over the host and increases.
    """

    event: str
    data: Annotated[Raw, Meta(description="object JSON; see `KnownEvent` for what names mean.")]
    ts: int
    seq: int
    id: int
    ts_ms: int
    session: str

    def value(self) -> object:
        """Return `data` as Python values."""
        return msgspec.json.decode(self.data)

    def plain_text(self) -> str:
        """Return `data` that are a text alone, as attached agents may send them; else ""."""
        is_text = bytes(self.data).startswith(b'"')
        return msgspec.json.decode(self.data, type=str) if is_text else ""


class Message(Struct, frozen=True):
    """A message in an inbox; `ts` is in Unix seconds."""

    content: str
    id: int
    mode: Mode
    ts: int
    sender: str | None = field(name="from")
    state: MessageState
    ttl_s: float | None = None


class State(Struct, frozen=True):
    """A session's state, the reason for it, and since when (Unix milliseconds)."""

    name: StateName
    reason: str
    since_ms: int


class BackgroundTask(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an agent has started and what goes on after its turn."""

    id: str
    """The agent's own name for it."""
    kind: str = ""
    """``subagent``, ``command``, or the agent's own word."""
    title: str = ""
    """What it is about, in a line."""


class Activity(Struct, frozen=True, omit_defaults=True):
    """What a session does, or what its agent asks: a line, since when, the call that it is."""

    title: str = ""
    since_ms: int = 0
    item: str = ""


NO_ACTIVITY: Final = Activity()


class Session(Struct, frozen=True, kw_only=True):
    """A session as it is stored; `state` follows from its log, without regard to silence."""

    id: str
    kind: Kind = "attached"
    agent: str = ""
    model: str = ""
    provider: str = ""
    cwd: str = ""
    git_branch: str = ""
    title: str = ""
    pid: int | None = None
    labels: dict[str, str] = {}
    metadata: dict[str, object] = {}
    heartbeat_s: float | None = None
    inbox: InboxKind | Literal[""] = ""
    """How an attached agent takes messages; empty as long as that is not known."""
    os_process: OSProcess | None = None
    """An attached agent's process."""
    owner: str | None = None
    """Who has registered an attached session: a token's id, or ``own`` (the host's user)."""
    usage: object = None
    native_id: str = ""
    """The agent's own id of the conversation."""
    continues: str = ""
    """The session that this one goes on with, after ``/clear`` or ``/resume``."""
    continued_by: str = ""
    """The session that goes on with this one."""
    turn: Turn | None = None
    """The running turn, or the last one."""
    launch: Launch | None = None
    """How a hosted agent was started, and is restarted."""
    process: Process | None = None
    """Its agent's process, running or last run."""
    rest: Rest = ""
    fresh: bool = False
    """Whether its conversation had no turn yet: some agents keep none that could be resumed."""
    start_ms: int
    last_seen_ms: int
    last_event: str = ""
    event_count: int = 0
    message_count: int = 0
    pending_approvals: int = 0
    seen_seq: int = 0
    """The event up to which somebody has looked at it."""
    flagged: bool = False
    """Whether somebody has marked it for later."""
    opening: str = ""
    """The first words of its first prompt, in a line: they stand for a title."""
    preview: str = ""
    """The beginning of its agent's last words, in a line."""
    activity: Activity = NO_ACTIVITY
    background: list[BackgroundTask] = []
    """What still runs, whether or not a turn does."""
    turn_over: bool = False
    """Whether the agent itself is done, whatever runs in the background."""
    state: State

    @property
    def shown_title(self) -> str:
        """What people see it called: as somebody has named it, else as it began."""
        return self.title or self.opening


class SeenDraft(Struct, frozen=True, kw_only=True):
    """What a person has looked at: the events up to `seq` (all, if it is not given).

    `flag` marks the session for later, or takes the mark away.
    """

    seq: Annotated[int, Meta(ge=0, lt=10**18)] | None = None
    flag: bool | None = None


class Summary(Struct, frozen=True, kw_only=True):
    """A session in a list; `state` is what scorpiox-host's clients know."""

    id: str
    state: Literal["active", "idle"]
    last_event: str
    event_count: int
    model: str
    provider: str
    detail_state: StateName
    reason: str
    since_ms: int
    agent: str
    kind: Kind
    title: str
    cwd: str
    git_branch: str
    labels: dict[str, str]
    start_time: int
    last_seen_ms: int
    queued_messages: int
    pending_approvals: int
    rest: Rest = ""
    preview: str = ""
    """The beginning of its agent's last words, or why it failed, in a line."""
    activity: str = ""
    """The tool's call that runs, or what is asked, in a line; "" if there is none."""
    activity_since_ms: int | None = None
    turn_since_ms: int | None = None
    """When the turn that runs began."""
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd: float | None = None
    seen_seq: int = 0
    """The event up to which somebody has looked at it, on whatever screen."""
    flagged: bool = False
    project: str = ""
    """The name of the directory's project: of the next directory upwards that git knows."""


class Detail(Summary, frozen=True, kw_only=True):
    """A session in detail, with its last 10 events."""

    pid: int | None
    heartbeat_s: float | None
    metadata: dict[str, object]
    usage: object
    inbox: InboxKind | Literal[""] = ""
    os_process: OSProcess | None = None
    opening: str = ""
    """The first words of its first prompt, in a line: its title, until it has another."""
    message_count: int = 0
    """Messages of the conversation: from its user, its agent, its tools."""
    native_id: str = ""
    continues: str = ""
    """The session that this one goes on with, after ``/clear`` or ``/resume``."""
    continued_by: str = ""
    """The session that goes on with this one."""
    turn: Turn | None = None
    background: list[BackgroundTask] = []
    """What still runs in the background, whether or not a turn does."""
    approval_policy: str | None = None
    sandbox: str | None = None
    command: list[str] | None = None
    events: list[Event]


class Succession(Struct, frozen=True, kw_only=True):
    """Fields that the host sets where one session goes on with another; None is not changed."""

    continues: str | None = None
    continued_by: str | None = None
    title: str | None = None
    labels: dict[str, str] | None = None


class Hosting(Struct, frozen=True, kw_only=True):
    """Fields that the host sets on a hosted session; None is not changed."""

    kind: Kind | None = None
    agent: str | None = None
    model: str | None = None
    provider: str | None = None
    cwd: str | None = None
    title: str | None = None
    git_branch: str | None = None
    labels: dict[str, str] | None = None
    metadata: dict[str, object] | None = None
    native_id: str | None = None
    launch: Launch | None = None
    process: Process | None = None
    rest: Rest | None = None
    fresh: bool | None = None


class Hosted(Struct, frozen=True, kw_only=True):
    """The session exists and its agent is ready; `turn` is the first, if a prompt was given."""

    ok: bool = True
    session: Summary
    turn: Turn | None = None


class Discovered(Struct, frozen=True, kw_only=True):
    """An agent that runs for the host's user, and its session."""

    id: str
    """Empty if it has none yet: Codex and pi begin one with their first prompt."""
    agent: str
    pid: int
    cwd: str
    answerable: bool
    """Whether it has hooks, by which it takes messages and answers."""


class Registered(Struct, frozen=True, kw_only=True):
    """The session is registered; `created` tells whether it is new."""

    ok: bool = True
    id: str
    created: bool
    session: Summary


class Fired(Struct, frozen=True, kw_only=True):
    """The event is in the log under these numbers."""

    ok: bool = True
    event_count: int
    seq: int
    id: int


class Accepted(Struct, frozen=True, kw_only=True):
    """All events of the batch are in the log; `event_count` is the last one's number."""

    ok: bool = True
    event_count: int
    accepted: int


class Sent(Struct, frozen=True, kw_only=True):
    """The message waits; `queued` counts it and those before it.

    `delivery` says when it reaches its agent, `note` the same in a sentence.
    """

    ok: bool = True
    id: int
    queued: int
    delivery: Delivery = "now"
    note: str = ""


class Steered(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The input was added to the running turn, or is the `message` that waits to be."""

    ok: bool
    delivery: Delivery | None = None
    note: str = ""
    message: int | None = None


class Forgotten(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The session is forgotten; `note` says what is not over with it, if anything is."""

    ok: bool
    note: str = ""


class Memory(Struct, frozen=True, kw_only=True):
    """What the host holds in memory, in bytes."""

    events: int = 0
    """The newest events; `hot_bytes` at the most."""
    largest: int = 0
    """Those of the session that has most; `ring_bytes` at the most."""
    superseded: int = 0
    """Texts and outputs whose pieces are about to leave, since the log has them whole."""


class Status(Struct, frozen=True, kw_only=True):
    """The host in a few numbers; `uptime` is in seconds."""

    version: str
    port: int
    uptime: int
    sessions: int
    active: int
    total_events: int
    epoch: str
    pid: int
    store: str
    durability: str
    """What acknowledged writes survive: ``none``, ``process`` (its end), ``power`` (a cut)."""
    subscribers: int
    waiting: int
    """Pulls that wait for a message now."""
    pending_approvals: int
    missing: str = ""
    """Acknowledged events that the store had lost when the host started: a sentence, or ""."""
    telemetry: str = ""
    """The URL of the host's own telemetry, without secrets in it, if it is on."""
    memory: Memory = Memory()
    limits: Limits


class HostCounts(Struct, frozen=True, kw_only=True):
    """How much a host holds at this moment, for metrics."""

    events: int
    """Events ever appended."""
    messages: int
    """Messages that are queued or on lease."""
    states: dict[StateName, int]
    """Sessions by state."""
    event_bytes: int
    """Bytes of memory that events take."""
    subscribers: int


# Frames of a stream, beside events.


class Gap(Struct, frozen=True, tag_field="frame", tag="gap"):
    """Events are missing between two cursors; `reason`: ``retention``, ``another epoch``."""

    start: str = field(name="from")
    end: str = field(name="to")
    reason: str


class StateChange(Struct, frozen=True, tag_field="frame", tag="state"):
    """A session's state has changed; `state` is what scorpiox-host's clients know."""

    session: str
    state: Literal["active", "idle"]
    detail_state: StateName
    reason: str
    since_ms: int


class SummaryChange(Struct, frozen=True, tag_field="frame", tag="summary"):
    """A session as it is now in a list: one of all at first, or one that has changed."""

    session: str
    summary: Summary


class SessionRemoved(Struct, frozen=True, tag_field="frame", tag="forgotten"):
    """A session is in no list any more: it was deleted, or has made room."""

    session: str
