"""One conversation with Claude Code: the methods of an `Agent`, and the dispatch of lines."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final
from uuid import uuid4

from msgspec import Raw
from msgspec.structs import replace
from twisted.internet.interfaces import IReactorTime

from sxhost.codec.jsonrpc import Id
from sxhost.drivers.claude import input as claude_input
from sxhost.drivers.claude.approvals import agent_request
from sxhost.drivers.claude.background import BackgroundTasks
from sxhost.drivers.claude.control_requests import ClaudeClient, default_model
from sxhost.drivers.claude.events import ClaudeTranslator
from sxhost.drivers.claude.messages import (
    Assistant,
    CommandLifecycle,
    ControlCancelRequest,
    ControlRequest,
    Line,
    Result,
    StreamEvent,
    System,
)
from sxhost.drivers.claude.turns import ClaudeTurns
from sxhost.drivers.contracts import Reports, Started
from sxhost.drivers.kit.pending_questions import PendingQuestions
from sxhost.errors import AgentFailed
from sxhost.model.approval import Answer, Question
from sxhost.model.event_types import COUNTS
from sxhost.model.turn import Abilities, Item, Launch, ModelDraft, TurnDraft, items
from sxhost.process.contracts import ChildExit, Command, Spawn

__all__ = ["ClaudeAgent"]

PATIENCE_S: Final = 30.0
"""Seconds that Claude may take to be ready, or to answer a control request."""

STOP_S: Final = 5.0
"""Seconds that it may take to interrupt the turn before its process is ended."""

WORKING: Final = frozenset({"requesting", "compacting"})
"""Statuses in ``system/status`` by which Claude says that it is at work."""


ENVIRONMENT: Final = {"DISABLE_AUTOUPDATER": "1"}
"""Added to each agent's environment: Claude must not replace its own program while it runs."""


