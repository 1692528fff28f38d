"""Requests of an ACP agent as questions: a tool call's permission, a form (elicitation).

For a permission the agent offers options of four kinds, in any order and under any id; the
kind alone says what an option means.  A decision picks the option of its own kind and no
other: where only ``allow_always`` is offered, ``approve`` is not among the choices, so that
nobody consents to more than they said.  A second option of a kind, or one of an unknown kind,
is a choice under its own id.  ``cancel`` is always a choice.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from msgspec import Raw

from sxhost.codec.jsonrpc import Id
from sxhost.drivers.acp.messages import ElicitationParams, PermissionOption, PermissionParams
from sxhost.drivers.acp.tools import OpenToolCall
from sxhost.errors import BadField
from sxhost.model.approval import Answer, ApprovalKind, Inquiry, Option, Question

__all__ = ["CANCEL", "ElicitationForm", "PendingRequest", "ToolPermission"]

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


class PendingRequest(Protocol):
    """An unanswered request of the agent; `number` is its JSON-RPC id."""

    number: Id
    key: str
    tool: str
    """The id of the tool call that it is about; "" if it is about none."""
    cancelled_result: dict[str, Any]
    """The result that tells the agent that nobody will decide."""

    def result(self, answer: Answer) -> dict[str, Any]:
        """Return the result that tells the agent of a decision.

        :raises BadField: the decision is none of the choices, or an answer of a wrong type.
        """

    def declines_tool(self, answer: Answer) -> bool:
        """Return whether an answer keeps `tool` from running."""

    def stops_turn(self, answer: Answer) -> bool:
        """Return whether an answer also cancels the turn."""


class ToolPermission:
    """A request for the permission to run a tool call."""

    cancelled_result: dict[str, Any] = {"outcome": {"outcome": "cancelled"}}  # noqa: RUF012 - never written

    def __init__(self, number: Id, key: str, params: PermissionParams) -> None:
        self.number = number
        self.key = key
        self.tool = params.tool_call.tool_call_id
        self._options: dict[str, PermissionOption] = {}
        for offer in params.options:
            name = DECISIONS.get(offer.kind, offer.option_id)
            taken = name in self._options or name == CANCEL
            self._options[offer.option_id if taken else name] = offer

    @property
    def choices(self) -> list[str]:
        """The decisions that can be made: the host's first, in one order for all agents."""
        ours = [name for name in DECISIONS.values() if name in self._options]
        return [*ours, *(name for name in self._options if name not in ours), CANCEL]

    def result(self, answer: Answer) -> dict[str, Any]:
        """Return the option that the decision picks; see `PendingRequest`."""
        if answer.decision == CANCEL:
            return self.cancelled_result
        offer = self._options.get(answer.decision)
        if offer is None:
            raise BadField("decision", f"The agent offers {', '.join(self.choices)}.")
        return {"outcome": {"outcome": "selected", "optionId": offer.option_id}}

    def declines_tool(self, answer: Answer) -> bool:
        """Return whether the decision picks an option that rejects."""
        offer = self._options.get(answer.decision)
        return offer is not None and offer.kind.startswith("reject")

    def stops_turn(self, answer: Answer) -> bool:
        """Return whether it is ``cancel``: ACP means by it that the turn was cancelled."""
        return answer.decision == CANCEL

    def question(self, tool: OpenToolCall, native: Raw) -> Question:
        """Return the request as a question about the tool call."""
        return Question(
            key=self.key,
            kind=KINDS.get(tool.kind, "tool"),
            title=tool.title or tool.kind,
            detail=_detail(tool),
            choices=self.choices,
            native=native,
        )


