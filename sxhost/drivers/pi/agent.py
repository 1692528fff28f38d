"""One conversation with pi: the methods of an `Agent`, and the dispatch of pi's lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from msgspec import DecodeError, Raw, Struct, json
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from sxhost.codec.jsonrpc import Id
from sxhost.drivers.contracts import NativeAnswer, Reports, Started
from sxhost.drivers.kit.pending_questions import PendingQuestions
from sxhost.drivers.pi.conversation import CHANGES, PiConversation
from sxhost.drivers.pi.decoder import DecodedLine
from sxhost.drivers.pi.dialogs import CANCELLED, SHOWS, agent_request
from sxhost.drivers.pi.events import PiTranslator
from sxhost.drivers.pi.launch import (
    arguments,
    check_launch,
    check_turn,
    prompt_fields,
    session_file,
)
from sxhost.drivers.pi.messages import DialogRequest
from sxhost.drivers.pi.rpc import RpcClient
from sxhost.drivers.pi.run import BEGINS, TurnTracker
from sxhost.errors import AgentFailed, CommandRefused, HostError, NoTurn, TurnInProgress
from sxhost.model.approval import Answer, Question
from sxhost.model.turn import Abilities, Item, Launch, ModelDraft, TurnDraft, items
from sxhost.process.contracts import ChildExit, Command, Spawn

__all__ = ["PiAgent"]

NULL = Raw(b"null")

READY_S = 30.0
"""Seconds that pi may take to start."""

TAKE_S = 120.0
"""Seconds that pi may take to accept a prompt: extensions see it first."""

ABORT_S = 5.0
"""Seconds to wait for an interruption; after that it goes on in the background."""

COMPACT_S = 1.0
"""Seconds to wait for a refusal to compact: pi answers only when it has compacted."""


class _PromptAnswer(Struct, frozen=True):
    disposition: str = ""


class PiAgent:
    """One conversation with pi in a process of its own: an `Agent`."""

    can = Abilities(steer=True, compact=True, set_model=True, resume=True)

    def __init__(
        self, launch: Launch, reports: Reports, spawn: Spawn, clock: IReactorTime
    ) -> None:
        check_launch(launch)
        self._launch = launch
        self._reports = reports
        self._spawn = spawn
        self._clock = clock
        self._rpc = RpcClient(clock, self._line_received, self._process_exited)
        self._translator = PiTranslator(reports)
        self._dialogs = PendingQuestions(reports, clock, self._respond, lambda: self._rpc.cut)
        self._refusing_dialogs = False
        """Whether dialogs are cancelled at once: the turn is being interrupted."""
        self._turns = TurnTracker(
            reports,
            clock,
            lambda: self._rpc.send_command("get_state"),
            self._translator.open_items.begin_turn,
            self._before_turn_end,
        )
        self._submitting: Deferred[None] | None = None
        self._conversation = PiConversation(self._rpc, self._translator)

    # Start and end.

    async def start(self) -> Started:
        """Run pi; see `sxhost.drivers.contracts.Agent.start`."""
        session = session_file(self._launch)
        command = Command(
            argv=arguments(self._launch, session),
            cwd=str(self._launch.cwd),
            env=self._launch.env,
        )
        self._reports.spawned(self._rpc.run(self._spawn, command))
        native = await self._rpc.shake_hands(self._ready())
        return Started(
            native_id=self.native_id,
            model=self._conversation.model.id,
            provider=self._conversation.model.provider,
            title=self._conversation.state.session_name or "",
            native=native,
        )

    async def _ready(self) -> Raw:
        """Wait for pi's first answer, its state: it sends no greeting by itself."""
        native = await self._rpc.send_command("get_state", limit_s=READY_S)
        self._conversation.state_received(native)
        if self._launch.resume is not None:
            await self._conversation.restore_usage()
        if self._launch.title not in (None, self._conversation.state.session_name):
            await self._rpc.send_command("set_session_name", {"name": self._launch.title})
            native = await self._conversation.refresh()
        return native

    async def stop(self) -> None:
        """Interrupt the turn, then end the process: pi's commands would outlive it."""
        if self._turns.running:
            with suppress(AgentFailed):
                await self._abort()
        await self._rpc.end()

    def _process_exited(self, how: ChildExit) -> None:
        self._turns.process_exited()
        self._translator.open_items.cut()
        self._dialogs.forget_all()
        self._reports.exited(how)

    @property
    def native_id(self) -> str:
        """What a later process can resume; a command of pi's may have changed it."""
        return self._conversation.native_id

    # Methods of an agent.

    async def submit(self, draft: TurnDraft) -> None:
        """Begin a turn; pi has no ids of turns."""
        if self._turns.running:
            raise TurnInProgress(self._session_id)
        check_turn(draft, self._launch)
        await self._conversation.use_model(draft.model, None, draft.effort)
        self._turns.prompt_sent()
        self._translator.cutting = False
        self._submitting = submitting = Deferred[None]()
        fields = {**draft.native, **prompt_fields(items(draft.input))}
        self._rpc.send_command("prompt", fields).addCallbacks(
            self._prompt_accepted, self._prompt_refused
        )
        await submitting.addTimeout(TAKE_S, self._clock, self._submit_timed_out)

    def _submit_timed_out(self, _failure: Any, seconds: float) -> None:
        self._submitting = None
        reason = f"pi has not taken a prompt within {seconds:g} s."
        self._turns.prompt_refused(reason)
        raise AgentFailed(reason)

    def _prompt_accepted(self, data: Raw) -> None:
        self._finish_submit()
        self._turns.prompt_accepted(handled=_is_handled(data))
        if self._translator.cutting:  # interrupted before pi had begun
            self._rpc.send_command("abort").addErrback(_ignore)

    def _prompt_refused(self, failure: Failure) -> None:
        error: Any = failure.value
        if isinstance(error, CommandRefused) and "already processing" in error.reason:
            error = TurnInProgress(self._session_id)
        self._turns.prompt_refused(str(error))
        self._finish_submit(error)

    def _finish_submit(self, error: HostError | None = None) -> None:
        """Have `submit` return or fail: pi has answered, or works already."""
        submitting, self._submitting = self._submitting, None
        if submitting is not None and error is not None:
            submitting.errback(error)
        elif submitting is not None:
            submitting.callback(None)

    async def steer(self, input_items: Sequence[Item]) -> None:
        """Add input to the running turn: pi reads it after the model's current answer."""
        if not self._turns.running:
            raise NoTurn(self._session_id)
        await self._rpc.send_command("steer", prompt_fields(input_items))
        self._warn_late()

    def _warn_late(self) -> None:
        if not self._turns.running:
            self._translator.open_items.report_warning(
                "The turn was over before pi read this; it reads it in the next."
            )

    async def interrupt(self) -> None:
        """Stop the running turn and its commands."""
        if not self._turns.running:
            raise NoTurn(self._session_id)
        await self._abort()

    async def _abort(self) -> None:
        """Abort the turn, and cancel open dialogs: pi waits for their answers first."""
        self._turns.interrupt_requested()
        self._translator.cutting = self._refusing_dialogs = True
        answer = self._rpc.send_command("abort")
        self._dialogs.cancel_all("the turn was interrupted")
        await answer.addTimeout(ABORT_S, self._clock, _ignore)
        self._refusing_dialogs = False
        self._translator.cutting = self._turns.running

    async def compact(self) -> None:
        """Have pi compact the conversation, which is reported as a turn of its own.

        :raises CommandRefused: there is nothing to compact (a turn is reported nevertheless).
        """
        if self._turns.running:
            raise TurnInProgress(self._session_id)
        answer = self._rpc.send_command("compact")
        await answer.addTimeout(COMPACT_S, self._clock, _ignore)

    async def set_model(self, draft: ModelDraft) -> None:
        """Use another model from now on; old pi makes it the default of new sessions."""
        await self._conversation.use_model(draft.model, draft.provider, draft.effort)

    async def answer(self, question: Question, answer: Answer) -> None:
        """Answer the dialog of an extension.

        :raises AgentFailed: the extension does not wait for it any more.
        """
        self._dialogs.answer(question, answer)

    async def native_command(self, name: str, params: Mapping[str, Any]) -> NativeAnswer:
        """Send any command of pi; see `NativeCommands.native_command`.

        ``extension_ui_response`` has no answer: it is sent, and its question is withdrawn.
        """
        if name == "extension_ui_response":
            self._rpc.send_message({**params, "type": name})
            key = self._dialogs.find(str(params.get("id")))
            self._dialogs.withdraw(key, "it was answered in pi's own words")
            return NativeAnswer(result=NULL)
        if name == "abort":
            await self._abort()
            return NativeAnswer(result=NULL)
        before = self._conversation.settings
        result = await self._rpc.send_command(name, params)
        if name not in CHANGES:
            return NativeAnswer(result=result)
        await self._conversation.refresh()
        now = self._conversation.settings
        changed = {k: v for k, v in now.items() if v and v != before[k]}
        return NativeAnswer(result=result, **changed)

    # Lines of pi.

    def _line_received(self, line: DecodedLine) -> None:
        if isinstance(line.message, DialogRequest) and self._dialog_received(
            line.message, line.native
        ):
            self._finish_submit()
            return
        self._turns.before_event(line)
        self._translator.line_received(line)
        self._turns.after_event(line)
        if line.kind in BEGINS:
            self._finish_submit()

    def _dialog_received(self, dialog: DialogRequest, native: Raw) -> bool:
        """Report a dialog as a question; return False if its method is not known."""
        request = agent_request(dialog, native)
        if request is not None and not self._refusing_dialogs:
            self._dialogs.open(request, request.question.expires_s)
        elif dialog.method not in SHOWS:
            self._respond(dialog.id, CANCELLED)  # or pi would wait for ever
        return request is not None

    def _respond(self, dialog_id: Id, response: Mapping[str, Any]) -> None:
        self._rpc.send_message({"type": "extension_ui_response", "id": dialog_id, **response})

    def _before_turn_end(self) -> None:
        """Cut open tools and cancel open dialogs before the end of a turn is reported."""
        self._translator.open_items.cut(interrupted=self._translator.cutting)
        self._translator.cutting = self._refusing_dialogs = False
        self._dialogs.cancel_all("the turn is over")

    @property
    def _session_id(self) -> str:
        return self._launch.id or self._conversation.state.session_id


def _is_handled(data: Raw) -> bool:
    """Return whether an extension has handled a prompt without pi; old pi does not say."""
    try:
        answer = json.decode(data, type=_PromptAnswer | None)
    except DecodeError:
        return False
    return answer is not None and answer.disposition == "handled"


def _ignore(_failure: Any, _seconds: float = 0) -> None:
    """Ignore a failure, or that an answer comes too late."""
