"""The functions of the commands for a session, whichever agent it has.

An attached session has an inbox and a log alone: input is put into the one, and messages are
read from the other.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import msgspec
from msgspec import UNSET, Struct

from sxhost.errors import AgentFailed, AlreadyAnswered, CommandRefused, NoTurn
from sxhost.faces.pi import commands
from sxhost.faces.pi.dialogs import decision_of, has_request_id
from sxhost.faces.pi.fields import ImageData
from sxhost.faces.pi.messages import plain_message
from sxhost.faces.pi.responses import CommandFailed
from sxhost.faces.pi.session_info import Sessions, model_of, usage_numbers
from sxhost.faces.pi.session_names import name_of
from sxhost.faces.pi.translate_pi import LOST_AGENT
from sxhost.model import turn as turns
from sxhost.model.approval import ApprovalQuery
from sxhost.model.host import Host
from sxhost.model.message import MessageDraft, Mode
from sxhost.model.session import Detail, Registration

__all__ = [
    "ANY_SESSION_COMMANDS",
    "HOSTED_COMMANDS",
    "CommandContext",
    "CommandFunction",
    "by_name",
    "check_images",
    "input_of",
    "run_turn",
]


class CommandContext(Struct):
    """What the functions of commands get: the host, the session, and how to let others by.

    `status` is its agent's, None if the host has not run it.  `work_started` is called once a
    command's work runs by itself, so that commands which control or read may overtake it.
    """

    host: Host
    sessions: Sessions
    detail: Detail
    status: turns.AgentStatus | None
    work_started: Callable[[], None]

    @property
    def id(self) -> str:
        """The session's id."""
        return self.detail.id

    @property
    def name(self) -> str:
        """What its clients call it."""
        return name_of(self.detail.id, self.detail.metadata)

    @property
    def agent(self) -> str:
        """Its agent, as errors name it."""
        return self.detail.agent if self.detail.kind == "hosted" else "attached sessions"

    @property
    def next_turn(self) -> int:
        """The number of the turn that comes next."""
        return self.detail.turn.id + 1 if self.detail.turn else 1

    @property
    def is_busy(self) -> bool:
        """Whether a turn runs."""
        return self.status is not None and self.status.is_busy

    async def call_agent(self, name: str, /, **params: object) -> Any:
        """Have the agent do a command of its own protocol; return its answer, decoded.

        :raises CommandFailed: the agent refused it; the sentence is its own.
        """
        try:
            answer = await self.host.native_command(self.id, name, params)
        except CommandRefused as error:
            raise CommandFailed(error.reason) from None
        return msgspec.json.decode(answer)

    async def wait_for_turn(self, turn_id: int) -> turns.Turn | None:
        """Return a turn once it is over; None if it is forgotten by then.

        :raises CommandFailed: the agent was ended.
        """
        try:
            return await self.host.wait_for_turn(self.id, turn_id)
        except AgentFailed:
            raise CommandFailed(turns.CutReason.AGENT_ENDED) from None


CommandFunction = Callable[[CommandContext, Any], Awaitable[object]]


def input_of(command: commands.Prompt | commands.Steer | commands.FollowUp) -> turns.Input:
    """Return the text and images of a command as a turn's input."""
    if not command.images:
        return command.message
    check_images(command.images)
    images: list[turns.Item] = [
        turns.Image(data=p.data, mime_type=p.mime_type) for p in command.images
    ]
    return [turns.Text(text=command.message), *images]


def check_images(images: Sequence[ImageData]) -> None:
    """Check that images are some.

    :raises CommandFailed: one is none.
    """
    for number, image in enumerate(images):
        if not image.data:
            raise CommandFailed(
                f"Validation failed: images[{number}]: Must have its data in base64"
            )


# Input.


async def prompt(context: CommandContext, command: commands.Prompt) -> object:
    """Run a turn to its end; with ``streamingBehavior``, add to one that runs."""
    if command.streaming_behavior is not UNSET and context.is_busy:
        add = steer if command.streaming_behavior == "steer" else follow_up
        return await add(context, command)
    if context.detail.kind != "hosted":
        return await _send(context, command.message, "auto")
    return await run_turn(context, command)


async def run_turn(
    context: CommandContext, command: commands.Prompt, *, native: bool = False
) -> object:
    """Run a turn to its end.

    :param native: the agent's own events report that its model failed, as pi's do: this is
        then no failure of the command.
    :raises CommandFailed: the turn failed.
    """
    draft = turns.TurnDraft(input=input_of(command))
    submitted = await context.host.submit(context.id, draft)
    context.work_started()
    turn = await context.wait_for_turn(submitted.turn.id)
    failed = turn is not None and turn.status == "failed"
    if turn is not None and failed and not (native and turn.reason not in LOST_AGENT):
        raise CommandFailed(turn.reason or "The turn failed.")
    return UNSET


async def steer(context: CommandContext, command: commands.Steer | commands.Prompt) -> object:
    """Add input to the running turn; without one, send it as a message."""
    if context.detail.kind == "hosted" and context.is_busy:
        await context.host.steer(context.id, turns.SteerDraft(input=input_of(command)))
        return UNSET
    mode: Mode = "auto" if context.detail.kind == "hosted" else "interrupt"
    return await _send(context, command.message, mode)


