"""What the commands for a session do with pi: nearly all are commands of its own.

Old pi is 0.73, new pi its successor.  What neither can do over its pipe is refused with a
sentence (`UNSUPPORTED`).
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import msgspec
from msgspec import UNSET, Raw

from sxhost.agents.session import HostedSession
from sxhost.drivers.pi.agent import Refused
from sxhost.errors import NoTurn, TurnInProgress
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
from sxhost.faces.pi.responses import CommandRefused
from sxhost.faces.pi.session_commands import CommandContext, CommandFunction, input_of
from sxhost.faces.pi.session_files import session_files
from sxhost.faces.pi.session_tree import nodes_of
from sxhost.model.turn import ModelDraft, SteerDraft, items

__all__ = ["PI_COMMANDS", "UNSUPPORTED"]

UNSUPPORTED: Mapping[str, str] = {
    "get_tools": "pi does not list its tools over its pipe",
    "navigate_tree": "pi cannot go to another branch over its pipe; fork can",
}
"""What pi refuses, and why."""

OLD = "this pi cannot do that over its pipe; a newer one can"


async def ask(context: CommandContext, command: str, /, **fields: Any) -> Any:
    """Send pi a command of its own; return what it answers.

    :raises CommandRefused: pi said no, in its words.
    """
    agent: Any = (await context.hosted()).agent
    try:
        answer = await agent.command(command, **fields)
    except Refused as error:
        raise CommandRefused(error.said) from None
    return msgspec.json.decode(answer) if isinstance(answer, Raw) else answer


async def _moved(context: CommandContext) -> HostedSession:
    """Have a restart go on with what pi is now."""
    hosted = await context.hosted()
    agent: Any = hosted.agent
    await hosted.moved(agent.native_id)
    return hosted


async def _need_new(context: CommandContext) -> None:
    """Refuse what old pi would not hear.

    :raises CommandRefused: it is an old one.
    """
    try:
        await ask(context, "get_available_thinking_levels")
    except CommandRefused:
        raise CommandRefused(OLD) from None


# Words.


async def prompt(context: CommandContext, command: Prompt) -> Any:
    """Run a turn; that its model failed is told in it, as pi does."""
    if command.streaming_behavior is not UNSET and context.is_busy:
        adds = steer if command.streaming_behavior == "steer" else follow_up
        return await adds(context, command)
    return await session_commands.run_turn(context, command, native=True)


def _words(command: Prompt | Steer | FollowUp) -> dict[str, Any]:
    given = {"message": command.message}
    return {**given, "images": _pictures(command)} if command.images else given


def _pictures(command: Prompt | Steer | FollowUp) -> list[dict[str, str]]:
    return [
        {"type": "image", "data": one.data, "mimeType": one.mime_type} for one in command.images
    ]


async def steer(context: CommandContext, command: Steer | Prompt) -> Any:
    """Add to the running turn; without one pi keeps it for the next."""
    if context.is_busy:
        with suppress(NoTurn):
            draft = SteerDraft(input=items(input_of(command)))
            await context.service.agency.steer(context.id, draft)
            return UNSET
    await ask(context, "steer", **_words(command))
    return UNSET


async def follow_up(context: CommandContext, command: FollowUp | Prompt) -> Any:
    """Have pi queue words for when it is done."""
    await ask(context, "follow_up", **_words(command))
    return UNSET


# Settings.


async def set_model(context: CommandContext, command: SetModel) -> Any:
    """Use another model."""
    draft = ModelDraft(model=command.model_id, provider=command.provider)
    try:
        await context.service.agency.set_model(context.id, draft)
    except Refused as error:
        raise CommandRefused(error.said) from None
    return {"model": (await ask(context, "get_state"))["model"]}


async def cycle_model(context: CommandContext, command: CycleModel) -> Any:
    """Use the next model."""
    if command.direction == "backward":
        raise CommandRefused("pi goes forward only over its pipe")
    found = await ask(context, "cycle_model")
    if found:
        hosted = await _moved(context)
        await hosted.uses(found["model"]["id"], found["model"]["provider"])
    return found


async def set_thinking_level(context: CommandContext, command: SetThinkingLevel) -> Any:
    """Think more or less."""
    level = "off" if command.level == "none" else command.level
    await ask(context, "set_thinking_level", level=level)
    await (await context.hosted()).uses(effort=level)
    return UNSET


async def cycle_thinking_level(context: CommandContext, _command: Command) -> Any:
    """Use the next level."""
    found = await ask(context, "cycle_thinking_level")
    if found:
        await (await context.hosted()).uses(effort=found["level"])
    return found


async def set_session_name(context: CommandContext, command: SetSessionName) -> Any:
    """Give it a title, here and in pi's file."""
    await ask(context, "set_session_name", name=command.name)
    return await session_commands.set_session_name(context, command)


# Work.


async def compact(context: CommandContext, command: Compact) -> Any:
    """Shorten the conversation, and wait until that is done."""
    if context.is_busy:
        raise TurnInProgress(context.id)
    await context.hosted()
    context.work_started()
    more = command.custom_instructions
    given = {} if more is UNSET else {"customInstructions": more}
    return await ask(context, "compact", **given)


