"""Agents' hooks over HTTP: what they report, and what they are told in the answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from msgspec import Meta, Struct
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from twisted.web.server import Request

from sxhost.codec.json import encode
from sxhost.errors import HostError
from sxhost.hooks.payload import Hook
from sxhost.hooks.sessions import Hooked, HookQuery, HookReply
from sxhost.http.router import Route
from sxhost.logs import logger
from sxhost.model.names import SessionId
from sxhost.service import SessionService

__all__ = ["HookAnswer", "routes"]

log = logger(__name__)


Name = Annotated[str, Meta(min_length=1)]
Words = Annotated[Any, Meta(description="A text; what is none counts as absent.")]


class HookInput(Struct, frozen=True):
    """What any hook is told, and more by its name; a name that we do not know is taken, too."""

    session_id: SessionId
    hook_event_name: Name
    cwd: Words = None
    model: Words = None
    prompt: Words = None
    turn_id: Words = None
    agent_id: Words = None
    tool_name: Words = None
    tool_use_id: Words = None
    tool_input: Any = None
    tool_response: Any = None
    permission_suggestions: Any = None
    last_assistant_message: Words = None
    error: Any = None
    reason: Words = None


class NoticeInput(Struct, frozen=True, rename="kebab"):
    """What Codex tells the program that it notifies."""

    thread_id: SessionId
    type: Name
    turn_id: Words = None
    cwd: Words = None
    last_assistant_message: Words = None


class HookAnswer(Struct, frozen=True, rename="camel", omit_defaults=True):
    """What a hook tells its agent, in the agent's own words; nothing, most of the time."""

    decision: str = ""
    reason: str = ""
    hook_specific_output: dict[str, Any] = {}


class HookResponse:
    """The answer to a hook, given once it is known, for as long as the agent waits for it."""

    def __init__(self, hooked: Hooked, hook: Hook, query: HookQuery) -> None:
        self._hooked = hooked
        self._hook = hook
        self._query = query

    async def serve(self, request: Request) -> None:
        """Hear the hook, answer it, and take note of whether the answer was read."""
        heard = await self._hooked.hear(self._hook, self._query)
        if heard.messages:
            self._follow(request, heard)
        body = encode(heard.answer)
        request.setHeader("Content-Length", str(len(body)))
        request.write(body)

    def _follow(self, request: Request, heard: HookReply) -> None:
        """Confirm the messages of an answer once it is on its way, else give them back."""
        over: Deferred[Any] = request.notifyFinish()
        over.addCallbacks(
            lambda _: _later(self._hooked.read(heard)),
            lambda _: _later(self._hooked.unread(heard)),
        )


def _later(work: Any) -> None:
    Deferred.fromCoroutine(work).addErrback(_said)


def _said(failure: Failure) -> None:
    failure.trap(HostError)
    log.warn("a message was handed over, but: {error}", error=failure.value)


class Hooks:
    """The handlers, one for each kind of agent."""

    def __init__(self, service: SessionService) -> None:
        self._hooked = Hooked(service, service.agency, service.hub)

    async def claude(self, hook: dict[str, Any], query: HookQuery) -> HookResponse:
        """Hear a hook of Claude Code."""
        return HookResponse(self._hooked, Hook("claude", hook), query)

    async def codex(self, hook: dict[str, Any], query: HookQuery) -> HookResponse:
        """Hear a hook of Codex, or what it notifies of."""
        return HookResponse(self._hooked, Hook("codex", hook), query)


def routes(service: SessionService) -> Sequence[Route]:
    """Return the routes that agents' hooks are posted to."""
    hooks = Hooks(service)
    return (
        _route("/hooks/claude", hooks.claude, "Hear Claude Code.", HookInput),
        _route("/hooks/codex", hooks.codex, "Hear Codex.", (HookInput, NoticeInput)),
    )


def _route(path: str, handler: Any, summary: str, reads: Any) -> Route:
    return Route("POST", path, handler, summary, scope="send", reads=reads, answers=HookAnswer)
