"""One scripted conversation: the methods of an `Agent`, run on the clock."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from itertools import count
from typing import Annotated, Final, Literal, TypeVar

from msgspec import Meta, Struct
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from sxhost.codec.jsonrpc import Id
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
from sxhost.drivers.kit.pending_questions import AgentRequest, PendingQuestions
from sxhost.errors import AgentFailed, NoTurn, TurnInProgress
from sxhost.model.approval import Answer, Question
from sxhost.model.turn import (
    Abilities,
    Item,
    Launch,
    ModelDraft,
    TurnDraft,
    TurnStatus,
    input_text,
)
from sxhost.process.contracts import ChildExit

__all__ = ["ConversationMemory", "EchoAgent", "EchoOptions"]

T = TypeVar("T")

MODEL: Final = "echo"
KNOWN: Final = 1000
"""How many conversations can be resumed: the latest."""

Milliseconds = Annotated[int, Meta(ge=0, le=3_600_000)]


class EchoOptions(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``native`` of a launch of the echo agent."""

    start: Literal["fail", "hang", "slow"] | None = None
    slow_ms: Milliseconds = 1000
    pause_ms: Milliseconds = 0


class ConversationMemory:
    """Conversations by native id (``echo-1``, …), kept after their agents have ended."""

    def __init__(self) -> None:
        self._known: dict[str, EchoConversation] = {}
        self._ids = count(1)

    def find(self, resume: str | None) -> EchoConversation:
        """Return a new conversation, or the one to resume.

        :raises AgentFailed: the id is none of an echo agent.
        """
        name = resume or self._new_id()
        found = self._known.pop(name, None)
        if found is None and not name.startswith("echo-"):
            raise AgentFailed(f"There is no conversation {name!r} to resume.")
        self._known[name] = found or EchoConversation(native_id=name, model=MODEL)
        if len(self._known) > KNOWN:
            del self._known[next(iter(self._known))]
        return self._known[name]

    def _new_id(self) -> str:
        ids = (f"echo-{number}" for number in self._ids)
        return next(native_id for native_id in ids if native_id not in self._known)


class EchoAgent:
    """An agent that runs scripts: an `Agent`."""

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
        self._script: ScriptRun | None = None
        self._steps: deque[Step] = deque()
        self._running_steps: StepGenerator | None = None
        self._timer: IDelayedCall | None = None
        self._questions = PendingQuestions(reports, clock, self._decided)
        self._exited = False

    # Start and end.

    async def start(self) -> Started:
        """Start, fail or hang, as the launch says."""
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
        self._script = ScriptRun(self._reports, conversation, cwd, pause)
        return Started(
            native_id=conversation.native_id,
            model=conversation.model,
            provider=self._launch.provider or "",
            title=self._launch.title or "",
            native={"turns": conversation.turns},
        )

    async def stop(self) -> None:
        """End, also in the middle of a turn."""
        if not self._exited:
            self._exit(ChildExit(code=0, asked=True))

    def _exit(self, how: ChildExit) -> None:
        starting, self._starting = self._starting, None
        self._exited = True
        self._cut("the agent has ended")
        self._running_steps = None
        self._reports.exited(how)
        if starting is not None and not starting.called:
            starting.errback(AgentFailed(f"It did not start: {how.sentence}."))

    # Methods of an agent.

    async def submit(self, draft: TurnDraft) -> str | None:
        """Begin a turn that runs its text as a script."""
        return self._begin_turn(parse(input_text(draft.input)), draft.model)

    async def steer(self, input_items: Sequence[Item]) -> None:
        """Cut the current step, run this script, then the remaining steps."""
        self._check_running()
        self._cut("the turn was steered")
        self._steps.extendleft(reversed(parse(input_text(list(input_items)))))
        self._run_remaining()

    async def interrupt(self) -> None:
        """End the turn."""
        self._check_running()
        self._end_turn("interrupted", "interrupted")

    async def compact(self) -> None:
        """Run a turn that only reports a compaction."""
        self._begin_turn([Step("COMPACT")], None)

    async def set_model(self, draft: ModelDraft) -> None:
        """Store the model's name."""
        self._started_script().conversation.model = draft.model

    async def answer(self, question: Question, answer: Answer) -> None:
        """Resume the step that waits for this answer.

        :raises AgentFailed: none waits for it any more.
        """
        self._questions.answer(question, answer)

    def _decided(self, _request: Id, answer: Answer) -> None:
        self._timer = self._clock.callLater(0, self._advance, answer)

    # Running steps.

    def _started_script(self) -> ScriptRun:
        if self._exited or self._script is None:
            raise AgentFailed("The agent is not there.")
        return self._script

    def _check_running(self) -> None:
        name = self._started_script().conversation.native_id
        if self._running_steps is None:
            raise NoTurn(self._launch.id or name)

    def _begin_turn(self, steps: Iterable[Step], model: str | None) -> str:
        conversation = self._started_script().conversation
        if self._running_steps is not None:
            raise TurnInProgress(self._launch.id or conversation.native_id)
        conversation.turns += 1
        conversation.model = model or conversation.model
        turn = f"turn-{conversation.turns}"
        self._steps = deque(steps)
        self._reports.turn_started(turn)
        self._run_remaining()
        return turn

    def _run_remaining(self) -> None:
        """Run the remaining steps, from the clock's next turn on."""
        self._running_steps = self._run_steps(self._started_script())
        self._timer = self._clock.callLater(0, self._advance, None)

    def _run_steps(self, script: ScriptRun) -> StepGenerator:
        while self._steps:
            step = self._steps.popleft()
            yield from STEPS[step.word](script, step)

    def _advance(self, answer: Answer | None) -> None:
        """Run up to the next wait."""
        self._timer = None
        if self._running_steps is None:
            return
        try:
            self._wait_for(self._running_steps.send(answer))
        except StopIteration:
            self._end_turn("completed")
        except TurnOver as turn_over:
            self._end_turn(turn_over.status, turn_over.reason)
        except AgentExited as exited:
            self._exit(exited.how)

    def _wait_for(self, wait: Wait) -> None:
        if isinstance(wait, Question):
            self._questions.open(
                AgentRequest(id=wait.key, question=wait, encode_answer=lambda answer: answer)
            )
        elif wait is not None:
            self._timer = self._clock.callLater(wait, self._advance, None)

    def _end_turn(self, status: TurnStatus, reason: str = "") -> None:
        self._cut(reason)
        self._running_steps = None
        self._reports.turn_ended(status, reason)

    def _cut(self, reason: str) -> None:
        """Stop the current step: cancel its timer, withdraw its question, cut open items."""
        timer, self._timer = self._timer, None
        if timer is not None and timer.active():
            timer.cancel()
        self._questions.cancel_all(reason)
        if self._script is not None:
            self._script.open_items.cut()
