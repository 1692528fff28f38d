"""An agent without a program: it does what its turns' words say, for demos and tests.

The words are a script (see `sxhost.driver.script`).  ``launch.native`` may have:

=========== =================================================================
start       ``fail``: it does not start; ``hang``: not until it is stopped;
            ``slow``: after `slow_ms` (1000)
pause_ms    between two words; 0
play        a recording's file (see `sxhost.driver.player`): the agent is not an
            echo but what the recorded one was, driven by its own driver, which
            gets the rest of ``native``
pace        of the recorded pauses; 0: none, 1: as they were
=========== =================================================================
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from itertools import count
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from sxhost.approval import Answer, Question
from sxhost.driver import Agent, Driver, Exit, Make, Reports, Spawn, Started
from sxhost.driver.player import Player, installed
from sxhost.driver.recording import BadRecording, Recording
from sxhost.driver.script import Step, parse
from sxhost.driver.stage import SCENES, Conversation, Left, Over, Scene, Stage, Wait
from sxhost.errors import AgentFailed, BadField, NoTurn, TurnInProgress
from sxhost.turn import Abilities, Item, Launch, ModelDraft, TurnDraft, TurnStatus, text_of

__all__ = ["make"]

T = TypeVar("T")

MODEL: Final = "echo"
KNOWN: Final = 1000
"""Conversations that are remembered."""

Milliseconds = Annotated[int, Meta(ge=0, le=3_600_000)]


class Native(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a launch may say in our own words."""

    start: Literal["fail", "hang", "slow"] | None = None
    slow_ms: Milliseconds = 1000
    pause_ms: Milliseconds = 0


class Play(Struct, frozen=True, kw_only=True):
    """What a launch says of a recording."""

    play: Annotated[str, Meta(min_length=1, max_length=4096)]
    pace: Annotated[float, Meta(ge=0, le=100)] = 0.0


class Conversations:
    """What was said to agents that may have gone, by native id: ``echo-1``, …"""

    def __init__(self) -> None:
        self._known: dict[str, Conversation] = {}
        self._numbers = count(1)

    def find(self, resume: str | None) -> Conversation:
        """Return a new conversation, or the one to go on with.

        :raises AgentFailed: there was none of this name.
        """
        name = resume or self._free_name()
        known = self._known.pop(name, None)
        if known is None and not name.startswith("echo-"):
            raise AgentFailed(f"There is no conversation {name!r} to resume.")
        self._known[name] = known or Conversation(native_id=name, model=MODEL)
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
        native: Native,
        reports: Reports,
        clock: IReactorTime,
        conversations: Conversations,
    ) -> None:
        self._launch = launch
        self._native = native
        self._reports = reports
        self._clock = clock
        self._conversations = conversations
        self._starting: Deferred[None] | None = None
        self._stage: Stage | None = None
        self._steps: deque[Step] = deque()
        self._scene: Scene | None = None
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

    def _started(self, conversation: Conversation) -> Started:
        conversation.model = self._launch.model or conversation.model
        pause, cwd = self._native.pause_ms / 1000, self._launch.cwd or ""
        self._stage = Stage(self._reports, conversation, cwd, pause)
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

    def _ready(self) -> Stage:
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

    def _perform(self, stage: Stage) -> Scene:
        while self._steps:
            step = self._steps.popleft()
            yield from SCENES[step.word](stage, step)

    def _go(self, answer: Answer | None) -> None:
        """Perform up to where it must wait."""
        self._timer = None
        if self._scene is None:
            return
        try:
            self._await(self._scene.send(answer))
        except StopIteration:
            self._over("completed")
        except Over as over:
            self._over(over.status, over.reason)
        except Left as left:
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
            self._stage.cut()


class EchoDriver:
    """Makes agents that need no program."""

    def __init__(self, clock: IReactorTime, drivers: Callable[[str], Make]) -> None:
        self._clock = clock
        self._drivers = drivers
        self._conversations = Conversations()
        self._playing: list[Driver] = []

    def agent(self, launch: Launch, reports: Reports) -> Agent:
        """Return an agent that is not started."""
        if "play" in launch.native:
            return self._played(launch, reports)
        native = _native(launch.native, Native)
        return EchoAgent(launch, native, reports, self._clock, self._conversations)

    def _played(self, launch: Launch, reports: Reports) -> Agent:
        native = _native(launch.native, Play)
        path = Path(launch.cwd or "") / native.play
        try:
            player = Player(path, self._clock, pace=native.pace)
        except BadRecording as error:
            raise _wrong(f"{error}") from None
        driver = self._drivers(player.recording.language)(player, self._clock)
        self._playing.append(driver)
        return driver.agent(_recorded(launch, player.recording), reports)

    async def close(self) -> None:
        """Close the drivers that played."""
        playing, self._playing = self._playing, []
        for driver in playing:
            await driver.close()


def _recorded(launch: Launch, recording: Recording) -> Launch:
    """Return the launch for the driver of a recorded agent, which may be of many programs."""
    rest = {k: v for k, v in launch.native.items() if k not in Play.__struct_fields__}
    command = [recording.program] if recording.language == "acp" else None
    return msgspec.structs.replace(
        launch, agent=recording.language, command=launch.command or command, native=rest
    )


def _native(given: dict[str, Any], kind: type[T]) -> T:
    try:
        return msgspec.convert(given, kind)
    except msgspec.ValidationError as error:
        raise _wrong(f"{error}") from None


def _wrong(why: str) -> BadField:
    return BadField("native", f"The field `native` is wrong: {why}.")


def make(
    spawn: Spawn,  # noqa: ARG001 - nothing is run
    clock: IReactorTime,
    drivers: Callable[[str], Make] = installed,
) -> Driver:
    """Return the driver: the entry point's target.  `drivers` has those that can play."""
    return EchoDriver(clock, drivers)
