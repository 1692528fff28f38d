"""Requests of codexd's clients as the host's: launches, turn drafts, inputs that steer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from msgspec import to_builtins

from sxhost.codec.json import decode, encode
from sxhost.faces.codexd.requests import Refusal, SessionInput, TurnInput
from sxhost.model.turn import File, Image, Input, Item, Launch, LocalImage, Text, TurnDraft

__all__ = [
    "AGENT",
    "METADATA_KEY",
    "launch_of",
    "native_turn_of",
    "steer_input_of",
    "turn_draft_of",
]

AGENT: Final = "codex"
SANDBOX_MODES: Final = {
    "dangerFullAccess": "danger-full-access",
    "readOnly": "read-only",
    "workspaceWrite": "workspace-write",
}
"""Sandboxes by the type of their policy, which threads name otherwise than turns."""

METADATA_KEY: Final = "codexd"
"""The field of a session's metadata in which this face keeps the request's settings."""


def launch_of(request: SessionInput) -> Launch:
    """Return the launch of a session's agent.

    :raises BadField: a text is too long.
    """
    settings = {
        k: v for k, v in to_builtins(request).items() if k in SETTINGS and v is not None
    }
    if METADATA_KEY in request.metadata:
        settings["metadata"] = request.metadata
    fields = {
        "agent": AGENT,
        "cwd": request.cwd,
        "model": request.model,
        "provider": request.model_provider,
        "approval_policy": _text_or_none(request.approval_policy),
        "sandbox": _text_or_none(request.sandbox),
        "metadata": {**request.metadata, METADATA_KEY: settings},
        "resume": request.thread_id,
        "native": {k: v for k, v in settings.items() if k in NATIVE},
    }
    return decode(encode(fields), Launch)


SETTINGS: Final = frozenset(
    {
        *("approvalPolicy", "baseInstructions", "config", "developerInstructions"),
        *("ephemeral", "personality", "purpose", "sandbox", "serviceTier"),
    }
)
"""Fields of a request that the session's record repeats."""

NATIVE: Final = SETTINGS - {"purpose"}
"""Those of them that are sent to codex."""


def turn_draft_of(request: TurnInput) -> TurnDraft:
    """Return the draft of a turn; items become text, for the log.

    :raises BadField: a text is too long.
    """
    policy = _text_or_none(request.approval_policy)
    sandbox = _sandbox_mode(request.sandbox_policy)
    native = {
        "collaborationMode": request.collaboration_mode,
        "approvalPolicy": None if policy else request.approval_policy,
        "sandboxPolicy": None if sandbox else request.sandbox_policy,
    }
    fields = {
        "input": text if isinstance(text := request.input, str) else text_of_items(text),
        "model": request.model,
        "effort": request.effort,
        "cwd": request.cwd,
        "approval_policy": policy,
        "sandbox": sandbox,
        "native": {k: v for k, v in native.items() if v is not None},
    }
    return decode(encode(fields), TurnDraft)


def native_turn_of(request: TurnInput) -> dict[str, object]:
    """Return the fields of a turn that go to codex unchanged: its items, and how to answer."""
    native = {k: v for k, v in to_builtins(request).items() if k in SPOKEN and v is not None}
    return native if isinstance(request.input, str) else {**native, "input": request.input}


SPOKEN: Final = frozenset({"outputSchema", "personality", "serviceTier", "summary"})
"""Fields of a turn that widen nothing (`sxhost.model.rights.CODEXD_TURN_SCOPES`)."""


def _sandbox_mode(policy: object) -> str | None:
    """Return the sandbox mode of a policy, if it is nothing but a mode."""
    if isinstance(policy, dict) and policy.keys() == {"type"}:
        kind = policy["type"]
        return SANDBOX_MODES.get(kind, kind) if isinstance(kind, str) else None
    return _text_or_none(policy)


def steer_input_of(request: TurnInput) -> Input:
    """Return the input that is added to a running turn.

    :raises Refusal: it has items of types that the host does not know.
    """
    if isinstance(request.input, str):
        return request.input
    return [_item(item) for item in request.input]


def _item(item: object) -> Item:
    match item:
        case {"type": "text", "text": str(text)}:
            return Text(text=text)
        case {"type": "image", "url": str(url)}:
            return Image(url=url)
        case {"type": "localImage", "path": str(path)}:
            return LocalImage(path=path)
        case {"type": "mention", "path": str(path)}:
            return File(path=path)
    raise Refusal("turn with expectedTurnId takes items of text, image, localImage or mention.")


def text_of_items(items: list[object]) -> str:
    """Return items as text; those without any stand in brackets, by their path or type."""
    return "\n".join(_text_of_item(item) for item in items)


def _text_of_item(item: object) -> str:
    fields: Mapping[str, object] = item if isinstance(item, dict) else {}
    if isinstance(text := fields.get("text"), str):
        return text
    return f"[{fields.get('path') or fields.get('type') or 'item'}]"


def _text_or_none(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
