"""Launches and turns as the parameters of ``codex app-server``'s methods.

A draft's ``native`` goes along; its other fields win over it, because the host has checked
them: directories, rights, which conversation is meant.
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
"""Parameters of ``initialize``; without the capability codex refuses to end commands
(``thread/backgroundTerminals/clean``) and to change a thread's settings.
"""

SANDBOXES: Final = {
    "read-only": "readOnly",
    "workspace-write": "workspaceWrite",
    "danger-full-access": "dangerFullAccess",
}
"""Codex spells its sandboxes in one way for a thread and in another for a turn."""

MODES: Final = {policy: mode for mode, policy in SANDBOXES.items()}


def _non_empty(**fields: Any) -> dict[str, Any]:
    """Return the fields that have a value: codex refuses empty names."""
    return {name: value for name, value in fields.items() if value}


def start_of(launch: Launch) -> dict[str, Any]:
    """Return the parameters of ``thread/start``.

    It takes the name of a sandbox alone: `sandboxPolicy`, a turn's form of it with details, is
    left to the first turn.
    """
    policy = launch.native.get("sandboxPolicy")
    named = MODES.get(str(policy.get("type"))) if isinstance(policy, dict) else None
    sandbox = launch.sandbox or named or ""
    fields = _non_empty(
        cwd=launch.cwd,
        model=launch.model,
        modelProvider=launch.provider,
        approvalPolicy=launch.approval_policy,
        sandbox=MODES.get(sandbox, sandbox),
    )
    native = {name: value for name, value in launch.native.items() if name != "sandboxPolicy"}
    return {**native, **fields}


def resume_of(launch: Launch) -> dict[str, Any]:
    """Return the parameters of ``thread/resume``, without the turns so far in its answer."""
    return {"excludeTurns": True, **start_of(launch), "threadId": launch.resume}


def turn_of(thread: str, draft: TurnDraft) -> dict[str, Any]:
    """Return the parameters of ``turn/start``.

    :raises BadField: `native` has a field that the host must check; it has its own name.
    """
    sandbox = draft.sandbox and {"type": SANDBOXES.get(draft.sandbox, draft.sandbox)}
    fields = _non_empty(
        model=draft.model,
        effort=draft.effort,
        cwd=draft.cwd,
        approvalPolicy=draft.approval_policy,
        sandboxPolicy=sandbox,
    )
    for name in ("cwd", "effort", "model"):
        if name in draft.native and name not in fields:
            raise BadField("native", f"Say it in the field `{name}`: it is looked at there.")
    params = {"input": input_of(items_of(draft.input)), **draft.native}
    return {**params, **fields, "threadId": thread}


def settings_of(thread: str, draft: ModelDraft) -> dict[str, Any]:
    """Return the parameters of ``thread/settings/update``."""
    return {"threadId": thread, **_non_empty(model=draft.model, effort=draft.effort)}


def input_of(input_items: Sequence[Item]) -> list[dict[str, Any]]:
    """Return a turn's input as codex's input items."""
    return [_item(item) for item in input_items]


def _item(item: Item) -> dict[str, Any]:
    match item:
        case Text(text=text):
            return {"type": "text", "text": text}
        case Image():
            url = item.url or f"data:{item.mime_type};base64,{item.data}"
            return {"type": "image", "url": url}
        case LocalImage(path=path):
            return {"type": "localImage", "path": path}
        case File(path=path):  # codex has mentions of files, but the model does not see them
            return {"type": "text", "text": path}
