"""The calls that open, set up and close an ACP conversation: all but ``session/prompt``."""

from __future__ import annotations

from typing import Any

from msgspec import Raw

from sxhost import __version__
from sxhost.drivers.acp.messages import VERSION, InitializeResult, SessionResult
from sxhost.drivers.acp.prompt import initialize_params, refusal_reason
from sxhost.drivers.acp.settings import Request, SessionSettings
from sxhost.drivers.acp.updates import ConfigOptionsUpdate
from sxhost.drivers.kit.jsonrpc_peer import CallRefused, Peer
from sxhost.drivers.kit.pending_calls import decode_answer
from sxhost.errors import AgentFailed
from sxhost.model.turn import Launch

__all__ = ["CALL_S", "STOP_S", "AcpConnection"]

CALL_S = 60
"""Seconds that an agent may take to answer a call; a prompt has no limit."""

STOP_S = 3
"""Seconds for each step of an ordered end: the turn's, then the conversation's."""

AUTH_REQUIRED = -32000
"""ACP's error code where the user has to log in to the agent's vendor first."""


class AcpConnection:
    """The connection of one conversation; `session` is the agent's id of it, or empty."""

    def __init__(self, peer: Peer, launch: Launch) -> None:
        self._peer = peer
        self._launch = launch
        self.agent_info = InitializeResult()
        self.session = launch.resume or ""
        self.native: dict[str, Raw] = {}
        """The agent's results of ``initialize`` and of what opened the session, undecoded."""

    @property
    def replays(self) -> bool:
        """Whether the launch resumes by ``session/load``, which replays the past."""
        return bool(self._launch.resume) and not self.agent_info.agent_capabilities.has(
            "resume"
        )

    async def initialize(self) -> None:
        """Shake hands, and authenticate if the launch says by which method.

        :raises AgentFailed: the agent speaks another version of ACP, or refuses.
        """
        self.native["initialize"] = result = await self.call(
            "initialize", initialize_params(__version__)
        )
        self.agent_info = decode_answer("initialize", result, InitializeResult)
        if self.agent_info.protocol_version != VERSION:
            version = self.agent_info.protocol_version
            raise AgentFailed(
                f"{self.agent_info.name} speaks ACP {version}, and not {VERSION}."
            )
        method = self._launch.native.get("authenticate")
        if method is not None:
            await self.call("authenticate", {"methodId": method})

    async def open_session(self) -> SessionResult:
        """Open a new session, or resume the launch's.

        :raises AgentFailed: the agent cannot, or wants a login first.
        """
        method, params = self._open_request()
        self.native["session"] = result = await self.call(method, params)
        session = decode_answer(method, result, SessionResult | None) or SessionResult()
        self.session = self.session or session.session_id
        return session

    def _open_request(self) -> Request:
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
        """Change a setting; the agent's answer may change what else can be set.

        :raises AgentFailed: the agent refused.
        """
        method, params = request
        result = await self.call(method, {"sessionId": self.session, **params})
        options = (
            decode_answer(method, result, SessionResult | None) or SessionResult()
        ).config_options
        if options is not None:
            settings.options_updated(ConfigOptionsUpdate(config_options=options))

    async def close_session(self) -> None:
        """Close the session, if the agent has a method for that."""
        if self.session and self.agent_info.agent_capabilities.has("close"):
            await self.call("session/close", {"sessionId": self.session}, STOP_S)

    async def call(self, method: str, params: Any, limit_s: float = CALL_S) -> Raw:
        """Call a method, and return its result undecoded; wait `limit_s` seconds.

        :raises AgentFailed: the agent refused, ended, or took too long.
        """
        try:
            result: Raw = await self._peer.call(method, params, Raw, limit_s)
        except CallRefused as refused:
            agent, reason = self.agent_info, refusal_reason(refused)
            text = f"{agent.name} refused {method}: {reason.rstrip('.')}."
            if refused.number == AUTH_REQUIRED:
                text = (
                    f"{agent.name} wants a login first ({reason}). Log in where it runs,"
                    f" as the same user and with the same HOME: {agent.logins}."
                )
            raise AgentFailed(text) from None
        return result
