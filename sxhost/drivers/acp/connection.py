"""How a conversation over ACP is opened, set up and closed: calls that answer soon."""

from __future__ import annotations

from typing import Any, NoReturn

import msgspec
from msgspec import Raw, json
from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as TookTooLong
from twisted.internet.interfaces import IReactorTime

from sxhost import __version__
from sxhost.drivers.acp.messages import VERSION, InitializeResult, SessionResult
from sxhost.drivers.acp.prompt import initialize_params, refusal_reason
from sxhost.drivers.acp.settings import Request, SessionSettings
from sxhost.drivers.acp.updates import ConfigOptionsUpdate
from sxhost.drivers.jsonrpc_peer import Peer, Refused
from sxhost.errors import AgentFailed
from sxhost.model.turn import Launch

__all__ = ["CALL_S", "STOP_S", "AcpConnection"]

CALL_S = 60
"""Seconds that an agent has for each answer but that to a prompt."""

STOP_S = 3
"""Seconds that it has for each step of an ordered end."""

AUTH_REQUIRED = -32000


class AcpConnection:
    """One conversation with an agent; `session` is the agent's name for it, once it has one."""

    def __init__(self, peer: Peer, clock: IReactorTime, launch: Launch) -> None:
        self._peer = peer
        self._clock = clock
        self._launch = launch
        self.agent_info = InitializeResult()
        self.session = launch.resume or ""
        self.native: dict[str, Raw] = {}
        """The agent's answers, as they came."""

    @property
    def replays(self) -> bool:
        """Whether going on with a conversation tells all of its past again."""
        return bool(self._launch.resume) and not self.agent_info.agent_capabilities.has(
            "resume"
        )

    async def initialize(self) -> None:
        """Learn who it is, and log in if that is wanted.

        :raises AgentFailed: it speaks no version of ours, or does not know us.
        """
        self.native["initialize"] = answer = await self.call(
            "initialize", initialize_params(__version__)
        )
        self.agent_info = _read("initialize", answer, InitializeResult)
        if self.agent_info.protocol_version != VERSION:
            theirs = self.agent_info.protocol_version
            raise AgentFailed(f"{self.agent_info.name} speaks ACP {theirs}, and not {VERSION}.")
        method = self._launch.native.get("authenticate")
        if method is not None:
            await self.call("authenticate", {"methodId": method})

    async def open_session(self) -> SessionResult:
        """Begin a conversation, or go on with one.

        :raises AgentFailed: it cannot, or wants a login first.
        """
        method, params = self._opening()
        self.native["session"] = answer = await self.call(method, params)
        session = _read(method, answer, SessionResult | None) or SessionResult()
        self.session = self.session or session.session_id
        return session

    def _opening(self) -> Request:
        more = {k: v for k, v in self._launch.native.items() if k != "authenticate"}
        params = {"mcpServers": [], **more, "cwd": self._launch.cwd}
        if not self._launch.resume:
            return "session/new", params
        params["sessionId"] = self.session
        if not self.replays:
            return "session/resume", params
        if self.agent_info.agent_capabilities.load_session:
            return "session/load", params
        raise AgentFailed(
            f"{self.agent_info.name} cannot resume a conversation in a new process."
        )

    async def apply_setting(self, request: Request, settings: SessionSettings) -> None:
        """Set something of the conversation, and learn what that changes.

        :raises AgentFailed: the agent refused.
        """
        method, params = request
        answer = await self.call(method, {"sessionId": self.session, **params})
        options = (
            _read(method, answer, SessionResult | None) or SessionResult()
        ).config_options
        if options is not None:
            settings.options_updated(ConfigOptionsUpdate(config_options=options))

    async def close_session(self) -> None:
        """Let the agent end the conversation in order, if it can."""
        if self.session and self.agent_info.agent_capabilities.has("close"):
            await self.call("session/close", {"sessionId": self.session}, STOP_S)

    async def call(self, method: str, params: Any, patience: float = CALL_S) -> Raw:
        """Call, and return the answer as it came.

        :raises AgentFailed: it refused, went, or took too long.
        """
        answer: Deferred[Raw] = Deferred.fromCoroutine(self._peer.call(method, params, Raw))
        answer.addTimeout(patience, self._clock)
        try:
            return await answer
        except TookTooLong:
            raise AgentFailed(f"No answer to {method} within {patience:g} s.") from None
        except Refused as refused:
            self._raise_refusal(method, refused)

    def _raise_refusal(self, method: str, refused: Refused) -> NoReturn:
        agent, reason = self.agent_info, refusal_reason(refused)
        if refused.number == AUTH_REQUIRED:
            raise AgentFailed(
                f"{agent.name} wants a login first ({reason}). Log in where it runs,"
                f" as the same user and with the same HOME: {agent.logins}."
            ) from None
        raise AgentFailed(f"{agent.name} refused {method}: {reason.rstrip('.')}.") from None


def _read(method: str, answer: Raw, kind: Any) -> Any:
    try:
        return json.decode(answer, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise AgentFailed(f"The agent's answer to {method} is wrong: {error}.") from None
