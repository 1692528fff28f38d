"""Handles the hooks of agents: events, decisions, and messages in the answers.

Their sessions are attached ones, named as the agent names its conversation; one that the host
has handed over keeps its name.  Hooks of an agent that the host itself runs are ignored: its
driver reports already.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Annotated, Any, Final

from msgspec import Meta, Struct
from msgspec.structs import replace
from twisted.internet.interfaces import IReactorTime

from sxhost.agent_files.follower import Follower
from sxhost.agent_files.running import RunningAgent, find_running
from sxhost.errors import BadField, UnknownSession
from sxhost.hooks.payload import PROVIDERS, Hook
from sxhost.hooks.questions import HookQuestions
from sxhost.hooks.session_links import SessionLinks, serves_one_terminal
from sxhost.hooks.transcripts import AttachedTranscripts
from sxhost.logs import logger
from sxhost.model.approval import ApprovalQuery
from sxhost.model.delivery import InboxKind
from sxhost.model.event import EventDraft
from sxhost.model.host import Host
from sxhost.model.message import Message, PullQuery
from sxhost.model.names import check_session_id, conversation_name
from sxhost.model.session import Discovered, Registration, SessionQuery
from sxhost.model.turn import OSProcess
from sxhost.project import git_branch, project_root

__all__ = ["HookHandler", "HookQuery", "HookReply"]

log = logger(__name__)

DELIVERY_LEASE: Final = 30.0
"""Seconds that an answer with messages may take to be read."""

MOST_SESSIONS: Final = 4096
"""Sessions that are remembered as registered."""


class HookQuery(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The query of a hook's request; with `ask` each use of a tool is an approval.

    `wait` is for how many seconds the agent waits for a decision before only its own user is
    asked; with 0 the host is only told.  Without it, it is long where the agent asks its user
    meanwhile.  `key` names the call of the hook, which asks the same question again under it.
    `receipt` names what it will confirm once its agent has the messages in the answer.
    """

    ask: bool = False
    wait: Annotated[float, Meta(ge=0, le=86_400)] | None = None
    key: Annotated[str, Meta(max_length=64)] = ""
    receipt: Annotated[str, Meta(max_length=64)] = ""


class HookReply(Struct, frozen=True):
    """The answer to a hook, with the messages in it and their session."""

    answer: dict[str, Any] = {}
    session_id: str = ""
    messages: Sequence[Message] = ()


UNANSWERABLE: Final = "not answerable"
"""A field of the metadata of sessions that were discovered, as long as they have no hooks."""


