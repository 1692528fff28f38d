"""One conversation with Claude Code: the methods of an `Agent`, and the dispatch of lines."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final
from uuid import uuid4

import msgspec
from msgspec import Raw, Struct
from twisted.internet.interfaces import IReactorTime

from sxhost.drivers.claude import input as claude_input
from sxhost.drivers.claude.approvals import PendingApprovals
from sxhost.drivers.claude.control_requests import ControlRequests, default_model
from sxhost.drivers.claude.events import ClaudeTranslator
from sxhost.drivers.claude.messages import (
    Assistant,
    CommandLifecycle,
    ControlCancelRequest,
    ControlRequest,
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
from sxhost.process.contracts import Child, ChildExit, Command, Spawn

__all__ = ["ClaudeAgent", "ConversationSpec"]

log = logger(__name__)

PATIENCE_S: Final = 30.0
"""Seconds that Claude may take to be ready, or to answer a control request."""

STOP_S: Final = 5.0
"""Seconds that it may take to interrupt the turn before its process is ended."""

STRANGE_LINES: Final = 20
"""How many lines that are none of Claude's are logged; a broken agent may print on."""

WORKING: Final = frozenset({"requesting", "compacting"})
"""Statuses in ``system/status`` by which Claude says that it is at work."""


class ConversationSpec(Struct, frozen=True):
    """How a conversation is started: the command, and the id that Claude is to give it."""

    launch: Launch
    command: Command
    session_id: str


