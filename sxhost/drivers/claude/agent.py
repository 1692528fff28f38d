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
from sxhost.drivers.claude.control_requests import ControlRequests, default_model
from sxhost.drivers.claude.events import ClaudeTranslator
from sxhost.drivers.claude.messages import (
    Asked,
    Assistant,
    CommandLifecycle,
    ControlCancelRequest,
    ControlResponse,
    NotClaudeLine,
    RateLimitEvent,
    Result,
    StreamEvent,
    System,
    UnknownLine,
    User,
    parse,
)
from sxhost.drivers.claude.turns import ClaudeTurns
from sxhost.drivers.contracts import Reports, Started
from sxhost.errors import AgentFailed
from sxhost.logs import logger
from sxhost.model.approval import Answer, Question
from sxhost.model.turn import Abilities, Item, Launch, ModelDraft, TurnDraft, items
from sxhost.process.contracts import Child, Command, Exit, Spawn

__all__ = ["ClaudeAgent", "ConversationSpec"]

log = logger(__name__)

PATIENCE_S: Final = 30.0
"""How long Claude may take to be ready, or to answer a control request."""

LAST_PATIENCE_S: Final = 5.0
"""How long it may take to stop what it does before it is ended."""

STRANGE_LINES: Final = 20
"""Lines that make no sense and are written to the log; later ones are not."""

WORKING: Final = frozenset({"requesting", "compacting"})


class ConversationSpec(Struct, frozen=True):
    """How a conversation begins: its names are Claude's own."""

    launch: Launch
    command: Command
    session_id: str


class ClaudeAgent:
    """One process of Claude Code: an `Agent`, and the `Talk` of its child."""

    can = Abilities(steer=True, compact=True, set_model=True, resume=True)

    def __init__(
        self, about: ConversationSpec, reports: Reports, spawn: Spawn, clock: IReactorTime
    ) -> None:
        self._spawn = spawn
        self._about = about
        self._reports = reports
        self._child: Child | None = None
        self._exit: Exit | None = None
        self._strange = 0
        self._control = ControlRequests(self._say, clock)
        self._asks = PendingApprovals(reports, self._say)
        self._teller = ClaudeTranslator(reports)
        self._turns = ClaudeTurns(reports, self._teller)
        self._hear: Mapping[type, Callable[[Any, bytes], None]] = {
            StreamEvent: self._piece,
            Assistant: self._assistant,
            User: self._teller.user_received,
            System: self._system,
            Result: self._result,
            RateLimitEvent: self._teller.rate_limit_received,
            CommandLifecycle: self._lifecycle,
            Asked: self._asks.request_received,
            ControlCancelRequest: self._cancelled,
            ControlResponse: self._replied,
            UnknownLine: self._other,
        }

    # Verbs.

    async def start(self) -> Started:
        """Run Claude; it is ready when it has answered.

        :raises AgentFailed: it cannot be run, went, refused or took too long.
        """
        self._child = child = self._spawn(self._about.command, self)
        self._reports.spawned(child.process)
        try:
            said = await self._control.send_request(
                words.initialize(self._about.launch), PATIENCE_S
            )
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
        policy = words.permission_mode(draft.approval_policy) if draft.approval_policy else None
        await self._use(draft.model, draft.effort)
        if policy:
            await self._ask("set_permission_mode", mode=policy)
        return self._send(items(draft.input), self._turns.message_sent, draft.native)

    async def steer(self, given: Sequence[Item]) -> None:
        """Send a message that Claude takes when it next has used a tool, or else at the end."""
        self._send(given, self._turns.message_sent, {})

    async def interrupt(self) -> None:
        """Stop the turn, its command, and messages that wait to be taken."""
        await self._interrupt(PATIENCE_S)

    async def compact(self) -> None:
        """Have the conversation summed up: a turn of its own."""
        self._send(items("/compact"), self._turns.begin_turn, {})

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
            await self._control.send_request(
                {"subtype": "interrupt", "cancel_queued": True}, patience
            )
        except AgentFailed:
            self._teller.interrupting = False
            raise

    async def _use(self, model: str | None, effort: str | None) -> None:
        if model:
            await self._ask("set_model", model=model)
        if effort:
            await self._ask("apply_flag_settings", settings={"effortLevel": effort})

    async def _ask(self, subtype: str, **more: Any) -> Raw:
        return await self._control.send_request({"subtype": subtype, **more}, PATIENCE_S)

    # What we write.

    def _send(
        self, given: Sequence[Item], noted: Callable[[str], None], native: Mapping[str, Any]
    ) -> str:
        if self._child is None or self._exit is not None:
            how = self._exit.sentence if self._exit else "it was not started"
            raise AgentFailed(f"Nobody hears this: {how}.")
        name = str(uuid4())
        message = words.user_message(given, name, native)
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
        except NotClaudeLine as error:
            self._wonder(line, str(error))
        else:
            self._hear[type(said)](said, line)

    def child_exited(self, how: Exit) -> None:
        """Hear that the process has ended."""
        self._exit = how
        self._asks.clear()
        self._turns.process_exited()
        self._reports.gone(how)
        self._control.process_exited(how)

    def _piece(self, said: StreamEvent, _line: bytes) -> None:
        if said.event.type == "message_start" and said.parent_tool_use_id is None:
            self._turns.activity_seen()
        self._teller.stream_event_received(said)

    def _assistant(self, said: Assistant, line: bytes) -> None:
        if said.parent_tool_use_id is None:
            self._turns.activity_seen()
        self._teller.assistant_received(said, line)

    def _system(self, said: System, line: bytes) -> None:
        if said.subtype == "status" and said.status in WORKING:
            self._turns.activity_seen()
        self._teller.system_received(said, line)

    def _result(self, said: Result, line: bytes) -> None:
        if self._turns.running:
            self._turns.result_received(said, line)
        else:
            self._teller.report_native(line)

    def _lifecycle(self, said: CommandLifecycle, _line: bytes) -> None:
        self._turns.lifecycle_received(said)

    def _cancelled(self, said: ControlCancelRequest, _line: bytes) -> None:
        self._asks.request_cancelled(said)

    def _replied(self, said: ControlResponse, line: bytes) -> None:
        if not self._control.response_received(said.response):
            self._wonder(line, "nobody asked for this answer")

    def _other(self, _said: UnknownLine, line: bytes) -> None:
        self._teller.report_native(line)

    def _wonder(self, line: bytes, why: str) -> None:
        self._strange += bool(line.strip())
        if line.strip() and self._strange <= STRANGE_LINES:
            log.warn("Claude said {line!r}: {why}", line=line[:200], why=why)
