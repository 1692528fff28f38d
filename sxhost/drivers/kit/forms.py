"""Forms of tool servers (MCP's elicitations): JSON Schema as inquiries, answers as content.

A field is a text, a number, a boolean, a choice (``enum``, or ``oneOf`` with titles) or a list
of choices.  People see and send a choice's title, or its value where it has none; the tool
server gets the value.
https://modelcontextprotocol.io/specification/2025-11-25/client/elicitation
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from msgspec import Struct

from sxhost.errors import BadField
from sxhost.model.approval import Answer, Inquiry, Option

__all__ = ["ELICITATION_ACTIONS", "Form"]

ELICITATION_ACTIONS: Final = {"approve": "accept", "deny": "decline", "cancel": "cancel"}
"""Decisions about an elicitation, and MCP's word for each."""


class _Choice(Struct, frozen=True):
    label: str
    value: Any
    description: str = ""


class _Field(Struct, frozen=True):
    kind: str
    text: str
    title: str
    choices: list[_Choice]


class Form:
    """The form of an elicitation, by its ``requestedSchema``; what is no field is left out."""

    def __init__(self, schema: Any) -> None:
        properties = schema.get("properties") if isinstance(schema, dict) else None
        fields = properties if isinstance(properties, dict) else {}
        self._fields = {
            str(name): _Field(
                kind=str(field.get("type")),
                text=_text(field.get("description")),
                title=_text(field.get("title")),
                choices=_choices(field),
            )
            for name, field in fields.items()
            if isinstance(field, dict)
        }

    @property
    def inquiries(self) -> list[Inquiry]:
        """The form as inquiries, one for each field."""
        return [
            Inquiry(
                id=name,
                text=field.text or field.title or name,
                header=field.title,
                options=[Option(c.label, c.description) for c in field.choices],
                other=not field.choices,
                multiple=field.kind == "array",
            )
            for name, field in self._fields.items()
        ]

    def content(self, answer: Answer) -> dict[str, Any]:
        """Return the answers by field, in the types of the schema; no others.

        :raises BadField: an answer is no value of its field's type.
        """
        answers = answer.answers or {}
        return {
            name: _value(name, field, answers[name])
            for name, field in self._fields.items()
            if name in answers
        }


def _choices(field: Mapping[str, Any]) -> list[_Choice]:
    if field.get("type") == "boolean":
        return [_Choice("true", True), _Choice("false", False)]
    items = field.get("items")
    schema = items if isinstance(items, dict) else field
    titled = _list(schema.get("oneOf")) or _list(schema.get("anyOf"))
    choices = [
        _Choice(
            _text(c.get("title")) or str(c["const"]), c["const"], _text(c.get("description"))
        )
        for c in titled
        if isinstance(c, dict) and "const" in c
    ]
    values, titles = _list(schema.get("enum")), _list(schema.get("enumNames"))
    titles = [*titles, *[""] * len(values)]  # MCP's older form of titles
    plain = zip(values, titles, strict=False)
    return choices + [_Choice(_text(title) or str(value), value) for value, title in plain]


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _value(name: str, field: _Field, answer: str | list[str]) -> Any:
    values = {choice.label: choice.value for choice in field.choices}
    if field.kind == "array":
        chosen = [answer] if isinstance(answer, str) else answer
        return [values.get(label, label) for label in chosen]
    text = answer if isinstance(answer, str) else ", ".join(answer)
    if text in values:
        return values[text]
    try:
        return _PARSERS.get(field.kind, str)(text)
    except (ValueError, KeyError):
        problem = f"The answer {text[:100]!r} is no {field.kind}."
        raise BadField(f"answers.{name}", problem) from None


def _parse_number(text: str) -> float:
    value = float(text)
    if value - value:  # JSON has neither infinities nor NaN
        raise ValueError(text)
    return value


_BOOLEANS: Final = {"true": True, "yes": True, "false": False, "no": False}
_PARSERS: Final[Mapping[str, Callable[[str], Any]]] = {
    "integer": int,
    "number": _parse_number,
    "boolean": lambda text: _BOOLEANS[text.strip().lower()],
}