class ClaudeAgent:
    """One process of Claude Code: an `Agent`, and the `ChildListener` of that process."""

    can = Abilities(steer=True, compact=True, set_model=True, resume=True)

    def __init__(
        self, spec: ConversationSpec, reports: Reports, spawn: Spawn, clock: IReactorTime
    ) -> None:
        self._spawn = spawn
        self._spec = spec
        self._reports = reports
        self._child: Child | None = None
        self._exit: ChildExit | None = None
        self._invalid_lines = 0
        self._control = ControlRequests(self._send, clock)
        self._approvals = PendingApprovals(reports, self._send)
        self._translator = ClaudeTranslator(reports)
        self._turns = ClaudeTurns(reports, self._translator)
        self._handlers: Mapping[type, Callable[[Any, bytes], None]] = {
            StreamEvent: self._stream_event,
            Assistant: self._assistant,
            User: self._translator.user_received,
            System: self._system,
            Result: self._result,
            RateLimitEvent: self._translator.rate_limit_received,
            CommandLifecycle: self._lifecycle,
            ControlRequest: self._approvals.request_received,
            ControlCancelRequest: self._cancelled,
            ControlResponse: self._replied,
            UnknownLine: self._other,
        }

    # Methods of an agent.

    async def start(self) -> Started:
        """Run Claude; it is ready when it has answered ``initialize``.

        :raises AgentFailed: it cannot be run, ended, refused or took too long.
        """
        self._child = child = self._spawn(self._spec.command, self)
        self._reports.spawned(child.process)
        try:
            request = claude_input.initialize(self._spec.launch)
            result = await self._control.send_request(request, PATIENCE_S)
        except AgentFailed as error:
            await child.end_family()
            raise self._with_stderr(error) from None
        launch = self._spec.launch
        return Started(
            native_id=self._spec.session_id,
            model=launch.model or default_model(result),
            provider="anthropic",
            title=launch.title or "",
            native=result,
        )

    def _with_stderr(self, error: AgentFailed) -> AgentFailed:
        """Return the error with the last line of Claude's stderr, which says why it ended."""
        stderr = self._exit.stderr.strip() if self._exit else ""
        last = stderr.rpartition("\n")[2]
        is_known = not last or last in error.message
        return error if is_known else AgentFailed(f"{error.message} It said: {last}")

    async def submit(self, draft: TurnDraft) -> str | None:
        """Send a user's message; return its id, which names the turn.

        :raises HostError: Claude cannot do such a turn, or has ended.
        """
        claude_input.check_turn(draft, self._spec.launch.cwd)
        policy = draft.approval_policy
        mode = claude_input.permission_mode(policy) if policy else None
        await self._set_model(draft.model, draft.effort)
        if mode:
            await self._request("set_permission_mode", mode=mode)
        return self._send_message(items(draft.input), self._turns.message_sent, draft.native)

    async def steer(self, input_items: Sequence[Item]) -> None:
        """Send a message; Claude reads it after its next use of a tool, or at the end."""
        self._send_message(input_items, self._turns.message_sent, {})

    async def interrupt(self) -> None:
        """Stop the turn and its command, and drop messages that Claude has not read yet."""
        await self._interrupt(PATIENCE_S)

    async def compact(self) -> None:
        """Have Claude compact the conversation, which is a turn of its own."""
        self._send_message(items("/compact"), self._turns.begin_turn, {})

    async def set_model(self, draft: ModelDraft) -> None:
        """Use another model of the same provider, and an effort where the draft has one."""
        await self._set_model(draft.model, draft.effort)

    async def answer(self, question: Question, answer: Answer) -> None:
        """Answer Claude's request.

        :raises HostError: Claude waits for it no longer, or does not know the decision.
        """
        self._approvals.answer(question.key, answer)

    async def stop(self) -> None:
        """Interrupt the turn, then end the process: Claude would finish the turn first."""
        if self._child is None:
            return
        if self._turns.running and self._exit is None:
            with suppress(AgentFailed):
                await self._interrupt(STOP_S)
        await self._child.end_family()

    async def _interrupt(self, limit: float) -> None:
        self._translator.interrupting = self._turns.running
        try:
            await self._control.send_request(
                {"subtype": "interrupt", "cancel_queued": True}, limit
            )
        except AgentFailed:
            self._translator.interrupting = False
            raise

    async def _set_model(self, model: str | None, effort: str | None) -> None:
        if model:
            await self._request("set_model", model=model)
        if effort:
            await self._request("apply_flag_settings", settings={"effortLevel": effort})

    async def _request(self, subtype: str, **more: Any) -> Raw:
        return await self._control.send_request({"subtype": subtype, **more}, PATIENCE_S)

    # Sending.

    def _send_message(
        self,
        input_items: Sequence[Item],
        note_sent: Callable[[str], None],
        native: Mapping[str, Any],
    ) -> str:
        if self._child is None or self._exit is not None:
            how = self._exit.sentence if self._exit else "it was not started"
            raise AgentFailed(f"Nobody hears this: {how}.")
        message_id = str(uuid4())
        message = claude_input.user_message(input_items, message_id, native)
        note_sent(message_id)
        self._send(message)
        return message_id

    def _send(self, message: Any) -> None:
        if self._child is not None:
            self._child.send(msgspec.json.encode(message))

    # Receiving.

    def line_received(self, line: bytes) -> None:
        """Handle a line of Claude; one that is none is logged and passed over."""
        try:
            message = parse(line)
        except NotClaudeLine as error:
            self._log_invalid(line, str(error))
        else:
            self._handlers[type(message)](message, line)

    def child_exited(self, how: ChildExit) -> None:
        """Report the end, after everything that was open."""
        self._exit = how
        self._approvals.clear()
        self._turns.process_exited()
        self._reports.gone(how)
        self._control.process_exited(how)

    def _stream_event(self, message: StreamEvent, _line: bytes) -> None:
        if message.event.type == "message_start" and message.parent_tool_use_id is None:
            self._turns.activity_seen()
        self._translator.stream_event_received(message)

    def _assistant(self, message: Assistant, line: bytes) -> None:
        if message.parent_tool_use_id is None:
            self._turns.activity_seen()
        self._translator.assistant_received(message, line)

    def _system(self, message: System, line: bytes) -> None:
        if message.subtype == "status" and message.status in WORKING:
            self._turns.activity_seen()
        self._translator.system_received(message, line)

    def _result(self, message: Result, line: bytes) -> None:
        if self._turns.running:
            self._turns.result_received(message, line)
        else:
            self._translator.report_native(line)

    def _lifecycle(self, message: CommandLifecycle, _line: bytes) -> None:
        self._turns.lifecycle_received(message)

    def _cancelled(self, message: ControlCancelRequest, _line: bytes) -> None:
        self._approvals.request_cancelled(message)

    def _replied(self, message: ControlResponse, line: bytes) -> None:
        if not self._control.response_received(message.response):
            self._log_invalid(line, "nobody asked for this answer")

    def _other(self, _message: UnknownLine, line: bytes) -> None:
        self._translator.report_native(line)

    def _log_invalid(self, line: bytes, why: str) -> None:
        self._invalid_lines += bool(line.strip())
        if line.strip() and self._invalid_lines <= STRANGE_LINES:
            log.warn("Claude said {line!r}: {why}", line=line[:200], why=why)
