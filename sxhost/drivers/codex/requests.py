"""What ``codex app-server`` is told: drafts as the parameters of its methods.

What a draft says in codex's own words (`native`) goes along; what it says in ours wins, for
the host has looked at it: at places, and at which conversation is meant.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sxhost import __version__
from sxhost.errors import BadField
from sxhost.model.turn import File, Image, Item, Launch, LocalImage, ModelDraft, Text, TurnDraft
from sxhost.model.turn import items as items_of

__all__ = ["CLIENT", "input_of", "resume_of", "settings_of", "start_of", "turn_of"]

CLIENT: Final = {
    "clientInfo": {"name": "sxhost", "title": "sxhost", "version": __version__},
    "capabilities": {"experimentalApi": True},
}
"""What we say of ourselves; without the capability commands cannot be ended."""

SANDBOXES: Final = {
    "read-only": "readOnly",
    "workspace-write": "workspaceWrite",
    "danger-full-access": "dangerFullAccess",
}
"""Names of sandboxes for a conversation, and for a turn."""

MODES: Final = {policy: mode for mode, policy in SANDBOXES.items()}


def _given(**fields: Any) -> dict[str, Any]:
    """Return the fields that say something: codex takes no empty names."""
    return {name: value for name, value in fields.items() if value}


def start_of(launch: Launch) -> dict[str, Any]:
    """Return the parameters of ``thread/start``; of a turn's sandbox it takes but the name."""
    own = launch.native.get("sandboxPolicy")
    named = MODES.get(str(own.get("type"))) if isinstance(own, dict) else None
    sandbox = launch.sandbox or named or ""
    fields = _given(
        cwd=launch.cwd,
        model=launch.model,
        modelProvider=launch.provider,
        approvalPolicy=launch.approval_policy,
        sandbox=MODES.get(sandbox, sandbox),
    )
    native = {name: value for name, value in launch.native.items() if name != "sandboxPolicy"}
    return {**native, **fields}


def resume_of(launch: Launch) -> dict[str, Any]:
    """Return the parameters of ``thread/resume``; the turns that were are not sent again."""
    return {"excludeTurns": True, **start_of(launch), "threadId": launch.resume}


def turn_of(thread: str, draft: TurnDraft) -> dict[str, Any]:
    """Return the parameters of ``turn/start``.

    :raises BadField: `native` says what the host has to look at.
    """
    sandbox = draft.sandbox and {"type": SANDBOXES.get(draft.sandbox, draft.sandbox)}
    fields = _given(
        model=draft.model,
        effort=draft.effort,
        cwd=draft.cwd,
        approvalPolicy=draft.approval_policy,
        sandboxPolicy=sandbox,
    )
    for name in ("cwd", "effort", "model"):
        if name in draft.native and name not in fields:
            raise BadField("native", f"Say it in the field `{name}`: it is looked at there.")
    said = {"input": input_of(items_of(draft.input)), **draft.native}
    return {**said, **fields, "threadId": thread}


def settings_of(thread: str, draft: ModelDraft) -> dict[str, Any]:
    """Return the parameters of ``thread/settings/update``."""
    return {"threadId": thread, **_given(model=draft.model, effort=draft.effort)}


def input_of(given: Sequence[Item]) -> list[dict[str, Any]]:
    """Return items of input as codex writes them."""
    return [_item(item) for item in given]


def _item(item: Item) -> dict[str, Any]:
    match item:
        case Text(text=text):
            return {"type": "text", "text": text}
        case Image():
            url = item.url or f"data:{item.mime_type};base64,{item.data}"
            return {"type": "image", "url": url}
        case LocalImage(path=path):
            return {"type": "localImage", "path": path}
        case File(path=path):  # a mention of a file does not reach the model
            return {"type": "text", "text": path}
