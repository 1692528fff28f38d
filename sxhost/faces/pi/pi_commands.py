"""The functions of the commands for a session of pi: nearly all are commands of pi's own.

pi 0.73 (`mariozechner`) can do less over its pipe than its successors (`earendil`).  What none
of them can do is refused with a sentence (`UNSUPPORTED`).
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import msgspec
from msgspec import UNSET, Raw

from sxhost.agents.session import HostedSession
from sxhost.errors import CommandRefused, NoTurn, TurnInProgress
from sxhost.faces.pi import session_commands
from sxhost.faces.pi.commands import (
    Bash,
    Command,
    Compact,
    CycleModel,
    ExportHtml,
    FollowUp,
    Fork,
    NewSession,
    Prompt,
    SetModel,
    SetSessionName,
    SetThinkingLevel,
    Steer,
    SwitchSessionFile,
)
from sxhost.faces.pi.responses import CommandFailed
from sxhost.faces.pi.session_commands import CommandContext, CommandFunction, input_of
from sxhost.faces.pi.session_files import session_files
from sxhost.faces.pi.session_tree import nodes_of
from sxhost.model.turn import ModelDraft, SteerDraft, items

__all__ = ["PI_COMMANDS", "UNSUPPORTED"]

UNSUPPORTED: Mapping[str, str] = {
    "get_tools": "pi does not list its tools over its pipe",
    "navigate_tree": "pi cannot go to another branch over its pipe; fork can",
}
"""The commands that pi cannot do, and why."""

TOO_OLD = "this pi cannot do that over its pipe; a newer one can"


async def call_pi(context: CommandContext, command: str, /, **fields: Any) -> Any:
    """Send pi a command of its own; return the data of its response.

    :raises CommandFailed: pi refused it; the sentence is its own.
    """
    agent: Any = (await context.hosted()).agent
    try:
        answer = await agent.command(command, **fields)
    except CommandRefused as error:
        raise CommandFailed(error.reason) from None
    return msgspec.json.decode(answer) if isinstance(answer, Raw) else answer


async def _store_session_file(context: CommandContext) -> HostedSession:
    """Have a restart resume from the session file that pi writes now."""
    hosted = await context.hosted()
    agent: Any = hosted.agent
    await hosted.conversation_changed(agent.native_id)
    return hosted


async def _check_not_old(context: CommandContext) -> None:
    """Refuse a command that pi 0.73 would accept, but not do as it says.

    :raises CommandFailed: pi does not know a command of its successors.
    """
    try:
        await call_pi(context, "get_available_thinking_levels")
    except CommandFailed:
        raise CommandFailed(TOO_OLD) from None


# Input.


async def prompt(context: CommandContext, command: Prompt) -> Any:
    """Run a turn; that its model failed is an event of the turn, as with pi itself."""
    if command.streaming_behavior is not UNSET and context.is_busy:
        add = steer if command.streaming_behavior == "steer" else follow_up
        return await add(context, command)
    return await session_commands.run_turn(context, command, native=True)


def _message_fields(command: Prompt | Steer | FollowUp) -> dict[str, Any]:
    """Return the text and images of a command as fields of pi's commands."""
    if not command.images:
        return {"message": command.message}
    images = [
        {"type": "image", "data": image.data, "mimeType": image.mime_type}
        for image in command.images
    ]
    return {"message": command.message, "images": images}


async def steer(context: CommandContext, command: Steer | Prompt) -> Any:
    """Add input to the running turn; without one, pi keeps it for the next."""
    if context.is_busy:
        with suppress(NoTurn):
            draft = SteerDraft(input=items(input_of(command)))
            await context.service.agency.steer(context.id, draft)
            return UNSET
    await call_pi(context, "steer", **_message_fields(command))
    return UNSET


async def follow_up(context: CommandContext, command: FollowUp | Prompt) -> Any:
    """Have pi queue input for after the turn."""
    await call_pi(context, "follow_up", **_message_fields(command))
    return UNSET


# Settings.


async def set_model(context: CommandContext, command: SetModel) -> Any:
    """Use another model."""
    draft = ModelDraft(model=command.model_id, provider=command.provider)
    try:
        await context.service.agency.set_model(context.id, draft)
    except CommandRefused as error:
        raise CommandFailed(error.reason) from None
    return {"model": (await call_pi(context, "get_state"))["model"]}


async def cycle_model(context: CommandContext, command: CycleModel) -> Any:
    """Use the next model."""
    if command.direction == "backward":
        raise CommandFailed("pi goes forward only over its pipe")
    answer = await call_pi(context, "cycle_model")
    if answer:
        hosted = await _store_session_file(context)
        await hosted.model_changed(answer["model"]["id"], answer["model"]["provider"])
    return answer


async def set_thinking_level(context: CommandContext, command: SetThinkingLevel) -> Any:
    """Set how long the model thinks."""
    level = "off" if command.level == "none" else command.level
    await call_pi(context, "set_thinking_level", level=level)
    await (await context.hosted()).model_changed(effort=level)
    return UNSET


async def cycle_thinking_level(context: CommandContext, _command: Command) -> Any:
    """Use the next level."""
    answer = await call_pi(context, "cycle_thinking_level")
    if answer:
        await (await context.hosted()).model_changed(effort=answer["level"])
    return answer


async def set_session_name(context: CommandContext, command: SetSessionName) -> Any:
    """Set the session's title, here and in pi's file."""
    await call_pi(context, "set_session_name", name=command.name)
    return await session_commands.set_session_name(context, command)


# Work.


