"""The functions of the commands for a session of codex, where it differs from other agents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sxhost.agents.session import HostedSession
from sxhost.drivers.kit.jsonrpc_peer import CallRefused
from sxhost.faces.pi import session_commands
from sxhost.faces.pi.commands import Bash, Command, SetSessionName
from sxhost.faces.pi.responses import CommandFailed
from sxhost.faces.pi.session_commands import CommandContext, CommandFunction

__all__ = ["CODEX_COMMANDS", "thread_names"]


MAX_THREADS = 500
"""Threads whose names are requested: the newest."""


async def call_codex(context: CommandContext, method: str, /, **params: Any) -> Any:
    """Call a method of the codex app server.

    :raises CommandFailed: codex refused it; the sentence is its own.
    """
    agent: Any = (await context.hosted()).agent
    try:
        return await agent.command(method, **params)
    except CallRefused as error:
        raise CommandFailed(error.refusal.message) from None


async def bash(context: CommandContext, command: Bash) -> Any:
    """Run a shell command beside the conversation: the model does not see it."""
    await context.hosted()
    context.work_started()
    argv = ["bash", "-c", command.command]
    result = await call_codex(context, "command/exec", command=argv, cwd=context.detail.cwd)
    output = f"{result.get('stdout', '')}{result.get('stderr', '')}"
    return {"exitCode": result.get("exitCode", 0), "output": output, "cancelled": False}


async def get_available_models(context: CommandContext, _command: Command) -> Any:
    """List the models that can be used."""
    models = (await call_codex(context, "model/list")).get("data", [])
    return {"models": [_model(each, context.detail.provider) for each in models]}


def _model(model: Mapping[str, Any], provider: str) -> dict[str, Any]:
    name = model.get("model") or model.get("id")
    return {"id": name, "name": model.get("displayName") or name, "provider": provider}


async def set_session_name(context: CommandContext, command: SetSessionName) -> Any:
    """Set the session's title, here and in codex."""
    agent: Any = (await context.hosted()).agent
    await call_codex(context, "thread/name/set", threadId=agent.thread, name=command.name)
    return await session_commands.set_session_name(context, command)


async def thread_names(hosted: HostedSession) -> dict[str, str]:
    """Return the names of an app server's threads by their ids.

    :raises HostError: the app server has ended, or refuses.
    """
    agent: Any = hosted.agent
    answer = await agent.command("thread/list", limit=MAX_THREADS)
    threads = answer.get("data", [])
    return {thread["id"]: thread["name"] for thread in threads if thread.get("name")}


CODEX_COMMANDS: Mapping[str, CommandFunction] = {
    "bash": bash,
    "get_available_models": get_available_models,
    "set_session_name": set_session_name,
}
"""The functions of codex's own; others are those of all hosted agents."""
