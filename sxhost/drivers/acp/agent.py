"""One conversation over ACP: the verbs of an agent, and what it hears."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from secrets import token_hex
from typing import Any

from msgspec import Raw
from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as TookTooLong
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from sxhost.codec.jsonrpc import Id
from sxhost.drivers.acp.connection import STOP_S, AcpConnection
from sxhost.drivers.acp.events import UpdateTranslator
from sxhost.drivers.acp.messages import PromptResult
from sxhost.drivers.acp.pending_requests import PendingQuestions
from sxhost.drivers.acp.prompt import content_blocks, refusal_reason
from sxhost.drivers.acp.settings import SessionSettings, check_sandbox
from sxhost.drivers.contracts import Reports, Started
from sxhost.drivers.jsonrpc_peer import Peer
from sxhost.errors import AgentFailed, BadField, HostError, NoTurn, TurnInProgress, Unsupported
from sxhost.logs import logger
from sxhost.model.approval import Answer, Question
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
from sxhost.process.contracts import Child, Command, Exit, Spawn

__all__ = ["ACPAgent"]

log = logger(__name__)

REPLAY_QUIET_S = 0.25
REPLAY_CHECKS = 40
"""Seconds without a word that end a replay, and how many times as long it may take in all."""

EMPTY_TURN = "The agent ended the turn and has said and done nothing; some hide errors so."
"""pi-acp, for one, where the model refused."""


class ACPAgent:
    """One conversation, in a process of its own; see `sxhost.drivers.contracts.Agent`."""

    def __init__(
        self, spawn: Spawn, clock: IReactorTime, launch: Launch, reports: Reports
    ) -> None:
        self._spawn = spawn
        self._clock = clock
        self._launch = launch
        self._reports = reports
        self._peer = Peer(self, {"jsonrpc": "2.0"})
        self._link = AcpConnection(self._peer, clock, launch)
        self._settings = SessionSettings(self._learn)
        self._story = UpdateTranslator(reports.event, self._settings, f"{token_hex(4)}-")
        self._desk = PendingQuestions(self._peer, self._story, reports)
        self._told: Mapping[str, Callable[[Raw], None]] = {
            "session/update": self._story.update_received,
            "$/cancel_request": self._desk.request_cancelled,
        }
        self._child: Child | None = None
        self._turn: Deferred[None] | None = None
        """Fires when the running turn is over."""
        self._cancelled = False
        self._exit: Exit | None = None
        self.can = Abilities(resume=True)
        """What it can do; until it has told, it may well be able to resume."""

    def _learn(self) -> None:
        self.can = Abilities(
            compact=self._settings.compact_prompt is not None,
            set_model=self._settings.has_models,
            resume=self._link.agent_info.agent_capabilities.resumes,
        )

    # Beginning and end.

    async def start(self) -> Started:
        """Run the program and open the conversation."""
        launch = self._launch
        command = Command(argv=launch.command or (), cwd=launch.cwd or "", env=launch.env)
        self._child = child = self._spawn(command, self._peer)
        self._peer.attach_child(child)
        self._reports.spawned(child.process)
        try:
            return await self._open()
        except HostError as error:
            await child.end()
            raise AgentFailed(error.message) from None
        except BaseException:
            await child.end()
            raise

    async def _open(self) -> Started:
        await self._link.initialize()
        self._story.muted = self._link.replays
        self._story.session = self._link.session
        self._settings.session_opened(await self._link.open_session())
        self._story.session = self._link.session
        if self._story.muted:
            await self._quiet()
        launch = self._launch
        await self._set(launch.model, launch.provider, launch.effort, launch.approval_policy)
        link, model = self._link, self._settings.model
        return Started(native_id=link.session, model=model, native=link.native)

    async def _quiet(self) -> None:
        """Wait until the past has been told."""
        for _ in range(REPLAY_CHECKS):
            before = self._story.passed_over
            await deferLater(self._clock, REPLAY_QUIET_S)
            if self._story.passed_over == before:
                break
        if self._exit is not None:
            raise AgentFailed(f"{self._link.agent_info.name} has gone: {self._exit.sentence}.")

    async def stop(self) -> None:
        """End the turn, the conversation and the process, each with little patience."""
        if self._child is None or self._exit is not None:
            return
        try:
            if self._turn is not None:
                await self._leave_turn(self._turn)
            await self._link.close_session()
        except AgentFailed as error:
            log.debug("an agent does not end in order: {why}", why=error.message)
        await self._child.end()

    async def _leave_turn(self, turn: Deferred[None]) -> None:
        self._cancel()
        over: Deferred[None] = Deferred()
        turn.addCallback(over.callback)
        try:
            await over.addTimeout(STOP_S, self._clock)
        except TookTooLong:
            raise AgentFailed("The turn goes on.") from None

    # Turns.

    async def submit(self, draft: TurnDraft) -> str | None:
        """Begin a turn; ACP has no names for them."""
        self._check_idle()
        check_sandbox(draft.sandbox)
        if draft.cwd not in (None, self._launch.cwd):
            raise BadField("cwd", "An ACP conversation stays in the directory it began in.")
        images = self._link.agent_info.agent_capabilities.prompt_capabilities.image
        prompt = content_blocks(items(draft.input), images=images)
        await self._set(draft.model, None, draft.effort, draft.approval_policy)
        self._check_idle()
        self._begin_turn({**draft.native, "prompt": prompt})
        return None

    def _check_idle(self) -> None:
        if self._turn is not None:
            raise TurnInProgress(self._launch.id or self._link.session)
        if self._exit is not None:
            raise AgentFailed(f"There is nobody to ask: {self._exit.sentence}.")

    def _begin_turn(self, params: dict[str, Any], *, compacts: bool = False) -> None:
        turn: Deferred[None] = Deferred()
        self._turn = turn
        self._cancelled = False
        self._story.turn_started()
        self._reports.turn_began(None)
        work = self._prompt({"sessionId": self._link.session, **params}, compacts=compacts)
        Deferred.fromCoroutine(work).chainDeferred(turn)

    async def _prompt(self, params: dict[str, Any], *, compacts: bool) -> None:
        try:
            said: PromptResult = await self._peer.call("session/prompt", params, PromptResult)
        except AgentFailed as error:
            if not self._peer.exited:  # else the host tells of a turn whose process has gone
                self._end_turn(
                    "interrupted" if self._cancelled else "failed", refusal_reason(error)
                )
            return
        self._story.add_turn_usage(said)
        if said.stop_reason == "cancelled":
            self._end_turn("interrupted", "", said)
            return
        if compacts and not self._story.compacted:
            self._reports.event("compact", {})
        elif self._story.silent and said.stop_reason == "end_turn":
            self._reports.event("warning", {"text": EMPTY_TURN})
        reason = "" if said.stop_reason == "end_turn" else said.stop_reason
        self._end_turn("completed", reason, said)

    def _end_turn(self, status: TurnStatus, reason: str, native: Any = None) -> None:
        self._desk.cancel_all("the turn is over")
        self._story.turn_ended()
        self._turn = None
        self._reports.turn_ended(status, reason, native)

    async def steer(self, given: Sequence[Item]) -> None:  # noqa: ARG002 - the verb's own
        """Refuse: what agents make of a second prompt differs."""
        raise Unsupported("An ACP agent cannot be steered: interrupt it, or wait.")

    async def interrupt(self) -> None:
        """Cancel the turn; questions that are open are withdrawn."""
        if self._turn is None:
            raise NoTurn(self._launch.id or self._link.session)
        self._cancel()

    def _cancel(self) -> None:
        if self._turn is None:
            return
        self._cancelled = True
        self._story.tools.cutting = True
        self._peer.notify("session/cancel", {"sessionId": self._link.session})
        self._desk.cancel_all("the turn was interrupted")

    async def compact(self) -> None:
        """Shorten the conversation by the agent's own command, as a turn."""
        self._check_idle()
        command = self._settings.compact_prompt
        if command is None:
            raise Unsupported("This agent has no command that shortens the conversation.")
        self._begin_turn(
            {"prompt": content_blocks([Text(text=command)], images=False)}, compacts=True
        )

    async def set_model(self, draft: ModelDraft) -> None:
        """Choose a model, and perhaps how much it thinks."""
        await self._set(draft.model, draft.provider, draft.effort, None)

    async def _set(
        self, model: str | None, provider: str | None, effort: str | None, mode: str | None
    ) -> None:
        """Set what is given, one after the other: a model may bring efforts of its own."""
        settings, link = self._settings, self._link
        if model is not None:
            await link.apply_setting(settings.model_request(model, provider), settings)
        if effort is not None:
            await link.apply_setting(settings.effort_request(effort), settings)
        if mode is not None:
            await link.apply_setting(settings.mode_request(mode), settings)

    async def answer(self, question: Question, answer: Answer) -> None:
        """Tell the agent what was decided; ``cancel`` stops the turn as well."""
        self._desk.answer(question.key, answer, self._cancel)

    # What the agent says (`sxhost.drivers.jsonrpc_peer.Side`).

    def notification_received(self, method: str, params: Raw) -> None:
        """Hear what it tells."""
        told = self._told.get(method)
        if told is not None:
            told(params)
        else:
            self._reports.event("native", {"native": {"method": method, "params": params}})

    def request_received(self, number: Id, method: str, params: Raw) -> bool:
        """Hear what it asks; return whether it will be answered."""
        known = self._desk.request_received(number, method, params)
        if self._cancelled and self._turn is not None:
            self._desk.cancel_all("the turn was interrupted")
        return known

    def process_exited(self, how: Exit) -> None:
        """Hear of its end."""
        self._exit = how
        self._turn = None
        self._desk.cancel_all("the agent has ended")
        self._story.turn_ended()
        self._reports.gone(how)
