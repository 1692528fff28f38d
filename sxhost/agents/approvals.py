"""What agents ask: opened as approvals, decided, delivered, withdrawn, expired.

The first decision wins, whoever makes it: a person, a policy, the agent itself, time.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from msgspec import Struct
from msgspec.structs import replace
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure

from sxhost.agents.answers import check_answer, refusal_of
from sxhost.codec.json import encode
from sxhost.codec.shorten import shorten_to_fit
from sxhost.codec.unified_diff import with_diff
from sxhost.errors import (
    AlreadyAnswered,
    HostError,
    QuestionLimit,
    StorageFull,
    StoreUnavailable,
    UnknownSession,
)
from sxhost.logs import logger
from sxhost.model.approval import (
    REFUSALS,
    TERMINAL,
    Answer,
    Approval,
    ApprovalState,
    Question,
    Resolution,
    TerminalAnswer,
    unseen,
)
from sxhost.model.auth import AuditEntry
from sxhost.model.caller import Caller, current_caller
from sxhost.model.limits import Limits
from sxhost.model.session import Session
from sxhost.policy.rules import ASK_A_PERSON, PolicyDecision
from sxhost.store.contracts import Approvals, Sessions
from sxhost.visible import escape_hidden

__all__ = ["ApprovalBroker", "Decide", "ask_a_person"]

log = logger(__name__)

Deliver = Callable[[Question, Answer], Awaitable[None]]
"""Delivers a decision to the agent that asked."""


Decide = Callable[[Session, Question], PolicyDecision]
"""What a policy says of what a session's agent asks."""

EXPIRY_RETRY_S = 10.0
"""Seconds until an approval expires once more, when the store has refused."""


def ask_a_person(_session: Session, _question: Question) -> PolicyDecision:
    """Decide nothing."""
    return ASK_A_PERSON


class OpenApproval(Struct):
    """A question that waits for a decision: how that is delivered, when it is too late.

    Until the store has numbered it, it has no `id`.
    """

    session: str
    question: Question
    size: int
    deliver: Deliver
    on_expiry: str = "deny"
    id: int = 0
    timer: IDelayedCall | None = None


class Outcome(Struct, frozen=True):
    """How an approval comes to its end."""

    answer: Answer
    by: str
    state: ApprovalState = "answered"
    caller: Caller | None = None


