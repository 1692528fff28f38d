"""What codexd's clients send: bodies read by codexd's rules, with its messages.

Texts are trimmed and an empty one is none; a field of a wrong type is none where codexd
passes over it, and refused where codexd refuses it.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, TypeAlias, cast, get_args

from msgspec import Meta, Struct

from sxhost.codec.json import decode
from sxhost.errors import BadJSON, BadRequest
from sxhost.faces.codexd.records_wire import Purpose

__all__ = ["Refusal", "SessionInput", "TurnInput", "parse_session", "parse_turn", "trimmed"]

Object: TypeAlias = "dict[str, Any]"
Words = Annotated[str, Meta(pattern=r"\S")]

SPACE: Final = (
    "\t\n\v\f\r \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000\ufeff"
)
"""What JavaScript trims."""

NO_INPUT: Final = "turn requires input as a string or item array."


class Refusal(BadRequest):
    """Codexd says no, in its own words."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class SessionInput(Struct, frozen=True, kw_only=True, rename="camel"):
    """The body of ``POST /v1/codexd/sessions``; with a `thread_id` that thread goes on."""

    approval_policy: Any = None
    base_instructions: str | None = None
    config: dict[str, Any] | None = None
    cwd: str | None = None
    developer_instructions: str | None = None
    ephemeral: bool | None = None
    metadata: dict[Words, Words] = {}
    model: str | None = None
    model_provider: str | None = None
    personality: str | None = None
    purpose: Purpose = "duplex"
    sandbox: Any = None
    service_tier: str | None = None
    thread_id: str | None = None


class TurnInput(Struct, frozen=True, kw_only=True, rename="camel"):
    """The body of ``POST /v1/codexd/turn``; ``prompt`` may stand for `input`.

    With an `expected_turn_id` the input is added to that turn, if it runs.
    """

    approval_policy: Any = None
    collaboration_mode: Any = None
    cwd: str | None = None
    effort: str | None = None
    expected_turn_id: str | None = None
    input: Annotated[str, Meta(min_length=1)] | Annotated[list[Any], Meta(min_length=1)]
    model: str | None = None
    output_schema: Any = None
    personality: str | None = None
    sandbox_policy: Any = None
    service_tier: str | None = None
    session_id: Words
    summary: Any = None


# Reading.


def parse_session(body: bytes, depth: int) -> SessionInput:
    """Read what a session is to be.

    :raises BadRequest: it says something that cannot be.
    """
    fields = _object(body, depth)
    return SessionInput(
        approval_policy=fields.get("approvalPolicy"),
        base_instructions=trimmed(fields.get("baseInstructions")),
        config=_record(fields.get("config")),
        cwd=trimmed(fields.get("cwd")),
        developer_instructions=trimmed(fields.get("developerInstructions")),
        ephemeral=_flag(fields.get("ephemeral")),
        metadata=_texts(fields.get("metadata")),
        model=trimmed(fields.get("model")),
        model_provider=trimmed(fields.get("modelProvider")),
        personality=trimmed(fields.get("personality")),
        purpose=_purpose(fields.get("purpose")),
        sandbox=fields.get("sandbox"),
        service_tier=trimmed(fields.get("serviceTier")),
        thread_id=trimmed(fields.get("threadId")),
    )


def parse_turn(body: bytes, depth: int) -> TurnInput:
    """Read what a turn is to do.

    :raises BadRequest: it says something that cannot be.
    """
    fields = _object(body, depth)
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
        session_id=_required(fields.get("sessionId"), "sessionId"),
        summary=fields.get("summary"),
    )


def _object(body: bytes, depth: int) -> Object:
    """Return a body as an object; none is an empty one."""
    try:
        if not body.decode().strip(SPACE):
            return {}
        parsed: Any = decode(body, object, depth=depth)
    except UnicodeDecodeError:
        raise Refusal("Request body must be valid JSON.") from None
    except BadJSON as error:
        raise error if "limit" in error.details else _no_json() from None
    if not isinstance(parsed, dict):
        raise Refusal("Request body must be a JSON object.")
    return parsed


def _no_json() -> Refusal:
    return Refusal("Request body must be valid JSON.")


def trimmed(value: Any) -> str | None:
    """Return a text without space around it; None if nothing remains, or if it is none."""
    return (value.strip(SPACE) or None) if isinstance(value, str) else None


def _required(value: Any, field: str) -> str:
    text = trimmed(value)
    if text is None:
        raise Refusal(f"{field} must be a non-empty string.")
    return text


def _record(value: Any) -> Object | None:
    return value if isinstance(value, dict) else None


def _flag(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _texts(value: Any) -> dict[str, str]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Refusal("Expected a string map.")
    texts = {trimmed(name): trimmed(text) for name, text in value.items()}
    if None in texts or None in texts.values():
        raise Refusal("Expected a string map.")
    return cast("dict[str, str]", texts)


def _purpose(value: Any) -> Purpose:
    text = trimmed(value) or "duplex"
    if text not in get_args(Purpose):
        raise Refusal(f'Unsupported session purpose "{value}".')
    return cast("Purpose", text)


def _input(fields: Object) -> str | list[Any]:
    given = fields.get("prompt") if fields.get("input") is None else fields["input"]
    if not isinstance(given, str | list) or not given:
        raise Refusal(NO_INPUT)
    return given
