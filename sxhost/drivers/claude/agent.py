"""One conversation with Claude Code: the verbs of an agent, and what it hears."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final
from uuid import uuid4

import msgspec
from msgspec import Raw, Struct
from twisted.internet.interfaces import IReactorTime

from sxhost.drivers.claude import input as words
from sxhost.drivers.claude.approvals import PendingApprovals
from sxhost.drivers.claude.control_requests import Control, default_model
from sxhost.drivers.claude.events import Teller
from sxhost.drivers.claude.messages import (
    Asked,
    Assistant,
    Cancelled,
    Lifecycle,
    Limit,
    NotClaude,
    Other,
    Replied,
    Result,
    StreamEvent,
    System,
    User,
    parse,
)
from sxhost.drivers.claude.turns import Turns
from sxhost.drivers.contracts import Reports, Started
from sxhost.errors import AgentFailed
from sxhost.logs import logger
from sxhost.model.approval import Answer, Question
from sxhost.model.turn import Abilities, Item, Launch, ModelDraft, TurnDraft, items
from sxhost.process.contracts import Child, Command, Exit, Spawn

__all__ = ["About", "Conversation"]

log = logger(__name__)

PATIENCE_S: Final = 30.0
"""How long Claude may take to be ready, or to answer a control request."""

LAST_PATIENCE_S: Final = 5.0
"""How long it may take to stop what it does before it is ended."""

STRANGE_LINES: Final = 20
"""Lines that make no sense and are written to the log; later ones are not."""

WORKING: Final = frozenset({"requesting", "compacting"})


class About(Struct, frozen=True):
    """How a conversation begins: its names are Claude's own."""

    launch: Launch
    command: Command
    session_id: str


