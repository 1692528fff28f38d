"""One conversation with pi: the verbs of an agent, and what it hears."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from msgspec import DecodeError, Raw, Struct, json
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from sxhost.drivers.contracts import Reports, Started
from sxhost.drivers.pi.conversation import CHANGES, PiConversation
from sxhost.drivers.pi.decoder import DecodedLine
from sxhost.drivers.pi.dialogs import PendingDialogs
from sxhost.drivers.pi.events import PiTranslator
from sxhost.drivers.pi.launch import arguments, check_turn, prompt_fields, session_file
from sxhost.drivers.pi.messages import DialogRequest
from sxhost.drivers.pi.rpc import Refused, RpcClient
from sxhost.drivers.pi.run import BEGINS, TurnTracker
from sxhost.errors import AgentFailed, HostError, NoTurn, TurnInProgress
from sxhost.model.approval import Answer, Question
from sxhost.model.turn import Abilities, Item, Launch, ModelDraft, TurnDraft, items
from sxhost.process.contracts import Child, Command, Exit, Spawn

__all__ = ["PiAgent", "Refused"]

READY_S = 30.0
"""Seconds that pi may take to start."""

TAKE_S = 120.0
"""Seconds that pi may take to accept a prompt or to begin: extensions look at it first."""

ABORT_S = 5.0
"""Seconds that are waited for an interruption to be complete; it goes on without us."""

COMPACT_S = 1.0
"""Seconds in which pi refuses to compact, if it does; it answers when it has compacted."""


class _Taken(Struct, frozen=True):
    disposition: str = ""


class PiAgent:
    """One conversation with pi, in its own process."""

    can = Abilities(steer=True, compact=True, set_model=True, resume=True)

    def __init__(
        self, launch: Launch, reports: Reports, spawn: Spawn, clock: IReactorTime
    ) -> None:
        self._launch = launch
        self._reports = reports
        self._spawn = spawn
        self._clock = clock
        self._calls = RpcClient(self._heard, self._gone)
        self._events = PiTranslator(reports.event)
        self._dialogs = PendingDialogs(reports, clock, self._calls.send_message)
        self._run = TurnTracker(
            reports, clock, lambda: self._calls.send_command("get_state"), self._over
        )
        self._child: Child | None = None
        self._taking: Deferred[None] | None = None
        self._standing = PiConversation(self._calls, self._events)

    # Its life.

    async def start(self) -> Started:
        """Begin; see `sxhost.drivers.contracts.Agent.start`."""
        session = session_file(self._launch)
        command = Command(
            argv=arguments(self._launch, session),
            cwd=str(self._launch.cwd),
            env=self._launch.env,
        )
        self._child = self._spawn(command, self._calls)
        self._calls.attach_child(self._child)
        self._reports.spawned(self._child.process)
        try:
            native = await self._ready()
        except BaseException as error:
            await self._child.end()
            if isinstance(error, AgentFailed):
                raise AgentFailed(self._explained(error.message)) from None
            raise
        return Started(
            native_id=self.native_id,
            model=self._standing.model.id,
            provider=self._standing.model.provider,
            title=self._standing.state.session_name or "",
            native=native,
        )

    async def _ready(self) -> Raw:
        """Wait until pi answers: it says nothing of itself before."""
        answer = self._calls.send_command("get_state")
        answer.addTimeout(READY_S, self._clock, _too_late)
        native = await answer
        self._standing.state_received(native)
        if self._launch.resume is not None:
            await self._standing.restore_usage()
        if self._launch.title not in (None, self._standing.state.session_name):
            await self._calls.send_command("set_session_name", {"name": self._launch.title})
            native = await self._standing.refresh()
        return native

    def _explained(self, why: str) -> str:
        """Add to a reason what pi complained of."""
        said = self._calls.exit.stderr.strip() if self._calls.exit else ""
        return f"{why}\n{said}" if said and said not in why else why

    async def stop(self) -> None:
        """End in order: what runs is interrupted first, else its commands would outlive it."""
        if self._run.running:
            with suppress(AgentFailed):
                await self._abort()
        if self._child is not None:
            await self._child.end()

    def _gone(self, how: Exit) -> None:
        self._run.process_exited()
        self._events.cut_open_tools()
        self._dialogs.cancel_all(how.sentence)
        self._reports.gone(how)

    @property
    def native_id(self) -> str:
        """What a later process goes on with; a command may have changed it."""
        return self._standing.native_id

    # Verbs.

    async def submit(self, draft: TurnDraft) -> None:
        """Begin a turn; see `sxhost.drivers.contracts.Agent.submit`.  Pi has no name for it."""
        if self._run.running:
            raise TurnInProgress(self._name)
        check_turn(draft, self._launch)
        await self._standing.use_model(draft.model, None, draft.effort)
        self._run.prompt_sent()
        self._events.cutting = False
        self._taking = taking = Deferred[None]()
        fields = {**draft.native, **prompt_fields(items(draft.input))}
        self._calls.send_command("prompt", fields).addCallbacks(self._accepted, self._refused)
        await taking.addTimeout(TAKE_S, self._clock, self._not_taken)

    def _not_taken(self, _failure: Any, seconds: float) -> None:
        self._taking = None
        why = f"pi has not taken a prompt within {seconds:g} s."
        self._run.prompt_refused(why)
        raise AgentFailed(why)

    def _accepted(self, data: Raw) -> None:
        self._take()
        self._run.prompt_accepted(handled=_is_handled(data))
        if self._events.cutting:  # what was to be cut has only begun now
            self._calls.send_command("abort").addErrback(_enough)

    def _refused(self, failure: Failure) -> None:
        error: Any = failure.value
        if isinstance(error, Refused) and "already processing" in error.said:
            error = TurnInProgress(self._name)
        self._run.prompt_refused(str(error))
        self._take(error)

    def _take(self, error: HostError | None = None) -> None:
        """Let `submit` return: pi has answered, or has begun without an answer."""
        taking, self._taking = self._taking, None
        if taking is not None and error is not None:
            taking.errback(error)
        elif taking is not None:
            taking.callback(None)

    async def steer(self, given: Sequence[Item]) -> None:
        """Add to the running turn: pi reads it after the model's present answer."""
        if not self._run.running:
            raise NoTurn(self._name)
        await self.command("steer", **prompt_fields(given))
        self._warn_late()

    def _warn_late(self) -> None:
        if not self._run.running:
            self._events.report_warning(
                "The turn was over before pi read this; it reads it in the next."
            )

    async def interrupt(self) -> None:
        """Stop the running turn and what it runs."""
        if not self._run.running:
            raise NoTurn(self._name)
        await self._abort()

    async def _abort(self) -> None:
        """Abort, and cancel what is asked: pi does not end before that is answered."""
        self._run.interrupt_requested()
        self._events.cutting = self._dialogs.refusing = True
        answer = self._calls.send_command("abort")
        self._dialogs.cancel_all("the turn was interrupted")
        await answer.addTimeout(ABORT_S, self._clock, _enough)
        self._dialogs.refusing = False
        self._events.cutting = self._run.running

    async def compact(self) -> None:
        """Shorten the conversation; it is told as a turn of its own.

        :raises Refused: there is nothing to shorten (a turn is told nevertheless).
        """
        if self._run.running:
            raise TurnInProgress(self._name)
        answer = self._calls.send_command("compact")
        await answer.addTimeout(COMPACT_S, self._clock, _enough)

    async def set_model(self, draft: ModelDraft) -> None:
        """Use another model from now on; old pi makes it the default of new sessions too."""
        await self._standing.use_model(draft.model, draft.provider, draft.effort)

    async def answer(self, question: Question, answer: Answer) -> None:
        """Tell the extension what was decided."""
        if not self._dialogs.answer(question.key, answer):
            raise AgentFailed("pi does not wait for this answer any more.")

    async def command(self, command: str, /, **fields: Any) -> Any:
        """Send any command of pi's own; return the ``data`` of its answer, as it came.

        ``extension_ui_response`` has no answer: it is sent, and its question is settled.

        :raises Refused: pi said no; ``said`` are its words.
        :raises AgentFailed: pi went before it answered.
        """
        if command == "extension_ui_response":
            self._calls.send_message({**fields, "type": command})
            self._dialogs.withdraw(str(fields.get("id")), "it was answered in pi's own words")
            return None
        if command == "abort":
            await self._abort()
            return Raw(b"null")
        data = await self._calls.send_command(command, fields)
        if command in CHANGES:
            await self._standing.refresh()
        return data

    # What it says.

    def _heard(self, heard: DecodedLine) -> None:
        if isinstance(heard.message, DialogRequest) and self._dialogs.request_received(
            heard.message, heard.native
        ):
            self._take()
            return
        self._run.before_event(heard)
        self._events.line_received(heard)
        self._run.after_event(heard)
        if heard.kind in BEGINS:
            self._take()

    def _over(self) -> None:
        """Leave nothing open at the end of a turn."""
        self._events.cut_open_tools()
        self._events.cutting = self._dialogs.refusing = False
        self._dialogs.cancel_all("the turn is over")

    @property
    def _name(self) -> str:
        return self._launch.id or self._standing.state.session_id


def _is_handled(data: Raw) -> bool:
    """Tell whether an extension has dealt with a prompt; older pi does not say."""
    try:
        taken = json.decode(data, type=_Taken | None)
    except DecodeError:
        return False
    return taken is not None and taken.disposition == "handled"


def _too_late(_failure: Any, seconds: float) -> None:
    raise AgentFailed(f"pi has not answered in {seconds:g} s.")


def _enough(_failure: Any, _seconds: float = 0) -> None:
    """Wait no longer, and do not mind."""
