"""What the commands for a session do with codex beyond what all agents do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sxhost.agents.session import HostedSession
from sxhost.drivers.jsonrpc_peer import Refused
from sxhost.faces.pi import session_commands
from sxhost.faces.pi.commands import Bash, Command, SetSessionName
from sxhost.faces.pi.responses import CommandRefused
from sxhost.faces.pi.session_commands import CommandContext, CommandFunction

__all__ = ["CODEX_COMMANDS", "thread_names"]


MOST_THREADS = 500
"""Threads of which the names are asked: the newest."""


async def ask(context: CommandContext, method: str, /, **params: Any) -> Any:
    """Call a method of codex's own.

    :raises CommandRefused: codex said no, in its words.
    """
    agent: Any = (await context.hosted()).agent
    try:
        return await agent.command(method, **params)
    except Refused as error:
        raise CommandRefused(error.said.message) from None


async def bash(context: CommandContext, command: Bash) -> Any:
    """Run a command of the user's, beside the conversation: codex is not told of it."""
    await context.hosted()
    context.work_started()
    argv = ["bash", "-c", command.command]
    found = await ask(context, "command/exec", command=argv, cwd=context.detail.cwd)
    output = f"{found.get('stdout', '')}{found.get('stderr', '')}"
    return {"exitCode": found.get("exitCode", 0), "output": output, "cancelled": False}


async def get_available_models(context: CommandContext, _command: Command) -> Any:
    """List the models that can be used."""
    found = (await ask(context, "model/list")).get("data", [])
    return {"models": [_model(one, context.detail.provider) for one in found]}


def _model(one: Mapping[str, Any], provider: str) -> dict[str, Any]:
    name = one.get("model") or one.get("id")
    return {"id": name, "name": one.get("displayName") or name, "provider": provider}


async def set_session_name(context: CommandContext, command: SetSessionName) -> Any:
    """Give it a title, here and in codex."""
    agent: Any = (await context.hosted()).agent
    await ask(context, "thread/name/set", threadId=agent.thread, name=command.name)
    return await session_commands.set_session_name(context, command)


async def thread_names(hosted: HostedSession) -> dict[str, str]:
    """Return what the threads are called that an app server knows, by their ids.

    :raises HostError: it is not there any more, or does not say.
    """
    agent: Any = hosted.agent
    found = await agent.command("thread/list", limit=MOST_THREADS)
    threads = found.get("data", [])
    return {one["id"]: one["name"] for one in threads if one.get("name")}


CODEX_COMMANDS: Mapping[str, CommandFunction] = {
    "bash": bash,
    "get_available_models": get_available_models,
    "set_session_name": set_session_name,
}
"""What codex does in a way of its own."""
