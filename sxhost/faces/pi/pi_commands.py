"""The functions of the commands for a session of pi: nearly all are commands of pi's own.

pi 0.73 (`mariozechner`) can do less over its pipe than its successors (`earendil`).  What none
of them can do is refused with a sentence (`UNSUPPORTED`).
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from msgspec import UNSET
from twisted.internet.defer import Deferred

from sxhost.errors import CommandRefused, NoTurn, TurnInProgress
from sxhost.faces.pi import commands, session_commands
from sxhost.faces.pi.responses import CommandFailed
from sxhost.faces.pi.session_commands import CommandContext, CommandFunction, by_name, input_of
from sxhost.faces.pi.session_files import SessionFiles, session_files
from sxhost.faces.pi.session_tree import nodes_of
from sxhost.model.turn import ModelDraft, SteerDraft, items

__all__ = ["PI_COMMANDS", "UNSUPPORTED"]

UNSUPPORTED: Mapping[str, str] = {
    "get_tools": "pi does not list its tools over its pipe",
    "navigate_tree": "pi cannot go to another branch over its pipe; fork can",
}
"""The commands that pi cannot do, and why."""

TOO_OLD = "this pi cannot do that over its pipe; a newer one can"


async def _check_not_old(context: CommandContext) -> None:
    """Refuse a command that pi 0.73 would accept, but not do as it says.

    :raises CommandFailed: pi does not know a command of its successors.
    """
    try:
        await context.call_agent("get_available_thinking_levels")
    except CommandFailed:
        raise CommandFailed(TOO_OLD) from None


# Input.


async def prompt(context: CommandContext, command: commands.Prompt) -> object:
    """Run a turn; that its model failed is an event of the turn, as with pi itself."""
    if command.streaming_behavior is not UNSET and context.is_busy:
        add = steer if command.streaming_behavior == "steer" else follow_up
        return await add(context, command)
    return await session_commands.run_turn(context, command, native=True)


def _message_fields(
    command: commands.Prompt | commands.Steer | commands.FollowUp,
) -> dict[str, object]:
    """Return the text and images of a command as fields of pi's commands."""
    if not command.images:
        return {"message": command.message}
    session_commands.check_images(command.images)
    images = [
        {"type": "image", "data": image.data, "mimeType": image.mime_type}
        for image in command.images
    ]
    return {"message": command.message, "images": images}


async def steer(context: CommandContext, command: commands.Steer | commands.Prompt) -> object:
    """Add input to the running turn; without one, pi keeps it for the next."""
    if context.is_busy:
        with suppress(NoTurn):
            draft = SteerDraft(input=items(input_of(command)))
            await context.host.steer(context.id, draft)
            return UNSET
    await context.call_agent("steer", **_message_fields(command))
    return UNSET


async def follow_up(
    context: CommandContext, command: commands.FollowUp | commands.Prompt
) -> object:
    """Have pi queue input for after the turn."""
    await context.call_agent("follow_up", **_message_fields(command))
    return UNSET


# Settings.


async def set_model(context: CommandContext, command: commands.SetModel) -> object:
    """Use another model."""
    draft = ModelDraft(model=command.model_id, provider=command.provider)
    try:
        await context.host.set_model(context.id, draft)
    except CommandRefused as error:
        raise CommandFailed(error.reason) from None
    return {"model": (await context.call_agent("get_state"))["model"]}


async def cycle_model(context: CommandContext, command: commands.CycleModel) -> object:
    """Use the next model."""
    if command.direction == "backward":
        raise CommandFailed("pi goes forward only over its pipe")
    return await context.call_agent("cycle_model")


async def set_thinking_level(
    context: CommandContext, command: commands.SetThinkingLevel
) -> object:
    """Set how long the model thinks."""
    level = "off" if command.level == "none" else command.level
    await context.call_agent("set_thinking_level", level=level)
    return UNSET


async def cycle_thinking_level(context: CommandContext, _command: commands.Command) -> object:
    """Use the next level."""
    return await context.call_agent("cycle_thinking_level")


async def set_session_name(context: CommandContext, command: commands.SetSessionName) -> object:
    """Set the session's title, here and in pi's file."""
    await context.call_agent("set_session_name", name=command.name)
    return await session_commands.set_session_name(context, command)


# Work.


async def compact(context: CommandContext, command: commands.Compact) -> object:
    """Compact the conversation and wait until that is done."""
    if context.is_busy:
        raise TurnInProgress(context.id)
    await context.host.wake(context.id)
    more = command.custom_instructions
    fields = {} if more is UNSET else {"customInstructions": more}
    compacted = Deferred.fromCoroutine(context.call_agent("compact", **fields))
    begun = Deferred.fromCoroutine(
        context.host.wait_for_turn_start(context.id, context.next_turn)
    )
    begun.addCallbacks(lambda _: context.work_started(), lambda _: None)
    try:
        return await compacted
    finally:
        begun.cancel()


async def abort_compaction(context: CommandContext, _command: commands.Command) -> object:
    """Stop the compaction."""
    await _check_not_old(context)
    return await session_commands.abort(context, _command)


