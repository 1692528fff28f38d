"""The verbs of a host: all that faces, hooks, telemetry and metrics see of it.

What a verb takes and returns is a value, so a face may stand on another machine than the agent
that it shows; the one exception is a subscription.  Every verb acts for `current_caller`, and
raises `HostError` with a sentence for the client.

========== ===================================================================
RemoteHost the verbs that have a route: `HostClient` has them, too
Host       these, and what faces need besides: `SessionService` has all of them
========== ===================================================================
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Protocol

from msgspec import Raw

from sxhost.model.approval import (
    Answer,
    AnswerBatch,
    AnswerResults,
    Approval,
    ApprovalQuery,
    Question,
    TerminalAnswer,
)
from sxhost.model.auth import AuditEntry, AuditQuery, Identity
from sxhost.model.event import (
    Accepted,
    Event,
    EventDraft,
    EventQuery,
    Fired,
    LogQuery,
)
from sxhost.model.handover import HandedOver, HandoverDraft
from sxhost.model.history import History, HistoryQuery, SessionActivity
from sxhost.model.limits import Limits
from sxhost.model.message import (
    Message,
    MessageDraft,
    PullQuery,
    Sent,
    Steered,
)
from sxhost.model.policy import PolicyView, RuleDraft, RuleProposal
from sxhost.model.search import SearchPage, SearchQuery
from sxhost.model.session import (
    Detail,
    Done,
    Forgotten,
    Hosted,
    Registered,
    Registration,
    SeenDraft,
    Session,
    SessionQuery,
    Summary,
)
from sxhost.model.status import HostCounts, Status
from sxhost.model.subscription import Encoding, Selection, Sink, Subscription, Summaries
from sxhost.model.transcript import TranscriptPage, TranscriptQuery
from sxhost.model.turn import (
    AgentInfo,
    AgentStatus,
    Launch,
    ModelDraft,
    SteerDraft,
    Submitted,
    Turn,
    TurnDraft,
)
from sxhost.model.usage import SpentByModel, UsageQuery, UsageReport

__all__ = ["Host", "Pages", "RemoteHost"]

Pages = AsyncGenerator[list[Event], None]
"""Events in order, a page when it is asked for."""


class RemoteHost(Protocol):
    """The verbs on sessions, messages and events, and on hosted agents and their approvals."""

    async def whoami(self) -> Identity:
        """Return who asks, with which scopes, and which host this is.

        :raises Unauthorized: the host does not know the caller.
        """

    async def status(self) -> Status:
        """Summarise the host."""

    async def history(self, query: HistoryQuery) -> History:
        """Return figures of the host over time, a sample a minute."""

    async def activity(self) -> SessionActivity:
        """Return how many events each session had over the last hour."""

    async def usage(self, query: UsageQuery) -> UsageReport:
        """Sum up what agents have used, and what it costs."""

    async def sessions(self, query: SessionQuery) -> list[Summary]:
        """List sessions in the order of their ids."""

    async def session(self, session_id: str) -> Detail:
        """Return one session in detail, with its last events."""

    async def register(self, session_id: str, registration: Registration) -> Registered:
        """Create a session, or update the fields that are given."""

    async def mark_seen(self, session_id: str, draft: SeenDraft) -> Done:
        """Note up to where a person has looked at a session, on whatever screen."""

    async def forget(self, session_id: str) -> Forgotten:
        """End a session and delete it with its log and its inbox."""

    async def fire(self, session_id: str, draft: EventDraft) -> Fired:
        """Append an event; an unknown session is registered by it."""

    async def fire_batch(self, session_id: str, drafts: Sequence[EventDraft]) -> Accepted:
        """Append events in order, all of them or none."""

    async def events(self, session_id: str, query: EventQuery) -> list[Event]:
        """Read events in order: the buffered ones, or all that are retained after a cursor."""

    async def transcript(self, session_id: str, query: TranscriptQuery) -> TranscriptPage:
        """Read a page of a session's log as the items of a conversation."""

    async def log(self, query: LogQuery) -> list[Event]:
        """Read the events of many sessions, in the order of their ids."""

    async def search(self, query: SearchQuery) -> SearchPage:
        """Search the facts of all logs for words; the newest hits come first.

        :raises BadField: the words cannot be read.
        :raises UnknownSession: it is to be searched, and there is none.
        """

    async def send(self, session_id: str, draft: MessageDraft) -> Sent:
        """Queue a message for the session's agent."""

    async def pull(self, session_id: str, query: PullQuery) -> list[Message]:
        """Take the queued messages, or look at them."""

    async def ack(self, session_id: str, message_id: int) -> Done:
        """Confirm a leased message: it is delivered."""

    async def nack(self, session_id: str, message_id: int) -> Done:
        """Give a leased message back to its place in the queue."""

    async def withdraw(self, session_id: str, message_id: int) -> Done:
        """Take back a message that nobody has taken yet."""

    async def audit(self, query: AuditQuery) -> list[AuditEntry]:
        """List entries of the audit, in order."""

    async def stop(self) -> Done:
        """Stop the host in order."""

    # Hosted agents.

    async def agents(self) -> list[AgentInfo]:
        """List the kinds of agents that the host knows: which are there, and why not."""

    async def start(self, launch: Launch) -> Hosted:
        """Start an agent, in a new session."""

    async def submit(self, session_id: str, draft: TurnDraft) -> Submitted:
        """Begin a turn; it goes on after the answer."""

    async def steer(self, session_id: str, draft: SteerDraft) -> Steered:
        """Add to the running turn; queue it for an attached agent."""

    async def interrupt(self, session_id: str) -> Done:
        """Stop the running turn.

        :raises NotHosted: the agent is not run by the host.
        """

    async def end(self, session_id: str) -> Done:
        """End a hosted agent's process; its next turn or message starts it again."""

    async def hand_over(self, session_id: str, draft: HandoverDraft) -> HandedOver:
        """Hand a session over to its agent's own program at a terminal, or to the host.

        :raises NotHosted: it is to go to a terminal, and is no hosted one.
        :raises AtTerminal: it is to go to the host, and its program may run still.
        :raises Unsupported: its agent cannot go on there.
        """

    async def compact(self, session_id: str) -> Done:
        """Have the agent summarise the conversation, to save context."""

    async def set_model(self, session_id: str, draft: ModelDraft) -> Done:
        """Use another model from now on."""

    # What agents ask.

    async def approvals(self, query: ApprovalQuery) -> list[Approval]:
        """List the approvals of all sessions, in the order of their ids."""

    async def session_approvals(self, session_id: str, query: ApprovalQuery) -> list[Approval]:
        """List the approvals of one session, in the order of their ids."""

    async def answer(self, session_id: str, approval_id: int, answer: Answer) -> Approval:
        """Decide an approval; the first decision counts."""

    async def answer_batch(self, batch: AnswerBatch) -> AnswerResults:
        """Decide the approvals that are named, each by itself; none fails for another."""

    async def policy(self) -> PolicyView:
        """Return the rules that answer questions, and how often each has matched."""

    async def propose_rule(self, draft: RuleDraft) -> RuleProposal:
        """Return the narrowest rule that allows what was asked, and what else it would have.

        :raises UnknownApproval: the question is not remembered.
        :raises BadField: no rule can answer it.
        """


