"""Starting a hosted agent, the input that it is given, and its turns."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from sxhost.model.names import Argument, Key, Label, LabelName, Line, Path, SessionId

__all__ = [
    "Abilities",
    "AgentInfo",
    "AgentState",
    "AgentStatus",
    "CutReason",
    "File",
    "Image",
    "Input",
    "Item",
    "Launch",
    "LocalImage",
    "ModelDraft",
    "OSProcess",
    "Process",
    "SteerDraft",
    "Submitted",
    "Text",
    "Turn",
    "TurnDraft",
    "TurnStatus",
    "input_text",
    "items",
]

TurnStatus = Literal["running", "completed", "interrupted", "failed"]
AgentState = Literal["gone", "starting", "idle", "running", "waiting", "stopping"]


class CutReason(StrEnum):
    """Why a turn is over that its agent did not end: the `reason` of its event."""

    PROCESS_ENDED = "transport_closed_before_turn_completed"
    """The agent's process has ended in the middle of it."""
    HOST_ENDED = "host_ended_before_turn_completed"
    """The host was killed; its next run says so."""
    AGENT_ENDED = "the agent was ended"
    """The session was deleted, or the host has stopped."""
    AGENT_STOPPED = "the agent was stopped"
    """The driver has stopped it before its process ended (codex: others may use that)."""


AgentName = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_-]{0,63}\Z")]
Encoded = Annotated[str, Meta(max_length=20_000_000)]

# Input.


class Text(Struct, frozen=True, tag="text", kw_only=True):
    """Plain text."""

    text: str


class Image(Struct, frozen=True, tag="image", kw_only=True, omit_defaults=True):
    """A picture: its `data` in base64, or a `url` (``https:`` or ``data:``)."""

    data: Encoded = ""
    mime_type: Line = "image/png"
    url: Encoded = ""


class LocalImage(Struct, frozen=True, tag="localImage", kw_only=True):
    """A picture in a file that the agent can read."""

    path: Path


class File(Struct, frozen=True, tag="file", kw_only=True):
    """A file that the agent can read."""

    path: Path


Item = Text | Image | LocalImage | File
Input = Annotated[str, Meta(min_length=1)] | Annotated[list[Item], Meta(min_length=1)]


def items(given: Input) -> list[Item]:
    """Return an input as a list of items; a plain text is one item."""
    return [Text(text=given)] if isinstance(given, str) else given


def input_text(given: Input) -> str:
    """Return an input as text; images and files stand in brackets."""
    return "\n".join(_item_text(item) for item in items(given))


def _item_text(item: Item) -> str:
    match item:
        case Text():
            return item.text
        case Image():
            return "[image]"
        case LocalImage() | File():
            return f"[{item.path}]"


# Starting.


class Launch(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How an agent is started: the body of ``POST /sessions``."""

    agent: AgentName
    """The driver that speaks its language: ``codex``, ``pi``, ``acp``, ``claude``, ``echo``."""
    id: SessionId | None = None
    """The id of the session; without one it gets a generated id."""
    cwd: Path | None = None
    prompt: Input | None = None
    """A first turn."""
    model: Line | None = None
    provider: Line | None = None
    effort: Line | None = None
    approval_policy: Line | None = None
    sandbox: Line | None = None
    title: Line | None = None
    labels: Annotated[dict[LabelName, Label], Meta(max_length=64)] = {}
    metadata: dict[str, object] = {}
    resume: Line | None = None
    """The agent's own id of the conversation to resume."""
    command: Annotated[list[Argument], Meta(min_length=1, max_length=256)] | None = None
    """The program and its arguments, where it is not the driver's usual one."""
    env: Annotated[dict[Key, Argument], Meta(max_length=256)] = {}
    native: Mapping[str, object] = {}
    """Further fields of the agent's own protocol, passed on unchanged."""


class Process(Struct, frozen=True):
    """A process; `started` (clock ticks since boot) tells it from later ones of its number."""

    pid: int
    started: int = 0


class OSProcess(Struct, frozen=True, kw_only=True):
    """A process as others can name it, who may be on another machine or in a container."""

    pid: Annotated[int, Meta(ge=1, le=2**31 - 1)]
    started: Annotated[int, Meta(ge=0)]
    """Clock ticks since the machine's start."""
    boot: Line
    """The kernel's name for this life of the machine."""
    namespace: Line
    """The kernel's name for the numbering that `pid` is of."""


class AgentInfo(Struct, frozen=True, kw_only=True):
    """A kind of agent that this host has a driver for."""

    name: str
    """As it is named to start one."""
    installed: bool
    """Whether its program is there and can be run."""
    program: str = ""
    """Where that is; "" where there is none of its own."""
    version: str = ""
    """As the program says it; "" if it does not."""
    why: str = ""
    """Why it cannot be started, in a sentence."""


class Abilities(Struct, frozen=True, kw_only=True):
    """What an agent's driver offers beside turns."""

    steer: bool = False
    interrupt: bool = True
    compact: bool = False
    set_model: bool = False
    resume: bool = False
    """Whether a conversation can go on in a new process."""
    counted_anew: frozenset[str] = frozenset()
    """The fields of its usage that each process counts from nothing, not the conversation."""
    carried: Mapping[str, float] = {}
    """What this process counts nevertheless that earlier ones have used, about."""


# Turns.


class TurnDraft(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Input for a turn, and settings that apply from then on."""

    input: Input
    model: Line | None = None
    effort: Line | None = None
    cwd: Path | None = None
    approval_policy: Line | None = None
    sandbox: Line | None = None
    native: Mapping[str, object] = {}
    """Further fields of the agent's own protocol, passed on unchanged."""


class SteerDraft(Struct, frozen=True, kw_only=True):
    """Input to add to the running turn."""

    input: Input


class ModelDraft(Struct, frozen=True, kw_only=True):
    """The model to use from now on."""

    model: Line
    provider: Line | None = None
    effort: Line | None = None


class Turn(Struct, frozen=True, kw_only=True):
    """One submitted input and all it causes; `id` counts in the session, times in Unix ms."""

    id: int
    status: TurnStatus = "running"
    native_id: str | None = None
    reason: str = ""
    """Why it was interrupted or has failed."""
    start_ms: int = 0
    end_ms: int | None = None


class Submitted(Struct, frozen=True, kw_only=True):
    """The turn has begun."""

    ok: bool = True
    turn: Turn = field()


class AgentStatus(Struct, frozen=True, kw_only=True):
    """The agent of a hosted session at this moment, of which the log may not tell yet."""

    state: AgentState
    """`waiting`: for a decision, in the middle of a turn."""
    turn: Turn | None = None
    """The running turn, or the last one."""
    effort: str | None = None

    @property
    def is_ready(self) -> bool:
        """Whether its process runs, and takes commands."""
        return self.state in ("idle", "running", "waiting")

    @property
    def is_busy(self) -> bool:
        """Whether a turn runs."""
        return self.state in ("running", "waiting")
