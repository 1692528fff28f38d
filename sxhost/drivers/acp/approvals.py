"""What an agent asks over ACP: leave for a tool call, or words (an elicitation).

An agent offers options of four kinds, in any order and under any id; the kind alone says
what an option means.  A decision picks the option of its own kind and no other: where only
``allow_always`` is offered, ``approve`` is not among the choices, so that nobody consents
to more than was said.  A second option of a kind, or one of no known kind, is a choice
under its own id.  ``cancel`` is always there.
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
CANCEL = "cancel"

KINDS: Mapping[str, ApprovalKind] = {
    "execute": "command",
    "edit": "file-change",
    "delete": "file-change",
    "move": "file-change",
}
"""What a tool call of a kind needs leave for; all others are mere tools."""


class PendingRequest(Protocol):
    """A request of the agent that is not answered; `number` is JSON-RPC's."""

    number: Id
    key: str
    tool: str
    """The tool call that it is about, if it is about one."""
    cancelled_result: dict[str, Any]
    """The result where nobody decides."""

    def result(self, answer: Answer) -> dict[str, Any]:
        """Return what to tell the agent.

        :raises BadField: the decision is none of the choices.
        """

    def declines_tool(self, answer: Answer) -> bool:
        """Tell whether an answer keeps `tool` from running."""

    def stops_turn(self, answer: Answer) -> bool:
        """Tell whether an answer stops the turn, too."""


class ToolPermission:
    """A request for leave; `tool` is the tool call's id."""

    cancelled_result: dict[str, Any] = {"outcome": {"outcome": "cancelled"}}  # noqa: RUF012 - never written

    def __init__(self, number: Id, key: str, asked: PermissionParams) -> None:
        self.number = number
        self.key = key
        self.tool = asked.tool_call.tool_call_id
        self._options: dict[str, PermissionOption] = {}
        for offer in asked.options:
            name = DECISIONS.get(offer.kind, offer.option_id)
            own = name in self._options or name == CANCEL
            self._options[offer.option_id if own else name] = offer

    @property
    def choices(self) -> list[str]:
        """The decisions that there are: ours first, in one order for all agents."""
        ours = [name for name in DECISIONS.values() if name in self._options]
        return [*ours, *(name for name in self._options if name not in ours), CANCEL]

    def result(self, answer: Answer) -> dict[str, Any]:
        """Return the option that was picked; see `PendingRequest`."""
        if answer.decision == CANCEL:
            return self.cancelled_result
        offer = self._options.get(answer.decision)
        if offer is None:
            raise BadField("decision", f"The agent offers {', '.join(self.choices)}.")
        return {"outcome": {"outcome": "selected", "optionId": offer.option_id}}

    def declines_tool(self, answer: Answer) -> bool:
        """Tell whether an option that rejects was picked."""
        offer = self._options.get(answer.decision)
        return offer is not None and offer.kind.startswith("reject")

    def stops_turn(self, answer: Answer) -> bool:
        """``cancel`` does: to the agent, it means that the turn was cancelled."""
        return answer.decision == CANCEL

    def question(self, tool: OpenToolCall, native: Raw) -> Question:
        """Return it as a question about what is known of the tool call."""
        return Question(
            key=self.key,
            kind=KINDS.get(tool.kind, "tool"),
            title=tool.title or tool.kind,
            detail=_detail(tool),
            choices=self.choices,
            native=native,
        )


class ElicitationForm:
    """A request for words, or for a visit to an address."""

    cancelled_result: dict[str, Any] = {"action": "cancel"}  # noqa: RUF012 - never written

    def __init__(self, number: Id, key: str, asked: ElicitationParams) -> None:
        self.number = number
        self.key = key
        self.tool = ""
        self._asked = asked
        fields = asked.requested_schema.get("properties")
        given = fields if isinstance(fields, dict) else {}
        self._fields = {name: field for name, field in given.items() if isinstance(field, dict)}

    def result(self, answer: Answer) -> dict[str, Any]:
        """Return what was filled in; see `PendingRequest`."""
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
        known = {name: answers[name] for name in self._fields if name in answers}
        return {name: _value(self._fields[name], name, given) for name, given in known.items()}

    def question(self, native: Raw) -> Question:
        """Return it as a question with an inquiry for each field."""
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
    given = tool.input if isinstance(tool.input, dict) else {}
    known = {
        "command": _command(given.get("command")),  # never the title: policies go by it
        "cwd": given.get("cwd"),
        "paths": tool.paths,
        "title": tool.title,
    }
    return {"tool": tool.kind, **{name: value for name, value in known.items() if value}}


def _command(given: Any) -> str:
    if isinstance(given, list):
        return shlex.join(str(word) for word in given)
    return given if isinstance(given, str) else ""


def _inquiry(name: str, field: dict[str, Any]) -> Inquiry:
    title, text = (str(field.get(word) or "") for word in ("title", "description"))
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
    """Return what can be chosen, in the longer way of writing it."""
    items = field.get("items")
    given = items if isinstance(items, dict) else field
    titled = _list(given.get("oneOf")) or _list(given.get("anyOf"))
    plain = [{"const": value} for value in _list(given.get("enum"))]
    choices = [*titled, *plain]
    return [choice for choice in choices if isinstance(choice, dict) and "const" in choice]


def _list(given: Any) -> list[Any]:
    return given if isinstance(given, list) else []


def _value(field: dict[str, Any], name: str, given: str | list[str]) -> Any:
    """Return an answer as the agent wants it: an option by its value, a number as such."""
    meant = {str(choice.get("title")): choice["const"] for choice in _choices(field)}
    kind = str(field.get("type"))
    if kind == "array":
        return [
            meant.get(word, word) for word in ([given] if isinstance(given, str) else given)
        ]
    words = given if isinstance(given, str) else ", ".join(given)
    if words in meant:
        return meant[words]
    try:
        return _READ.get(kind, str)(words)
    except ValueError:
        raise BadField(f"answers.{name}", f"{words!r} is no {kind}.") from None


def _truth(words: str) -> bool:
    if words.lower() not in _TRUTHS:
        raise ValueError(words)
    return _TRUTHS[words.lower()]


_TRUTHS = {"true": True, "yes": True, "false": False, "no": False}
_READ: Mapping[str, Callable[[str], Any]] = {"number": float, "integer": int, "boolean": _truth}
