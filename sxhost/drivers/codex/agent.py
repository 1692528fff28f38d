"""One conversation with codex: the host's verbs as calls of the app server."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

from msgspec import DecodeError, Raw, Struct, ValidationError, convert, json
from msgspec.structs import replace

from sxhost.codec.jsonrpc import Id
from sxhost.drivers.codex.executable import app_server
from sxhost.drivers.codex.items import ItemTranslator
from sxhost.drivers.codex.notifications import Notification
from sxhost.drivers.codex.pending_requests import PendingRequests
from sxhost.drivers.codex.requests import input_of, resume_of, settings_of, start_of, turn_of
from sxhost.drivers.codex.server import CALL_S, Server, ServerPool
from sxhost.drivers.contracts import Reports, Started
from sxhost.drivers.jsonrpc_peer import Refused
from sxhost.errors import AgentFailed, Unsupported
from sxhost.model.approval import Answer, Question
from sxhost.model.turn import Abilities, Item, Launch, ModelDraft, TurnDraft
from sxhost.process.contracts import Command, Exit

__all__ = ["CodexAgent"]

STOP_S: Final = 10.0
"""How long a call may take when the agent is to stop."""

ROOT: Final = "/"
"""Where an app server runs: its conversations have places of their own."""


class _Thread(Struct, frozen=True):
    id: str
    name: str | None = None


class _Opened(Struct, frozen=True, rename="camel"):
    thread: _Thread
    model: str | None = None
    model_provider: str | None = None


class _Turn(Struct, frozen=True):
    id: str


class _Begun(Struct, frozen=True):
    turn: _Turn


class _Resolved(Struct, frozen=True, rename="camel"):
    request_id: int | str


class CodexAgent:
    """A thread of an app server.  It may be started again when it has gone."""

    can = Abilities(steer=True, interrupt=True, compact=True, set_model=True, resume=True)

    def __init__(self, launch: Launch, reports: Reports, servers: ServerPool) -> None:
        self._launch = launch
        self._reports = reports
        self._servers = servers
        self._server: Server | None = None
        self._joining: Server | None = None
        self._renew()

    def _renew(self) -> None:
        self._thread = self._provider = ""
        self._next: ModelDraft | None = None
        self._effort = self._launch.effort
        self._sandbox = self._launch.native.get("sandboxPolicy")
        self._story = ItemTranslator(self._reports)
        self._asks = PendingRequests(self._reports, self._story.changes_of)

    # Verbs.

    async def start(self) -> Started:
        """Begin a thread, or go on with one that was."""
        if self._server is not None:
            raise AgentFailed("The agent runs already.")
        self._renew()
        self._joining = server = self._servers.server_for(self._command())
        try:
            self._reports.spawned(await server.join(self))
            started = await self._open(server)
        except BaseException:
            await server.leave(self)
            raise
        finally:
            self._joining = None
        self._server = server
        return started

    def _command(self) -> Command:
        launch = self._launch
        argv = launch.command or app_server(launch.env.get("PATH"))
        return Command(argv=argv, cwd=ROOT, env=launch.env)

    async def _open(self, server: Server) -> Started:
        method, params = "thread/start", start_of(self._launch)
        if self._launch.resume:
            method, params = "thread/resume", resume_of(self._launch)
            self._thread = self._launch.resume
            server.route_thread(
                self._thread, self
            )  # what it says of itself comes before the answer
        native = await server.call(method, params)
        if self._joining is None:
            raise AgentFailed("The agent was stopped while it started.")
        try:
            opened = convert(native, _Opened)
        except ValidationError as error:
            raise AgentFailed(f"The agent's answer to {method} is wrong: {error}.") from None
        return self._started(server, opened, native)

    def _started(self, server: Server, opened: _Opened, native: Any) -> Started:
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
        """Begin a turn."""
        server = self._running()
        after = self._next
        draft = replace(
            draft,
            model=draft.model or (after and after.model),
            effort=draft.effort or (after and after.effort) or self._effort,
        )
        if self._sandbox and not draft.sandbox:  # a thread begins with no more than its name
            draft = replace(draft, native={"sandboxPolicy": self._sandbox, **draft.native})
        begun: _Begun = await server.call("turn/start", turn_of(self._thread, draft), _Begun)
        self._next = self._effort = self._sandbox = None  # codex keeps what a turn was told
        self._story.turn_accepted(begun.turn.id)
        return begun.turn.id

    async def steer(self, given: Sequence[Item]) -> None:
        """Add to the running turn; codex drops what it was just saying."""
        server, turn = self._running(), self._story.turn
        if turn is None:
            raise AgentFailed("No turn is running that could be steered.")
        params = {"threadId": self._thread, "expectedTurnId": turn, "input": input_of(given)}
        await server.call("turn/steer", params)

    async def interrupt(self) -> None:
        """Stop the running turn, and the commands that codex would leave running."""
        await self._interrupt(self._running(), CALL_S)

    async def _interrupt(self, server: Server, limit: float) -> None:
        turn = self._story.turn
        if turn is not None:
            params = {"threadId": self._thread, "turnId": turn}
            try:
                await server.call("turn/interrupt", params, limit=limit)
            except Refused as refused:
                self._over(turn, refused.message)
        with suppress(Refused):  # an older codex cannot do it
            clean = "thread/backgroundTerminals/clean"
            await server.call(clean, {"threadId": self._thread}, limit=limit)

    def _over(self, turn: str, why: str) -> None:
        """End a turn that codex does not know, unless its end was told meanwhile."""
        if self._story.turn == turn:
            self._story.end_turn("interrupted", why)

    async def compact(self) -> None:
        """Shorten the conversation: a turn of its own."""
        await self._running().call("thread/compact/start", {"threadId": self._thread})

    async def set_model(self, draft: ModelDraft) -> None:
        """Use another model from the next turn on."""
        server = self._running()
        if draft.provider and draft.provider != self._provider:
            text = f"A conversation of codex stays with its provider ({self._provider})."
            raise Unsupported(text)
        try:
            await server.call("thread/settings/update", settings_of(self._thread, draft))
        except Refused:  # an older codex: tell it with the turn
            self._next = draft

    async def command(self, method: str, /, **params: Any) -> Any:
        """Call any method of codex's own; return its answer.

        :raises Refused: codex said no.
        :raises AgentFailed: it went before it answered, or is not there.
        """
        return await self._running().call(method, params)

    @property
    def thread(self) -> str:
        """Codex's name for the conversation."""
        return self._thread

    async def answer(self, question: Question, answer: Answer) -> None:
        """Tell codex what was decided, if it still waits."""
        server = self._running()
        sent = self._asks.take_answer(question.key, answer)
        if sent is not None:
            server.respond(*sent)

    async def stop(self) -> None:
        """End what runs, let go of the thread, and of the process if nobody else uses it."""
        server, joining, self._joining = self._server, self._joining, None
        if joining is not None:
            await joining.leave(self)
        if server is None:
            return
        with suppress(AgentFailed):
            await self._interrupt(server, STOP_S)
            await server.call("thread/unsubscribe", {"threadId": self._thread}, limit=STOP_S)
        if self._server is not None and self._story.turn is not None:
            self._story.end_turn("interrupted", "the agent was stopped")
        await server.leave(self)

    def _running(self) -> Server:
        if self._server is None:
            raise AgentFailed("The agent is not running.")
        return self._server

    # What the app server tells this member.

    def notification_received(self, told: Notification) -> None:
        """Report a notice; one about a thread that this one started is passed on."""
        if told.method == "serverRequest/resolved":
            self._resolved(told)
        if told.thread in (None, self._thread):
            self._story.notification_received(told)
        else:
            self._story.pass_through(told)

    def _resolved(self, told: Notification) -> None:
        with suppress(ValidationError, DecodeError):
            self._asks.request_resolved(json.decode(told.params, type=_Resolved).request_id)

    def request_received(self, number: Id, method: str, params: Raw) -> bool:
        """Put a request to the host."""
        return self._asks.request_received(number, method, params)

    def process_exited(self, how: Exit) -> None:
        """Report the end; an agent that never began has nothing to report."""
        if self._server is not None:
            self._server = None
            self._story.process_exited(how)