class Host(RemoteHost, Protocol):
    """All verbs, those without a route included.

    What is not ``async`` is read from memory.
    """

    @property
    def limits(self) -> Limits:
        """The limits of the host."""

    def now_ms(self) -> int:
        """Return the time of day in Unix milliseconds."""

    async def usage_spent(self) -> list[SpentByModel]:
        """Return what agents have used since the host's start, by agent and model."""

    async def counts(self) -> HostCounts:
        """Count what the host holds."""

    async def record_action(
        self, action: str, session_id: str | None = None, detail: str = ""
    ) -> None:
        """Record in the audit what the caller is about to do, or has done.

        :raises HostError: it cannot be recorded, and so must not be done.
        """

    # The log.

    @property
    def cursor(self) -> str:
        """The cursor of the end of the log."""

    def knows(self, session_id: str) -> bool:
        """Tell whether there is such a session, archived ones included."""

    def stored_session(self, session_id: str) -> Session | None:
        """Return a session as it is stored; None if it is archived, or there is none."""

    def hosted_sessions(self, agent: str) -> list[Session]:
        """Return the hosted sessions of a kind of agent, in the order of their beginning."""

    def event_pages(self, session_id: str, query: EventQuery) -> Pages:
        """Read the same as `events`, page by page."""

    def log_pages(self, query: LogQuery) -> Pages:
        """Read the same as `log`, page by page."""

    async def subscribe(
        self,
        selection: Selection,
        after: str,
        encoding: Encoding,
        sink: Sink,
        *,
        states: bool = False,
        summaries: Summaries = False,
    ) -> Subscription:
        """Have events written to `sink` from the cursor `after` on, past and present alike.

        :param states: whether changes of sessions' states are written, too.
        :param summaries: whether sessions' summaries are, all at first and as they change;
            or only as they change, for who reads the list once the first frame has come.
        :raises UnknownSession: the selection is one session, and there is none.
        :raises SubscriptionLimit: there are as many as may be.
        :raises Stopping: the host is about to end.
        """

    async def deliver_events(self) -> None:
        """Return once every subscription was given what the log has by now."""

    # Hosted agents.

    def session_of(self, conversation: str) -> str:
        """Return the session that has an agent's conversation; else one of this very name."""

    def is_hosted(self, name: str) -> bool:
        """Tell whether the host runs the agent of this session, or of this conversation."""

    async def agent_status(self, session_id: str) -> AgentStatus | None:
        """Return how a session's agent is; None if this life of the host has not run it."""

    async def wake(self, session_id: str) -> None:
        """Start a session's agent, unless it runs.

        :raises ForbiddenScope: it sleeps, and the caller may only read.
        :raises NotHosted: the agent is not run by the host.
        """

    async def flush_events(self, session_id: str) -> None:
        """Return once all that a session's agent has reported so far is in the log."""

    async def submit_native(
        self, session_id: str, draft: TurnDraft, spoken: Mapping[str, object]
    ) -> Submitted:
        """Begin a turn; `spoken` goes along in the agent's own words and only speaks.

        For that the face vouches, and that the draft's input tells the log of it.
        """

    async def wait_for_turn(self, session_id: str, turn_id: int) -> Turn | None:
        """Return a turn once it is over and its end is in the log.

        None: it is forgotten since another one runs, or never began.

        :raises AgentFailed: the agent was ended for good meanwhile.
        """

    async def wait_for_turn_start(self, session_id: str, turn_id: int) -> None:
        """Return once a turn has begun, or the agent is no more."""

    async def native_command(
        self, session_id: str, name: str, params: Mapping[str, object]
    ) -> Raw:
        """Send a session's agent a command of its own protocol; return its result in JSON.

        An agent that sleeps is started for it.

        :raises ForbiddenScope: it sleeps, and the caller may only read.
        :raises CommandRefused: the agent refused it; the error has the agent's reason.
        :raises Unsupported: this kind of agent takes none.
        """

    # Questions of attached agents.

    async def ask(self, session_id: str, question: Question, wait_s: float) -> Answer | None:
        """Open an approval and wait for its decision; None if there was none.

        It is closed after `wait_s` seconds, by `end_question`, or when the caller leaves; one
        that is asked at the agent's terminal too then stays open, for that terminal alone.

        :raises Stopping: the host is; the approval stays open, and may be asked for again.
        """

    async def wait_to_wake(self, session_id: str) -> bool:
        """Return True once a message waits for an attached agent at rest, to have it woken.

        False: its agent has ended, or another call has taken this one's place.

        :raises Stopping: the host is; a later life of it may be asked again.
        :raises Unsupported: the host runs the agent itself.
        """

    async def continue_session(self, old_id: str, new_id: str) -> None:
        """Have an attached session go on with another one.

        Its title (if the new one has none), its labels and its queued messages move over.
        """

    async def end_question(self, session_id: str, key: str, end: str | TerminalAnswer) -> None:
        """Close the approval of a question that needs no answer any more.

        :param end: why, or how it was answered at the agent's own terminal.
        """