class HookHandler:
    """Turns hooks into events, approvals and deliveries through the verbs of `host`.

    `follower` follows the transcripts of agents of the host's own user; `find` returns those
    that run for a user, `serves_one` tells whether one's process has one user interface.
    """

    def __init__(
        self,
        host: Host,
        clock: IReactorTime,
        follower: Follower | None = None,
        environ: Mapping[str, str] = {},
        *,
        find: Callable[[int], list[RunningAgent]] = find_running,
        serves_one: Callable[[OSProcess], bool] = serves_one_terminal,
    ) -> None:
        self._host = host
        self._environ = environ
        self._follower = follower
        self._find_running = find
        self._questions = HookQuestions(host, clock, follower)
        self._transcripts = AttachedTranscripts(
            host, clock, follower, self._questions.settle_answered
        )
        self._links = SessionLinks(host, serves_one)
        self._registrations: OrderedDict[str, Registration] = OrderedDict()
        self._receipts: OrderedDict[str, HookReply] = OrderedDict()
        """Answers with messages that were not confirmed yet, by their receipts."""
        self._hooked_places: OrderedDict[tuple[str, str], None] = OrderedDict()

    async def handle_hook(
        self, hook: Hook, query: HookQuery, *, is_local: bool = False
    ) -> HookReply:
        """Append the events of a hook and return the answer for its agent.

        :param is_local: whether the hook comes from the host's own user on this machine.
        :raises BadField: it does not say whose hook it is, or which.
        """
        if not hook.name:
            raise BadField("hook_event_name", "The field `hook_event_name` is missing.")
        session_id = self._host.session_of(check_session_id(hook.session_id))
        if self._host.is_hosted(session_id) or self._is_internal(session_id, hook):
            return HookReply()
        self._transcripts.follow(session_id, hook, self._environ, is_local=is_local)
        try:
            return await self._handle(session_id, hook, query)
        except UnknownSession:  # it was deleted since
            self._registrations.pop(session_id, None)
            return await self._handle(session_id, hook, query)

    async def _handle(self, session_id: str, hook: Hook, query: HookQuery) -> HookReply:
        await self._questions.end_overtaken(session_id, hook)
        is_new = not self._host.knows(session_id)
        await self._ensure_registered(session_id, hook)
        await self._links.note_hook(session_id, hook, is_new=is_new)
        if hook.may_ask or (hook.can_ask and query.ask and query.wait != 0):
            await self._append_events(session_id, hook, hook.events())
            wait = hook.default_wait if query.wait is None else query.wait
            return HookReply(await self._questions.ask(session_id, hook, wait, query.key))
        messages = await self._messages(session_id, hook.deliverable_modes)
        drafts = [*hook.events(goes_on=bool(messages)), *map(_message_event, messages)]
        await self._append_events(session_id, hook, drafts)
        if not messages:
            return HookReply()
        answer = hook.answer_with_messages([message.content for message in messages])
        return HookReply(answer, session_id, messages)

    async def wait_to_wake(self, conversation: str) -> bool:
        """Return True once an idle agent is to be woken, since a message waits for it.

        False: that is not to be, or another call has taken this one's place.

        :raises UnknownSession: no hook has told of it yet.
        """
        session_id = self._host.session_of(conversation)
        if self._host.is_hosted(session_id):
            return False
        return await self._host.wait_to_wake(session_id)

    async def discover(self, uid: int) -> list[Discovered]:
        """Show agents that run for a user without hooks as attached sessions.

        They can be read; nobody can answer them before their hooks are installed.
        """
        if self._follower is None:
            return []
        found, find = list[Discovered](), partial(self._find_running, uid)
        for seen in await self._follower.run_in_thread(find):
            session_id = self._host.session_of(seen.session_id)
            running = replace(seen, session_id=session_id)
            if self._host.is_hosted(session_id):
                continue
            if not session_id:
                found.append(_discovered(running, answerable=False))
                continue
            known = self._host.stored_session(session_id)
            is_new = not self._host.knows(session_id)
            registration = _registration_of(running, is_new=is_new)
            is_back = known is not None and known.os_process != registration.os_process
            if is_new or is_back:
                await self._host.register(session_id, registration)
            if is_back and known is not None and known.state.name == "ended":
                began = EventDraft.of("started", {"agent": running.agent, "reason": "resume"})
                await self._host.fire(session_id, began)
            self._transcripts.follow_running(running, with_past=is_new)
            marked = is_new or (known is not None and UNANSWERABLE in known.metadata)
            found.append(_discovered(running, answerable=not marked))
        return found

    async def follow_asking(self, uid: int) -> None:
        """Follow the agents that run for a user and have asked a former life of the host.

        Their users may have answered meanwhile, or do so soon, and no hook would tell.
        """
        asking = {asked.session for asked in await self._host.approvals(ApprovalQuery())}
        if self._follower is None or not asking:
            return
        find = partial(self._find_running, uid)
        for running in await self._follower.run_in_thread(find):
            session_id = self._host.session_of(running.session_id)
            if session_id in asking:
                self._transcripts.follow_asking(replace(running, session_id=session_id))

    def follow_terminal(self, session_id: str) -> None:
        """Follow the transcript of a session that goes on at a terminal."""
        session = self._host.stored_session(session_id)
        if session is not None:
            conversation = conversation_name(session.native_id)
            self._transcripts.follow_conversation(
                session_id, session.agent, conversation, self._environ
            )

    async def follow_terminals(self) -> None:
        """Follow those that went to a terminal in a former life of the host, and are there."""
        for summary in await self._host.sessions(SessionQuery()):
            session = self._host.stored_session(summary.id)
            if session is not None and session.is_at_terminal:
                self.follow_terminal(session.id)

    def read_last_words(self, session_id: str) -> None:
        """Look at a session's transcript once more: its agent's process is gone."""
        self._transcripts.read_last_words(session_id)

    def close(self) -> None:
        """Follow no transcript any more."""
        self._transcripts.close()
        self._questions.close()

    async def expect_receipt(self, receipt: str, reply: HookReply) -> None:
        """Acknowledge the messages of an answer once its receipt is confirmed.

        If that never comes, their lease ends, and they are in the queue again.
        """
        self._receipts[receipt] = reply
        if len(self._receipts) > MOST_SESSIONS:
            self._receipts.popitem(last=False)

    async def confirm_receipt(self, receipt: str) -> None:
        """Take note that an agent has the messages of an answer."""
        reply = self._receipts.pop(receipt, None)
        if reply is not None:
            await self.acknowledge_messages(reply)

    async def acknowledge_messages(self, reply: HookReply) -> None:
        """Acknowledge the messages of an answer that the agent has read."""
        for message in reply.messages:
            await self._host.ack(reply.session_id, message.id)

    async def return_messages(self, reply: HookReply) -> None:
        """Put the messages of an answer that the agent did not read back into the queue."""
        for message in reply.messages:
            await self._host.nack(reply.session_id, message.id)

    # How it is done.

    def _is_internal(self, session_id: str, hook: Hook) -> bool:
        """Return whether a notice is of a conversation that Codex itself began, for a title.

        Codex notifies of these as of any turn; but a user's session has had hooks before.
        """
        place = (hook.agent, hook.text("cwd"))
        if hook.is_notice:
            return place in self._hooked_places and session_id not in self._registrations
        self._hooked_places[place] = None
        self._hooked_places.move_to_end(place)
        if len(self._hooked_places) > MOST_SESSIONS:
            self._hooked_places.popitem(last=False)
        return False

    async def _ensure_registered(self, session_id: str, hook: Hook) -> None:
        registration = hook.registration
        known = self._registrations.get(session_id)
        if (
            known is not None
            and not hook.may_change_registration
            and registration.cwd in (None, known.cwd)
            and registration.os_process in (None, known.os_process)
        ):
            self._registrations.move_to_end(session_id)
            return
        if registration.cwd is not None and registration.cwd.startswith("/"):
            registration = replace(
                registration, git_branch=git_branch(project_root(registration.cwd))[:512]
            )
        stored = self._host.stored_session(session_id)
        if stored is not None and stored.metadata.get(UNANSWERABLE):
            registration = replace(registration, metadata={})
        await self._host.register(session_id, registration)
        self._registrations[session_id] = replace(registration, metadata=None)
        if len(self._registrations) > MOST_SESSIONS:
            self._registrations.popitem(last=False)

    async def _append_events(
        self, session_id: str, hook: Hook, drafts: Sequence[EventDraft]
    ) -> None:
        news = self._transcripts.merge_hook(session_id, hook, drafts)
        if news:
            await self._host.fire_batch(session_id, news)

    async def _messages(self, session_id: str, modes: frozenset[str]) -> list[Message]:
        """Lease the queued messages whose mode allows delivery by this hook."""
        if not modes:
            return []
        waiting = await self._host.pull(session_id, PullQuery(peek=True))
        if not any(m.state == "queued" and m.mode in modes for m in waiting):
            return []
        taken = await self._host.pull(session_id, PullQuery(lease=DELIVERY_LEASE))
        for message in taken:
            if message.mode not in modes:
                await self._host.nack(session_id, message.id)
        return [message for message in taken if message.mode in modes]


def _message_event(message: Message) -> EventDraft:
    return EventDraft.of("user-message", {"text": message.content, "by": "message"})


def _discovered(running: RunningAgent, *, answerable: bool) -> Discovered:
    return Discovered(
        id=running.session_id,
        agent=running.agent,
        pid=running.pid,
        cwd=running.cwd,
        answerable=answerable,
    )


def _registration_of(running: RunningAgent, *, is_new: bool) -> Registration:
    mark: dict[str, object] = {
        UNANSWERABLE: "until its hooks are installed (sxhost hook install)"
    }
    inbox: InboxKind = "unhooked" if running.agent in PROVIDERS else "none"
    return Registration(
        agent=running.agent,
        provider=PROVIDERS.get(running.agent),
        cwd=running.cwd[:4096],
        pid=running.pid,
        os_process=running.process,
        metadata=mark if is_new else None,
        inbox=inbox if is_new else None,
    )
