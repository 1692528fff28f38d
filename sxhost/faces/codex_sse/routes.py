"""The face of the Codex SSE server: ``POST /messages``, answered by a stream of frames.

Each message is a new session of the agent `codex`, there on every face; what its client calls
it (the request's `id`) leads to its name, so it is found again in a later life of the host.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Annotated, Any, Final, Literal, NamedTuple, TypeVar
from uuid import uuid4

from msgspec import Meta, Struct
from msgspec.structs import replace
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from sxhost.errors import (
    BadField,
    HostError,
    NotHosted,
    NoTurn,
    UnknownApproval,
    UnknownSession,
)
from sxhost.faces.codex_sse.approvals import DECISIONS, call_of
from sxhost.faces.codex_sse.fields import Conversation
from sxhost.faces.codex_sse.names import REQUEST, about_of, name_of
from sxhost.faces.codex_sse.stream import Conversing, Frames, Nothing, ends
from sxhost.http.router import SSE, Route
from sxhost.logs import logger
from sxhost.model.approval import Answer, Approval, ApprovalQuery
from sxhost.model.caller import current
from sxhost.model.names import CURSOR, Argument, Key, Path, Scope
from sxhost.model.session import Detail, EventQuery
from sxhost.model.turn import Launch, SteerDraft, Turn, TurnDraft
from sxhost.service import SessionService

__all__ = [
    "BYPASS",
    "CODEX",
    "CodexMessage",
    "ConversationQuery",
    "DeltasQuery",
    "RequestOutcome",
    "routes",
]

log = logger(__name__)
T = TypeVar("T")

OLDEST: Final = "0"
"""The cursor of all that is retained."""

CODEX: Final = Launch(agent="codex")
"""How agents are started."""

BYPASS: Final = replace(CODEX, approval_policy="never", sandbox="danger-full-access")
"""How they are if they are to ask nobody."""


RequestId = Annotated[str, Meta(extra_json_schema={"minLength": 1, "maxLength": 256})]


class CodexMessage(Struct, frozen=True, kw_only=True):
    """What a client says; which fields it has depends on its `type`."""

    type: Literal["user_message", "user_confirm", "user_cancel", "user_edit"]
    message: str | None = None
    work_dir: Path | None = None
    id: Key | None = None
    decision: Annotated[str, Meta(min_length=1, max_length=512)] | None = None
    approved: bool = True
    approval_id: int | Argument | None = None
    answers: dict[str, str | list[str]] | None = None


class DeltasQuery(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Whether pieces are told beside what they make up."""

    deltas: bool = True


class ConversationQuery(DeltasQuery, frozen=True, kw_only=True, omit_defaults=True):
    """From which cursor on."""

    after: Annotated[str, Meta(pattern=CURSOR)] = ""


class RequestOutcome(Struct, frozen=True, kw_only=True):
    """It was done, in this session; with the turn that began, or what was answered."""

    ok: bool = True
    id: str
    session: str
    turn: Turn | None = None
    approval: Approval | None = None


class _Found(NamedTuple):
    """A conversation, and the session that it is."""

    about: Conversation
    session: Detail