class ApprovalBroker:
    """The open questions of all agents: between agents, the policy, people and the store."""

    def __init__(
        self,
        sessions: Sessions,
        approvals: Approvals,
        clock: IReactorTime,
        wall_ms: Callable[[], int],
        *,
        limits: Limits,
        decide: Decide = ask_a_person,
    ) -> None:
        self._sessions = sessions
        self._approvals = approvals
        self._clock = clock
        self._wall_ms = wall_ms
        self._limits = limits
        self._decide = decide
        self._open: dict[int, OpenApproval] = {}
        self._asked: dict[str, dict[str, OpenApproval]] = {}
        """The same by session and key, and those that the store has not numbered yet."""
        self._size = 0

    async def open_approval(
        self, session_id: str, question: Question, deliver: Deliver
    ) -> Approval:
        """Open an approval; `deliver` is called once it is decided.

        :raises QuestionLimit: too many wait already, or too much.
        """
        before = self._asked.get(session_id, {}).get(question.key)
        entry = self._admit(session_id, question, deliver, before)
        try:
            verdict = self._decide(await self._sessions.session(session_id), question)
            approval = await self._open_in_store(entry, verdict)
        except BaseException:
            self._drop(entry)
            if before is not None and before is self._open.get(before.id):
                self._keep(before)
            raise
        if verdict.decision is not None and (
            verdict.decision in question.choices or verdict.decision in REFUSALS
        ):
            answer = Answer(decision=verdict.decision, reason=verdict.reason)
            end = Outcome(answer, f"policy {verdict.rule}")
            return await self._close_and_deliver(session_id, approval.id, end)
        return approval

    def _admit(
        self, session_id: str, question: Question, deliver: Deliver, before: OpenApproval | None
    ) -> OpenApproval:
        """Make room for a question, from its beginning: many may be on their way at once.

        `before` is the same question, if it is open already: it makes room for this one.
        """
        limits = self._limits
        if before is None and len(self._asked.get(session_id, ())) >= limits.open_questions:
            raise QuestionLimit("of one session", limits.open_questions)
        kept = presentable(question, limits.question_size)
        entry = OpenApproval(session_id, kept, len(encode(kept)), deliver)
        if entry.size > limits.question_size or not kept.choices:  # they cannot be cut
            raise QuestionLimit("bytes of one", limits.question_size)
        others = self._size - (before.size if before else 0)
        if others + entry.size > limits.questions_size:
            raise QuestionLimit("bytes in all", limits.questions_size)
        self._size = others
        self._keep(entry)
        return entry

    def _keep(self, entry: OpenApproval) -> None:
        self._asked.setdefault(entry.session, {})[entry.question.key] = entry
        self._size += entry.size

    async def _open_in_store(self, entry: OpenApproval, verdict: PolicyDecision) -> Approval:
        """Have the store open an approval, and its time begin.

        What is left to a terminal in time is not refused.
        """
        question, session_id = entry.question, entry.session
        patience = verdict.expire_s or self._patience(question)
        seconds = min(question.expires_s or patience, patience)
        is_left = question.at_terminal and seconds == question.expires_s
        at = self._wall_ms()
        approval = await self._approvals.open_approval(
            session_id, question, at, None if is_left else at + int(seconds * 1000)
        )
        entry.id, entry.on_expiry = approval.id, refusal_of(question, verdict.on_expiry)
        self._forget(approval.id)
        self._open[approval.id] = entry
        if not is_left:
            entry.timer = self._clock.callLater(seconds, self._expire, approval.id)
        return approval

    def _patience(self, question: Question) -> float:
        """Return the seconds that a person has, if nobody says otherwise."""
        limits = self._limits
        unsaid = question.kind == "dialog" and question.expires_s is None
        return limits.dialog_within if unsaid else limits.answer_within

    async def decide(self, session_id: str, approval_id: int, answer: Answer) -> Approval:
        """Decide.

        :raises UnknownApproval: it is not remembered.
        :raises AlreadyAnswered: it is closed.
        :raises BadField: the decision is none of its choices.
        """
        entry = self._open.get(approval_id)
        if entry is not None and entry.session == session_id:
            check_answer(answer, entry.question, approval_id)
        caller = current_caller.get()
        by = f"token {caller.token}" if caller.token else "own"
        end = Outcome(answer, by, caller=caller)
        return await self._close_and_deliver(session_id, approval_id, end)

    async def close_question(self, session_id: str, key: str, why: str) -> None:
        """Close a question that its agent no longer asks."""
        answer = Answer(decision="cancel", reason=why)
        await self._close_key(session_id, key, Outcome(answer, "agent", "withdrawn"))

    async def settle_question(
        self, session_id: str, key: str, terminal: TerminalAnswer
    ) -> None:
        """Close a question that the agent's user has answered in the agent's own dialog."""
        answer = Answer(decision=terminal.decision, reason=terminal.reason)
        await self._close_key(session_id, key, Outcome(answer, TERMINAL))

    async def _close_key(self, session_id: str, key: str, end: Outcome) -> None:
        entry = self._asked.get(session_id, {}).get(key)
        try:
            number = entry.id if entry is not None else await self._left_open(session_id, key)
            if number:
                await self._close(session_id, number, end)
        except (AlreadyAnswered, UnknownSession):
            if entry is not None:
                self._drop(entry)

    async def _left_open(self, session_id: str, key: str) -> int:
        """Return the number of an approval that is open though nobody waits for it here."""
        known = await self._approvals.approvals(session_id)
        return next((one.id for one in known if one.state == "pending" and one.key == key), 0)

    async def note_question(self, session_id: str, question: Question) -> None:
        """Open an approval that only the agent's own user can answer."""
        kept = presentable(question, self._limits.question_size)
        at = self._wall_ms()
        approval = await self._approvals.open_approval(session_id, kept, at, None)
        await self._leave(session_id, [approval.id])

    async def leave_question(self, session_id: str, key: str) -> None:
        """Leave a question open that only the agent's own user can answer from now on."""
        entry = self._asked.get(session_id, {}).get(key)
        if entry is not None and entry.id:
            await self._leave(session_id, [entry.id])
            self._drop(entry)

    async def leave_former_life(self) -> None:
        """Leave all questions of attached agents that a former life of the host had open.

        Hooks that still wait ask again, under the same numbers.
        """
        left: dict[str, list[Approval]] = {}
        for approval in await self._approvals.approvals(None):
            session = self._sessions.known.get(approval.session)
            is_attached = session is not None and session.kind == "attached"
            if is_attached and approval.state == "pending":
                left.setdefault(approval.session, []).append(approval)
        for session_id, approvals in left.items():
            again = self._asked.get(session_id, {})  # by a hook that was faster than this
            await self._leave(session_id, [one.id for one in approvals if one.key not in again])

    async def _leave(self, session_id: str, numbers: Sequence[int]) -> None:
        try:
            await self._approvals.leave_approvals(session_id, numbers, self._wall_ms())
            known = await self._approvals.approvals(session_id)
        except UnknownSession:
            return
        left = [one.key for one in known if one.at_terminal_ms and one.state == "pending"]
        for key in left[: -self._limits.open_questions]:
            await self.close_question(session_id, key, "too many others are open")

    async def withdraw(self, session_id: str, why: str, by: str = "host") -> None:
        """Close all that a session's agent has asked: it does not wait any more."""
        resolution = Resolution(decision="cancel", by=by, at_ms=self._wall_ms(), reason=why)
        try:
            closed = await self._approvals.close_approvals(session_id, "withdrawn", resolution)
        except UnknownSession:
            closed = []
        for approval in closed:
            self._forget(approval.id)

    def close(self) -> None:
        """Stop the clocks; what is open stays so."""
        for approval_id in tuple(self._open):
            self._forget(approval_id)

    def _expire(self, approval_id: int) -> None:
        entry = self._open[approval_id]
        answer = Answer(decision=entry.on_expiry, reason="nobody answered in time")
        session_id = entry.session
        late = self._close_and_deliver(
            session_id, approval_id, Outcome(answer, "host", "expired")
        )
        Deferred.fromCoroutine(late).addErrback(self._expiry_failed, approval_id)

    def _expiry_failed(self, failure: Failure, approval_id: int) -> None:
        """Try again, if it is for the store that an approval is still open."""
        log.warn("an approval could not expire: {error}", error=failure.value)
        entry = self._open.get(approval_id)
        if entry is not None and failure.check(StoreUnavailable, StorageFull):
            entry.timer = self._clock.callLater(EXPIRY_RETRY_S, self._expire, approval_id)
        else:
            self._forget(approval_id)

    async def _close_and_deliver(
        self, session_id: str, approval_id: int, end: Outcome
    ) -> Approval:
        """Close an approval, then deliver the decision: after the commit, never before."""
        entry = self._open.get(approval_id)
        closed = await self._close(session_id, approval_id, end)
        if entry is not None:
            try:
                await entry.deliver(entry.question, end.answer)
            except HostError as error:
                log.warn("an agent was not told of a decision: {error}", error=error)
        return closed

    async def _close(self, session_id: str, approval_id: int, end: Outcome) -> Approval:
        at, answer = self._wall_ms(), end.answer
        resolution = Resolution(
            decision=answer.decision,
            by=end.by,
            at_ms=at,
            reason=answer.reason,
            answers=answer.answers,
        )
        entry, caller = None, end.caller
        if caller is not None:
            detail = f"approval {approval_id}: {answer.decision}"
            who = caller.token, caller.uid, caller.peer
            entry = AuditEntry(0, "answer", session_id, detail, *who, at)
        closed = await self._approvals.close_approval(
            session_id, approval_id, end.state, resolution, entry
        )
        self._forget(approval_id)
        return closed

    def _forget(self, approval_id: int) -> None:
        entry = self._open.get(approval_id)
        if entry is not None:
            self._drop(entry)

    def _drop(self, entry: OpenApproval) -> None:
        """Wait no longer for an answer to a question."""
        if entry.timer is not None and entry.timer.active():
            entry.timer.cancel()
        if self._open.get(entry.id) is entry:
            del self._open[entry.id]
        asked = self._asked.get(entry.session, {})
        if asked.get(entry.question.key) is entry:
            self._size -= entry.size
            del asked[entry.question.key]
            if not asked:
                del self._asked[entry.session]


def presentable(question: Question, most: int) -> Question:
    """Return a question as an approval has it, of at most so many bytes if it can be."""
    return with_diff(fitting(with_title_shown(question), most), most)


def with_title_shown(question: Question) -> Question:
    """Return a question whose title is one line that hides nothing.

    Notifications and lists of any client show the title alone, and as it is.
    """
    return replace(question, title=escape_hidden(question.title))


def fitting(question: Question, most: int) -> Question:
    """Return a question of at most so many bytes of JSON, where it can be made so.

    First the agent's own words go, then long texts of the detail are cut: what is not shown
    whole can only be refused.
    """
    size = len(encode(question))
    if size <= most:
        return question
    short = replace(question, native=None)
    if len(encode(short)) <= most:
        return short
    room = most // 2
    cut = replace(
        short, title=short.title[: most // 16], detail=shorten_to_fit(short.detail, room)
    )
    return unseen(cut, size)