async def follow_up(
    context: CommandContext, command: commands.FollowUp | commands.Prompt
) -> object:
    """Queue input for after the turn."""
    return await _send(context, command.message, "queue")


async def _send(context: CommandContext, text: str, mode: Mode) -> object:
    """Send a message; for an attached agent, tell when that is heard."""
    sent = await context.host.send(context.id, MessageDraft(content=text, mode=mode))
    if context.detail.kind == "hosted":
        return UNSET
    return {"delivery": sent.delivery, "note": sent.note}


async def abort(context: CommandContext, _command: commands.Command) -> object:
    """Interrupt the running turn, if there is one."""
    with suppress(NoTurn):
        await context.host.interrupt(context.id)
    return UNSET


# Reads.


async def get_state(context: CommandContext, _command: commands.Command) -> object:
    """Describe the session."""
    return await context.sessions.info(context.id)


async def get_messages(context: CommandContext, _command: commands.Command) -> object:
    """Return the conversation, as far as the log has it."""
    messages = await context.sessions.messages(context.id)
    return {"messages": list(map(plain_message, messages))}


async def get_last_assistant_text(
    context: CommandContext, _command: commands.Command
) -> object:
    """Return the last answer."""
    messages = await context.sessions.messages(context.id)
    texts = [message.text for message in messages if message.role == "assistant"]
    return {"text": texts[-1] if texts else None}


async def get_session_stats(context: CommandContext, _command: commands.Command) -> object:
    """Count messages and tokens."""
    messages = await context.sessions.messages(context.id)
    roles = [message.role for message in messages]
    usage = usage_numbers(context.detail.usage)
    cached = usage.get("cached_tokens") or 0
    return {
        "sessionId": context.detail.native_id or context.name,
        "userMessages": roles.count("user"),
        "assistantMessages": roles.count("assistant"),
        "toolCalls": roles.count("tool"),
        "toolResults": roles.count("tool"),
        "totalMessages": len(roles),
        "tokens": {
            "input": (usage.get("input_tokens") or 0) - cached,
            "output": usage.get("output_tokens") or 0,
            "cacheRead": cached,
            "cacheWrite": 0,
            "total": usage.get("total_tokens") or 0,
        },
        "cost": usage.get("cost_usd") or 0,
    }


async def get_context_usage(context: CommandContext, _command: commands.Command) -> object:
    """Return how full the context is, if the agent has reported its size."""
    usage = usage_numbers(context.detail.usage)
    window, tokens = usage.get("context_window"), usage.get("total_tokens")
    if not window:
        return None
    percent = None if tokens is None else tokens / window * 100
    return {"tokens": tokens, "contextWindow": window, "percent": percent}


# Settings.


async def set_model(context: CommandContext, command: commands.SetModel) -> object:
    """Use another model."""
    draft = turns.ModelDraft(model=command.model_id, provider=command.provider)
    await context.host.set_model(context.id, draft)
    return {"model": model_of(context.detail, command.model_id, command.provider)}


async def set_thinking_level(
    context: CommandContext, command: commands.SetThinkingLevel
) -> object:
    """Set how long the model thinks."""
    if not context.detail.model:
        raise CommandFailed(f"{context.agent} has not said which model it uses")
    draft = turns.ModelDraft(model=context.detail.model, effort=command.level)
    await context.host.set_model(context.id, draft)
    return UNSET


async def set_session_name(context: CommandContext, command: commands.SetSessionName) -> object:
    """Set the session's title."""
    await context.host.register(context.id, Registration(title=command.name))
    return UNSET


async def compact(context: CommandContext, _command: commands.Command) -> object:
    """Compact the conversation and wait until that is done: it is a turn of its own."""
    await context.host.compact(context.id)
    await context.host.wait_for_turn_start(context.id, context.next_turn)
    context.work_started()
    await context.wait_for_turn(context.next_turn)
    before = usage_numbers(context.detail.usage).get("total_tokens") or 0
    return {"summary": "", "firstKeptEntryId": "", "tokensBefore": before}


# Approvals.


async def extension_ui_response(
    context: CommandContext, command: commands.ExtensionUiResponse
) -> object:
    """Decide an approval."""
    host, request_id = context.host, command.request_id
    pending = await host.session_approvals(context.id, ApprovalQuery())
    approval = next((each for each in pending if has_request_id(each, request_id)), None)
    if approval is None:
        raise CommandFailed(f"No pending UI request with id {request_id}")
    try:
        await host.answer(context.id, approval.id, decision_of(command.response, approval))
    except AlreadyAnswered:
        raise CommandFailed(f"Request {request_id} already settled") from None
    return UNSET


def by_name(*functions: CommandFunction) -> dict[str, CommandFunction]:
    """Return functions by the commands that they do, whose names they have."""
    return {function.__name__: function for function in functions}


ANY_SESSION_COMMANDS: Mapping[str, CommandFunction] = by_name(
    prompt, steer, follow_up, get_state, get_messages, get_last_assistant_text,
    get_session_stats, get_context_usage, set_session_name,
)  # fmt: skip
"""The functions that need no more than the session's inbox and log."""

HOSTED_COMMANDS: Mapping[str, CommandFunction] = {
    **ANY_SESSION_COMMANDS,
    **by_name(abort, set_model, set_thinking_level, compact, extension_ui_response),
}
"""The functions for a session whose agent the host runs."""