class ElicitationForm:
    """A request to fill in a form, or to visit a URL."""

    cancelled_result: dict[str, Any] = {"action": "cancel"}  # noqa: RUF012 - never written

    def __init__(self, number: Id, key: str, params: ElicitationParams) -> None:
        self.number = number
        self.key = key
        self.tool = ""
        self._asked = params
        fields = params.requested_schema.get("properties")
        fields = fields if isinstance(fields, dict) else {}
        self._fields = {name: f for name, f in fields.items() if isinstance(f, dict)}

    def result(self, answer: Answer) -> dict[str, Any]:
        """Return what was filled in, by field; see `PendingRequest`."""
        action = {"approve": "accept", "deny": "decline", CANCEL: "cancel"}.get(answer.decision)
        if action is None:
            raise BadField("decision", "The decision is approve, deny or cancel.")
        if action != "accept" or self._asked.mode != "form":
            return {"action": action}
        return {"action": action, "content": self._content(answer.answers or {})}

    def declines_tool(self, answer: Answer) -> bool:  # noqa: ARG002
        """Return False: no tool call waits for it."""
        return False

    def stops_turn(self, answer: Answer) -> bool:  # noqa: ARG002
        """Return False: to dismiss a form is an answer to it."""
        return False

    def _content(self, answers: Mapping[str, str | list[str]]) -> dict[str, Any]:
        return {
            name: _value(field, name, answers[name])
            for name, field in self._fields.items()
            if name in answers
        }

    def question(self, native: Raw) -> Question:
        """Return the request as a question with an inquiry for each field."""
        return Question(
            key=self.key,
            kind="question",
            title=self._asked.message,
            detail={"url": self._asked.url} if self._asked.url else {},
            choices=["approve", "deny", CANCEL],
            inquiries=[_inquiry(name, field) for name, field in self._fields.items()],
            native=native,
        )


def _detail(tool: OpenToolCall) -> dict[str, Any]:
    arguments = tool.input if isinstance(tool.input, dict) else {}
    detail = {
        # never the title: policies match the command
        "command": _command(arguments.get("command")),
        "cwd": arguments.get("cwd"),
        "paths": tool.paths,
        "title": tool.title,
    }
    return {"tool": tool.kind, **{name: value for name, value in detail.items() if value}}


def _command(command: Any) -> str:
    if isinstance(command, list):
        return shlex.join(str(word) for word in command)
    return command if isinstance(command, str) else ""


def _inquiry(name: str, field: dict[str, Any]) -> Inquiry:
    title, text = str(field.get("title") or ""), str(field.get("description") or "")
    options = _options(field)
    return Inquiry(
        id=name,
        text=text or title or name,
        header=title,
        options=options,
        other=not options,
        multiple=field.get("type") == "array",
    )


def _options(field: dict[str, Any]) -> list[Option]:
    if field.get("type") == "boolean":
        return [Option("true"), Option("false")]
    return [
        Option(
            str(choice.get("title") or choice["const"]), str(choice.get("description") or "")
        )
        for choice in _choices(field)
    ]


def _choices(field: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a field's choices as ``const``, ``title``: ``enum`` is short for those."""
    items = field.get("items")
    schema = items if isinstance(items, dict) else field
    titled = _list(schema.get("oneOf")) or _list(schema.get("anyOf"))
    plain = [{"const": value} for value in _list(schema.get("enum"))]
    choices = [*titled, *plain]
    return [choice for choice in choices if isinstance(choice, dict) and "const" in choice]


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _value(field: dict[str, Any], name: str, answer: str | list[str]) -> Any:
    """Return an answer in the field's type; a choice may be given by its title."""
    by_title = {str(choice.get("title")): choice["const"] for choice in _choices(field)}
    kind = str(field.get("type"))
    if kind == "array":
        chosen = [answer] if isinstance(answer, str) else answer
        return [by_title.get(title, title) for title in chosen]
    text = answer if isinstance(answer, str) else ", ".join(answer)
    if text in by_title:
        return by_title[text]
    try:
        return _PARSERS.get(kind, str)(text)
    except ValueError:
        raise BadField(f"answers.{name}", f"{text!r} is no {kind}.") from None


def _parse_boolean(text: str) -> bool:
    if text.lower() not in _BOOLEANS:
        raise ValueError(text)
    return _BOOLEANS[text.lower()]


_BOOLEANS = {"true": True, "yes": True, "false": False, "no": False}
_PARSERS: Mapping[str, Callable[[str], Any]] = {
    "number": float,
    "integer": int,
    "boolean": _parse_boolean,
}
