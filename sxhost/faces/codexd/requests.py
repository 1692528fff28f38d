"""Bodies of requests, validated by codexd's rules and refused with its messages.

Texts are trimmed, and an empty one counts as absent.  A field of a wrong type is ignored where
codexd ignores it, and refused where codexd refuses it.
"""

from __future__ import annotations

from typing import Annotated, Final, TypeAlias, cast, get_args

from msgspec import Meta, Struct

from sxhost.codec.json import decode
from sxhost.errors import BadJSON, BadRequest
from sxhost.faces.codexd.records_wire import Purpose

__all__ = ["Refusal", "SessionInput", "TurnInput", "parse_session", "parse_turn", "trimmed"]

Object: TypeAlias = "dict[str, object]"
NonBlank = Annotated[str, Meta(pattern=r"\S")]

WHITESPACE: Final = (
    "\t\n\v\f\r \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000\ufeff"
)
"""What JavaScript's ``trim`` removes, as codexd does; Python's `strip` removes other spaces."""

NOT_JSON: Final = "Request body must be valid JSON."
NO_INPUT: Final = "turn requires input as a string or item array."


class Refusal(BadRequest):
    """A refusal with codexd's own message."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class SessionInput(Struct, frozen=True, kw_only=True, rename="camel"):
    """The body of ``POST /v1/codexd/sessions``; with a `thread_id` that thread goes on."""

    approval_policy: object = None
    base_instructions: str | None = None
    config: dict[str, object] | None = None
    cwd: str | None = None
    developer_instructions: str | None = None
    ephemeral: bool | None = None
    metadata: dict[NonBlank, NonBlank] = {}
    model: str | None = None
    model_provider: str | None = None
    personality: str | None = None
    purpose: Purpose = "duplex"
    sandbox: object = None
    service_tier: str | None = None
    thread_id: str | None = None


class TurnInput(Struct, frozen=True, kw_only=True, rename="camel"):
    """The body of ``POST /v1/codexd/turn``; ``prompt`` may stand for `input`.

    With an `expected_turn_id` the input is added to that turn, if it runs.
    """

    approval_policy: object = None
    collaboration_mode: object = None
    cwd: str | None = None
    effort: str | None = None
    expected_turn_id: str | None = None
    input: Annotated[str, Meta(min_length=1)] | Annotated[list[object], Meta(min_length=1)]
    model: str | None = None
    output_schema: object = None
    personality: str | None = None
    sandbox_policy: object = None
    service_tier: str | None = None
    session_id: NonBlank
    summary: object = None


# Validation.


def parse_session(body: bytes, depth: int) -> SessionInput:
    """Return the body of a request for a session.

    :raises BadRequest: a field is wrong.
    """
    fields = _decode_object(body, depth)
    return SessionInput(
        approval_policy=fields.get("approvalPolicy"),
        base_instructions=trimmed(fields.get("baseInstructions")),
        config=_object_or_none(fields.get("config")),
        cwd=trimmed(fields.get("cwd")),
        developer_instructions=trimmed(fields.get("developerInstructions")),
        ephemeral=_bool_or_none(fields.get("ephemeral")),
        metadata=_string_map(fields.get("metadata")),
        model=trimmed(fields.get("model")),
        model_provider=trimmed(fields.get("modelProvider")),
        personality=trimmed(fields.get("personality")),
        purpose=_purpose(fields.get("purpose")),
        sandbox=fields.get("sandbox"),
        service_tier=trimmed(fields.get("serviceTier")),
        thread_id=trimmed(fields.get("threadId")),
    )


def parse_turn(body: bytes, depth: int) -> TurnInput:
    """Return the body of a request for a turn.

    :raises BadRequest: a field is wrong.
    """
    fields = _decode_object(body, depth)
    return TurnInput(
        approval_policy=fields.get("approvalPolicy"),
        collaboration_mode=fields.get("collaborationMode"),
        cwd=trimmed(fields.get("cwd")),
        effort=trimmed(fields.get("effort")),
        expected_turn_id=trimmed(fields.get("expectedTurnId")),
        input=_input(fields),
        model=trimmed(fields.get("model")),
        output_schema=fields.get("outputSchema"),
        personality=trimmed(fields.get("personality")),
        sandbox_policy=fields.get("sandboxPolicy"),
        service_tier=trimmed(fields.get("serviceTier")),
        session_id=_required_text(fields.get("sessionId"), "sessionId"),
        summary=fields.get("summary"),
    )


def _decode_object(body: bytes, depth: int) -> Object:
    """Decode a body that is a JSON object; an empty body is an empty object."""
    try:
        if not body.decode("utf-8", "replace").strip(WHITESPACE):
            return {}
        parsed: object = decode(body, object, depth=depth)
    except BadJSON as error:
        if "limit" in error.details:
            raise
        raise Refusal(NOT_JSON) from None
    if not isinstance(parsed, dict):
        raise Refusal("Request body must be a JSON object.")
    return parsed


def trimmed(value: object) -> str | None:
    """Return a text without whitespace around it; None if nothing remains or it is no text."""
    return (value.strip(WHITESPACE) or None) if isinstance(value, str) else None


def _required_text(value: object, field: str) -> str:
    text = trimmed(value)
    if text is None:
        raise Refusal(f"{field} must be a non-empty string.")
    return text


def _object_or_none(value: object) -> Object | None:
    return value if isinstance(value, dict) else None


def _bool_or_none(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _string_map(value: object) -> dict[str, str]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Refusal("Expected a string map.")
    texts = {trimmed(name): trimmed(text) for name, text in value.items()}
    if None in texts or None in texts.values():
        raise Refusal("Expected a string map.")
    return cast("dict[str, str]", texts)


def _purpose(value: object) -> Purpose:
    text = trimmed(value) or "duplex"
    if text not in get_args(Purpose):
        raise Refusal(f'Unsupported session purpose "{value}".')
    return cast("Purpose", text)


def _input(fields: Object) -> str | list[object]:
    given = fields.get("prompt") if fields.get("input") is None else fields["input"]
    if not isinstance(given, str | list) or not given:
        raise Refusal(NO_INPUT)
    return given