class ClaudeAgent:
    """One process of Claude Code: an `Agent`."""

    can = Abilities(
        steer=True, compact=True, set_model=True, resume=True, counted_anew=frozenset(COUNTS)
    )

    def __init__(
        self, launch: Launch, reports: Reports, spawn: Spawn, clock: IReactorTime
    ) -> None:
        claude_input.check_launch(launch)
        self._launch = launch
        self._reports = reports
        self._spawn = spawn
        self._session_id = launch.resume or str(uuid4())
        self._command = Command(
            argv=claude_input.arguments(launch, self._session_id),
            cwd=launch.cwd or ".",
            env={**ENVIRONMENT, **launch.env},
        )
        self._client = ClaudeClient(clock, self._line_received, self._process_exited)
        self._questions = PendingQuestions(
            reports, clock, self._respond, lambda: self._client.cut
        )
        self._translator = ClaudeTranslator(reports)
        self._background = BackgroundTasks(reports, clock)
        self._turns = ClaudeTurns(reports, self._translator, self._first_counted)

    def _first_counted(self, carried: dict[str, float]) -> None:
        """Note what a process that goes on with a conversation had counted before it began."""
        if self._launch.resume is not None:
            self.can = replace(self.can, carried=carried)

    # Methods of an agent.

    async def start(self) -> Started:
        """Run Claude; it is ready when it has answered ``initialize``.

        :raises AgentFailed: it cannot be run, ended, refused or took too long.
        """
        launch = self._launch
        self._reports.spawned(self._client.run(self._spawn, self._command))
        request = claude_input.initialize(launch)
        result = await self._client.shake_hands(self._client.request(PATIENCE_S, **request))
        return Started(
            native_id=self._session_id,
            model=launch.model or default_model(result),
            provider="anthropic",
            title=launch.title or "",
            native=result,
        )

    async def submit(self, draft: TurnDraft) -> str | None:
        """Send a user's message; return its id, which names the turn.

        :raises HostError: Claude cannot do such a turn, or has ended.
        """
        claude_input.check_turn(draft, self._launch.cwd)
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
        self._questions.answer(question, answer)

    async def stop(self) -> None:
        """Interrupt the turn, then end the process: Claude would finish the turn first."""
        if self._turns.running:
            with suppress(AgentFailed):
                await self._interrupt(STOP_S)
        await self._client.end()

    async def _interrupt(self, limit_s: float) -> None:
        self._translator.interrupting = self._turns.running
        try:
            await self._client.request(limit_s, "interrupt", cancel_queued=True)
        except AgentFailed:
            self._translator.interrupting = False
            raise

    async def _set_model(self, model: str | None, effort: str | None) -> None:
        if model:
            await self._request("set_model", model=model)
        if effort:
            await self._request("apply_flag_settings", settings={"effortLevel": effort})

    async def _request(self, subtype: str, **more: Any) -> Raw:
        return await self._client.request(PATIENCE_S, subtype, **more)

    # Sending.

    def _send_message(
        self,
        input_items: Sequence[Item],
        note_sent: Callable[[str], None],
        native: Mapping[str, Any],
    ) -> str:
        if not self._client.running:
            how = self._client.exit.sentence if self._client.exit else "it was not started"
            raise AgentFailed(f"Nobody hears this: {how}.")
        message_id = str(uuid4())
        message = claude_input.user_message(input_items, message_id, native)
        note_sent(message_id)
        self._client.send_message(message)
        return message_id

    def _respond(self, request_id: Id, response: Mapping[str, Any]) -> None:
        response = {"subtype": "success", "request_id": request_id, "response": response}
        self._client.send_message({"type": "control_response", "response": response})

    # Receiving.

    def _line_received(self, message: Line, line: bytes) -> None:
        if _announces_work(message):
            self._turns.work_announced()
        if _shows_activity(message) and self._turns.announced:
            self._turns.activity_seen()
            self._background.report_end()
        match message:
            case Result() if self._turns.running:
                self._turns.result_received(message, line)
                self._withdraw_orphaned()
            case CommandLifecycle():
                self._turns.lifecycle_received(message)
                self._withdraw_orphaned()
            case ControlRequest():
                self._request_received(message, line)
            case ControlCancelRequest(request_id=request_id):
                key = self._questions.find(request_id)
                self._questions.withdraw(key, "Claude no longer waits for it.")
            case System(subtype="background_tasks_changed", tasks=tasks):
                running = self._turns.running
                self._background.tasks_changed(tasks, Raw(line), turn_runs=running)
                self._withdraw_orphaned()
            case _:
                self._translator.line_received(message, line)

    def _withdraw_orphaned(self) -> None:
        """Withdraw what subagents have asked, once no turn and no task is left to wait."""
        if not (self._turns.running or self._background.running):
            why = "its subagent has ended"
            self._questions.withdraw_where(lambda question: question.outlives_turn, why)

    def _process_exited(self, how: ChildExit) -> None:
        """Report the end, after everything that was open."""
        self._questions.forget_all()
        self._background.process_exited()
        self._turns.process_exited()
        self._reports.exited(how)

    def _request_received(self, request: ControlRequest, line: bytes) -> None:
        """Report a request as a question; refuse one of another kind."""
        if request.request.subtype == "can_use_tool":
            self._questions.open(agent_request(request, Raw(line)))
            return
        text = f"This host does not answer {request.request.subtype or 'this'}."
        error = {"subtype": "error", "request_id": request.request_id, "error": text}
        self._client.send_message({"type": "control_response", "response": error})


def _announces_work(message: Line) -> bool:
    """Return whether a line says that Claude begins to work on a message."""
    match message:
        case System(subtype="init"):
            return True
        case System(subtype="status", status=status):
            return status in WORKING
    return False


def _shows_activity(message: Line) -> bool:
    """Return whether a line says that Claude works on a turn, and no subagent alone."""
    match message:
        case StreamEvent(event=event, parent_tool_use_id=parent):
            return event.type == "message_start" and parent is None
        case Assistant(parent_tool_use_id=parent):
            return parent is None
        case System(subtype="status", status=status):
            return status in WORKING
    return False
