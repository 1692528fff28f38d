"""Agents' hooks over HTTP: the host takes what they report and answers for their agent."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Annotated

from msgspec import Meta, Struct
from twisted.internet.defer import Deferred
from twisted.web.server import Request

from sxhost.codec.json import encode
from sxhost.errors import HostError
from sxhost.hooks.installation import HookSettings
from sxhost.hooks.payload import Hook
from sxhost.hooks.sessions import HookHandler, HookQuery, HookReply
from sxhost.http.authentication import is_forwarded
from sxhost.http.routes import Handler, Route
from sxhost.logs import logger
from sxhost.model.caller import current_caller
from sxhost.model.names import SessionId
from sxhost.model.session import Discovered, Done
from sxhost.waiting import background

__all__ = ["HookAnswer", "routes"]

log = logger(__name__)

LookAtSettings = Callable[[], Awaitable[Sequence[HookSettings]]]


Name = Annotated[str, Meta(min_length=1)]
Text = Annotated[object, Meta(description="A text; what is none counts as absent.")]


class HookInput(Struct, frozen=True):
    """The input of a Claude Code or Codex hook; fields depend on its name, which may be new."""

    session_id: SessionId
    hook_event_name: Name
    cwd: Text = None
    model: Text = None
    prompt: Text = None
    turn_id: Text = None
    agent_id: Text = None
    tool_name: Text = None
    tool_use_id: Text = None
    tool_input: object = None
    tool_response: object = None
    permission_suggestions: object = None
    last_assistant_message: Text = None
    error: object = None
    reason: Text = None


class NoticeInput(Struct, frozen=True, rename="kebab"):
    """The input of Codex's ``notify`` program."""

    thread_id: SessionId
    type: Name
    turn_id: Text = None
    cwd: Text = None
    last_assistant_message: Text = None


class HookAnswer(Struct, frozen=True, rename="camel", omit_defaults=True):
    """A hook's output, in the format that the agent reads; empty most of the time."""

    decision: str = ""
    reason: str = ""
    hook_specific_output: dict[str, object] = {}


class WakeRequest(Struct, frozen=True):
    """The session whose agent is to be woken for a message."""

    session_id: SessionId


class WakeReply(Struct, frozen=True):
    """Whether the agent is to be woken now, and to go on with the message that waits for it."""

    wake: bool


class Receipt(Struct, frozen=True):
    """The receipt of an answer whose messages the agent has."""

    receipt: Annotated[str, Meta(min_length=1, max_length=64)]


class HookResponse:
    """A response to a hook that is written once the answer is known, while the agent waits."""

    def __init__(
        self, sessions: HookHandler, hook: Hook, query: HookQuery, host_uid: int | None
    ) -> None:
        self._host_uid = host_uid
        self._sessions = sessions
        self._hook = hook
        self._query = query

    async def serve(self, request: Request) -> None:
        """Handle the hook, write the answer, and note whether it was sent."""
        caller = current_caller.get()
        is_own = self._host_uid is not None and caller.uid == self._host_uid
        is_local = is_own and not is_forwarded(request)
        reply = await self._sessions.handle_hook(self._hook, self._query, is_local=is_local)
        if reply.messages:
            self._confirm_once_sent(request, reply)
        body = encode(reply.answer)
        request.setHeader("Content-Length", str(len(body)))
        request.write(body)

    def _confirm_once_sent(self, request: Request, reply: HookReply) -> None:
        """Confirm the messages in an answer once it was sent; else give them back.

        Whoever has named a receipt confirms them itself, once its agent has them.
        """
        sessions, receipt = self._sessions, self._query.receipt
        sent = (
            partial(sessions.expect_receipt, receipt)
            if receipt
            else sessions.acknowledge_messages
        )
        finished: Deferred[None] = request.notifyFinish()
        finished.addCallbacks(
            lambda _: _confirm(sent(reply)),
            lambda _: _confirm(sessions.return_messages(reply)),
        )


def _confirm(work: Awaitable[None]) -> None:
    background(work, log, "confirming that messages were handed over", (HostError,))


class HookHandlers:
    """The handlers, one for each agent that has hooks."""

    def __init__(
        self, sessions: HookHandler, host_uid: int | None, look: LookAtSettings
    ) -> None:
        self._sessions = sessions
        self._host_uid = host_uid
        self._look = look

    async def settings(self) -> Sequence[HookSettings]:
        """Show what the settings of the host's user have of our hooks."""
        return [] if self._host_uid is None else await self._look()

    async def claude(self, hook: dict[str, object], query: HookQuery) -> HookResponse:
        """Handle a hook of Claude Code."""
        return HookResponse(self._sessions, Hook("claude", hook), query, self._host_uid)

    async def listen(self, wanted: WakeRequest) -> WakeReply:
        """Answer once an idle agent is to be woken, or another request listens for it."""
        return WakeReply(await self._sessions.wait_to_wake(wanted.session_id))

    async def confirm(self, given: Receipt) -> Done:
        """Take note that an agent has the messages in the answer to its hook."""
        await self._sessions.confirm_receipt(given.receipt)
        return Done()

    async def codex(self, hook: dict[str, object], query: HookQuery) -> HookResponse:
        """Handle a hook or a notification of Codex."""
        return HookResponse(self._sessions, Hook("codex", hook), query, self._host_uid)

    async def discover(self) -> Sequence[Discovered]:
        """Show the agents that run for the host's user as sessions, with or without hooks."""
        if self._host_uid is None:
            return []
        return await self._sessions.discover(self._host_uid)


async def _no_settings() -> Sequence[HookSettings]:
    return []


def routes(
    sessions: HookHandler,
    host_uid: int | None = None,
    look_at_settings: LookAtSettings = _no_settings,
) -> Sequence[Route]:
    """Return the routes that agents' hooks are posted to.

    :param host_uid: the host's user, whose agents' transcripts are read; None: nobody's are.
    :param look_at_settings: reads that user's settings.
    """
    handlers = HookHandlers(sessions, host_uid, look_at_settings)
    return (
        Route("GET", "/hooks", handlers.settings, "Show installed hooks.", scope="admin"),
        Route("POST", "/discover", handlers.discover, "Find running agents."),
        _route("/hooks/claude", handlers.claude, "Take a hook of Claude Code.", HookInput),
        Route(
            "POST",
            "/hooks/claude/listen",
            handlers.listen,
            "Wait until an idle Claude Code is to be woken for a message.",
            scope="send",
        ),
        Route(
            "POST",
            "/hooks/receipts",
            handlers.confirm,
            "Confirm that an agent has the messages in the answer to its hook.",
            scope="send",
        ),
        _route(
            "/hooks/codex", handlers.codex, "Take a hook of Codex.", (HookInput, NoticeInput)
        ),
    )


def _route(path: str, handler: Handler, summary: str, reads: object) -> Route:
    return Route(
        "POST",
        path,
        handler,
        summary,
        scope="send",
        large=True,
        reads=reads,
        answers=HookAnswer,
    )