async def abort_compaction(context: CommandContext, _command: Command) -> Any:
    """Stop shortening it."""
    await _need_new(context)
    return await session_commands.abort(context, _command)


async def bash(context: CommandContext, command: Bash) -> Any:
    """Run a command of the user's."""
    if command.exclude_from_context:
        await _need_new(context)
    await context.hosted()
    context.work_started()
    given = {"excludeFromContext": True} if command.exclude_from_context else {}
    found = await ask(context, "bash", command=command.command, **given)
    return {
        "exitCode": found.get("exitCode") or 0,
        "output": found["output"],
        "cancelled": found["cancelled"],
    }


# Conversations.


async def new_session(context: CommandContext, command: NewSession) -> Any:
    """Begin a new conversation."""
    parent = command.parent_session
    given = {} if parent is UNSET else {"parentSession": parent}
    found = await ask(context, "new_session", **given)
    await _moved(context)
    return {"cancelled": found["cancelled"]}


async def switch_session_file(context: CommandContext, command: SwitchSessionFile) -> Any:
    """Go on with another file."""
    files = session_files(context.detail.cwd)
    header = await context.sessions.apart(lambda: files.check(command.session_path))
    if header.agent != "pi":
        raise CommandRefused("sessionPath must point to an existing session file")
    found = await ask(context, "switch_session", sessionPath=command.session_path)
    await _moved(context)
    return {"cancelled": found["cancelled"]}


async def fork(context: CommandContext, command: Fork) -> Any:
    """Begin a branch at a message."""
    found = await ask(context, "fork", entryId=command.entry_id)
    hosted = await _moved(context)
    agent: Any = hosted.agent
    state = msgspec.json.decode(await agent.command("get_state"))
    return {
        "sessionId": state["sessionId"],
        "text": found["text"],
        "cancelled": found["cancelled"],
    }


async def export_html(context: CommandContext, command: ExportHtml) -> Any:
    """Write it into a file for people."""
    path = command.output_path
    given = {} if path is UNSET else {"outputPath": path}
    return await ask(context, "export_html", **given)


# Reads.


async def get_skills(context: CommandContext, _command: Command) -> Any:
    """Pick the skills out of the commands."""
    found = (await ask(context, "get_commands"))["commands"]
    return {"skills": [_skill(one) for one in found if one.get("source") == "skill"]}


def _skill(one: Mapping[str, Any]) -> dict[str, Any]:
    where = one.get("sourceInfo") or {}
    return {
        "name": str(one["name"]).removeprefix("skill:"),
        "description": one.get("description", ""),
        "filePath": where.get("path") or one.get("path", ""),
        "source": where.get("source") or "skill",
    }


async def get_tree(context: CommandContext, _command: Command) -> Any:
    """Return all branches: pi's own, or as its file has them."""
    try:
        found = await ask(context, "get_tree")
    except CommandRefused:
        state = await ask(context, "get_state")
        files, path = session_files(context.detail.cwd), state.get("sessionFile")
        return await context.sessions.apart(lambda: nodes_of(files.entries(path)))
    return nodes_of(found["tree"], found.get("leafId"))


async def get_context_usage(context: CommandContext, _command: Command) -> Any:
    """Say how full the context is."""
    return (await ask(context, "get_session_stats")).get("contextUsage")


async def list_session_files(context: CommandContext, _command: Command) -> Any:
    """List the session files beside this one."""
    state = await ask(context, "get_state")
    files, path = session_files(context.detail.cwd), state.get("sessionFile")
    return {"files": await context.sessions.apart(lambda: files.beside(path))}


def _same(name: str, *fields: str) -> CommandFunction:
    """Return what passes a command on, and its answer back."""

    async def does(context: CommandContext, command: Command) -> Any:
        given = {field: getattr(command, field) for field in fields}
        found = await ask(context, name, **given)
        return UNSET if found is None else found

    return does


PI_COMMANDS: Mapping[str, CommandFunction] = {
    "prompt": prompt,
    "steer": steer,
    "follow_up": follow_up,
    "get_messages": _same("get_messages"),
    "get_available_models": _same("get_available_models"),
    "get_commands": _same("get_commands"),
    "get_skills": get_skills,
    "list_session_files": list_session_files,
    "set_model": set_model,
    "cycle_model": cycle_model,
    "set_thinking_level": set_thinking_level,
    "cycle_thinking_level": cycle_thinking_level,
    "compact": compact,
    "abort_compaction": abort_compaction,
    "set_auto_compaction": _same("set_auto_compaction", "enabled"),
    "set_auto_retry": _same("set_auto_retry", "enabled"),
    "abort_retry": _same("abort_retry"),
    "bash": bash,
    "abort_bash": _same("abort_bash"),
    "get_session_stats": _same("get_session_stats"),
    "set_session_name": set_session_name,
    "export_html": export_html,
    "new_session": new_session,
    "switch_session_file": switch_session_file,
    "fork": fork,
    "get_fork_messages": _same("get_fork_messages"),
    "get_tree": get_tree,
    "get_last_assistant_text": _same("get_last_assistant_text"),
    "get_context_usage": get_context_usage,
}
"""What pi does in a way of its own; the rest it does as all agents do."""
