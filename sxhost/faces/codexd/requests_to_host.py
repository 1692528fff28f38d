"""What codexd's clients ask for, as the host understands it: launches, turns, steers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from msgspec import to_builtins

from sxhost.codec.json import decode, encode
from sxhost.drivers.codex.requests import MODES
from sxhost.faces.codexd.requests import Refusal, SessionInput, TurnInput
from sxhost.model.turn import File, Image, Input, Item, Launch, LocalImage, Text, TurnDraft

__all__ = ["AGENT", "OURS", "draft_of", "launch_of", "spoken_of", "steer_of"]

AGENT: Final = "codex"
OURS: Final = "codexd"
"""Under this name a session's metadata has what the face keeps of it."""


def launch_of(given: SessionInput) -> Launch:
    """Return how the agent of a session is started.

    :raises BadField: a text is too long.
    """
    kept = {k: v for k, v in to_builtins(given).items() if k in KEPT and v is not None}
    if OURS in given.metadata:
        kept["metadata"] = given.metadata
    fields = {
        "agent": AGENT,
        "cwd": given.cwd,
        "model": given.model,
        "provider": given.model_provider,
        "approval_policy": _word(given.approval_policy),
        "sandbox": _word(given.sandbox),
        "metadata": {**given.metadata, OURS: kept},
        "resume": given.thread_id,
        "native": {k: v for k, v in kept.items() if k in NATIVE},
    }
    return decode(encode(fields), Launch)


KEPT: Final = frozenset(
    {
        *("approvalPolicy", "baseInstructions", "config", "developerInstructions"),
        *("ephemeral", "personality", "purpose", "sandbox", "serviceTier"),
    }
)
"""Fields of a session that its record shows again."""

NATIVE: Final = KEPT - {"purpose"}
"""Those of them that codex is told."""


def draft_of(given: TurnInput) -> TurnDraft:
    """Return a turn; its items go into the log as words.

    :raises BadField: a text is too long.
    """
    policy, sandbox = _word(given.approval_policy), _mode(given.sandbox_policy)
    native = {
        "collaborationMode": given.collaboration_mode,
        "approvalPolicy": None if policy else given.approval_policy,
        "sandboxPolicy": None if sandbox else given.sandbox_policy,
    }
    fields = {
        "input": given.input if isinstance(given.input, str) else words_of(given.input),
        "model": given.model,
        "effort": given.effort,
        "cwd": given.cwd,
        "approval_policy": policy,
        "sandbox": sandbox,
        "native": {k: v for k, v in native.items() if v is not None},
    }
    return decode(encode(fields), TurnDraft)


def spoken_of(given: TurnInput) -> dict[str, Any]:
    """Return what codex is told of a turn as it is: it only speaks, and says how to answer."""
    spoken = {k: v for k, v in to_builtins(given).items() if k in SPOKEN and v is not None}
    return spoken if isinstance(given.input, str) else {**spoken, "input": given.input}


SPOKEN: Final = frozenset({"outputSchema", "personality", "serviceTier", "summary"})
"""Fields of a turn that widen nothing (`sxhost.model.rights.CODEXD_TURN`)."""


def _mode(policy: Any) -> str | None:
    """Return the sandbox that an object names, if it says no more of it."""
    if isinstance(policy, dict) and policy.keys() == {"type"}:
        kind = policy["type"]
        return MODES.get(kind, kind) if isinstance(kind, str) else None
    return _word(policy)


def steer_of(given: TurnInput) -> Input:
    """Return what is added to a running turn.

    :raises Refusal: it has items that nobody but codex knows.
    """
    if isinstance(given.input, str):
        return given.input
    return [_item(item) for item in given.input]


def _item(item: Any) -> Item:
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


def words_of(items: list[Any]) -> str:
    """Return what items say in words; what is none stands in brackets."""
    return "\n".join(_words(item) for item in items)


def _words(item: Any) -> str:
    fields: Mapping[str, Any] = item if isinstance(item, dict) else {}
    if isinstance(text := fields.get("text"), str):
        return text
    return f"[{fields.get('path') or fields.get('type') or 'item'}]"


def _word(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