class Messages:
    """The handlers.  `how` is how agents are started."""

    def __init__(self, service: SessionService, how: Launch) -> None:
        self._service = service
        self._host = service.agency
        self._how = how

    async def say_to_codex(
        self, message: CodexMessage, query: DeltasQuery
    ) -> Conversing | RequestOutcome:
        """Do what a client says."""
        return await _SAID[message.type](self, message, query)

    async def _begin(self, message: CodexMessage, query: DeltasQuery) -> Conversing:
        """Start an agent and its turn, whether the client stays or not."""
        current.get().check("admin", None)
        name = str(uuid4()) if message.id is None else message.id
        metadata = {REQUEST: name}
        launch = replace(self._how, id=name_of(name), cwd=message.work_dir, metadata=metadata)
        await _to_its_end(self._start(launch, _text(message)))
        found = await self._find(name, "read")
        frames = Frames(found.about, 1, deltas=query.deltas)
        return Conversing(self._service, found.session.id, OLDEST, frames)

    async def _start(self, launch: Launch, text: str) -> None:
        try:
            started = await self._host.start(launch)
        except HostError as error:
            self._service.hub.appended(str(launch.id))  # who has come back already is told
            raise _renamed(error) from None
        session_id = started.session.id
        try:
            await self._host.submit(session_id, TurnDraft(input=text))
        except HostError:
            await self._service.forget(session_id)
            raise

    async def follow_codex(
        self, request_id: RequestId, query: ConversationQuery
    ) -> Conversing | Nothing:
        """Tell a conversation again, from a cursor on, to the end of its last turn."""
        found = await self._find(request_id, "read")
        session, after = found.session, query.after or OLDEST
        turn = session.turn
        number = turn.id if turn else 1
        frames = Frames(found.about, number, deltas=query.deltas)
        told = await self._service.events(session.id, _marks(OLDEST))
        left = await self._service.events(session.id, _marks(after))
        over = turn is not None and turn.status != "running"
        if over and not any(ends(event, number) for event in left):
            return Nothing()
        to_come = {event.id for event in left}
        frames.recall([event for event in told if event.id not in to_come])
        return Conversing(self._service, session.id, after, frames)

    async def _confirm(self, message: CodexMessage, _query: DeltasQuery) -> RequestOutcome:
        """Answer what the agent asks."""
        found = await self._meant(message, "approve")
        word = message.decision or ("approve" if message.approved else "deny")
        answer = Answer(
            decision=DECISIONS.get(word, word), reason=message.message, answers=message.answers
        )
        approval = await self._asked(found.session.id, message.approval_id)
        closed = await self._host.answer(found.session.id, approval.id, answer)
        return _heard(found, approval=closed)

    async def _asked(self, session_id: str, wanted: int | str | None) -> Approval:
        """Return the approval that is meant: the only one that waits, or one by its name."""
        known = await self._host.session_approvals(session_id, ApprovalQuery(all=True))
        waiting = [approval for approval in known if approval.state == "pending"]
        if wanted is not None:
            names = (a for a in (*waiting, *reversed(known)) if str(wanted) in _names(a))
            waiting = list(names)[:1]
        if not waiting:
            raise UnknownApproval(session_id, wanted)
        if len(waiting) > 1:
            numbers = ", ".join(str(approval.id) for approval in waiting)
            raise BadField("approval_id", f"Several questions wait: say which of {numbers}.")
        return waiting[0]

    async def _cancel(self, message: CodexMessage, _query: DeltasQuery) -> RequestOutcome:
        """Stop the running turn."""
        found = await self._meant(message, "send")
        await self._host.interrupt(found.session.id)
        return _heard(found)

    async def _edit(self, message: CodexMessage, _query: DeltasQuery) -> RequestOutcome:
        """Add to the running turn; if there is none, begin one."""
        found = await self._meant(message, "send")
        text, session_id = _text(message), found.session.id
        try:
            await self._host.steer(session_id, SteerDraft(input=text))
        except NoTurn:
            begun = await self._host.submit(session_id, TurnDraft(input=text))
            return _heard(found, turn=begun.turn)
        return _heard(found)

    async def _meant(self, message: CodexMessage, scope: Scope) -> _Found:
        if message.id is None:
            raise BadField("id", "The field `id` is missing: which conversation is meant?")
        return await self._find(message.id, scope)

    async def _find(self, name: str, scope: Scope) -> _Found:
        """Return the conversation that a request began, or else the session of this name.

        :raises UnknownSession: there is none.
        :raises NotHosted: its agent is elsewhere.
        """
        current.get().check(scope, None)
        try:
            session = await self._service.session(name_of(name))
        except UnknownSession:
            session = await self._service.session(name)
        if session.kind != "hosted":
            raise NotHosted(session.id)
        return _Found(about_of(session), session)


def _marks(after: str) -> EventQuery:
    """Ask for the events that tell where a conversation stands."""
    return EventQuery(after=after, types="turn-started,message,complete,error")


def _heard(found: _Found, **more: Any) -> RequestOutcome:
    return RequestOutcome(id=found.about.id, session=found.session.id, **more)


def _names(approval: Approval) -> tuple[str, str, str]:
    return str(approval.id), approval.key, call_of(approval)


def _text(message: CodexMessage) -> str:
    if not message.message:
        raise BadField(
            "message", "The field `message` is missing: it is what the agent is told."
        )
    return message.message


def _renamed(error: HostError) -> HostError:
    """Return an error; one about a field under the name that it has here."""
    if error.details.get("field") != "cwd":
        return error
    return BadField("work_dir", error.message.replace("`cwd`", "`work_dir`"))


async def _to_its_end(work: Coroutine[Any, Any, T]) -> T:
    """Wait for work that goes on when whoever waits for it does not."""
    waiting: Deferred[T] = Deferred()

    def tell(result: Any) -> None:
        if not waiting.called:
            waiting.callback(result)
        elif isinstance(result, Failure):
            log.warn("a conversation could not begin: {why}", why=result.value)

    Deferred.fromCoroutine(work).addBoth(tell)
    return await waiting


Do = Callable[[Messages, CodexMessage, DeltasQuery], Awaitable[Conversing | RequestOutcome]]

_SAID: Final[Mapping[str, Do]] = {
    "user_message": Messages._begin,
    "user_confirm": Messages._confirm,
    "user_cancel": Messages._cancel,
    "user_edit": Messages._edit,
}
"""Types of messages, and what is done about them."""


def routes(service: SessionService, how: Launch = CODEX) -> Sequence[Route]:
    """Return the routes of this face; `how` is how its agents are started."""
    face = Messages(service, how)
    return (
        Route(
            "POST",
            "/messages",
            face.say_to_codex,
            "Start a conversation with Codex and follow it, or speak to one.",
            produces=SSE,
            tag="codex-sse",
            scope="send",
        ),
        Route(
            "GET",
            "/messages/<request_id>",
            face.follow_codex,
            "Follow a conversation with Codex again.",
            produces=SSE,
            tag="codex-sse",
        ),
    )
