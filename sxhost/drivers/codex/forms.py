"""Forms of tool servers (elicitations): JSON Schema as inquiries, answers as the content."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from sxhost.errors import BadField
from sxhost.model.approval import Inquiry, Option

__all__ = ["content_of", "inquiries_of"]

YES_NO: Final = [Option("true"), Option("false")]


def inquiries_of(schema: Any) -> list[Inquiry]:
    """Return an inquiry for each property of a form's schema."""
    return [_inquiry(name, field) for name, field in _fields(schema).items()]


def content_of(schema: Any, answers: Mapping[str, str | list[str]]) -> dict[str, Any]:
    """Return answers, by property, converted to the schema's types.

    :raises BadField: an answer is no value of its property's type.
    """
    fields = _fields(schema)
    return {
        name: _value(name, fields.get(name, {}), answer) for name, answer in answers.items()
    }


def _fields(schema: Any) -> dict[str, dict[str, Any]]:
    properties = schema.get("properties") if isinstance(schema, dict) else None
    properties = properties if isinstance(properties, dict) else {}
    return {str(n): field for n, field in properties.items() if isinstance(field, dict)}


def _inquiry(name: str, field: dict[str, Any]) -> Inquiry:
    options = _options(field)
    return Inquiry(
        id=name,
        text=_str(field.get("description")) or _str(field.get("title")) or name,
        header=_str(field.get("title")) or name,
        options=options,
        other=not options,
        multiple=field.get("type") == "array",
    )


def _options(field: dict[str, Any]) -> list[Option]:
    if field.get("type") == "boolean":
        return YES_NO
    schema = field.get("items") if field.get("type") == "array" else field
    schema = schema if isinstance(schema, dict) else {}
    titled = schema.get("oneOf") or schema.get("anyOf")
    if isinstance(titled, list):
        each = [option for option in titled if isinstance(option, dict)]
        return [Option(_str(o.get("const")), _str(o.get("title"))) for o in each]
    names = schema.get("enumNames")
    return _enumerated(schema.get("enum"), names if isinstance(names, list) else [])


def _enumerated(values: Any, names: list[Any]) -> list[Option]:
    values = values if isinstance(values, list) else []
    names = [*names, *[""] * len(values)]
    return [Option(_str(v), _str(n)) for v, n in zip(values, names, strict=False)]


def _str(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _value(name: str, field: dict[str, Any], answer: str | list[str]) -> Any:
    kind = field.get("type")
    if kind == "array":
        return [answer] if isinstance(answer, str) else answer
    text = answer if isinstance(answer, str) else ", ".join(answer)
    try:
        return _PARSERS.get(str(kind), str)(text)
    except (ValueError, KeyError):
        raise BadField(name, f"The answer {text[:100]!r} to {name} is no {kind}.") from None


def _parse_number(text: str) -> float:
    value = float(text)
    if value - value:  # JSON has neither infinities nor NaN
        raise ValueError(text)
    return value


def _parse_boolean(text: str) -> bool:
    return {"true": True, "yes": True, "false": False, "no": False}[text.strip().lower()]


_PARSERS: Final[Mapping[str, Callable[[str], Any]]] = {
    "integer": int,
    "number": _parse_number,
    "boolean": _parse_boolean,
}
