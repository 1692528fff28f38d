"""The functions of the commands for a session of codex, where it differs from other agents."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from twisted.internet.defer import Deferred

from sxhost.faces.pi import session_commands
from sxhost.faces.pi.commands import Bash, Command, SetSessionName
from sxhost.faces.pi.session_commands import CommandContext, CommandFunction, by_name
from sxhost.faces.pi.session_info import model_of
from sxhost.model.host import Host

__all__ = ["CODEX_COMMANDS", "thread_names"]


MAX_THREADS = 500
"""Threads whose names are requested: the newest."""


async def bash(context: CommandContext, command: Bash) -> object:
    """Run a shell command beside the conversation: the model does not see it."""
    await context.host.wake(context.id)
    argv = ["bash", "-c", command.command]
    ran = Deferred.fromCoroutine(
        context.call_agent("command/exec", command=argv, cwd=context.detail.cwd)
    )
    context.work_started()
    result = await ran
    output = f"{result.get('stdout', '')}{result.get('stderr', '')}"
    return {"exitCode": result.get("exitCode", 0), "output": output, "cancelled": False}


async def get_available_models(context: CommandContext, _command: Command) -> object:
    """List the models that can be used."""
    listed = (await context.call_agent("model/list")).get("data", [])
    return {"models": [_model(context, model) for model in listed]}


def _model(context: CommandContext, model: Mapping[str, object]) -> dict[str, object]:
    name = str(model.get("model") or model.get("id"))
    return {
        **model_of(context.detail, name, context.detail.provider),
        "name": model.get("displayName") or name,
        "reasoning": bool(model.get("supportedReasoningEfforts")),
    }


async def set_session_name(context: CommandContext, command: SetSessionName) -> object:
    """Set the session's title, here and in codex."""
    thread = context.detail.native_id
    await context.call_agent("thread/name/set", threadId=thread, name=command.name)
    return await session_commands.set_session_name(context, command)


async def thread_names(host: Host, session_id: str) -> dict[str, str]:
    """Return the names of the threads of a session's app server by their ids.

    :raises HostError: the app server has ended, or refuses.
    """
    answer = await host.native_command(session_id, "thread/list", {"limit": MAX_THREADS})
    threads = msgspec.json.decode(answer).get("data", [])
    return {thread["id"]: thread["name"] for thread in threads if thread.get("name")}


CODEX_COMMANDS: Mapping[str, CommandFunction] = by_name(
    bash, get_available_models, set_session_name
)
"""The functions of codex's own; others are those of all hosted agents."""
