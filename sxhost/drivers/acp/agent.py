"""One ACP conversation: the methods of an `Agent`, and its turns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from secrets import token_hex
from typing import Any

from msgspec import Raw
from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as TookTooLong
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from sxhost.codec.jsonrpc import Id
from sxhost.drivers.acp.connection import STOP_S, AcpConnection
from sxhost.drivers.acp.events import TOKEN_NAMES, UpdateTranslator
from sxhost.drivers.acp.messages import PromptResult
from sxhost.drivers.acp.pending_requests import PendingRequests
from sxhost.drivers.acp.prompt import content_blocks, refusal_reason
from sxhost.drivers.acp.settings import SessionSettings, check_sandbox
from sxhost.drivers.contracts import Reports, Started
from sxhost.drivers.kit.jsonrpc_peer import Peer
from sxhost.errors import AgentFailed, BadField, NoTurn, TurnInProgress, Unsupported
from sxhost.logs import logger
from sxhost.model.approval import Answer, Question
from sxhost.model.event_types import CompactEvent, NativeEvent, WarningEvent, raw_json
from sxhost.model.turn import (
    Abilities,
    Item,
    Launch,
    ModelDraft,
    Text,
    TurnDraft,
    TurnStatus,
    items,
)
from sxhost.process.contracts import ChildExit, Command, Spawn

__all__ = ["ACPAgent"]

log = logger(__name__)

LAST_WORDS_S = 0.25
"""Seconds without an update after which a turn whose prompt is answered is over."""

LAST_WORDS_CHECKS = 20
"""How many such intervals are waited for at most."""

REPLAY_QUIET_S = 0.25
"""Seconds without an update after which a replay of the past counts as over."""

REPLAY_CHECKS = 40
"""How many such intervals are waited for at most; then the agent counts as ready anyway."""

EMPTY_TURN = "The agent ended the turn and has said and done nothing; some hide errors so."
"""The warning about a turn without any update; pi-acp ends so where the model failed."""


class ACPAgent:
    """One conversation in a process of its own: an `Agent` and a `PeerListener`."""

    def __init__(
        self, launch: Launch, reports: Reports, spawn: Spawn, clock: IReactorTime
    ) -> None:
        if not launch.command:
            known = "opencode acp, gemini --acp, claude-agent-acp, codex-acp, pi-acp"
            raise BadField("command", f"An ACP agent needs its command, such as: {known}.")
        check_sandbox(launch.sandbox)
        self._spawn = spawn
        self._clock = clock
        self._launch = launch
        self._reports = reports
        self._peer = Peer(self, clock, {"jsonrpc": "2.0"})
        self._connection = AcpConnection(self._peer, launch)
        self._settings = SessionSettings(self._update_abilities)
        self._updates = UpdateTranslator(reports, self._settings, f"{token_hex(4)}-")
        self._requests = PendingRequests(self._peer, self._updates, reports, clock)
        self._handlers: Mapping[str, Callable[[Raw], None]] = {
            "session/update": self._updates.update_received,
            "$/cancel_request": self._requests.request_cancelled,
        }
        self._turn: Deferred[None] | None = None
        """Fires when the running turn is over."""
        self._cancelled = False
        self._updates_received = 0
        self._end_of_turn: Callable[[], None] | None = None
        """Ends the turn whose prompt is answered, while its last words may come."""
        self.can = Abilities(resume=True, counted_anew=frozenset(TOKEN_NAMES))
        """What it can do; before ``initialize`` is answered, it may be able to resume."""

    def _update_abilities(self) -> None:
        self.can = Abilities(
            compact=self._settings.compact_prompt is not None,
            set_model=self._settings.has_models,
            resume=self._connection.agent_info.agent_capabilities.resumes,
            counted_anew=frozenset(TOKEN_NAMES),
        )

    # Start and end.

    async def start(self) -> Started:
        """Run the program and open a conversation, or resume one."""
        launch = self._launch
        command = Command(argv=launch.command or (), cwd=launch.cwd or "", env=launch.env)
        self._reports.spawned(self._peer.run(self._spawn, command))
        return await self._peer.shake_hands(self._open())

    async def _open(self) -> Started:
        await self._connection.initialize()
        self._updates.muted = self._connection.replays
        self._updates.session = self._connection.session
        self._settings.session_opened(await self._connection.open_session())
        self._updates.session = self._connection.session
        if self._updates.muted:
            await self._wait_for_replay()
        launch = self._launch
        await self._set(launch.model, launch.provider, launch.effort, launch.approval_policy)
        connection, model = self._connection, self._settings.model
        return Started(native_id=connection.session, model=model, native=connection.native)

    async def _wait_for_replay(self) -> None:
        """Wait until the agent has replayed the past: until it is quiet for a moment."""
        for _ in range(REPLAY_CHECKS):
            before = self._updates.passed_over
            await deferLater(self._clock, REPLAY_QUIET_S)
            if self._updates.passed_over == before:
                break
        if self._peer.exit is not None:
            name = self._connection.agent_info.name
            raise AgentFailed(f"{name} has gone: {self._peer.exit.sentence}.")

    async def stop(self) -> None:
        """Cancel the turn and close the session, `STOP_S` for each; then end the process."""
        if not self._peer.running:
            return
        try:
            if self._turn is not None:
                await self._cancel_turn(self._turn)
            await self._connection.close_session()
        except AgentFailed as error:
            log.debug("an agent does not end in order: {why}", why=error.message)
        await self._peer.end()

    async def _cancel_turn(self, turn: Deferred[None]) -> None:
        self._cancel()
        ended: Deferred[None] = Deferred()  # of its own: a timeout must not cancel the turn's
        turn.addCallback(ended.callback)
        try:
            await ended.addTimeout(STOP_S, self._clock)
        except TookTooLong:
            raise AgentFailed("The turn goes on.") from None

    # Turns.

    async def submit(self, draft: TurnDraft) -> str | None:
        """Begin a turn; ACP has no ids for them."""
        self._check_idle()
        check_sandbox(draft.sandbox)
        if draft.cwd not in (None, self._launch.cwd):
            raise BadField("cwd", "An ACP conversation stays in the directory it began in.")
        images = self._connection.agent_info.agent_capabilities.prompt_capabilities.image
        prompt = content_blocks(items(draft.input), images=images)
        await self._set(draft.model, None, draft.effort, draft.approval_policy)
        self._check_idle()
        self._begin_turn({**draft.native, "prompt": prompt})
        return None

    def _check_idle(self) -> None:
        if self._turn is not None:
            raise TurnInProgress(self._launch.id or self._connection.session)
        if self._peer.exit is not None:
            raise AgentFailed(f"There is nobody to ask: {self._peer.exit.sentence}.")

    def _begin_turn(self, params: dict[str, Any], *, compacts: bool = False) -> None:
        turn: Deferred[None] = Deferred()
        self._turn = turn
        self._cancelled = False
        self._updates.turn_started()
        self._reports.turn_started(None)
        work = self._prompt(
            {"sessionId": self._connection.session, **params}, compacts=compacts
        )
        Deferred.fromCoroutine(work).chainDeferred(turn)

    async def _prompt(self, params: dict[str, Any], *, compacts: bool) -> None:
        try:
            result: PromptResult = await self._peer.call("session/prompt", params, PromptResult)
        except AgentFailed as error:
            if self._peer.running:  # else the host ends the turn, see the contract
                status: TurnStatus = "interrupted" if self._cancelled else "failed"
                await self._after_last_words(
                    partial(self._end_turn, status, refusal_reason(error))
                )
            return
        await self._after_last_words(partial(self._finish_turn, result, compacts=compacts))

    async def _after_last_words(self, end: Callable[[], None]) -> None:
        """End the turn once the agent is quiet for a moment, or gone.

        Agents answer a prompt while its last updates are still on their way.
        """
        self._end_of_turn = end
        for _ in range(LAST_WORDS_CHECKS):
            before = self._updates_received
            await deferLater(self._clock, LAST_WORDS_S)
            if self._updates_received == before:
                break
        self._end_answered_turn()

    def _end_answered_turn(self) -> None:
        """End the turn whose prompt is answered, if there is one."""
        end, self._end_of_turn = self._end_of_turn, None
        if end is not None:
            end()

    def _finish_turn(self, result: PromptResult, *, compacts: bool) -> None:
        self._updates.add_turn_usage(result)
        if result.stop_reason == "cancelled":
            self._end_turn("interrupted", "", result)
            return
        if compacts and not self._updates.compacted:
            self._reports.report_event(CompactEvent())
        elif self._updates.silent and result.stop_reason == "end_turn":
            self._reports.report_event(WarningEvent(text=EMPTY_TURN))
        reason = "" if result.stop_reason == "end_turn" else result.stop_reason
        self._end_turn("completed", reason, result)

    def _end_turn(self, status: TurnStatus, reason: str, native: Any = None) -> None:
        if status != "completed":  # else who asks does so in the background, and waits on
            self._requests.questions.cancel_all("the turn is over")
        self._updates.turn_ended()
        self._turn = None
        self._reports.turn_ended(status, reason, native)

    async def steer(self, given: Sequence[Item]) -> None:  # noqa: ARG002 - the contract's
        """Refuse: what a second prompt does differs by agent."""
        raise Unsupported("An ACP agent cannot be steered: interrupt it, or wait.")

    async def interrupt(self) -> None:
        """Cancel the turn and withdraw its open questions, as ACP demands."""
        if self._turn is None:
            raise NoTurn(self._launch.id or self._connection.session)
        self._cancel()

    def _cancel(self) -> None:
        if self._turn is None:
            return
        self._cancelled = True
        self._updates.tools.cutting = True
        self._peer.notify("session/cancel", {"sessionId": self._connection.session})
        self._requests.questions.cancel_all("the turn was interrupted")

    async def compact(self) -> None:
        """Prompt the agent's own command that compacts, which is a turn."""
        self._check_idle()
        command = self._settings.compact_prompt
        if command is None:
            raise Unsupported("This agent has no command that shortens the conversation.")
        self._begin_turn(
            {"prompt": content_blocks([Text(text=command)], images=False)}, compacts=True
        )

    async def set_model(self, draft: ModelDraft) -> None:
        """Choose a model, and an effort where the draft has one."""
        await self._set(draft.model, draft.provider, draft.effort, None)

    async def _set(
        self, model: str | None, provider: str | None, effort: str | None, mode: str | None
    ) -> None:
        """Apply the settings that are given, the model first: efforts may depend on it."""
        settings, connection = self._settings, self._connection
        if model is not None:
            await connection.apply_setting(settings.model_request(model, provider), settings)
        if effort is not None:
            await connection.apply_setting(settings.effort_request(effort), settings)
        if mode is not None:
            await connection.apply_setting(settings.mode_request(mode), settings)

    async def answer(self, question: Question, answer: Answer) -> None:
        """Answer the agent's request; the decision ``cancel`` also cancels the turn."""
        self._requests.answer(question, answer, self._cancel)

    # What the agent says (`sxhost.drivers.kit.jsonrpc_peer.PeerListener`).

    def notification_received(self, method: str, params: Raw) -> None:
        """Report an update; a notification of another method is native."""
        self._updates_received += 1
        handle = self._handlers.get(method)
        if handle is not None:
            handle(params)
        else:
            native = raw_json({"method": method, "params": params})
            self._reports.report_event(NativeEvent(native=native))

    def request_received(self, number: Id, method: str, params: Raw) -> bool:
        """Report a request as a question; a turn that is being cancelled has none any more."""
        is_known = self._requests.request_received(number, method, params)
        if self._cancelled and self._turn is not None:
            self._requests.questions.cancel_all("the turn was interrupted")
        return is_known

    def process_exited(self, how: ChildExit) -> None:
        """Report the end, after everything that was open."""
        self._end_answered_turn()
        self._turn = None
        self._requests.questions.forget_all()
        self._updates.tools.cut_open_items()
        self._reports.exited(how)
