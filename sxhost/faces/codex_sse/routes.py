"""The face of the Codex SSE server: ``POST /messages``, answered by a stream of frames.

Each ``user_message`` begins a new session of the agent `codex`, which every other face shows,
too.  The session's id is made of the request's `id`, so that the client finds it again after
the host was started anew.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Annotated, Final, Literal, NamedTuple, TypeVar
from uuid import uuid4

from msgspec import Meta, Struct
from msgspec.structs import replace
from twisted.internet.defer import Deferred

from sxhost.errors import (
    BadField,
    HostError,
    NotHosted,
    NoTurn,
    UnknownApproval,
    UnknownSession,
)
from sxhost.faces.codex_sse.approvals import DECISIONS, call_id_of
from sxhost.faces.codex_sse.fields import Conversation
from sxhost.faces.codex_sse.names import REQUEST_ID, conversation_of, session_id_of
from sxhost.faces.codex_sse.stream import (
    ConversationResponse,
    FrameEncoder,
    NoContent,
    ends_turn,
)
from sxhost.http.routes import SSE, Route
from sxhost.logs import logger
from sxhost.model.approval import Answer, Approval, ApprovalQuery
from sxhost.model.caller import current_caller
from sxhost.model.event import EventQuery
from sxhost.model.host import Host
from sxhost.model.names import CURSOR, Argument, Key, Path, Scope
from sxhost.model.session import Detail
from sxhost.model.turn import Launch, SteerDraft, Turn, TurnDraft

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
"""How agents are started by default."""

BYPASS: Final = replace(CODEX, approval_policy="never", sandbox="danger-full-access")
"""How agents are started that do everything without an approval, and in no sandbox."""


RequestId = Annotated[str, Meta(extra_json_schema={"minLength": 1, "maxLength": 256})]


class CodexMessage(Struct, frozen=True, kw_only=True):
    """A client's message; which fields count depends on its `type`."""

    type: Literal["user_message", "user_confirm", "user_cancel", "user_edit"]
    message: str | None = None
    work_dir: Path | None = None
    id: Key | None = None
    decision: Annotated[str, Meta(min_length=1, max_length=512)] | None = None
    approved: bool = True
    approval_id: int | Argument | None = None
    answers: dict[str, str | list[str]] | None = None


