"""Requests of an ACP agent as questions: a tool call's permission, a form (elicitation).

For a permission the agent offers options of four kinds, in any order and under any id; the
kind alone says what an option means.  A decision picks the option of its own kind and no
other: where only ``allow_always`` is offered, ``approve`` is not among the choices, so that
nobody consents to more than they said.  A second option of a kind, or one of an unknown kind,
is a choice under its own id.  ``cancel`` is always a choice.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from msgspec import Raw, Struct

from sxhost.codec.jsonrpc import Id
from sxhost.codec.shorten import fold
from sxhost.drivers.acp.messages import ElicitationParams, PermissionOption, PermissionParams
from sxhost.drivers.acp.tools import OpenToolCall
from sxhost.drivers.kit.changes import file_change
from sxhost.drivers.kit.forms import ELICITATION_ACTIONS, Form
from sxhost.drivers.kit.pending_questions import AgentRequest
from sxhost.model.approval import Answer, ApprovalKind, Question

__all__ = ["CANCEL", "ToolPermission", "elicitation_request", "permission_request"]

DECISIONS: Mapping[str, str] = {
    "allow_once": "approve",
    "allow_always": "approve_session",
    "reject_once": "deny",
    "reject_always": "deny_always",
}
"""Kinds of options, and the decision that picks each."""

CANCEL = "cancel"

KINDS: Mapping[str, ApprovalKind] = {
    "execute": "command",
    "edit": "file-change",
    "delete": "file-change",
    "move": "file-change",
}
"""Kinds of tool calls, and the kind of their question; of all others it is ``tool``."""


CANCELLED = {"outcome": {"outcome": "cancelled"}}
"""The result that tells the agent that nobody will decide about its tool call."""


class ToolPermission(Struct, frozen=True):
    """A permission that an agent wants: the tool call's id, the options by the decision."""

    tool: str
    options: dict[str, PermissionOption]

    @classmethod
    def of(cls, wanted: PermissionParams) -> ToolPermission:
        """Return the permission that a request wants."""
        options: dict[str, PermissionOption] = {}
        for offer in wanted.options:
            name = DECISIONS.get(offer.kind, offer.option_id)
            taken = name in options or name == CANCEL
            options[offer.option_id if taken else name] = offer
        return cls(wanted.tool_call.tool_call_id, options)

    @property
    def choices(self) -> list[str]:
        """The decisions that can be made: the host's first, in one order for all agents."""
        ours = [name for name in DECISIONS.values() if name in self.options]
        return [*ours, *(name for name in self.options if name not in ours), CANCEL]

    def result(self, answer: Answer) -> dict[str, Any]:
        """Return the option that the decision picks."""
        if answer.decision == CANCEL:
            return CANCELLED
        option = self.options[answer.decision].option_id
        return {"outcome": {"outcome": "selected", "optionId": option}}

    def is_rejected_by(self, answer: Answer) -> bool:
        """Return whether the decision picks an option that rejects."""
        offer = self.options.get(answer.decision)
        return offer is not None and offer.kind.startswith("reject")


def permission_request(
    number: Id, wanted: PermissionParams, tool: OpenToolCall, native: Raw
) -> AgentRequest:
    """Return a request for permission as a question about its tool call."""
    permission = ToolPermission.of(wanted)
    question = Question(
        key=permission.tool,
        kind=KINDS.get(tool.kind, "tool"),
        title=fold(tool.title or tool.kind),
        detail=_detail(tool),
        choices=permission.choices,
        native=native,
        outlives_turn=True,
    )
    return AgentRequest(
        id=number,
        question=question,
        encode_answer=permission.result,
        cancelled=CANCELLED,
        native=permission,
    )


def elicitation_request(number: Id, wanted: ElicitationParams, native: Raw) -> AgentRequest:
    """Return a request to fill in a form, or to visit a URL, as a question."""
    form = Form(wanted.requested_schema)

    def encode_answer(answer: Answer) -> dict[str, Any]:
        action = ELICITATION_ACTIONS[answer.decision]
        if action != "accept" or wanted.mode != "form":
            return {"action": action}
        return {"action": action, "content": form.content(answer)}

    question = Question(
        key="elicitation",
        kind="question",
        title=wanted.message,
        detail={"url": wanted.url} if wanted.url else {},
        choices=list(ELICITATION_ACTIONS),
        inquiries=form.inquiries,
        native=native,
        outlives_turn=True,
    )
    cancelled = {"action": "cancel"}
    return AgentRequest(
        id=number, question=question, encode_answer=encode_answer, cancelled=cancelled
    )


def _detail(tool: OpenToolCall) -> dict[str, Any]:
    arguments = tool.input if isinstance(tool.input, dict) else {}
    command = arguments.get("command")
    if isinstance(command, list):
        command = shlex.join(str(word) for word in command)
    changes = [file_change(d.path, d.old_text, d.new_text) for d in tool.diffs]
    rest = {name: value for name, value in arguments.items() if name not in ("command", "cwd")}
    detail = {
        # never the title: policies match the command
        "command": command if isinstance(command, str) else "",
        "cwd": arguments.get("cwd"),
        "paths": tool.paths,
        "changes": changes,
        "input": rest if isinstance(tool.input, dict) else tool.input,
        "title": tool.title,
    }
    return {"tool": tool.kind, **{name: value for name, value in detail.items() if value}}