async def bash(context: CommandContext, command: commands.Bash) -> object:
    """Run a shell command of the user's."""
    if command.exclude_from_context:
        await _check_not_old(context)
    await context.host.wake(context.id)
    fields = {"excludeFromContext": True} if command.exclude_from_context else {}
    ran = Deferred.fromCoroutine(context.call_agent("bash", command=command.command, **fields))
    context.work_started()
    answer = await ran
    return {
        "exitCode": answer.get("exitCode") or 0,
        "output": answer["output"],
        "cancelled": answer["cancelled"],
    }


async def abort_bash(context: CommandContext, _command: commands.Command) -> object:
    """Stop the shell command; once pi has answered something else, it has begun it."""
    await context.call_agent("get_state")
    await context.call_agent("abort_bash")
    return UNSET


# Conversations.


async def new_session(context: CommandContext, command: commands.NewSession) -> object:
    """Begin a new conversation."""
    parent = command.parent_session
    fields = {} if parent is UNSET else {"parentSession": parent}
    answer = await context.call_agent("new_session", **fields)
    return {"cancelled": answer["cancelled"]}


async def switch_session_file(
    context: CommandContext, command: commands.SwitchSessionFile
) -> object:
    """Resume from another session file."""
    files = session_files(context.detail.cwd)
    header = await context.sessions.apart(lambda: files.check(command.session_path))
    if header.agent != "pi":
        raise CommandFailed("sessionPath must point to an existing session file")
    answer = await context.call_agent("switch_session", sessionPath=command.session_path)
    return {"cancelled": answer["cancelled"]}


async def fork(context: CommandContext, command: commands.Fork) -> object:
    """Branch the conversation at a message."""
    answer = await context.call_agent("fork", entryId=command.entry_id)
    state = await context.call_agent("get_state")
    return {
        "sessionId": state["sessionId"],
        "text": answer["text"],
        "cancelled": answer["cancelled"],
    }


async def export_html(context: CommandContext, command: commands.ExportHtml) -> object:
    """Export the conversation to an HTML file."""
    path = command.output_path
    fields = {} if path is UNSET else {"outputPath": path}
    return await context.call_agent("export_html", **fields)


# Reads.


async def get_skills(context: CommandContext, _command: commands.Command) -> object:
    """List the skills, which pi has among its slash commands."""
    commands = (await context.call_agent("get_commands"))["commands"]
    return {"skills": [_skill(each) for each in commands if each.get("source") == "skill"]}


def _skill(command: Mapping[str, object]) -> dict[str, object]:
    info = command.get("sourceInfo")
    source = info if isinstance(info, dict) else {}
    return {
        "name": str(command["name"]).removeprefix("skill:"),
        "description": command.get("description", ""),
        "filePath": source.get("path") or command.get("path", ""),
        "source": source.get("source") or "skill",
    }


async def get_tree(context: CommandContext, _command: commands.Command) -> object:
    """Return the tree of branches: pi's answer, or what its file has if pi is too old."""
    try:
        answer = await context.call_agent("get_tree")
    except CommandFailed:
        files, path = await _session_file(context)
        return await context.sessions.apart(lambda: nodes_of(files.entries(path)))
    return nodes_of(answer["tree"], answer.get("leafId"))


async def get_context_usage(context: CommandContext, _command: commands.Command) -> object:
    """Return how full the context is."""
    return (await context.call_agent("get_session_stats")).get("contextUsage")


async def get_last_assistant_text(
    context: CommandContext, _command: commands.Command
) -> object:
    """Return the last answer; null before the first."""
    answer = await context.call_agent("get_last_assistant_text")
    return {"text": (answer or {}).get("text")}


async def list_session_files(context: CommandContext, _command: commands.Command) -> object:
    """List the session files beside this one."""
    files, path = await _session_file(context)
    return {"files": await context.sessions.apart(lambda: files.beside(path))}


async def _session_file(context: CommandContext) -> tuple[SessionFiles, str | None]:
    state = await context.call_agent("get_state")
    return session_files(context.detail.cwd), state.get("sessionFile")


def _pass_on(name: str) -> CommandFunction:
    """Return a function that passes a command on to pi, with its fields."""

    async def function(context: CommandContext, command: commands.SessionCommand) -> object:
        fields = {} if not hasattr(command, "enabled") else {"enabled": command.enabled}
        answer = await context.call_agent(name, **fields)
        return UNSET if answer is None else answer

    return function


PASSED_ON = (
    "get_messages", "get_available_models", "get_commands", "set_auto_compaction",
    "set_auto_retry", "abort_retry", "get_session_stats", "get_fork_messages",
)  # fmt: skip
"""Commands that are pi's own, with the same fields and answers."""

PI_COMMANDS: Mapping[str, CommandFunction] = {
    **{name: _pass_on(name) for name in PASSED_ON},
    **by_name(
        prompt, steer, follow_up, get_skills, list_session_files, set_model, cycle_model,
        set_thinking_level, cycle_thinking_level, compact, abort_compaction, bash, abort_bash,
        set_session_name, export_html, new_session, switch_session_file, fork, get_tree,
        get_context_usage, get_last_assistant_text,
    ),
}  # fmt: skip
"""The functions of pi's own; others are those of all hosted agents."""