class DeltasQuery(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Whether pieces of messages are sent before the whole message."""

    deltas: bool = True


class ConversationQuery(DeltasQuery, frozen=True, kw_only=True, omit_defaults=True):
    """The cursor after which frames are sent."""

    after: Annotated[str, Meta(pattern=CURSOR)] = ""


class RequestOutcome(Struct, frozen=True, kw_only=True):
    """A message was handled: in which session, with the turn that began or the approval that
    was decided.
    """

    ok: bool = True
    id: str
    session: str
    turn: Turn | None = None
    approval: Approval | None = None


class _Found(NamedTuple):
    """A conversation, and the session that it is."""

    conversation: Conversation
    session: Detail


class Messages:
    """The handlers of the routes; `launch` says how agents are started."""

    def __init__(self, host: Host, launch: Launch) -> None:
        self._host = host
        self._launch = launch

    async def say_to_codex(
        self, message: CodexMessage, query: DeltasQuery
    ) -> ConversationResponse | RequestOutcome:
        """Handle a client's message by its type."""
        return await _HANDLERS[message.type](self, message, query)

    async def _begin(self, message: CodexMessage, query: DeltasQuery) -> ConversationResponse:
        """Start an agent and its turn; it goes on if the client leaves meanwhile."""
        current_caller.get().check("admin", None)
        name = str(uuid4()) if message.id is None else message.id
        metadata = {REQUEST_ID: name}
        launch = replace(
            self._launch, id=session_id_of(name), cwd=message.work_dir, metadata=metadata
        )
        await _to_its_end(self._start(launch, _text(message)))
        found = await self._find(name, "read")
        frames = FrameEncoder(found.conversation, 1, deltas=query.deltas)
        return ConversationResponse(self._host, found.session.id, OLDEST, frames)

    async def _start(self, launch: Launch, text: str) -> None:
        try:
            started = await self._host.start(launch)
        except HostError as error:
            raise _about_work_dir(error) from None
        session_id = started.session.id
        try:
            await self._host.submit(session_id, TurnDraft(input=text))
        except HostError:
            await self._host.forget(session_id)
            raise

    async def follow_codex(
        self, request_id: RequestId, query: ConversationQuery
    ) -> ConversationResponse | NoContent:
        """Follow a conversation again, from a cursor on, to the end of its last turn."""
        found = await self._find(request_id, "read")
        session, after = found.session, query.after or OLDEST
        turn = session.turn
        number = turn.id if turn else 1
        frames = FrameEncoder(found.conversation, number, deltas=query.deltas)
        retained = await self._host.events(session.id, _turn_marks(OLDEST))
        to_send = await self._host.events(session.id, _turn_marks(after))
        over = turn is not None and turn.status != "running"
        if over and not any(ends_turn(event, number) for event in to_send):
            return NoContent()
        ids = {event.id for event in to_send}
        frames.recall([event for event in retained if event.id not in ids])
        return ConversationResponse(self._host, session.id, after, frames)

    async def _confirm(self, message: CodexMessage, _query: DeltasQuery) -> RequestOutcome:
        """Decide the approval that the agent waits for."""
        found = await self._conversation_meant(message, "approve")
        decision = message.decision or ("approve" if message.approved else "deny")
        answer = Answer(
            decision=DECISIONS.get(decision, decision),
            reason=message.message,
            answers=message.answers,
        )
        approval = await self._approval_meant(found.session.id, message.approval_id)
        closed = await self._host.answer(found.session.id, approval.id, answer)
        return _outcome(found, approval=closed)

    async def _approval_meant(self, session_id: str, wanted: int | str | None) -> Approval:
        """Return the only approval that waits, or the one that is named, by any of its ids.

        :raises UnknownApproval: there is none.
        :raises BadField: several wait, and none is named.
        """
        known = await self._host.session_approvals(session_id, ApprovalQuery(all=True))
        waiting = [approval for approval in known if approval.state == "pending"]
        if wanted is not None:
            waiting = [
                approval
                for approval in (*waiting, *reversed(known))
                if str(wanted) in (str(approval.id), approval.key, call_id_of(approval))
            ][:1]
        if not waiting:
            raise UnknownApproval(session_id, wanted)
        if len(waiting) > 1:
            numbers = ", ".join(str(approval.id) for approval in waiting)
            raise BadField("approval_id", f"Several questions wait: say which of {numbers}.")
        return waiting[0]

    async def _cancel(self, message: CodexMessage, _query: DeltasQuery) -> RequestOutcome:
        """Stop the running turn."""
        found = await self._conversation_meant(message, "send")
        await self._host.interrupt(found.session.id)
        return _outcome(found)

    async def _edit(self, message: CodexMessage, _query: DeltasQuery) -> RequestOutcome:
        """Add to the running turn; if there is none, begin one."""
        found = await self._conversation_meant(message, "send")
        text, session_id = _text(message), found.session.id
        try:
            await self._host.steer(session_id, SteerDraft(input=text))
        except NoTurn:
            begun = await self._host.submit(session_id, TurnDraft(input=text))
            return _outcome(found, turn=begun.turn)
        return _outcome(found)

    async def _conversation_meant(self, message: CodexMessage, scope: Scope) -> _Found:
        if message.id is None:
            raise BadField("id", "The field `id` is missing: which conversation is meant?")
        return await self._find(message.id, scope)

    async def _find(self, name: str, scope: Scope) -> _Found:
        """Return the conversation that a request began, or else the session of this name.

        :raises UnknownSession: there is none.
        :raises NotHosted: its agent is elsewhere.
        """
        current_caller.get().check(scope, None)
        try:
            session = await self._host.session(session_id_of(name))
        except UnknownSession:
            session = await self._host.session(name)
        if session.kind != "hosted":
            raise NotHosted(session.id)
        return _Found(conversation_of(session), session)


def _turn_marks(after: str) -> EventQuery:
    """Return the query for the events from which the state of a turn is known."""
    return EventQuery(after=after, types="turn-started,message,complete,error")


def _outcome(
    found: _Found, turn: Turn | None = None, approval: Approval | None = None
) -> RequestOutcome:
    name, session = found.conversation.id, found.session.id
    return RequestOutcome(id=name, session=session, turn=turn, approval=approval)


def _text(message: CodexMessage) -> str:
    if not message.message:
        raise BadField(
            "message", "The field `message` is missing: it is what the agent is told."
        )
    return message.message


def _about_work_dir(error: HostError) -> HostError:
    """Return an error; one about `cwd` names the field `work_dir`, as messages do."""
    if error.details.get("field") != "cwd":
        return error
    return BadField("work_dir", error.message.replace("`cwd`", "`work_dir`"))


async def _to_its_end(work: Awaitable[T]) -> T:
    """Wait for `work`; if the waiter is cancelled, it goes on, and a failure is logged."""
    waiting: Deferred[T] = Deferred()

    async def run() -> None:
        try:
            result = await work
        except Exception as error:  # noqa: BLE001 - it is the waiter's, if that is still there
            if waiting.called:
                log.warn("a conversation could not begin: {why}", why=error)
            else:
                waiting.errback(error)
        else:
            if not waiting.called:
                waiting.callback(result)

    Deferred.fromCoroutine(run())
    return await waiting


Handle = Callable[
    [Messages, CodexMessage, DeltasQuery], Awaitable[ConversationResponse | RequestOutcome]
]

_HANDLERS: Final[Mapping[str, Handle]] = {
    "user_message": Messages._begin,
    "user_confirm": Messages._confirm,
    "user_cancel": Messages._cancel,
    "user_edit": Messages._edit,
}
"""The handler of each type of message."""


def routes(host: Host, launch: Launch = CODEX) -> Sequence[Route]:
    """Return the routes of this face; `launch` says how its agents are started."""
    face = Messages(host, launch)
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
