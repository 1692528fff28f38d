"""The verbs of a host over HTTP, through treq: what scripts and the command line use.

from twisted.internet.task import react
from sxhost.client import connect
from sxhost.model import MessageDraft

async def main(reactor):
    host = connect(reactor, "http://127.0.0.1:7432")
    print(await host.send("abc-123", MessageDraft(content="run the tests")))
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

from msgspec.structs import asdict, replace
from treq.client import HTTPClient
from twisted.internet.interfaces import IReactorTime

from sxhost.address import HostAddress
from sxhost.client.auth import Bearer
from sxhost.client.auth import Token as TokenSource
from sxhost.client.endpoints import make_client_agent
from sxhost.client.requests import (
    NDJSON,
    PATIENCE,
    Exchange,
    Verbs,
    Watch,
    query_of,
    session_path,
)
from sxhost.client.stream import EventStream, OnLink, ignore_link_changes
from sxhost.codec.json import encode_lines
from sxhost.errors import BadField
from sxhost.model.approval import Answer, AnswerBatch, AnswerResults, Approval, ApprovalQuery
from sxhost.model.auth import (
    AuditEntry,
    AuditQuery,
    Identity,
    Login,
    LoginQuery,
    Token,
    TokenDraft,
    TokenMade,
)
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
from sxhost.model.message import (
    Message,
    MessageDraft,
    PullQuery,
    Sent,
    Steered,
)
from sxhost.model.names import check_session_id
from sxhost.model.notify import ChannelTest, NotifyView
from sxhost.model.policy import PolicyView, RuleDraft, RuleProposal
from sxhost.model.session import (
    Detail,
    Discovered,
    Done,
    Forgotten,
    Hosted,
    Registered,
    Registration,
    SeenDraft,
    SessionQuery,
    Summary,
)
from sxhost.model.status import Status
from sxhost.model.transcript import TranscriptPage, TranscriptQuery
from sxhost.model.turn import AgentInfo, Launch, ModelDraft, SteerDraft, Submitted, TurnDraft

if TYPE_CHECKING:
    from sxhost.model.search import SearchPage, SearchQuery
    from sxhost.model.usage import UsageQuery, UsageReport

__all__ = ["HostClient", "connect"]

T = TypeVar("T")


START_WITHIN = 90.0
"""Seconds that an agent may take to start; the slowest takes three."""

HANDOVER_WITHIN = 86_400.0
"""Seconds that a turn may take which is waited for before its session is handed over."""


class HostClient:
    """A host at `url`, spoken to through a treq client (`sxhost.model.host.RemoteHost`).

    Every verb raises `HostError` (its subclass for the code) when the host says no, and
    `HostUnreachable` when there is none.  `place` is where that one says it looked, if it
    is not `url`; `watch` is told of each request.
    """

    def __init__(
        self,
        url: str,
        http: HTTPClient,
        clock: IReactorTime,
        place: str | None = None,
        watch: Watch | None = None,
    ) -> None:
        self._host = Exchange(url, http, clock, place, watch)
        self._verbs = Verbs(self._host)
        self.url = place or self._host.url

    async def whoami(self) -> Identity:
        """Tell who asks, with which scopes, and which host this is."""
        return await self._verbs.get(Identity, "/whoami")

    async def status(self) -> Status:
        """Summarise the host."""
        return await self._verbs.get(Status, "/status")

    async def history(self, query: HistoryQuery) -> History:
        """Tell figures of the host over time, a sample a minute."""
        return await self._verbs.get(History, "/history", query)

    async def activity(self) -> SessionActivity:
        """Tell how many events each session had over the last hour."""
        return await self._verbs.get(SessionActivity, "/activity")

    async def usage(self, query: UsageQuery) -> UsageReport:
        """Sum up what agents have used, and what it costs."""
        from sxhost.model.usage import UsageReport

        return await self._verbs.get(UsageReport, "/usage", query)

    async def sessions(self, query: SessionQuery) -> list[Summary]:
        """List sessions in the order of their ids."""
        return await self._verbs.get(list[Summary], "/sessions", query)

    async def session(self, session_id: str) -> Detail:
        """Tell all about one session."""
        return await self._verbs.get(Detail, session_path(session_id))

    async def register(self, session_id: str, registration: Registration) -> Registered:
        """Create a session, or update the fields that are given."""
        return await self._verbs.post(
            Registered, session_path(session_id, "register"), registration
        )

    async def mark_seen(self, session_id: str, draft: SeenDraft) -> Done:
        """Note up to where a person has looked at a session, on whatever screen."""
        return await self._verbs.post(Done, session_path(session_id, "seen"), draft)

    async def forget(self, session_id: str) -> Forgotten:
        """End a session and forget it with its log and its inbox."""
        return await self._verbs.call(Forgotten, "DELETE", session_path(session_id))

    async def fire(self, session_id: str, draft: EventDraft) -> Fired:
        """Append an event; an unknown session is registered by it."""
        return await self._verbs.post(Fired, session_path(session_id, "events"), draft)

    async def fire_batch(self, session_id: str, drafts: Sequence[EventDraft]) -> Accepted:
        """Append events in order, all of them or none."""
        body, path = encode_lines(drafts), session_path(session_id, "events")
        return await self._verbs.call(Accepted, "POST", path, body=body, media_type=NDJSON)

    async def events(self, session_id: str, query: EventQuery) -> list[Event]:
        """Read events in order."""
        path = session_path(session_id, "events") + query_of(query)
        return await self._verbs.lines(path)

    async def transcript(self, session_id: str, query: TranscriptQuery) -> TranscriptPage:
        """Read a page of a session's log as the items of a conversation."""
        path = session_path(session_id, "transcript")
        return await self._verbs.get(TranscriptPage, path, query)

    async def log(self, query: LogQuery) -> list[Event]:
        """Read the events of many sessions, in the order of their ids."""
        return await self._verbs.lines("/events" + query_of(query))

    async def search(self, query: SearchQuery) -> SearchPage:
        """Search the facts of all logs for words; the newest hits come first."""
        from sxhost.model.search import SearchPage  # it brings the types of all events with it

        return await self._verbs.get(SearchPage, "/search", query)

    def subscribe(
        self,
        session_id: str | None = None,
        *,
        sessions: Sequence[str] = (),
        label: str = "",
        types: Sequence[str] = (),
        after: str = "",
        state: bool = False,
        summary: bool = False,
        native: bool = True,
        merged: bool = False,
        fail_fast: bool = False,
        on_link: OnLink = ignore_link_changes,
        jitter: Callable[[], float] = random.random,
    ) -> EventStream:
        """Follow a session's events, or those of all sessions, live (`sxhost.client.stream`).

        `after` is a cursor, a number or ``now``; without it what is buffered comes first.
        With `state` the states of the sessions come too, with `summary` their summaries: all
        at first, then as they change.  A type with ``!`` before it is not wanted; without
        `native` agents' own messages are left out, with `merged` pieces that follow one
        another come as one.  `fail_fast`, `on_link` and `jitter` are those of `EventStream`.

        :raises BadField: an id cannot be one.
        """
        query = EventQuery(
            types=",".join(types),
            follow=True,
            state=state,
            summary=summary,
            native=native,
            deltas="merged" if merged else "all",
        )
        if session_id is None:
            chosen = ",".join(map(check_session_id, sessions))
            path, query = "/events", LogQuery(session=chosen, label=label, **asdict(query))
        elif sessions or label:
            raise BadField("session_id", "Name one session, or choose among all of them.")
        else:
            path = session_path(session_id, "events")
        return EventStream(
            self._host,
            lambda cursor: path + query_of(replace(query, after=cursor)),
            after,
            fail_fast=fail_fast,
            on_link=on_link,
            jitter=jitter,
        )

    async def send(self, session_id: str, draft: MessageDraft) -> Sent:
        """Queue a message for the session's agent."""
        return await self._verbs.post(Sent, session_path(session_id, "messages"), draft)

    async def pull(self, session_id: str, query: PullQuery) -> list[Message]:
        """Take the messages that wait, or look at them."""
        path, patience = session_path(session_id, "messages"), query.wait + PATIENCE
        return await self._verbs.get(list[Message], path, query, patience=patience)

    async def ack(self, session_id: str, message_id: int) -> Done:
        """Confirm a message: it is delivered."""
        return await self._verbs.post(
            Done, session_path(session_id, "messages", message_id, "ack")
        )

    async def nack(self, session_id: str, message_id: int) -> Done:
        """Give a leased message back to its place in the queue."""
        return await self._verbs.post(
            Done, session_path(session_id, "messages", message_id, "nack")
        )

    async def withdraw(self, session_id: str, message_id: int) -> Done:
        """Cancel a message that is still in the queue."""
        path = session_path(session_id, "messages", message_id)
        return await self._verbs.call(Done, "DELETE", path)

    async def audit(self, query: AuditQuery) -> list[AuditEntry]:
        """Tell who did what, in order."""
        return await self._verbs.get(list[AuditEntry], "/audit", query)

    async def discover(self) -> list[Discovered]:
        """Show agents that run on the host's machine as sessions, with or without hooks."""
        return await self._verbs.post(list[Discovered], "/discover")

    async def stop(self) -> Done:
        """Stop the host in order."""
        return await self._verbs.post(Done, "/stop")

    # Hosted agents, and what agents ask.

    async def agents(self) -> list[AgentInfo]:
        """List the kinds of agents that the host knows: which are there, and why not."""
        return await self._verbs.get(list[AgentInfo], "/agents", patience=START_WITHIN)

    async def start(self, launch: Launch) -> Hosted:
        """Start an agent, in a new session."""
        return await self._verbs.post(Hosted, "/sessions", launch, START_WITHIN)

    async def submit(self, session_id: str, draft: TurnDraft) -> Submitted:
        """Begin a turn."""
        path = session_path(session_id, "turns")
        return await self._verbs.post(Submitted, path, draft, START_WITHIN)

    async def steer(self, session_id: str, draft: SteerDraft) -> Steered:
        """Add to the running turn; queue it for an attached agent."""
        return await self._verbs.post(Steered, session_path(session_id, "steer"), draft)

    async def interrupt(self, session_id: str) -> Done:
        """Stop the running turn."""
        return await self._verbs.post(Done, session_path(session_id, "interrupt"))

    async def end(self, session_id: str) -> Done:
        """End a hosted agent's process; its next turn or message starts it again."""
        path = session_path(session_id, "end")
        return await self._verbs.post(Done, path, patience=START_WITHIN)

    async def hand_over(self, session_id: str, draft: HandoverDraft) -> HandedOver:
        """Hand a session over to a terminal, or to the host; a turn that runs may take long."""
        path = session_path(session_id, "handover")
        return await self._verbs.post(HandedOver, path, draft, patience=HANDOVER_WITHIN)

    async def compact(self, session_id: str) -> Done:
        """Shorten the conversation."""
        path = session_path(session_id, "compact")
        return await self._verbs.post(Done, path, patience=START_WITHIN)

    async def set_model(self, session_id: str, draft: ModelDraft) -> Done:
        """Use another model from now on."""
        return await self._verbs.post(Done, session_path(session_id, "model"), draft)

    async def approvals(self, query: ApprovalQuery) -> list[Approval]:
        """List the approvals of all sessions, oldest first."""
        return await self._verbs.get(list[Approval], "/approvals", query)

    async def session_approvals(self, session_id: str, query: ApprovalQuery) -> list[Approval]:
        """List the approvals of one session, oldest first."""
        return await self._verbs.get(
            list[Approval], session_path(session_id, "approvals"), query
        )

    async def answer(self, session_id: str, approval_id: int, answer: Answer) -> Approval:
        """Answer an approval; the first answer wins."""
        path = session_path(session_id, "approvals", approval_id)
        return await self._verbs.post(Approval, path, answer)

    async def answer_batch(self, batch: AnswerBatch) -> AnswerResults:
        """Answer the approvals that are named, each by itself; none fails for another."""
        return await self._verbs.post(AnswerResults, "/approvals", batch)

    async def policy(self) -> PolicyView:
        """Tell the rules that answer questions, and how often each has matched."""
        return await self._verbs.get(PolicyView, "/policy")

    async def propose_rule(self, draft: RuleDraft) -> RuleProposal:
        """Propose the narrowest rule for a question, and tell what it would have answered."""
        return await self._verbs.post(RuleProposal, "/policy/propose", draft)

    # Tokens.

    async def tokens(self) -> list[Token]:
        """List tokens, the host's own first; never their secrets."""
        return await self._verbs.get(list[Token], "/tokens")

    async def create_token(self, draft: TokenDraft) -> TokenMade:
        """Create a token; only this answer has its secret."""
        return await self._verbs.post(TokenMade, "/tokens", draft)

    async def revoke_token(self, token_id: str) -> Done:
        """Revoke a token: no request with it is served from now on."""
        return await self._verbs.call(Done, "DELETE", f"/tokens/{quote(token_id, safe='')}")

    async def rotate_token(self) -> Done:
        """Replace the host's own token; the new one is in its file."""
        return await self._verbs.post(Done, "/tokens/admin/rotate")

    async def notifications(self) -> NotifyView:
        """Return the host's notifications: channels, rules, and what became of notices."""
        return await self._verbs.get(NotifyView, "/notify")

    async def test_channel(self, name: str) -> Done:
        """Send a notice on a channel, and wait for it."""
        return await self._verbs.post(Done, "/notify/test", ChannelTest(channel=name))

    async def invite(self, query: LoginQuery | None = None) -> Login:
        """Make a link that lets one browser in, once."""
        return await self._verbs.post(Login, "/logins" + query_of(query))


def connect(
    reactor: Any,
    url: str,
    token: TokenSource = None,
    ca: str | None = None,
    watch: Watch | None = None,
) -> HostClient:
    """Return a client of the host at `url`: ``http:``, ``https:`` or ``unix:/path``.

    `token` is shown with every request; a function is called for one as soon as the host
    asks.  `ca` is a file of the authorities (PEM) that are believed in place of this
    machine's; over ``https:`` somebody is always to be believed.  `watch` is entered for each
    request while its answer is awaited.

    :raises ValueError: the URL is none of them, or the file has no certificates.
    """
    address = HostAddress(url)
    agent = make_client_agent(reactor, address, ca)
    asked = "http://localhost" if address.socket_path else address.url
    return HostClient(asked, Bearer(agent, token), reactor, url.rstrip("/"), watch)
