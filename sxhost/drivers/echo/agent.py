"""One scripted conversation: the verbs of an agent."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from itertools import count
from typing import Annotated, Final, Literal, TypeVar

from msgspec import Meta, Struct
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from sxhost.drivers.contracts import Reports, Started
from sxhost.drivers.echo.script import Step, parse
from sxhost.drivers.echo.script_runner import (
    STEPS,
    AgentExited,
    EchoConversation,
    ScriptRun,
    StepGenerator,
    TurnOver,
    Wait,
)
from sxhost.errors import AgentFailed, NoTurn, TurnInProgress
from sxhost.model.approval import Answer, Question
from sxhost.model.turn import (
    Abilities,
    Item,
    Launch,
    ModelDraft,
    TurnDraft,
    TurnStatus,
    text_of,
)
from sxhost.process.contracts import Exit

__all__ = ["ConversationMemory", "EchoAgent", "EchoOptions"]

T = TypeVar("T")

MODEL: Final = "echo"
KNOWN: Final = 1000
"""Conversations that are remembered."""

Milliseconds = Annotated[int, Meta(ge=0, le=3_600_000)]


class EchoOptions(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a launch may say in our own words."""

    start: Literal["fail", "hang", "slow"] | None = None
    slow_ms: Milliseconds = 1000
    pause_ms: Milliseconds = 0


class ConversationMemory:
    """What was said to agents that may have gone, by native id: ``echo-1``, …"""

    def __init__(self) -> None:
        self._known: dict[str, EchoConversation] = {}
        self._numbers = count(1)

    def find(self, resume: str | None) -> EchoConversation:
        """Return a new conversation, or the one to go on with.

        :raises AgentFailed: there was none of this name.
        """
        name = resume or self._free_name()
        known = self._known.pop(name, None)
        if known is None and not name.startswith("echo-"):
            raise AgentFailed(f"There is no conversation {name!r} to resume.")
        self._known[name] = known or EchoConversation(native_id=name, model=MODEL)
        if len(self._known) > KNOWN:
            del self._known[next(iter(self._known))]
        return self._known[name]

    def _free_name(self) -> str:
        names = (f"echo-{number}" for number in self._numbers)
        return next(name for name in names if name not in self._known)


class EchoAgent:
    """One conversation with nobody."""

    can = Abilities(steer=True, compact=True, set_model=True, resume=True)

    def __init__(
        self,
        launch: Launch,
        native: EchoOptions,
        reports: Reports,
        clock: IReactorTime,
        conversations: ConversationMemory,
    ) -> None:
        self._launch = launch
        self._native = native
        self._reports = reports
        self._clock = clock
        self._conversations = conversations
        self._starting: Deferred[None] | None = None
        self._stage: ScriptRun | None = None
        self._steps: deque[Step] = deque()
        self._scene: StepGenerator | None = None
        self._timer: IDelayedCall | None = None
        self._question: Question | None = None
        self._gone = False

    # Its life.

    async def start(self) -> Started:
        """Begin, as the launch says."""
        if self._native.start == "fail":
            raise AgentFailed("The agent was told not to start.")
        conversation = self._conversations.find(self._launch.resume)
        if self._native.start is not None:
            await self._delay(self._native.start)
        return self._started(conversation)

    async def _delay(self, how: str) -> None:
        self._starting = Deferred()
        if how == "slow":
            seconds = self._native.slow_ms / 1000
            self._timer = self._clock.callLater(seconds, self._starting.callback, None)
        await self._starting

    def _started(self, conversation: EchoConversation) -> Started:
        conversation.model = self._launch.model or conversation.model
        pause, cwd = self._native.pause_ms / 1000, self._launch.cwd or ""
        self._stage = ScriptRun(self._reports, conversation, cwd, pause)
        return Started(
            native_id=conversation.native_id,
            model=conversation.model,
            provider=self._launch.provider or "",
            title=self._launch.title or "",
            native={"turns": conversation.turns},
        )

    async def stop(self) -> None:
        """End, in the middle of whatever it is."""
        if not self._gone:
            self._leave(Exit(code=0, asked=True))

    def _leave(self, how: Exit) -> None:
        starting, self._starting = self._starting, None
        self._gone = True
        self._cut("the agent has ended")
        self._scene = None
        self._reports.gone(how)
        if starting is not None and not starting.called:
            starting.errback(AgentFailed(f"It did not start: {how.sentence}."))

    # Its verbs.

    async def submit(self, draft: TurnDraft) -> str | None:
        """Begin to do what a script says."""
        return self._begin(parse(text_of(draft.input)), draft.model)

    async def steer(self, given: Sequence[Item]) -> None:
        """Cut what is being done, do this, then the rest."""
        self._running()
        self._cut("the turn was steered")
        self._steps.extendleft(reversed(parse(text_of(list(given)))))
        self._next()

    async def interrupt(self) -> None:
        """End the turn."""
        self._running()
        self._over("interrupted", "interrupted")

    async def compact(self) -> None:
        """Run a turn in which nothing is forgotten."""
        self._begin([Step("COMPACT")], None)

    async def set_model(self, draft: ModelDraft) -> None:
        """Remember a model's name."""
        self._ready().conversation.model = draft.model

    async def answer(self, question: Question, answer: Answer) -> None:
        """Go on with what waited for this."""
        if self._question is not None and self._question.key == question.key:
            self._question = None
            self._timer = self._clock.callLater(0, self._go, answer)

    # How it is done.

    def _ready(self) -> ScriptRun:
        if self._gone or self._stage is None:
            raise AgentFailed("The agent is not there.")
        return self._stage

    def _running(self) -> None:
        name = self._ready().conversation.native_id
        if self._scene is None:
            raise NoTurn(self._launch.id or name)

    def _begin(self, steps: Iterable[Step], model: str | None) -> str:
        conversation = self._ready().conversation
        if self._scene is not None:
            raise TurnInProgress(self._launch.id or conversation.native_id)
        conversation.turns += 1
        conversation.model = model or conversation.model
        turn = f"turn-{conversation.turns}"
        self._steps = deque(steps)
        self._reports.turn_began(turn)
        self._next()
        return turn

    def _next(self) -> None:
        """Perform what is left, from the next moment on."""
        self._scene = self._perform(self._ready())
        self._timer = self._clock.callLater(0, self._go, None)

    def _perform(self, stage: ScriptRun) -> StepGenerator:
        while self._steps:
            step = self._steps.popleft()
            yield from STEPS[step.word](stage, step)

    def _go(self, answer: Answer | None) -> None:
        """Perform up to where it must wait."""
        self._timer = None
        if self._scene is None:
            return
        try:
            self._await(self._scene.send(answer))
        except StopIteration:
            self._over("completed")
        except TurnOver as over:
            self._over(over.status, over.reason)
        except AgentExited as left:
            self._leave(left.how)

    def _await(self, wait: Wait) -> None:
        if isinstance(wait, Question):
            self._question = wait
            self._reports.asked(wait)
        elif wait is not None:
            self._timer = self._clock.callLater(wait, self._go, None)

    def _over(self, status: TurnStatus, reason: str = "") -> None:
        self._cut(reason)
        self._scene = None
        self._reports.turn_ended(status, reason)

    def _cut(self, why: str) -> None:
        """Stop in the middle: nothing is waited for, nothing open."""
        timer, self._timer = self._timer, None
        question, self._question = self._question, None
        if timer is not None and timer.active():
            timer.cancel()
        if question is not None:
            self._reports.settled(question.key, why)
        if self._stage is not None:
            self._stage.cut_open_items()