class Conversation:
    """One process of Claude Code: an `Agent`, and the `Talk` of its child."""

    can = Abilities(steer=True, compact=True, set_model=True, resume=True)

    def __init__(
        self, about: About, reports: Reports, spawn: Spawn, clock: IReactorTime
    ) -> None:
        self._spawn = spawn
        self._about = about
        self._reports = reports
        self._child: Child | None = None
        self._exit: Exit | None = None
        self._strange = 0
        self._control = Control(self._say, clock)
        self._asks = PendingApprovals(reports, self._say)
        self._teller = Teller(reports)
        self._turns = Turns(reports, self._teller)
        self._hear: Mapping[type, Callable[[Any, bytes], None]] = {
            StreamEvent: self._piece,
            Assistant: self._assistant,
            User: self._teller.user,
            System: self._system,
            Result: self._result,
            Limit: self._teller.limit,
            Lifecycle: self._lifecycle,
            Asked: self._asks.asked,
            Cancelled: self._cancelled,
            Replied: self._replied,
            Other: self._other,
        }

    # Verbs.

    async def start(self) -> Started:
        """Run Claude; it is ready when it has answered.

        :raises AgentFailed: it cannot be run, went, refused or took too long.
        """
        self._child = child = self._spawn(self._about.command, self)
        self._reports.spawned(child.process)
        try:
            said = await self._control.ask(words.initialize(self._about.launch), PATIENCE_S)
        except AgentFailed as error:
            await child.end()
            raise self._unready(error) from None
        launch = self._about.launch
        return Started(
            native_id=self._about.session_id,
            model=launch.model or default_model(said),
            provider="anthropic",
            title=launch.title or "",
            native=said,
        )

    def _unready(self, error: AgentFailed) -> AgentFailed:
        """Return why Claude was not ready, with what it complained of."""
        stderr = self._exit.stderr.strip() if self._exit else ""
        last = stderr.rpartition("\n")[2]
        told = not last or last in error.message
        return error if told else AgentFailed(f"{error.message} It said: {last}")

    async def submit(self, draft: TurnDraft) -> str | None:
        """Send a message; return its name.

        :raises HostError: Claude cannot do it so, or is gone.
        """
        words.check_turn(draft, self._about.launch.cwd)
        policy = words.mode(draft.approval_policy) if draft.approval_policy else None
        await self._use(draft.model, draft.effort)
        if policy:
            await self._ask("set_permission_mode", mode=policy)
        return self._send(items(draft.input), self._turns.submitted, draft.native)

    async def steer(self, given: Sequence[Item]) -> None:
        """Send a message that Claude takes when it next has used a tool, or else at the end."""
        self._send(given, self._turns.submitted, {})

    async def interrupt(self) -> None:
        """Stop the turn, its command, and messages that wait to be taken."""
        await self._interrupt(PATIENCE_S)

    async def compact(self) -> None:
        """Have the conversation summed up: a turn of its own."""
        self._send(items("/compact"), self._turns.began, {})

    async def set_model(self, draft: ModelDraft) -> None:
        """Use another model (of the same provider), and with it another effort."""
        await self._use(draft.model, draft.effort)

    async def answer(self, question: Question, answer: Answer) -> None:
        """Tell Claude what was decided.

        :raises HostError: it does not wait for it any more, or does not understand it.
        """
        self._asks.answer(question.key, answer)

    async def stop(self) -> None:
        """Interrupt what runs (Claude would finish it first), then end the process."""
        if self._child is None:
            return
        if self._turns.running and self._exit is None:
            with suppress(AgentFailed):
                await self._interrupt(LAST_PATIENCE_S)
        await self._child.end()

    async def _interrupt(self, patience: float) -> None:
        self._teller.interrupting = self._turns.running
        try:
            await self._control.ask({"subtype": "interrupt", "cancel_queued": True}, patience)
        except AgentFailed:
            self._teller.interrupting = False
            raise

    async def _use(self, model: str | None, effort: str | None) -> None:
        if model:
            await self._ask("set_model", model=model)
        if effort:
            await self._ask("apply_flag_settings", settings={"effortLevel": effort})

    async def _ask(self, subtype: str, **more: Any) -> Raw:
        return await self._control.ask({"subtype": subtype, **more}, PATIENCE_S)

    # What we write.

    def _send(
        self, given: Sequence[Item], noted: Callable[[str], None], native: Mapping[str, Any]
    ) -> str:
        if self._child is None or self._exit is not None:
            how = self._exit.sentence if self._exit else "it was not started"
            raise AgentFailed(f"Nobody hears this: {how}.")
        name = str(uuid4())
        message = words.user(given, name, native)
        noted(name)
        self._say(message)
        return name

    def _say(self, message: Any) -> None:
        if self._child is not None:
            self._child.send(msgspec.json.encode(message))

    # What we hear.

    def line(self, line: bytes) -> None:
        """Hear a line."""
        try:
            said = parse(line)
        except NotClaude as error:
            self._wonder(line, str(error))
        else:
            self._hear[type(said)](said, line)

    def child_exited(self, how: Exit) -> None:
        """Hear that the process has ended."""
        self._exit = how
        self._asks.gone()
        self._turns.gone()
        self._reports.gone(how)
        self._control.gone(how)

    def _piece(self, said: StreamEvent, _line: bytes) -> None:
        if said.event.type == "message_start" and said.parent_tool_use_id is None:
            self._turns.stirred()
        self._teller.piece(said)

    def _assistant(self, said: Assistant, line: bytes) -> None:
        if said.parent_tool_use_id is None:
            self._turns.stirred()
        self._teller.assistant(said, line)

    def _system(self, said: System, line: bytes) -> None:
        if said.subtype == "status" and said.status in WORKING:
            self._turns.stirred()
        self._teller.system(said, line)

    def _result(self, said: Result, line: bytes) -> None:
        if self._turns.running:
            self._turns.ended(said, line)
        else:
            self._teller.native(line)

    def _lifecycle(self, said: Lifecycle, _line: bytes) -> None:
        self._turns.followed(said)

    def _cancelled(self, said: Cancelled, _line: bytes) -> None:
        self._asks.cancelled(said)

    def _replied(self, said: Replied, line: bytes) -> None:
        if not self._control.replied(said.response):
            self._wonder(line, "nobody asked for this answer")

    def _other(self, _said: Other, line: bytes) -> None:
        self._teller.native(line)

    def _wonder(self, line: bytes, why: str) -> None:
        self._strange += bool(line.strip())
        if line.strip() and self._strange <= STRANGE_LINES:
            log.warn("Claude said {line!r}: {why}", line=line[:200], why=why)