async def compact(context: CommandContext, command: Compact) -> Any:
    """Compact the conversation and wait until that is done."""
    if context.is_busy:
        raise TurnInProgress(context.id)
    await context.hosted()
    context.work_started()
    more = command.custom_instructions
    fields = {} if more is UNSET else {"customInstructions": more}
    return await call_pi(context, "compact", **fields)


async def abort_compaction(context: CommandContext, _command: Command) -> Any:
    """Stop the compaction."""
    await _check_not_old(context)
    return await session_commands.abort(context, _command)


async def bash(context: CommandContext, command: Bash) -> Any:
    """Run a shell command of the user's."""
    if command.exclude_from_context:
        await _check_not_old(context)
    await context.hosted()
    context.work_started()
    fields = {"excludeFromContext": True} if command.exclude_from_context else {}
    answer = await call_pi(context, "bash", command=command.command, **fields)
    return {
        "exitCode": answer.get("exitCode") or 0,
        "output": answer["output"],
        "cancelled": answer["cancelled"],
    }


# Conversations.


async def new_session(context: CommandContext, command: NewSession) -> Any:
    """Begin a new conversation."""
    parent = command.parent_session
    fields = {} if parent is UNSET else {"parentSession": parent}
    answer = await call_pi(context, "new_session", **fields)
    await _store_session_file(context)
    return {"cancelled": answer["cancelled"]}


async def switch_session_file(context: CommandContext, command: SwitchSessionFile) -> Any:
    """Resume from another session file."""
    files = session_files(context.detail.cwd)
    header = await context.sessions.apart(lambda: files.check(command.session_path))
    if header.agent != "pi":
        raise CommandFailed("sessionPath must point to an existing session file")
    answer = await call_pi(context, "switch_session", sessionPath=command.session_path)
    await _store_session_file(context)
    return {"cancelled": answer["cancelled"]}


async def fork(context: CommandContext, command: Fork) -> Any:
    """Branch the conversation at a message."""
    answer = await call_pi(context, "fork", entryId=command.entry_id)
    hosted = await _store_session_file(context)
    agent: Any = hosted.agent
    state = msgspec.json.decode(await agent.command("get_state"))
    return {
        "sessionId": state["sessionId"],
        "text": answer["text"],
        "cancelled": answer["cancelled"],
    }


async def export_html(context: CommandContext, command: ExportHtml) -> Any:
    """Export the conversation to an HTML file."""
    path = command.output_path
    fields = {} if path is UNSET else {"outputPath": path}
    return await call_pi(context, "export_html", **fields)


# Reads.


async def get_skills(context: CommandContext, _command: Command) -> Any:
    """List the skills, which pi has among its slash commands."""
    commands = (await call_pi(context, "get_commands"))["commands"]
    return {"skills": [_skill(each) for each in commands if each.get("source") == "skill"]}


def _skill(command: Mapping[str, Any]) -> dict[str, Any]:
    source = command.get("sourceInfo") or {}
    return {
        "name": str(command["name"]).removeprefix("skill:"),
        "description": command.get("description", ""),
        "filePath": source.get("path") or command.get("path", ""),
        "source": source.get("source") or "skill",
    }


async def get_tree(context: CommandContext, _command: Command) -> Any:
    """Return the tree of branches: pi's answer, or what its file has if pi is too old."""
    try:
        answer = await call_pi(context, "get_tree")
    except CommandFailed:
        state = await call_pi(context, "get_state")
        files, path = session_files(context.detail.cwd), state.get("sessionFile")
        return await context.sessions.apart(lambda: nodes_of(files.entries(path)))
    return nodes_of(answer["tree"], answer.get("leafId"))


async def get_context_usage(context: CommandContext, _command: Command) -> Any:
    """Return how full the context is."""
    return (await call_pi(context, "get_session_stats")).get("contextUsage")


async def list_session_files(context: CommandContext, _command: Command) -> Any:
    """List the session files beside this one."""
    state = await call_pi(context, "get_state")
    files, path = session_files(context.detail.cwd), state.get("sessionFile")
    return {"files": await context.sessions.apart(lambda: files.beside(path))}


def _pass_on(name: str, *fields: str) -> CommandFunction:
    """Return a function that passes a command on to pi, with these fields."""

    async def function(context: CommandContext, command: Command) -> Any:
        values = {field: getattr(command, field) for field in fields}
        answer = await call_pi(context, name, **values)
        return UNSET if answer is None else answer

    return function


PI_COMMANDS: Mapping[str, CommandFunction] = {
    "prompt": prompt,
    "steer": steer,
    "follow_up": follow_up,
    "get_messages": _pass_on("get_messages"),
    "get_available_models": _pass_on("get_available_models"),
    "get_commands": _pass_on("get_commands"),
    "get_skills": get_skills,
    "list_session_files": list_session_files,
    "set_model": set_model,
    "cycle_model": cycle_model,
    "set_thinking_level": set_thinking_level,
    "cycle_thinking_level": cycle_thinking_level,
    "compact": compact,
    "abort_compaction": abort_compaction,
    "set_auto_compaction": _pass_on("set_auto_compaction", "enabled"),
    "set_auto_retry": _pass_on("set_auto_retry", "enabled"),
    "abort_retry": _pass_on("abort_retry"),
    "bash": bash,
    "abort_bash": _pass_on("abort_bash"),
    "get_session_stats": _pass_on("get_session_stats"),
    "set_session_name": set_session_name,
    "export_html": export_html,
    "new_session": new_session,
    "switch_session_file": switch_session_file,
    "fork": fork,
    "get_fork_messages": _pass_on("get_fork_messages"),
    "get_tree": get_tree,
    "get_last_assistant_text": _pass_on("get_last_assistant_text"),
    "get_context_usage": get_context_usage,
}
"""The functions of pi's own; others are those of all hosted agents."""
