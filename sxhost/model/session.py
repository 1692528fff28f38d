"""Sessions: as they are registered, stored, listed and streamed.

The structs are the wire format: the faces encode them as they are, the client decodes into
them, and ``/openapi.json`` is generated from them.  Fields that scorpiox-host has too stand
first, in its order.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from sxhost.model.delivery import Delivery, InboxKind
from sxhost.model.event import Event
from sxhost.model.names import (
    LABEL,
    UNLIMITED,
    Label,
    LabelName,
    Line,
    Path,
)
from sxhost.model.turn import Launch, OSProcess, Process, Turn

__all__ = [
    "NO_ACTIVITY",
    "Activity",
    "Claim",
    "Detail",
    "Discovered",
    "Done",
    "Forgotten",
    "Hosted",
    "Hosting",
    "Registered",
    "Registration",
    "Rest",
    "SeenDraft",
    "Session",
    "SessionQuery",
    "SessionRemoved",
    "State",
    "StateChange",
    "Summary",
    "SummaryChange",
]

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


# Answers.


class Done(Struct, frozen=True):
    """The verb succeeded, and there is nothing to return."""

    ok: bool = True


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
    def is_at_terminal(self) -> bool:
        """Whether the host has handed it over to a terminal, where it has not ended."""
        was_ours = self.kind == "attached" and self.launch is not None
        return was_ours and self.state.name != "ended"

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

    @property
    def has_failed(self) -> bool:
        """Whether its last turn has failed, and none has begun since."""
        is_error = self.reason == "error" or self.reason.startswith("error: ")
        return self.detail_state == "idle" and is_error


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
    delivery: Delivery | Literal[""] = ""
    """When a message that is sent now would reach its agent."""
    note: str = ""
    """The same in words."""
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


class Forgotten(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The session is forgotten; `note` says what is not over with it, if anything is."""

    ok: bool
    note: str = ""


# Frames of a stream, beside events.


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
