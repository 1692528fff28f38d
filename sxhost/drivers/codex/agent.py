"""One codex conversation: the methods of an `Agent` as calls of the app server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from msgspec import DecodeError, Raw, Struct, ValidationError, convert, json
from msgspec.structs import replace
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from sxhost.codec.jsonrpc import Id
from sxhost.drivers.codex.approvals import agent_request
from sxhost.drivers.codex.executable import app_server
from sxhost.drivers.codex.items import ItemTranslator
from sxhost.drivers.codex.notifications import Notification
from sxhost.drivers.codex.requests import input_of, resume_of, settings_of, start_of, turn_of
from sxhost.drivers.codex.server import CALL_S, Server, ServerPool
from sxhost.drivers.contracts import NativeAnswer, Reports, Started
from sxhost.drivers.kit.jsonrpc_peer import CallRefused
from sxhost.drivers.kit.pending_questions import PendingQuestions
from sxhost.errors import AgentFailed, Unsupported
from sxhost.model.approval import Answer, Question
from sxhost.model.turn import Abilities, CutReason, Item, Launch, ModelDraft, TurnDraft
from sxhost.process.contracts import ChildExit, Command

__all__ = ["CodexAgent"]

BEGIN_S: Final = 5.0
"""Seconds in which a turn begins that codex has accepted."""

STOP_S: Final = 10.0
"""Seconds for each call while the agent is being stopped."""

ROOT: Final = "/"
"""The working directory of an app server: each thread has one of its own."""


class _Thread(Struct, frozen=True):
    id: str
    name: str | None = None


class _ThreadOpened(Struct, frozen=True, rename="camel"):
    thread: _Thread
    model: str | None = None
    model_provider: str | None = None


class _Turn(Struct, frozen=True):
    id: str


class _TurnStarted(Struct, frozen=True):
    turn: _Turn


class _RequestResolved(Struct, frozen=True, rename="camel"):
    request_id: int | str


class CodexAgent:
    """A thread of an app server: an `Agent`.  It may be started again after its end."""

    can = Abilities(steer=True, interrupt=True, compact=True, set_model=True, resume=True)

    def __init__(
        self, launch: Launch, reports: Reports, servers: ServerPool, clock: IReactorTime
    ) -> None:
        self._launch = launch
        self._clock = clock
        self._reports = reports
        self._servers = servers
        self._server: Server | None = None
        self._joining: Server | None = None
        self._reset()

    def _reset(self) -> None:
        self._thread = self._provider = ""
        self._next_model: ModelDraft | None = None
        self._effort = self._launch.effort
        self._sandbox = self._launch.native.get("sandboxPolicy")
        self._items = ItemTranslator(self._reports)
        self._questions = PendingQuestions(
            self._reports,
            self._clock,
            lambda number, result: self._running_server().respond(number, result),
            lambda: self._running_server().cut,
        )

    # Methods of an agent.

    async def start(self) -> Started:
        """Start a thread, or resume one."""
        if self._server is not None:
            raise AgentFailed("The agent runs already.")
        self._reset()
        launch = self._launch
        argv = launch.command or app_server(launch.env.get("PATH"))
        command = Command(argv=argv, cwd=ROOT, env=launch.env)
        self._joining = server = self._servers.server_for(command)
        try:
            self._reports.spawned(await server.join(self))
            started = await self._open(server)
        except BaseException:
            await server.release(self)
            raise
        finally:
            self._joining = None
        self._server = server
        return started

    async def _open(self, server: Server) -> Started:
        method, params = "thread/start", start_of(self._launch)
        if self._launch.resume:
            method, params = "thread/resume", resume_of(self._launch)
            self._thread = self._launch.resume
            server.route_thread(self._thread, self)  # its notifications come before the answer
        try:
            native = await server.call(method, params)
        except AgentFailed as error:
            if not (self._launch.resume and "is archived" in error.message):
                raise
            # a host has ended while it left the thread, or its user has archived it
            await server.call("thread/unarchive", {"threadId": self._thread})
            native = await server.call(method, params)
        if self._joining is None:
            raise AgentFailed("The agent was stopped while it started.")
        try:
            opened = convert(native, _ThreadOpened)
        except ValidationError as error:
            raise AgentFailed(f"The agent's answer to {method} is wrong: {error}.") from None
        return self._started(server, opened, native)

    def _started(self, server: Server, opened: _ThreadOpened, native: Any) -> Started:
        self._thread = opened.thread.id
        self._provider = opened.model_provider or ""
        server.route_thread(self._thread, self)
        return Started(
            native_id=self._thread,
            model=opened.model or "",
            provider=self._provider,
            title=opened.thread.name or "",
            native=native,
        )

    async def submit(self, draft: TurnDraft) -> str | None:
        """Start a turn; return codex's id of it."""
        server = self._running_server()
        pending = self._next_model
        draft = replace(
            draft,
            model=draft.model or (pending and pending.model),
            effort=draft.effort or (pending and pending.effort) or self._effort,
        )
        # thread/start takes a sandbox's name alone: its details go with the first turn
        if self._sandbox and not draft.sandbox:
            draft = replace(draft, native={"sandboxPolicy": self._sandbox, **draft.native})
        params = turn_of(self._thread, draft)
        started: _TurnStarted = await server.call("turn/start", params, _TurnStarted)
        # codex keeps a turn's settings for those that follow
        self._next_model = self._effort = self._sandbox = None
        self._items.turn_accepted(started.turn.id)
        return started.turn.id

    async def steer(self, given: Sequence[Item]) -> None:
        """Add input to the running turn; codex cuts the message that it was writing."""
        server, turn = self._running_server(), self._items.turn
        if turn is None:
            raise AgentFailed("No turn is running that could be steered.")
        params = {"threadId": self._thread, "expectedTurnId": turn, "input": input_of(given)}
        await server.call("turn/steer", params)

    async def interrupt(self) -> None:
        """Stop the running turn and its commands.

        codex refuses to interrupt a turn that it has accepted but not begun, then begins it.
        An interruption alone leaves a running command alive as a background terminal.
        """
        await self._interrupt(self._running_server(), CALL_S)

    async def _interrupt(self, server: Server, limit_s: float) -> None:
        turn = self._items.turn
        if turn is not None:
            begun = Deferred.fromCoroutine(self._items.wait_for_begin(turn))
            await begun.addTimeout(BEGIN_S, self._clock, lambda _failure, _seconds: None)
            params = {"threadId": self._thread, "turnId": turn}
            try:
                await server.call("turn/interrupt", params, limit_s=limit_s)
            except CallRefused as refused:
                # codex does not know the turn, and will not report its end
                if self._items.turn == turn:  # its end was not reported meanwhile
                    self._items.end_turn("interrupted", refused.message)
        with suppress(CallRefused):  # older versions have no such method
            clean = "thread/backgroundTerminals/clean"
            await server.call(clean, {"threadId": self._thread}, limit_s=limit_s)
            self._items.cut_background()

    async def compact(self) -> None:
        """Have codex compact the thread, which is a turn of its own."""
        await self._running_server().call("thread/compact/start", {"threadId": self._thread})

    async def set_model(self, draft: ModelDraft) -> None:
        """Use another model from the next turn on."""
        server = self._running_server()
        if draft.provider and draft.provider != self._provider:
            text = f"A conversation of codex stays with its provider ({self._provider})."
            raise Unsupported(text)
        try:
            await server.call("thread/settings/update", settings_of(self._thread, draft))
        except CallRefused:  # older versions have no such method: it goes with the next turn
            self._next_model = draft

    async def native_command(self, name: str, params: Mapping[str, Any]) -> NativeAnswer:
        """Call any method of the app server; see `NativeCommands.native_command`."""
        return NativeAnswer(result=await self._running_server().call(name, params, Raw))

    async def answer(self, question: Question, answer: Answer) -> None:
        """Answer codex's request.

        :raises AgentFailed: codex does not wait for that any more.
        """
        self._running_server()
        self._questions.answer(question, answer)

    async def stop(self) -> None:
        """Interrupt the turn, leave the thread; end the process if nobody else uses it."""
        server, joining, self._joining = self._server, self._joining, None
        if joining is not None:
            await joining.release(self)
        if server is None:
            return
        with suppress(AgentFailed):
            await self._interrupt(server, STOP_S)
            await self._leave_thread(server)
        if self._server is not None and self._items.turn is not None:
            self._items.end_turn("interrupted", CutReason.AGENT_STOPPED)
        await server.release(self)

    async def _leave_thread(self, server: Server) -> None:
        """Have codex let go of the thread, so that another process can go on with it.

        It keeps one that nobody listens to open for long; an archived one it closes at once.
        """
        thread = {"threadId": self._thread}
        await server.call("thread/unsubscribe", thread, limit_s=STOP_S)
        if server.is_shared:
            await server.call("thread/archive", thread, limit_s=STOP_S)
            await server.call("thread/unarchive", thread, limit_s=STOP_S)

    def _running_server(self) -> Server:
        if self._server is None:
            raise AgentFailed("The agent is not running.")
        return self._server

    # Messages of the app server (`sxhost.drivers.codex.server.Member`).

    def notification_received(self, notification: Notification) -> None:
        """Report a notification; one of a thread that this one started stays native."""
        if notification.method == "serverRequest/resolved":
            with suppress(ValidationError, DecodeError):
                resolved = json.decode(notification.params, type=_RequestResolved)
                key = self._questions.find(resolved.request_id)
                self._questions.withdraw(key, "the agent does not wait for it any more")
        if notification.thread in (None, self._thread):
            self._items.notification_received(notification)
        else:
            self._items.pass_through(notification)

    def request_received(self, number: Id, method: str, params: Raw) -> bool:
        """Report codex's request as a question, if a person can answer it."""
        request = agent_request(number, method, params, self._items.changes_of)
        if request is not None:
            self._questions.open(request)
        return request is not None

    def process_exited(self, how: ChildExit) -> None:
        """Report the end of the process, unless this agent has failed to start."""
        if self._server is not None:
            self._server = None
            self._questions.forget_all()
            self._items.process_exited(how)
